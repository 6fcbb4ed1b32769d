//! Writes inputs to begin with: `seeds DIRECTORY COUNT` makes generated sequences into files for `decide_vs_model`.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use tollfree_model::generate::sequence;
use tollfree_model::step::input;

/// Frames of a sequence that one input has. Reason: short inputs are mutated more to the point, but a flow must have
/// room to open, end and begin anew.
const FRAMES: usize = 8;

fn write(directory: &Path, count: u64) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for number in 0..count {
        for (index, steps) in sequence(number).chunks(FRAMES).enumerate() {
            fs::write(directory.join(format!("{number}-{index}")), input(steps))?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [directory, count] = &arguments[..] else {
        eprintln!("usage: seeds DIRECTORY COUNT");
        return ExitCode::from(2);
    };
    let Ok(count) = count.parse() else {
        eprintln!("{count:?} is no number");
        return ExitCode::from(2);
    };
    match write(Path::new(directory), count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{directory}: {error}");
            ExitCode::FAILURE
        }
    }
}
