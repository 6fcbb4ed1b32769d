//! The audit log, as a regulator gets it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::{self, Output};
use crate::gateway::Gateway;

/// Runs `tollfree audit verify` on a directory, for what was in force at `at` (RFC 3339) if given.
///
/// # Errors
/// If the program cannot be run.
pub fn verify(gateway: &Gateway, directory: &Path, at: Option<&str>) -> Result<Output> {
    let mut command = gateway.command(&["audit", "verify"]);
    command.arg(directory).arg("--json");
    if let Some(at) = at {
        command.args(["--at", at]);
    }
    command::output(&mut command, "", command::QUICK)
}

/// What `tollfree audit verify` finds wrong with a log.
///
/// # Errors
/// If its answer is not understood.
pub fn faults(gateway: &Gateway, directory: &Path) -> Result<Vec<String>> {
    let account = account(&verify(gateway, directory, None)?)?;
    let faults = account["faults"].as_array().context("no faults in the account")?;
    Ok(faults.iter().map(|fault| fault.as_str().unwrap_or_default().to_owned()).collect())
}

/// The digest of the policy that was in force at `at` (RFC 3339), as the log tells it; `None` if nothing was.
///
/// # Errors
/// If the answer is not understood.
pub fn digest_in_force(gateway: &Gateway, directory: &Path, at: &str) -> Result<Option<String>> {
    let account = account(&verify(gateway, directory, Some(at))?)?;
    Ok(account["in_force"]["policy_digest"].as_str().map(str::to_owned))
}

fn account(output: &Output) -> Result<Value> {
    serde_json::from_str(&output.stdout)
        .with_context(|| format!("audit verify --json: {}", output.stderr.trim()))
}

/// All files of a log, relative to its directory.
///
/// # Errors
/// If the directory cannot be read.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path.strip_prefix(directory)?.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Copies the log to `copy`, with one bit of the middle byte of `victim` changed.
///
/// # Errors
/// If a file cannot be read or written.
pub fn forge(log: &Path, copy: &Path, victim: &Path) -> Result<()> {
    for file in files(log)? {
        let mut octets = fs::read(log.join(&file))?;
        let middle = octets.len() / 2;
        if let Some(octet) = octets.get_mut(middle).filter(|_| file == victim) {
            *octet ^= 1;
        }
        let to = copy.join(&file);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&to, octets).with_context(|| to.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    #[test]
    fn a_forged_copy_differs_in_one_bit_of_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let [log, copy] = ["log", "copy"].map(|name| directory.path().join(name));
        fs::create_dir_all(log.join("tile/0")).unwrap();
        fs::write(log.join("tile/0/000"), b"abc").unwrap();
        fs::write(log.join("checkpoint"), b"xyz").unwrap();
        assert_eq!(files(&log).unwrap(), [Path::new("checkpoint"), Path::new("tile/0/000")]);
        forge(&log, &copy, Path::new("tile/0/000")).unwrap();
        assert_eq!(fs::read(copy.join("checkpoint")).unwrap(), b"xyz");
        assert_eq!(fs::read(copy.join("tile/0/000")).unwrap(), b"acc");
    }
}
