//! `cargo xtask kernels`: do kernels that carriers run take the programs, and do as they say?

mod emulator;
mod image;
mod package;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tollfree_tests::finding::Finding;
use tollfree_tests::report::write_json;
use tollfree_tests::{binary, command, interrupt};

use crate::setup;
use image::Image;
use package::Package;
use report::{KernelReport, Table};

/// What Debian 12 boots, and the newer kernel that it offers.
pub(crate) const CARRIERS: [&str; 2] = ["6.1", "6.12"];
/// The emulator.
const PACKAGES: &[&str] = &["qemu-system-x86"];
/// What the probe mounts.
const DIRECTORIES: [&str; 3] = ["proc", "sys", "dev"];
/// What the probe of this machine's own kernel is called in the table if it says nothing.
const RUNNING: &str = "running";

/// Probes this machine's kernel, and then each of `versions`, or files, in an emulated machine. Whether all passed.
pub(crate) fn run(versions: &[String], json: Option<&Path>) -> Result<bool> {
    setup::packages::install(PACKAGES)?;
    let probe = build_probe()?;
    let mut reports = vec![probe_running(&probe)?];
    let image = build_image(&fs::read(&probe).with_context(|| probe.display().to_string())?);
    for version in versions {
        let kernel = find(version)?;
        eprintln!("==> boot {}", kernel.file_name().unwrap_or_default().display());
        reports.push(KernelReport::new(version, emulator::boot(&kernel, &image)?));
        interrupt::check()?;
    }
    if let Some(path) = json {
        write_json(path, &reports)?;
    }
    print!("{}", Table(&reports));
    Ok(reports.iter().all(KernelReport::passed))
}

/// A file that is a kernel, or Debian's newest of a version.
fn find(version: &str) -> Result<PathBuf> {
    if version.contains('/') {
        return fs::canonicalize(version).context(version.to_owned());
    }
    Package::find(version)?.kernel()
}

/// The probe, without need of a library: it is all that the emulated machine has.
fn build_probe() -> Result<PathBuf> {
    let target = ["rustc", "--package", "tollfree-tests", "--example", "tollfree-probe"];
    let linking = ["--", "-C", "target-feature=+crt-static", "-C", "strip=symbols"];
    binary::build_with(&target, &linking)
}

fn probe_running(probe: &Path) -> Result<KernelReport> {
    let output = command::output(&mut Command::new(probe), "", command::QUICK)?;
    let mut findings: Vec<_> = output.stdout.lines().filter_map(Finding::read).collect();
    if findings.last() != Some(&Finding::End) {
        findings.push(Finding::Fault { error: format!("{}: {}", output.status, output.stderr) });
    }
    Ok(KernelReport::new(RUNNING, findings))
}

fn build_image(probe: &[u8]) -> Vec<u8> {
    let mut image = Image::default();
    for directory in DIRECTORIES {
        image.directory(directory);
    }
    image.program("init", probe);
    image.finish()
}
