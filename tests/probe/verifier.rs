//! What the verifier says of the programs.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use aya::programs::{ProgramError, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader, VerifierLogLevel};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tollfree::dataplane::object;
use tollfree_core::settings::Settings;
use tollfree_tests::finding::Verified;

/// Has both programs verified against the maps pinned in `directory`, for each of `all_settings`: the verifier knows
/// settings and leaves out what they turn off. Of each program, the most that one of them takes.
pub(crate) fn ask(directory: &Path, all_settings: &[Settings]) -> Result<Vec<Verified>> {
    let mut most: Vec<Verified> = Vec::new();
    for settings in all_settings {
        for verified in ask_for(directory, settings)? {
            match most.iter_mut().find(|most| most.program == verified.program) {
                Some(most) => most.raise(&verified),
                None => most.push(verified),
            }
        }
    }
    Ok(most)
}

fn ask_for(directory: &Path, settings: &Settings) -> Result<[Verified; 2]> {
    let mut ebpf = EbpfLoader::new()
        .default_map_pin_directory(directory)
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global("SETTINGS", settings, true)
        .load(object())?;
    let xdp = log(&mut ebpf, "tollfree", |ebpf, name| {
        let program: &mut Xdp = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?.try_into()?;
        program.load()
    })?;
    let tc = log(&mut ebpf, "tollfree_tc", |ebpf, name| {
        let program: &mut SchedClassifier =
            ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?.try_into()?;
        program.load()
    })?;
    Ok([xdp, tc])
}

/// The verifier's statistics of a program.
///
/// The library shows the log of a load that fails, only. So the load is made to fail at its very end, when the verifier
/// has taken the program: there is no room left for its file descriptor.
fn log(
    ebpf: &mut Ebpf,
    name: &str,
    load: impl FnOnce(&mut Ebpf, &str) -> Result<(), ProgramError>,
) -> Result<Verified> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let next_descriptor = File::open("/dev/null")?.as_raw_fd();
    setrlimit(Resource::RLIMIT_NOFILE, u64::try_from(next_descriptor)?, hard)?;
    let loaded = load(ebpf, name);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
    match loaded {
        Err(ProgramError::LoadError { io_error, verifier_log })
            if io_error.raw_os_error() == Some(Errno::EMFILE as i32) =>
        {
            let log = verifier_log.to_string();
            read(name, &log)
                .with_context(|| format!("{name}: the verifier's log is of an unknown form: {log}"))
        }
        Err(error) => Err(error).with_context(|| format!("the kernel refused {name}")),
        Ok(()) => bail!("{name} was loaded without room for its descriptor"),
    }
}

/// Reads lines like `stack depth 272+0` and `processed 20511 insns (limit 1000000) max_states_per_insn …`.
fn read(program: &str, log: &str) -> Result<Verified> {
    let after = |start| log.lines().find_map(|line: &str| line.strip_prefix(start));
    let depths = after("stack depth ").context("no stack depth")?.split('+');
    let depths = depths.map(|depth| depth.trim().parse::<u32>()).collect::<Result<Vec<_>, _>>()?;
    let mut words = after("processed ").context("no count of instructions")?.split_ascii_whitespace();
    let processed = words.next().context("no count")?.parse()?;
    let limit = words.nth(2).and_then(|word| word.strip_suffix(')')).context("no limit")?.parse()?;
    ensure!(!depths.is_empty(), "no functions");
    Ok(Verified {
        program: program.to_owned(),
        verified_instructions: processed,
        limit,
        stack_octets: depths.iter().sum(),
    })
}
