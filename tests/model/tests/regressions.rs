//! Frames that were once read wrongly, each file with what is right.
//!
//! A `.txt` file has one frame a line, in the form that a difference is printed in, ` = `, reason and volume. A `.fuzz`
//! file is a fuzzer's input as it is, on which model and core must agree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use tollfree_model::compare::{ListTables, compare};
use tollfree_model::generate::world;
use tollfree_model::step::{Step, steps};
use tollfree_model::world::World;

fn files(extension: &str) -> Result<Vec<PathBuf>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../regressions");
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn agree(world: &World, steps: &[Step]) -> Result<()> {
    compare(world, ListTables::core(world), steps).map(|_| ()).map_err(|difference| anyhow!("{difference}"))
}

/// Each line's frame is counted as the line says.
fn check(world: &World, text: &str) -> Result<()> {
    let mut core = ListTables::core(world);
    let mut sequence = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (step, expected) = line.split_once(" = ").context("a line without =")?;
        let step: Step = step.parse()?;
        core.set_now(step.now_ns);
        let answer = core.answer(&step.arrival);
        let found = format!("{} {}", answer.reason.name(), answer.volume);
        ensure!(found == expected, "{found}, not {expected}: {step}");
        sequence.push(step);
    }
    ensure!(!sequence.is_empty(), "no frames");
    agree(world, &sequence)
}

/// Every file's faults at once.
fn hold(extension: &str, check: impl Fn(&World, &Path) -> Result<()>) -> Result<usize> {
    let world = world();
    let files = files(extension)?;
    let faults: Vec<_> = files
        .iter()
        .filter_map(|path| check(&world, path).err().map(|error| format!("{}: {error:#}", path.display())))
        .collect();
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(files.len())
}

#[test]
fn what_was_read_wrongly_once_is_read_rightly() -> Result<()> {
    let held = hold("txt", |world, path| check(world, &fs::read_to_string(path)?))?;
    ensure!(held > 0, "no regressions found");
    Ok(())
}

#[test]
fn what_a_fuzzer_found_is_no_difference_any_more() -> Result<()> {
    hold("fuzz", |world, path| agree(world, &steps(&fs::read(path)?))).map(|_| ())
}
