//! `cargo xtask test`: everything that has to hold.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use tollfree_tests::binary;

use crate::{kernels, step};

/// Runs it all, in the order of what fails soonest.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    step::run("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    step::run(
        "lints",
        &mut cargo(&["clippy", "--workspace", "--all-targets", EXCEPT, EBPF, "--", "-D", "warnings"]),
    )?;
    deny()?;
    step::run("tests", &mut cargo(&["test", "--workspace", EXCEPT, EBPF]))?;
    eprintln!("==> kernels");
    let kernels = kernels::run(&kernels::CARRIERS.map(str::to_owned), None)?;
    ensure!(
        kernels,
        "a kernel does not take the programs, or they do not do there as they should: see the table"
    );
    let mut doc = cargo(&["doc", "--workspace", EXCEPT, EBPF, "--no-deps"]);
    step::run("documentation", doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    println!("All passed in {} s.", start.elapsed().as_secs());
    Ok(())
}

/// The kernel programs compile only for the BPF target, which `tollfree`'s build script sees to.
const EXCEPT: &str = "--exclude";
const EBPF: &str = "tollfree-ebpf";

/// Licences, sources and bans, where cargo-deny is installed: it takes minutes to build. Advisories change from day to
/// day and need their database: `cargo deny check advisories` is for a release, not for every change.
fn deny() -> Result<()> {
    if step::succeeds(&mut cargo(&["deny", "--version"])) {
        return step::run("licences", &mut cargo(&["deny", "check", "bans", "licenses", "sources"]));
    }
    eprintln!("==> licences: left out, because cargo-deny is not installed");
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = binary::cargo();
    cargo.args(arguments);
    cargo
}
