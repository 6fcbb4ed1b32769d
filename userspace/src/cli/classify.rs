//! `tollfree classify`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::fail;
use crate::classify::{ClassifyError, Options, Progress, Report, Subscribers, Tunnels, classify, render};
use crate::config::Config;
use crate::exit::Exit;
use crate::memory::MemoryTransports;
use crate::policy;

/// The word for all tunnels, in place of a configuration.
const ALL: &str = "all";
/// Returns to the start of the line and erases it (ECMA-48).
const ERASE_LINE: &str = "\r\u{1b}[K";

#[derive(Debug, Args)]
pub(super) struct ClassifyArguments {
    /// Decide each packet by the policies of this directory, as they were in force when it was captured
    ///
    /// Names have no addresses here: only networks are listed.
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Whose packets are decided: "initiator" (of each flow), or networks parted by commas
    #[arg(long, value_name = "PREFIXES|initiator", default_value = "initiator")]
    subscribers: Subscribers,
    /// Which tunnels are looked into: "all", or those of a gateway's configuration
    #[arg(long, value_name = "all|CONFIG", default_value = ALL)]
    transport: PathBuf,
    /// Write JSON: one object per flow, then one per DNS message, then one summary, for each file
    #[arg(long)]
    json: bool,
    /// pcap and pcapng files
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
}

pub(super) fn run(arguments: &ClassifyArguments) -> Exit {
    let config = if arguments.transport == Path::new(ALL) {
        None
    } else {
        match Config::load(&arguments.transport) {
            Ok(config) => Some(config),
            Err(faults) => return fail(&faults, Exit::Config),
        }
    };
    let policies = match arguments.policy.as_deref().map(policy::load).transpose() {
        Ok(policies) => policies,
        Err(faults) => return fail(&faults, Exit::Policy),
    };
    let tunnels = config
        .as_ref()
        .map_or(Tunnels::All, |config| Tunnels::Listed(MemoryTransports::new(&config.transports)));
    let options = Options {
        tunnels: &tunnels,
        subscribers: arguments.subscribers.clone(),
        policies: policies.as_ref(),
        gateway_id: config.as_ref().map_or("", |config| &config.gateway.id),
        region: config.as_ref().and_then(|config| config.gateway.region.as_deref()),
    };
    let mut exit = Exit::Success;
    for capture in &arguments.captures {
        match one(capture, &options, arguments.json) {
            Exit::Success => {}
            other => exit = other,
        }
    }
    exit
}

fn one(path: &Path, options: &Options<'_>, json: bool) -> Exit {
    let size = path.metadata().map_or(0, |metadata| metadata.len());
    let terminal = io::stderr().is_terminal();
    let mut told = false;
    let mut tell = |offset| {
        told = true;
        tell_progress(path, offset, size, terminal);
    };
    let (report, result) = classify(path, options, &mut Progress::new(&mut tell));
    if told && terminal {
        // Nobody may be reading.
        let _ = write!(io::stderr(), "{ERASE_LINE}");
    }
    if let Err(error) = write(&report, json) {
        return fail(&error, Exit::Failure);
    }
    let Err(error) = result else { return Exit::Success };
    let exit = match error {
        ClassifyError::Capture(_) => Exit::Capture,
        ClassifyError::Policy(_) => Exit::Policy,
    };
    // Nobody may be reading.
    let _ = writeln!(io::stderr(), "tollfree: {}: {error}", path.display());
    exit
}

fn write(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if json {
        report.write_json(&mut out)?;
    } else {
        out.write_all(render(report).as_bytes())?;
    }
    out.flush()
}

fn tell_progress(path: &Path, offset: u64, size: u64, terminal: bool) {
    let share = (offset.saturating_mul(100))
        .checked_div(size)
        .map_or_else(String::new, |share| format!(" ({share} %)"));
    let (before, after) = if terminal { (ERASE_LINE, "") } else { ("", "\n") };
    // Nobody may be reading.
    let _ = write!(io::stderr(), "{before}{}: {} MB read{share}{after}", path.display(), offset / 1_000_000);
}
