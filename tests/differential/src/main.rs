//! `tollfree-differential`: the kernel program against the userspace build, over captures.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Parser;
use ipnet::IpNet;
use tollfree::config::Config;
use tollfree_differential::paths;
use tollfree_differential::runner::{Runner, all_transports};
use tollfree_differential::summary::Summary;

/// The word for all tunnels, in place of a configuration.
const ALL: &str = "all";
/// From one word of progress to the next.
const PERIOD: Duration = Duration::from_secs(5);

/// Pass captures through the kernel program and through the userspace build, and compare all that can be seen.
///
/// Exits 0 if there is no difference, 1 with the first one, 2 if it could not be found out.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which tunnels are the carrier's: "all", or those of a gateway's configuration.
    #[arg(long, value_name = "all|CONFIG", default_value = ALL)]
    transport: PathBuf,
    /// Write the sums as JSON.
    #[arg(long)]
    json: bool,
    /// pcap and pcapng files, and directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match compare(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether there is no difference.
fn compare(arguments: &Arguments) -> Result<bool> {
    let captures = paths::captures(&arguments.paths)?;
    ensure!(!captures.is_empty(), "there is no capture in what was named");
    let mut progress = Progress { next: Instant::now() + PERIOD, captures: captures.len() };
    let mut tell = |summary: &Summary| progress.at(summary);
    let mut runner = Runner::open(transports(&arguments.transport)?, &mut tell)?;
    let mut difference = None;
    for capture in &captures {
        difference = runner.capture(capture)?;
        if difference.is_some() {
            break;
        }
    }
    let summary = runner.summary();
    if let Some(difference) = &difference {
        eprintln!("{difference}");
    }
    let mut out = io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &summary)?;
        writeln!(out)?;
    } else {
        write!(out, "{summary}")?;
    }
    ensure!(summary.comparisons > 0, "nothing was compared: none of the files holds a frame");
    Ok(difference.is_none())
}

fn transports(path: &Path) -> Result<BTreeMap<IpNet, u32>> {
    if path == Path::new(ALL) {
        return Ok(all_transports());
    }
    match Config::load(path) {
        Ok(config) => Ok(config.transports),
        Err(faults) => bail!("{faults}"),
    }
}

/// Says how far it is, once it takes longer.
struct Progress {
    next: Instant,
    /// All there are.
    captures: usize,
}

impl Progress {
    fn at(&mut self, summary: &Summary) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + PERIOD;
        let Summary { captures, frames, comparisons, .. } = summary;
        eprintln!("capture {captures} of {}: {frames} frames, {comparisons} comparisons", self.captures);
    }
}
