//! What this kernel makes of the programs: loads them, replays frames, attaches to an interface.
//!
//! Prints a [`Finding`] a line. As process 1 of an emulated machine it mounts what it needs and powers off at the end;
//! as any other process it does the same in namespaces of its own, and changes nothing outside.

mod attach;
mod case;
mod frame;
mod machine;
mod replay;
mod verifier;
mod world;

use anyhow::{Context as _, Result};
use aya::util::KernelVersion;
use serde::Serialize;
use tollfree::dataplane::{DataplaneError, preflight};
use tollfree_core::interface::Role;
use tollfree_core::settings::Settings;
use tollfree_tests::finding::{Finding, Verified};
use tollfree_tests::report::Check;

use crate::machine::Machine;
use crate::world::World;

/// What `docs/operators.md` promises to run on.
const OLDEST_SUPPORTED: KernelVersion = KernelVersion::new(6, 1, 0);
/// Most instructions that the verifier should walk through, of its million. Reason: what other kernels count differs, and
/// the next change must fit too.
const INSTRUCTIONS_MARGIN: u32 = 500_000;
/// Most octets of stack that should be used, of the kernel's 512. Reason: as above.
const STACK_MARGIN_OCTETS: u32 = 480;

fn main() -> Result<()> {
    let machine = Machine::prepare();
    let result = machine.as_ref().map_err(|error| format!("{error:#}"));
    let result = result.and_then(|_| probe().map_err(|error| format!("{error:#}")));
    if let Err(error) = &result {
        say(&Finding::Fault { error: error.clone() })?;
    }
    say(&Finding::End)?;
    if let Ok(machine) = machine {
        machine.end()?;
    }
    result.map_err(anyhow::Error::msg)
}

fn probe() -> Result<()> {
    let release = nix::sys::utsname::uname()?.release().to_string_lossy().into_owned();
    say(&Finding::Kernel { release })?;
    let config = world::config(true)?;
    let refused = match preflight(&config) {
        Ok(()) => None,
        Err(error @ DataplaneError::KernelTooOld { .. }) => Some(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    let too_old = KernelVersion::current()? < OLDEST_SUPPORTED;
    compare("kernel: refused as too old", too_old, refused.is_some())?;
    match refused {
        Some(error) => say(&Finding::Refused { error }),
        None => try_out(World::open(config).context("making the maps")?),
    }
}

fn try_out(mut world: World) -> Result<()> {
    let both = Settings::INNER | Settings::OUTER;
    let settings = [Role::Access, Role::Core].map(|role| Settings { dscp_at: both, ..world.settings(role) });
    for verified in verifier::ask(world.bpffs(), &settings)? {
        check_margins(&verified)?;
        say(&Finding::Program(verified))?;
    }
    replay::run(&mut world)?;
    attach::run(&mut world)
}

fn check_margins(verified: &Verified) -> Result<()> {
    let name = &verified.program;
    let instructions = verified.verified_instructions <= INSTRUCTIONS_MARGIN;
    compare(format!("{name}: verified instructions at most {INSTRUCTIONS_MARGIN}"), true, instructions)?;
    let stack = verified.stack_octets <= STACK_MARGIN_OCTETS;
    compare(format!("{name}: stack at most {STACK_MARGIN_OCTETS} octets"), true, stack)
}

/// Compares, and says so.
pub(crate) fn compare<T: Serialize>(name: impl Into<String>, expected: T, measured: T) -> Result<()> {
    say(&Finding::Check(Check::compare(name, expected, measured)))
}

fn say(finding: &Finding) -> Result<()> {
    println!("{}", finding.line()?);
    Ok(())
}
