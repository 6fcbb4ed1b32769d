//! `cargo xtask schedules`: the ledger against a list of packets, in many random schedules.

use std::path::Path;

use anyhow::Result;
use tollfree_tests::binary;

use crate::step;

/// In memory: what the schedules try is the ledger, and a disk's own pace would take hours.
const MEMORY: &str = "/dev/shm";

/// Runs `count` schedules.
pub(crate) fn run(count: u32) -> Result<()> {
    let mut cargo = binary::cargo();
    cargo.args(["test", "--package", "tollfree", "--lib", "ledger::tests::model"]);
    cargo.env("TOLLFREE_SCHEDULES", count.to_string());
    if Path::new(MEMORY).is_dir() {
        cargo.env("TMPDIR", MEMORY);
    }
    step::run("schedules", &mut cargo)?;
    println!("{count} schedules: every packet is recorded once.");
    Ok(())
}
