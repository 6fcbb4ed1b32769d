//! Commands that are shown as they run.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Says what it does, then does it, with its output for all to see.
///
/// # Errors
/// If the command cannot be run or fails.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("==> {what}");
    let status = command
        .status()
        .with_context(|| format!("{what}: cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{what}: {status}");
    Ok(())
}

/// Whether a command succeeds; its output is of no interest.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
