//! `tollfree calls`.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::Args;
use serde_json::{Value, json};

use super::{ConfigArgument, fail};
use crate::api::{self, ClientError, LiveCall};
use crate::config::Config;
use crate::exit::Exit;
use crate::ledger::{StoredCall, past_calls};

#[derive(Debug, Args)]
pub(super) struct CallsArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Show calls that ended, from the ledger, the latest first; no controller needs to run
    #[arg(long)]
    past: bool,
    /// How many of them
    #[arg(long, value_name = "COUNT", default_value_t = 50, requires = "past",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &CallsArguments) -> Exit {
    let config = match Config::load(&arguments.config.config) {
        Ok(config) => config,
        Err(error) => return fail(&error, Exit::Config),
    };
    let shown = if arguments.past {
        match past_calls(&config.gateway.state_dir.join("ledger.sqlite"), arguments.count) {
            Ok(calls) if arguments.json => write_json(calls.iter().map(past_json).collect()),
            Ok(calls) => render_past(&calls),
            Err(error) => return fail(&error, Exit::Ledger),
        }
    } else {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return fail(&error, Exit::Failure),
        };
        match runtime.block_on(api::calls(&api::socket_path(&config.gateway.run_dir))) {
            Ok(calls) if arguments.json => write_json(calls.iter().map(|call| json!(call)).collect()),
            Ok(calls) => render_live(&calls),
            Err(error @ ClientError::NotAllowed { .. }) => return fail(&error, Exit::NotRoot),
            Err(error @ ClientError::NotRunning { .. }) => return fail(&error, Exit::NotRunning),
            Err(error) => return fail(&error, Exit::Failure),
        }
    };
    match io::stdout().write_all(shown.as_bytes()) {
        Ok(()) => Exit::Success,
        Err(error) => fail(&error, Exit::Failure),
    }
}

fn write_json(calls: Vec<Value>) -> String {
    format!("{:#}\n", Value::Array(calls))
}

fn past_json(call: &StoredCall) -> Value {
    let row = &call.row;
    json!({
        "call": call.call, "uid": row.uid, "gateway": row.gateway, "call_id": row.call_id, "rule": row.rule,
        "policy": call.policy, "rule_id": call.rule_id, "number": row.number, "caller": row.caller,
        "caller_asserted": row.is_caller_asserted, "charging_id": row.charging_id,
        "subscriber": row.subscriber, "proxy": row.proxy, "invited_at": row.invited_at,
        "answered_at": row.answered_at, "ended_at": row.ended_at, "cause": row.cause, "epoch": row.epoch,
        "uplink_packets": row.media.uplink_packets, "uplink_octets": row.media.uplink_octets,
        "downlink_packets": row.media.downlink_packets, "downlink_octets": row.media.downlink_octets,
        "uplink_packets_lost": row.media.uplink_packets_lost,
        "downlink_packets_lost": row.media.downlink_packets_lost,
    })
}

/// One line each; nothing that a stranger wrote is shown, but the subscriber's own address.
fn render_live(calls: &[LiveCall]) -> String {
    let mut text = format!("{} calls to free numbers\n", calls.len());
    for call in calls {
        let state = call.answered_at.map_or_else(|| "rings".to_owned(), |at| format!("since {at:.0}"));
        let streams: Vec<String> =
            call.streams.iter().map(|stream| format!("{} {}", stream.subscriber, stream.remote)).collect();
        let (up, down) = (call.uplink_octets, call.downlink_octets);
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            text,
            "  {} -> {} {state}; up {up} B, down {down} B; free: {}",
            call.subscriber,
            call.number,
            if streams.is_empty() { "nothing".to_owned() } else { streams.join(", ") }
        );
    }
    text
}

fn render_past(calls: &[StoredCall]) -> String {
    let mut text = String::new();
    for call in calls {
        let row = &call.row;
        let duration = row.answered_at.map_or_else(
            || "not answered".to_owned(),
            |at| format!("{} s", row.ended_at.as_second().saturating_sub(at.as_second())),
        );
        let _ = writeln!(
            text,
            "{:.0} {} -> {} {duration}, {}; up {} B, down {} B",
            row.invited_at,
            row.subscriber,
            row.number,
            row.cause,
            row.media.uplink_octets,
            row.media.downlink_octets
        );
    }
    text
}
