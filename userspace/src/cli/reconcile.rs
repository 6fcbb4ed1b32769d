//! `tollfree reconcile`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::{ConfigArgument, fail};
use crate::config::Config;
use crate::exit::Exit;
use crate::ledger::{Reconciliation, reconcile, render};

pub(super) const EXAMPLES: &str = "\
What is checked, at every interval:
  records     numbers without gaps; each record starts from its account's last balance;
              only pending accounts go down; all deltas add up to what was counted
  counters    what was counted is what arrived on the interfaces
  interfaces  frames in buckets are frames that arrived; the NIC counted the same,
              but for what came between the two readings
  transfers   what leaves a pending account arrives in the account of the verdict
  epochs      no account grows when its epoch is over, or before it began
  last cut    what the next interval starts from is what the records add up to

A reboot or `tollfree detach` starts the counters anew: a note says so, as it does of
an interval with usage of two epochs. Notes are no differences.
Exit code 0: nothing differs; 20: something does.

Examples:
  tollfree reconcile
  tollfree reconcile --since 2020-02-01T00:00:00+07:00
  tollfree reconcile --ledger copy-of-ledger.sqlite --json | jq '.differences'";

/// Which ledger, and from when.
#[derive(Debug, Args)]
pub(super) struct ReconcileArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The ledger's file, instead of the configured gateway's
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Check only intervals that were closed at this time or later, and take those before to be right
    ///
    /// With an offset, as in 2020-03-01T12:00:00+07:00, or in UTC, as in 2020-03-01T05:00:00Z.
    #[arg(long, value_name = "RFC3339")]
    since: Option<Timestamp>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &ReconcileArguments) -> Exit {
    let path = match &arguments.ledger {
        Some(path) => path.clone(),
        None => match Config::load(&arguments.config.config) {
            Ok(config) => config.gateway.state_dir.join("ledger.sqlite"),
            Err(error) => return fail(&error, Exit::Config),
        },
    };
    let report = match reconcile(&path, arguments.since) {
        Ok(report) => report,
        Err(error) => return fail(&error, Exit::Ledger),
    };
    if let Err(error) = write(&report, arguments.json) {
        return fail(&error, Exit::Failure);
    }
    if report.differences_found == 0 { Exit::Success } else { Exit::NotReconciled }
}

fn write(report: &Reconciliation, json: bool) -> io::Result<()> {
    let text = if json {
        serde_json::to_string_pretty(report).map_err(io::Error::other)? + "\n"
    } else {
        render(report)
    };
    io::stdout().write_all(text.as_bytes())
}
