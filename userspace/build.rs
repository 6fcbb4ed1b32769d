//! Builds the kernel programs with the first compiler that can, and puts the object into `OUT_DIR`.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

/// rustup's name for Debian's rustc-web, which `cargo xtask setup` links where nightly's sources cannot be had.
const DEBIAN_TOOLCHAIN: &str = "tollfree-debian";

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    add_to_path(&root.join("target/tools/bin"));
    println!("cargo:rerun-if-changed={}", root.join("core/src").display());
    let ebpf = root.join("ebpf");
    let root_dir = ebpf.to_str().context("the path of the project is not UTF-8")?;
    let toolchain = if has_sources("nightly") {
        Toolchain::Nightly
    } else {
        // SAFETY: the build script has one thread. JUSTIFICATION: aya-build reads it from the environment.
        unsafe { env::set_var("RUSTC_BOOTSTRAP", "1") };
        Toolchain::Custom(DEBIAN_TOOLCHAIN)
    };
    aya_build::build_ebpf([Package { name: "tollfree-ebpf", root_dir, ..Package::default() }], toolchain)
        .context("the kernel programs were not built; `cargo xtask setup` installs what that needs")
}

/// Whether the toolchain has the standard library's sources, which building for the BPF target needs.
fn has_sources(toolchain: &str) -> bool {
    let Ok(output) = Command::new("rustup").args(["run", toolchain, "rustc", "--print", "sysroot"]).output()
    else {
        return false;
    };
    let sysroot = String::from_utf8_lossy(&output.stdout);
    output.status.success() && Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir()
}

fn add_to_path(directory: &Path) {
    let mut path = OsString::from(directory);
    if let Some(rest) = env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    // SAFETY: the build script has one thread. JUSTIFICATION: rustc finds bpf-linker through it.
    unsafe { env::set_var("PATH", path) };
}
