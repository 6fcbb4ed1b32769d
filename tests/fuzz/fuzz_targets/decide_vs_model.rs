//! What becomes of a sequence of frames: the core and the model say the same.
//!
//! An input is what `tollfree_model::step::steps` makes of it. One that they differ on goes to `tests/regressions`, with a
//! name that says what was wrong and the extension `.fuzz`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tollfree_model::compare::{ListTables, compare};
use tollfree_model::generate::world;
use tollfree_model::step::steps;
use tollfree_model::world::World;

static WORLD: LazyLock<World> = LazyLock::new(world);

fuzz_target!(|input: &[u8]| {
    if let Err(difference) = compare(&WORLD, ListTables::core(&WORLD), &steps(input)) {
        panic!("{difference}");
    }
});
