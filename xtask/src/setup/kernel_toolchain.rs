//! A compiler that builds the kernel programs: it needs unstable features and the standard library's sources.
//! `userspace/build.rs` looks for the same two, in the same order.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::packages;
use crate::step;

const NIGHTLY: &str = "nightly";
/// Debian's compiler, under the name that rustup is told.
const DEBIAN: &str = "tollfree-debian";
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "rust-web-src"];
/// Where Debian's compiler is.
const DEBIAN_PREFIX: &str = "/usr";

/// Installs nightly's sources, or else Debian's compiler with its own.
pub(super) fn install() -> Result<()> {
    if has_sources(NIGHTLY) || has_sources(DEBIAN) {
        return Ok(());
    }
    let mut component = Command::new("rustup");
    component.args(["component", "add", "rust-src", "--toolchain", NIGHTLY]);
    if step::run("add the standard library's sources to nightly", &mut component).is_ok()
        && has_sources(NIGHTLY)
    {
        return Ok(());
    }
    eprintln!("==> rustup has no nightly with sources: Debian's compiler does as well");
    packages::install(DEBIAN_PACKAGES)?;
    let mut link = Command::new("rustup");
    link.args(["toolchain", "link", DEBIAN, DEBIAN_PREFIX]);
    step::run("tell rustup of Debian's compiler", &mut link)?;
    ensure!(
        has_sources(DEBIAN),
        "rust-web-src does not hold the sources of rustc-web: their versions differ"
    );
    Ok(())
}

fn has_sources(toolchain: &str) -> bool {
    let output = Command::new("rustup").args(["run", toolchain, "rustc", "--print", "sysroot"]).output();
    output.is_ok_and(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout);
        output.status.success()
            && Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir()
    })
}
