//! `cargo xtask differential`: the kernel program against the userspace build, over captures.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use tollfree_tests::binary;

/// What the runner exits with where the planes differ; everything else is a failure of its own.
const DIFFERENT: i32 = 1;

/// Builds the runner and lets it pass `paths`; whether the planes say the same. It has said what they do not.
///
/// # Errors
/// If it does not build or cannot do its work; cargo or the runner has said why.
pub(crate) fn run(paths: &[PathBuf], transport: &Path, json: bool) -> Result<bool> {
    let target = ["build", "--package", "tollfree-differential", "--bin", "tollfree-differential"];
    let mut runner = Command::new(binary::build_with(&target, &[])?);
    runner.arg("--transport").arg(transport);
    if json {
        runner.arg("--json");
    }
    // Here, where the paths were given.
    let status = runner.arg("--").args(paths).status().context("cannot run the comparison")?;
    match status.code() {
        Some(0) => Ok(true),
        Some(DIFFERENT) => Ok(false),
        _ => bail!("the captures were not compared: {status}"),
    }
}
