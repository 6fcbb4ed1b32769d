//! What has to hold after it all. The checks' names begin with `torture-`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::command;
use crate::gateway::Snapshot;
use crate::report::Report;
use crate::status::Status;
use crate::topology::Side;
use crate::volume::{Usage, Volume};

use super::books;
use super::deeds::Deeds;
use super::generator::Line;
use super::ground::Ground;
use super::hands::Claims;
use super::junk::Junk;
use super::people::Habit;
use super::tally::Tally;
use super::victim::Victim;

/// docs/operators.md: exit codes of a start that finds the disk full.
const OF_FULL_DISK: [&str; 2] = ["exit status: 13", "exit status: 14"];

/// Until the whole ledger or audit log is read, by an unoptimised build after a long course.
const READ_LIMIT: Duration = Duration::from_mins(10);

/// Nothing was lost on the way to the gateway: else the rest would prove nothing.
pub(super) fn wire(report: &mut Report, line: &Line, sent: &Tally) -> Result<()> {
    for (side, sent) in [(Side::Access, sent.frames.uplink), (Side::Core, sent.frames.downlink)] {
        let received = line.received(side)?;
        let name = side.name();
        report.check(format!("torture-0-wire-lost-{name}"), 0, received.lost);
        report.check(format!("torture-0-wire-frames-{name}"), sent.packets, received.frames.packets);
    }
    Ok(())
}

/// What arrives leaves on the other side, whether the daemon lives or not; but for frames whose tag is cut, which Linux
/// itself does not pass on.
pub(super) fn way_out(report: &mut Report, line: &Line, sent: &Tally) -> Result<()> {
    let cut = sent.nobodys.get(Junk::MalformedEthernet.reason()).copied().unwrap_or_default();
    let frames = sent.frames - cut;
    for (side, frames) in [(Side::Core, frames.uplink), (Side::Access, frames.downlink)] {
        let passed = line.passed(side)?;
        report.check(format!("torture-0-left-toward-{}", side.name()), frames.packets, passed.frames.packets);
    }
    Ok(())
}

/// Each packet and octet that was sent is in one bucket.
pub(super) fn conservation(report: &mut Report, status: &Status, sent: &Tally) {
    for (side, frames) in [(Side::Access, sent.frames.uplink), (Side::Core, sent.frames.downlink)] {
        let seen = status.seen(Ground::interface(side));
        report.check(format!("torture-1-seen-{}", side.name()), frames, seen);
    }
    let counted = status.usage(|_| true);
    report.check("torture-1-in-all-buckets-uplink", sent.volume.uplink, counted.uplink);
    report.check("torture-1-in-all-buckets-downlink", sent.volume.downlink, counted.downlink);
    let totals: Volume = status.totals.values().copied().sum();
    report.check("torture-1-totals", sent.volume.total(), totals);
    report.check("torture-1-buckets-equal-arrivals", Volume::default(), status.reconciliation.buckets());
    report.check("torture-1-nic-equals-arrivals", Volume::default(), status.reconciliation.nic());
    report.figure("difference_packets", counted.total().packets - sent.volume.total().packets);
    report.figure("difference_octets", counted.total().octets - sent.volume.total().octets);
    for (bucket, total) in &status.totals {
        report.figure(bucket.clone(), total);
    }
}

/// The ledger has what the kernel has. What was pending may have been decided between the one and the other.
pub(super) fn ledger(report: &mut Report, status: &Status, victim: &Victim) -> Result<()> {
    let sums = books::sums(&victim.state_directory())?;
    for buckets in [&["free"][..], &["charged", "pending"], &["unattributed"], &["overflow"]] {
        let kernel = status.usage(|counter| buckets.contains(&counter.bucket.as_str()));
        let ledger: Usage = buckets.iter().filter_map(|bucket| sums.get(bucket)).copied().sum();
        report.check(format!("torture-2-ledger-{}", buckets.join("-and-")), kernel, ledger);
    }
    reconcile(report, "torture-2", victim)
}

fn reconcile(report: &mut Report, prefix: &str, victim: &Victim) -> Result<()> {
    let mut reconcile = victim.command(&["reconcile", "--json", "--ledger"]);
    let output = command::output(reconcile.arg(books::file(&victim.state_directory())), "", READ_LIMIT)?;
    let account: Value = serde_json::from_str(&output.stdout)
        .with_context(|| format!("tollfree reconcile: {}", output.stderr.trim()))?;
    report.check(format!("{prefix}-reconcile-names"), &json!([]), &account["differences"]);
    report.check(format!("{prefix}-reconcile-ends-with"), Some(0), output.status.code());
    Ok(())
}

