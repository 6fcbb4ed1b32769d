//! The core over lists, without the controller's compiler, against the model.

use anyhow::{Result, anyhow, ensure};
use tollfree_model::compare::{Histogram, ListTables, NOT_MODELLED, compare, minimise};
use tollfree_model::generate::{sequence, world};

/// Sequences compared. Reason: some ten thousand packets reach every reason, in a second.
const SEQUENCES: u64 = 600;

#[test]
fn the_core_agrees_with_the_model() -> Result<()> {
    let world = world();
    let mut histogram = Histogram::default();
    for number in 0..SEQUENCES {
        match compare(&world, ListTables::core(&world), &sequence(number)) {
            Ok(reached) => histogram.merge(&reached),
            Err(difference) => {
                let run = |steps: &[_]| compare(&world, ListTables::core(&world), steps).err();
                return Err(anyhow!("sequence {number}, made small:\n{}", minimise(*difference, run)));
            }
        }
    }
    let missing = histogram.missing();
    ensure!(missing == NOT_MODELLED, "reasons not reached: {missing:?}");
    Ok(())
}
