//! A machine in software: slow, but any kernel boots in it, and nothing it does reaches this machine.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tollfree_tests::command;
use tollfree_tests::finding::Finding;

/// Longest that a machine runs. Reason: a boot and all checks take half a minute on a busy host.
const RUN_LIMIT: Duration = Duration::from_mins(4);
/// Without a monitor, a network or a disk. Two CPUs, because counters are per CPU.
const MACHINE: &[&str] = &[
    "-nodefaults",
    "-no-user-config",
    "-machine",
    "q35,accel=tcg",
    "-cpu",
    "max",
    "-smp",
    "2",
    "-m",
    "512",
    "-display",
    "none",
    "-monitor",
    "none",
    "-no-reboot",
];
/// Messages of warnings and worse only; a kernel that panics reboots, which ends the machine.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 loglevel=4 panic=-1";

/// Boots `kernel` with the image, and returns what the probe in it found, the end of the machine among it.
///
/// # Errors
/// If the image cannot be written.
pub(super) fn boot(kernel: &Path, image: &[u8]) -> Result<Vec<Finding>> {
    let directory = tempfile::tempdir().context("a directory for the machine's files")?;
    let initrd = directory.path().join("initrd");
    let console = directory.path().join("console");
    fs::write(&initrd, image).context("the image")?;
    let mut machine = Command::new("qemu-system-x86_64");
    machine.args(MACHINE).arg("-kernel").arg(kernel).arg("-initrd").arg(&initrd);
    machine.args(["-append", KERNEL_ARGUMENTS, "-serial"]).arg(format!("file:{}", console.display()));
    let ended = command::output(&mut machine, "", RUN_LIMIT);
    let octets = fs::read(&console).unwrap_or_default();
    let text = String::from_utf8_lossy(&octets);
    let mut findings: Vec<_> = text.lines().filter_map(Finding::read).collect();
    if findings.last() != Some(&Finding::End) {
        let ended = ended.map_or_else(|error| format!("{error:#}"), |output| output.stderr);
        findings.push(Finding::Fault { error: format!("{ended}\nthe console ends with:\n{}", tail(&text)) });
    }
    Ok(findings)
}

/// Lines of a console that are worth showing.
const TAIL_LINES: usize = 30;

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
