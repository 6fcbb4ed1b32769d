//! What a developer runs: `cargo xtask setup`, `run`, `lab`, `kernels`, `generated`, `differential` and `test`.

mod differential;
mod generated;
mod kernels;
mod schedules;
mod setup;
mod step;
mod suite;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, value_parser};
use tollfree_tests::scenario::torture::{Course, LENGTH};
use tollfree_tests::scenario::{self, Kept, Scenario};
use tollfree_tests::{binary, demo, interrupt};

/// Sets up, shows, measures and tests Tollfree.
///
/// Everything runs as root on Debian 12: the lab makes network namespaces and loads XDP programs in them. Nothing
/// outside those namespaces is touched, and all of it is removed again, also after Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what is missing to build and test; the other commands do it by themselves.
    Setup,
    /// Watch the gateway at work: subscribers browse and call, a table shows what is free.
    ///
    /// Makes a lab of three subscribers, a gateway and an internet with a resolver, web sites and a hotline; starts
    /// `tollfree run` in the gateway; drives curl, dig and `SIPp` through it until Ctrl-C. Exits 0 if everything
    /// reconciles and, with --once, free bytes equal what tcpdump captured.
    Run {
        /// Do one fixed round, compare it with captures, and end.
        #[arg(long)]
        once: bool,
        /// Write the final state: `tollfree status --json`, with the captures' account added as `captures`.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Run one scenario in the lab and compare what was expected with what was measured.
    ///
    /// Expected values come from captures and traffic generators, never from Tollfree. Exits 0 only if every check
    /// passed.
    Lab {
        /// Which scenario.
        #[arg(value_parser = scenario_names(), help = scenario_help())]
        scenario: String,
        /// How long `torture` lasts; in less, not everything happens.
        #[arg(long, value_name = "N", default_value_t = LENGTH.as_secs(), value_parser = value_parser!(u64).range(15..))]
        seconds: u64,
        /// Where `torture` takes its randomness from; drawn and printed unless given.
        #[arg(long, value_name = "S")]
        seed: Option<u64>,
        /// Write the report: scenario, passed, figures, checks.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Leave the lab as it is after the scenario, until Ctrl-C, to look around in it.
        #[arg(long)]
        keep: bool,
    },
    /// Load the kernel programs into this machine's kernel and into those that carriers run, and replay frames.
    ///
    /// Downloads Debian's kernels into target/kernels, without installing them, and boots each with a probe in an
    /// emulated machine (QEMU). Prints how much of the verifier's limit the XDP program takes, and how much stack.
    /// Exits 0 only if every check passed and every kernel takes the programs, or had to be refused as too old.
    Kernels {
        /// Which kernel: a version of Debian's, or how it begins, or the path of a kernel (with a slash in it); may be
        /// given several times.
        #[arg(long = "kernel", value_name = "VERSION", default_values_t = kernels::CARRIERS.map(str::to_owned))]
        versions: Vec<String>,
        /// Write, for each kernel: kernel, loaded, verified instructions, limit, stack octets, checks.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Compare the core with a model that was written separately, on generated packets.
    ///
    /// Every encapsulation, fragments, wrong lengths, frames cut and bits flipped anywhere. Prints count, seed, and how
    /// often each reason was reached. Exits 0 only if there is no difference and no reason was missed.
    Generated {
        /// Packets, at least.
        #[arg(long, value_name = "N", default_value_t = 1_000_000)]
        packets: u64,
        /// Number of the first sequence of packets.
        #[arg(long, value_name = "S", default_value_t = 0)]
        seed: u64,
    },
    /// Pass captures through the kernel program and through the userspace build, and compare all that can be seen.
    ///
    /// Of each frame, as if it came from either side, under a plan made from the capture's own addresses: what was parsed,
    /// subscriber, rule, bucket, reason, volume, copy, flow, datagram, and each octet that leaves. Prints how often each
    /// bucket and reason was reached. Exits 0 only if there is no difference; shows the first one otherwise.
    Differential {
        /// pcap and pcapng files, and directories of them.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Which tunnels are the carrier's: "all", or those of a gateway's configuration.
        #[arg(long, value_name = "all|FILE", default_value = "all")]
        transport: PathBuf,
        /// Write the sums as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Drive the ledger through random schedules of packets, decisions, policies, closes, full disks and kills.
    ///
    /// A naive list of all packets says what must be recorded. Exits 0 only if every schedule keeps every packet.
    Schedules {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 100_000)]
        count: u32,
    },
    /// Run every check and test: format, lints, tests with the lab's scenarios, kernels, documentation.
    Test,
}

fn scenario_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(scenario::ALL.map(|scenario| scenario.name))
}

fn scenario_help() -> String {
    let scenarios = scenario::ALL.map(|scenario| format!("{}: {}", scenario.name, scenario.about));
    format!("Which scenario. {}", scenarios.join("; "))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(&arguments.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether what was asked for passed.
fn execute(command: &Command) -> Result<bool> {
    setup::run()?;
    match command {
        Command::Setup => Ok(true),
        Command::Generated { packets, seed } => generated::run(*packets, *seed).map(|()| true),
        Command::Differential { paths, transport, json } => differential::run(paths, transport, *json),
        Command::Schedules { count } => schedules::run(*count).map(|()| true),
        Command::Test => suite::run().map(|()| true),
        Command::Kernels { versions, json } => {
            interrupt::install()?;
            kernels::run(versions, json.as_deref())
        }
        Command::Run { once, json } => {
            let binary = build()?;
            demo::run(&binary, *once, json.as_deref())
        }
        Command::Lab { scenario, seconds, seed, json, keep } => {
            let course = Course {
                length: Duration::from_secs(*seconds),
                seed: seed.unwrap_or_else(|| fastrand::u64(..)),
            };
            lab(scenario, &course, json.as_deref(), *keep)
        }
    }
}

fn lab(scenario: &str, course: &Course, json: Option<&Path>, keep: bool) -> Result<bool> {
    let scenario = Scenario::find(scenario).context("no such scenario")?;
    let binary = build()?;
    let report = scenario.run(&binary, course, |lab| {
        if keep {
            hold(lab);
        }
    })?;
    if let Some(path) = json {
        report.write(path)?;
    }
    println!("{report}");
    Ok(report.passed)
}

/// From here on, Ctrl-C ends the lab in order.
fn build() -> Result<PathBuf> {
    let binary = binary::build()?;
    interrupt::install()?;
    Ok(binary)
}

/// Longest that a kept lab stays.
const HOLD: Duration = Duration::from_hours(24);

fn hold(lab: &Kept<'_>) {
    println!("{}\n\nThe lab stays until Ctrl-C. Its files: {}", lab.report, lab.directory.display());
    println!("Enter the gateway: nsenter --net=/run/netns/{} bash", lab.gateway.name());
    let over = tollfree_tests::wait::until("Ctrl-C", HOLD, || Ok(interrupt::requested().then_some(())));
    if over.is_err() {
        println!("a day is over");
    }
    // It was meant for the lab, not for what follows.
    interrupt::take();
}
