//! `cargo xtask generated`: the core against the model, on as many packets as are asked for.

use anyhow::Result;
use tollfree_tests::binary;

use crate::step;

/// Runs the comparison of the test suite with its own count and seed; the test prints both, and how often each reason was
/// reached.
///
/// # Errors
/// If the two differ somewhere, or a reason was not reached; the test has said where.
pub(crate) fn run(packets: u64, seed: u64) -> Result<()> {
    let mut cargo = binary::cargo();
    cargo
        .args(["test", "--package", "tollfree-tests", "--test", "generated", "--", "--nocapture"])
        .env("TOLLFREE_GENERATED", packets.to_string())
        .env("TOLLFREE_GENERATED_SEED", seed.to_string());
    step::run("generated packets", &mut cargo)
}
