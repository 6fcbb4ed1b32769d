//! A reconciliation, for a person.

use std::fmt::Write as _;

use super::{Change, Reconciliation};

/// The reconciliation as tables and lines of text. Lines that begin with `DIFFERENCE` are what is wrong.
pub fn render(report: &Reconciliation) -> String {
    let mut text = format!("ledger {}: ", report.ledger.display());
    let Some(((first, last), (from, until))) = report.range.zip(report.closed) else {
        text.push_str("no interval to check\n");
        return text;
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{} ({first} to {last}, closed {from} to {until}), {}, {}",
        count(report.intervals, "interval"),
        count(report.records, "record"),
        count(report.transfers, "transfer")
    );
    buckets(&mut text, report);
    interfaces(&mut text, report);
    text.push('\n');
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for difference in &report.differences {
        let _ = writeln!(text, "DIFFERENCE: {difference}");
    }
    let unlisted = report.differences_found - report.differences.len() as u64;
    if unlisted > 0 {
        let _ = writeln!(text, "... and {unlisted} more");
    }
    if report.differences_found == 0 {
        text.push_str(
            "no difference: every packet that arrived is in one account, and every change is one record\n",
        );
    } else {
        let _ = writeln!(text, "{}", count(report.differences_found, "difference"));
    }
    text
}

fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn buckets(text: &mut String, report: &Reconciliation) {
    let _ = writeln!(
        text,
        "\n{:<14}{:>18}{:>22}{:>18}{:>22}",
        "BUCKET", "UPLINK PACKETS", "UPLINK OCTETS", "DOWNLINK PACKETS", "DOWNLINK OCTETS"
    );
    for (bucket, change) in &report.buckets {
        let Change { uplink_packets, uplink_octets, downlink_packets, downlink_octets } = change;
        let _ = writeln!(
            text,
            "{bucket:<14}{uplink_packets:>18}{uplink_octets:>22}{downlink_packets:>18}{downlink_octets:>22}"
        );
    }
}

fn interfaces(text: &mut String, report: &Reconciliation) {
    let _ = writeln!(
        text,
        "\n{:<16}{:<8}{:>10}{:>18}{:>16}{:>14}",
        "INTERFACE", "ROLE", "INTERVALS", "FRAMES ARRIVED", "BUCKETS LESS", "NIC LESS"
    );
    for (name, totals) in &report.interfaces {
        let _ = writeln!(
            text,
            "{name:<16}{:<8}{:>10}{:>18}{:>+16}{:>+14}",
            totals.role, totals.intervals, totals.frames, totals.bucket_difference, totals.nic_difference
        );
    }
}