/// With the kernel's maps, as a reboot would, goes what could decide flows: what they left pending is charged.
pub(super) fn counters_gone(report: &mut Report, victim: &mut Victim) -> Result<()> {
    let state = victim.state_directory();
    let of = |sums: &BTreeMap<_, Usage>, bucket| sums.get(bucket).copied().unwrap_or_default();
    let before = books::sums(&state)?;
    victim.detach()?;
    victim.start()?;
    victim.wait_until_ready()?;
    victim.stop()?;
    let after = books::sums(&state)?;
    report.check("torture-8-still-pending", Usage::default(), of(&after, "pending"));
    let expected = ["charged", "pending"].map(|bucket| of(&before, bucket)).into_iter().sum();
    report.check("torture-8-charged", expected, of(&after, "charged"));
    report.figure("pending_charged_in_the_end", of(&before, "pending").total());
    reconcile(report, "torture-8", victim)
}

/// Records name only people who had the address, at some time.
pub(super) fn holders(report: &mut Report, victim: &Victim, claims: &Claims) -> Result<()> {
    let holders = books::holders(&victim.state_directory())?;
    let known = |(address, msisdn): &(IpAddr, String)| {
        let subscriber = Habit::at(*address).filter(|(habit, _)| *habit == Habit::ChangesHands);
        subscriber.is_some_and(|(_, index)| claims.contains(&(index, msisdn.clone())))
    };
    let others: Vec<_> = holders.iter().filter(|holder| !known(holder)).collect();
    report.check("torture-3-holders-who-never-were", Vec::new(), others);
    report.check("torture-3-there-were-holders", true, !holders.is_empty());
    report.figure("holders_in_records", holders.len());
    Ok(())
}

/// What is nobody's has its reason, and who never may have anything free has nothing free.
pub(super) fn attribution(report: &mut Report, status: &Status, sent: &Tally) {
    for (reason, expected) in &sent.nobodys {
        let counted = status.usage(|counter| counter.reason == *reason);
        report.check(format!("torture-4-reason-{reason}"), *expected, counted);
    }
    let unattributed: Usage = sent.nobodys.values().copied().sum();
    let measured = status.usage(|counter| sent.nobodys.contains_key(counter.reason.as_str()));
    report.check("torture-4-nobodys", unattributed, measured);
    for habit in Habit::ALL.into_iter().filter(|habit| habit.is_never_free()) {
        let theirs = |bucket: &str| {
            status.usage(|counter| counter.bucket == bucket && Habit::of(&counter.subscriber) == Some(habit))
        };
        for bucket in ["free", "pending"] {
            report.check(format!("torture-4-{bucket}-{}", habit.name()), Usage::default(), theirs(bucket));
        }
        report.check(
            format!("torture-4-was-there-{}", habit.name()),
            true,
            theirs("charged").total().packets > 0,
        );
    }
    let strangers = status
        .counters
        .iter()
        .filter(|counter| counter.subscriber.contains('/') && Habit::of(&counter.subscriber).is_none())
        .map(|counter| counter.subscriber.clone());
    report.check("torture-4-subscribers-out-of-nowhere", Vec::<String>::new(), strangers.collect());
}

/// Nothing of this is shown by traffic that was never free, or by tables that never were full.
pub(super) fn occurrence(report: &mut Report, status: &Status, deeds: &Deeds) {
    for bucket in ["free", "charged", "unattributed", "overflow"] {
        report.check(format!("torture-5-occurs-{bucket}"), true, status.total(bucket).packets > 0);
    }
    for (deed, count) in [
        ("kills", deeds.kills.get()),
        ("changes", deeds.changes.get()),
        ("faulty-changes", deeds.faulty_changes.get()),
        ("full-disks", deeds.full_disks.get()),
        ("changed-hands", deeds.changed_hands.get()),
    ] {
        report.check(format!("torture-5-occurs-{deed}"), true, count > 0);
    }
}

/// The daemon was never the reason that it did not run.
pub(super) fn health(report: &mut Report, victim: &Victim, deeds: &Deeds, last: &Snapshot) -> Result<()> {
    let log = victim.log()?;
    let panics: Vec<_> = log.lines().filter(|line| line.contains("panicked")).collect();
    report.check("torture-6-panics", Vec::new(), panics);
    let others: BTreeMap<_, _> =
        deeds.refusals().into_iter().filter(|(status, _)| !OF_FULL_DISK.contains(&status.as_str())).collect();
    report.check("torture-6-refused-with-room-on-the-disk", BTreeMap::new(), others);
    report.figure("refused_starts", deeds.refusals());
    report.figure("alarms", &last.json["alarms"]);
    report.figure("stats", &last.json["stats"]);
    report.figure("epochs", last.status.epoch);
    report.figure("ledger_intervals", &last.json["ledger"]["intervals"]);
    report.figure("ledger_records", &last.json["ledger"]["records"]);
    report.figure("audit_entries", &last.json["audit"]["size"]);
    Ok(())
}

/// The audit log is whole.
pub(super) fn audit_log(report: &mut Report, victim: &Victim) -> Result<()> {
    let mut verify = victim.command(&["audit", "verify"]);
    let output = command::output(verify.arg(victim.state_directory().join("audit")), "", READ_LIMIT)?;
    report.check("torture-7-audit-verifies", Some(0), output.status.code());
    Ok(())
}
