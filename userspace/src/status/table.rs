//! Status, for a person.

use std::fmt::Write as _;

use super::{CounterStatus, Status};

/// Status as tables of text.
pub fn render(status: &Status) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "gateway {}   epoch {}   policy {}   {}",
        status.gateway,
        status.epoch,
        short(&status.policy_digest),
        status.at
    );
    rules(&mut text, status);
    interfaces(&mut text, status);
    counters(&mut text, &status.counters);
    let totals: Vec<String> = status
        .totals
        .iter()
        .map(|(bucket, volume)| format!("{bucket} {} ({} packets)", octets(volume.octets), volume.packets))
        .collect();
    let _ = writeln!(text, "\ntotal: {}", totals.join(", "));
    let r = &status.reconciliation;
    let _ = writeln!(
        text,
        "reconciliation: {} packets, {} octets differ; against the NICs {} packets, {} octets",
        r.difference_packets, r.difference_octets, r.nic_difference_packets, r.nic_difference_octets
    );
    let _ = writeln!(
        text,
        "flows: {} open, {} await evidence   past a daily ceiling: {}",
        status.flows.open, status.flows.awaiting_evidence, status.flows.past_ceiling
    );
    let _ = writeln!(
        text,
        "without evidence: {} pending, {} charged, {} free",
        octets(status.at_risk.pending.octets),
        octets(status.at_risk.charged.octets),
        octets(status.at_risk.free.octets)
    );
    let _ = writeln!(
        text,
        "calls: {} active, {} streams free   ledger: {} intervals, {} records   audit log: {} entries",
        status.calls.active,
        status.calls.granted,
        status.ledger.intervals,
        status.ledger.records,
        status.audit.size
    );
    for alarm in status.alarms.iter().chain(&status.policy_faults) {
        let _ = writeln!(text, "ALARM: {alarm}");
    }
    text
}

fn rules(text: &mut String, status: &Status) {
    let _ = writeln!(text, "\n{:<6}{:<44}{:<15}{:>12}", "RULE", "POLICY/ID", "CLASS", "RATING GROUP");
    for rule in &status.rules {
        let name = format!("{}/{}", rule.policy, rule.rule_id);
        let _ = writeln!(text, "{:<6}{name:<44}{:<15}{:>12}", rule.rule, rule.class, rule.rating_group);
    }
}

fn interfaces(text: &mut String, status: &Status) {
    let _ = writeln!(
        text,
        "\n{:<12}{:<8}{:<9}{:>14}{:>18}{:>14}{:>18}",
        "INTERFACE", "ROLE", "MODE", "PACKETS", "FRAME OCTETS", "NIC PACKETS", "NIC OCTETS"
    );
    for interface in &status.interfaces {
        let _ = writeln!(
            text,
            "{:<12}{:<8}{:<9}{:>14}{:>18}{:>14}{:>18}",
            interface.name,
            interface.role,
            interface.mode,
            interface.seen.packets,
            interface.seen.octets,
            interface.nic.packets,
            interface.nic.octets
        );
    }
}

fn counters(text: &mut String, counters: &[CounterStatus]) {
    let _ = writeln!(
        text,
        "\n{:<28}{:<14}{:<20}{:<28}{:>12}{:>12}",
        "SUBSCRIBER", "BUCKET", "REASON", "RULE", "UPLINK", "DOWNLINK"
    );
    for counter in counters {
        let _ = writeln!(
            text,
            "{:<28}{:<14}{:<20}{:<28}{:>12}{:>12}",
            counter.subscriber,
            counter.bucket,
            counter.reason,
            counter.rule_id,
            octets(counter.uplink_octets),
            octets(counter.downlink_octets)
        );
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// Octets with a binary prefix, to three digits or so.
fn octets(octets: u64) -> String {
    const PREFIXES: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut prefix = 0;
    let mut whole = octets;
    if whole < 1024 {
        return format!("{whole} B");
    }
    while whole >= 1024 * 1024 && prefix + 1 < PREFIXES.len() {
        whole /= 1024;
        prefix += 1;
    }
    format!("{}.{} {}", whole / 1024, whole % 1024 * 10 / 1024, PREFIXES[prefix])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_read_at_a_glance() {
        for (count, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 * 1024 * 1024, "5.0 MiB")]
        {
            assert_eq!(octets(count), text);
        }
    }
}
