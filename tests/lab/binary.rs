//! The program under test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The workspace's directory.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds `tollfree` and returns where cargo put it. Quick if nothing changed.
///
/// # Errors
/// If it does not build; cargo has said why on standard error.
pub fn build() -> Result<PathBuf> {
    build_with(&["build", "--package", "tollfree", "--bin", "tollfree"], &[])
}

/// The cargo that runs this, in the workspace.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo told this process of its own package. Build scripts that ask for it would take it for theirs, and be run
    // again: half a minute of building each time.
    let of_package = |name: &OsString| {
        ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.to_string_lossy().starts_with(start))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| of_package(name)) {
        cargo.env_remove(name);
    }
    cargo.current_dir(workspace());
    cargo
}

/// Runs cargo with `target` and then `last`, and returns where it put the executable.
///
/// # Errors
/// If it does not build; cargo has said why on standard error.
pub fn build_with(target: &[&str], last: &[&str]) -> Result<PathBuf> {
    let mut cargo = cargo();
    cargo.args(target).arg("--message-format=json-render-diagnostics").args(last);
    let output = cargo.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "it does not build; `cargo xtask setup` installs what that needs");
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages).context("cargo did not say where it put the executable")
}

/// The last executable in cargo's messages.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.into_iter().find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_messages_are_read() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/t/debug/tollfree\"}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("/t/debug/tollfree")));
    }
}
