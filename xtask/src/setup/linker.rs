//! bpf-linker, under `target/`.

use std::process::Command;

use anyhow::Result;
use tollfree_tests::binary;

use crate::step;

/// The version that the kernel programs are known to link with.
const VERSION: &str = "0.13.0";
/// It has to be at least as new as the LLVM in the compilers that are used.
const LLVM: &str = "22";

/// Builds it, which takes about a minute, unless it is there.
pub(super) fn install() -> Result<()> {
    let root = binary::workspace().join("target/tools");
    if is_there(&root.join("bin/bpf-linker")) {
        return Ok(());
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.env("LLVM_PREFIX", format!("/usr/lib/llvm-{LLVM}"));
    cargo.args(["install", &format!("bpf-linker@{VERSION}"), "--force", "--no-default-features"]);
    cargo.args(["--features", &format!("llvm-{LLVM}"), "--root"]).arg(root);
    step::run(&format!("build bpf-linker {VERSION} (about a minute)"), &mut cargo)
}

fn is_there(linker: &std::path::Path) -> bool {
    let output = Command::new(linker).arg("--version").output();
    output
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == format!("bpf-linker {VERSION}"))
}
