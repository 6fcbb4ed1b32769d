//! A thousand calls, a hundred at a time, through the exchange.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use super::RULE;
use super::agents::{self, Done, Target, Task, is_media};
use super::clip;
use super::exchange::{DESK_MEDIA_PORT, Exchange};
use super::kind::Kind;
use crate::address::{Family, SUBSCRIBERS};
use crate::call::PastCall;
use crate::gateway::Snapshot;
use crate::laboratory::Laboratory;
use crate::packet::Packet;
use crate::phase::Phase;
use crate::reconcile::check_totals;
use crate::report::Report;
use crate::volume::{Usage, Volume};
use crate::wait;

/// Calls that each of twenty callers makes.
const CALLS_EACH: u32 = 50;
/// All together, and at a time.
const CALLS: i64 = 1000;
const AT_A_TIME: u32 = 100;
/// Kinds of calls that go to other numbers too.
const OTHER_KINDS: [Kind; 4] = [Kind::Answered, Kind::Refused, Kind::Cancelled, Kind::Unanswered];
/// From a call's end to its record in the ledger, on a busy machine.
const RECORD_LIMIT: Duration = Duration::from_secs(30);

/// Each kind, over both IP versions: to the hotline, and some to another number.
fn tasks() -> Vec<Task> {
    let hotline = Kind::ALL.map(|kind| (kind, Target::Hotline));
    let others = OTHER_KINDS.map(|kind| (kind, Target::Other));
    let both = hotline.into_iter().chain(others).flat_map(|of| Family::ALL.map(|family| (of, family)));
    let tasks = both.zip((0..SUBSCRIBERS).cycle());
    tasks
        .map(|(((kind, target), family), subscriber)| Task {
            kind,
            target,
            subscriber,
            family,
            calls: CALLS_EACH,
        })
        .collect()
}

/// Runs it.
pub(super) fn run(
    lab: &mut Laboratory,
    exchange: &Exchange,
    directory: &Path,
    report: &mut Report,
) -> Result<()> {
    let tasks = tasks();
    let start = Instant::now();
    let mut done = Vec::new();
    let phase = lab.measure("load", |lab| {
        done = agents::call(&lab.network.topology, directory, &tasks)?;
        Ok(())
    })?;
    let prefix = "calls-1";
    let at_a_time = tasks.iter().map(|task| task.kind.at_a_time(task.target)).sum::<u32>();
    report.check(format!("{prefix}-at-a-time"), AT_A_TIME, at_a_time);
    let sum = |of: fn(&Done) -> i64| done.iter().map(of).sum::<i64>();
    report.check(format!("{prefix}-calls"), CALLS, sum(|done| done.made));
    let otherwise: Vec<&str> =
        done.iter().filter(|done| done.failed > 0).map(|done| done.complaints.as_str()).collect();
    report.check(format!("{prefix}-calls-that-went-otherwise"), Vec::<&str>::new(), otherwise);
    let complaints = done.iter().map(|done| done.complaints.as_str()).filter(|text| !text.is_empty());
    report.figure("sipp_complaints", complaints.collect::<Vec<_>>());
    check_heard(report, prefix, &phase);
    let records = records(lab, &done)?;
    check_records(report, prefix, &done, &records);
    check_media(report, prefix, &phase, &done, &records);
    check_totals(report, prefix, &phase);
    check_accounting(report, prefix, &exchange.log()?, &done);
    report.figure("load_seconds", start.elapsed().as_secs_f64());
    report.figure("load_free_media", captured_media(&phase, Target::Hotline).total());
    report.figure("load_charged_media", captured_media(&phase, Target::Other).total());
    Ok(())
}

/// How many calls of a kind and target `SIPp` calls successful.
fn successful(done: &[Done], of: impl Fn(&Task) -> bool) -> i64 {
    done.iter().filter(|done| of(&done.task)).map(|done| done.successful).sum()
}

/// The rule's records, once they are as many as calls to the hotline, or do not become so.
pub(super) fn records(lab: &Laboratory, done: &[Done]) -> Result<Vec<PastCall>> {
    let expected = successful(done, |task| task.target == Target::Hotline);
    let mut records = Vec::new();
    let all = wait::until("call records", RECORD_LIMIT, || {
        records = lab.gateway.past_calls()?;
        records.retain(|record| record.rule_id == RULE);
        Ok((i64::try_from(records.len())? >= expected && lab.gateway.live_calls()?.is_empty()).then_some(()))
    });
    // That some are missing is for the comparison to tell.
    all.or_else(|error| if records.is_empty() { Err(error) } else { Ok(()) })?;
    Ok(records)
}

/// All signalling was read: where not, what differs below follows from that.
fn check_heard(report: &mut Report, prefix: &str, phase: &Phase) {
    let of = |snapshot: &Snapshot| {
        let count = |value: &Value| value.as_i64().unwrap_or_default();
        [count(&snapshot.json["evidence"]["dropped_signalling"]), count(&snapshot.json["stats"]["copy-lost"])]
    };
    let [before, after] = [of(&phase.before), of(&phase.after)];
    report.check(format!("{prefix}-signalling-dropped"), 0, after[0] - before[0]);
    report.check(format!("{prefix}-copies-lost"), 0, after[1] - before[1]);
}

/// Records by cause are `SIPp`'s calls by kind; calls to the other number have none.
fn check_records(report: &mut Report, prefix: &str, done: &[Done], records: &[PastCall]) {
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    for done in done.iter().filter(|done| done.task.target == Target::Hotline) {
        *expected.entry(done.task.kind.cause()).or_default() += done.successful;
    }
    let mut measured: BTreeMap<&str, i64> = BTreeMap::new();
    for record in records {
        *measured.entry(&record.cause).or_default() += 1;
    }
    report.check(format!("{prefix}-records-by-cause"), expected, measured);
    let of_others = records.iter().filter(|record| record.number != Target::Hotline.number()).count();
    report.check(format!("{prefix}-records-of-the-other-number"), 0, of_others);
}

fn captured_media(phase: &Phase, target: Target) -> Usage {
    captured(phase, |packet| is_media(packet, target))
}

/// What went into the gateway, of all subscribers.
pub(super) fn captured(phase: &Phase, wanted: impl Fn(&Packet) -> bool) -> Usage {
    let each = (0..SUBSCRIBERS).flat_map(|index| Family::ALL.map(|family| (index, family)));
    each.map(|(index, family)| phase.captured_of(index, family, &wanted)).sum()
}

/// Free is the media of calls to the hotline, to the octet; everything else is charged.
fn check_media(report: &mut Report, prefix: &str, phase: &Phase, done: &[Done], records: &[PastCall]) {
    let clips = |target| {
        done.iter()
            .filter(|done| done.task.target == target)
            .map(|done| done.successful * i64::from(done.task.kind.clips() * u32::from(clip::PACKETS)))
            .sum::<i64>()
    };
    for (name, target) in [("hotline", Target::Hotline), ("other", Target::Other)] {
        let media = captured_media(phase, target);
        let packets = [media.uplink.packets, media.downlink.packets];
        report.check(format!("{prefix}-media-packets-{name}"), [clips(target); 2], packets);
    }
    for index in 0..SUBSCRIBERS {
        for family in Family::ALL {
            let name = format!("sub{}-{}", index + 1, family.name());
            let is_free = |packet: &Packet| is_media(packet, Target::Hotline);
            let free = phase.captured_of(index, family, is_free);
            let charged = phase.captured_of(index, family, |packet| !is_free(packet));
            let counted = |bucket: &str| phase.counted_of(index, family, |counter| counter.bucket == bucket);
            let by_rule = phase.counted_of(index, family, |counter| counter.is_free_by(RULE));
            report.check(format!("{prefix}-free-{name}"), free, by_rule);
            report.check(format!("{prefix}-free-by-no-other-rule-{name}"), by_rule, counted("free"));
            report.check(format!("{prefix}-charged-{name}"), charged, counted("charged"));
        }
    }
    let recorded: Usage = records.iter().map(PastCall::media).sum();
    report.check(format!("{prefix}-media-in-records"), captured_media(phase, Target::Hotline), recorded);
    let moved = captured(phase, |packet| packet.ports.contains(&(DESK_MEDIA_PORT + 2)));
    report.check(format!("{prefix}-media-moved"), true, moved.total() != Volume::default());
}

/// Kamailio's accounting: INVITEs by final status, marked as free or not.
fn check_accounting(report: &mut Report, prefix: &str, log: &str, done: &[Done]) {
    let lines = log.lines().filter(|line| line.contains("ACC: ") && line.contains(";method=INVITE;"));
    let lines: Vec<&str> = lines.collect();
    for (name, target, mark) in [("hotline", Target::Hotline, "1"), ("other", Target::Other, "0")] {
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for done in done.iter().filter(|done| done.task.target == target) {
            *expected.entry(done.task.kind.status().to_string()).or_default() += done.successful;
        }
        let ruri = format!(";ruri={};free={mark};", target.number());
        let mut measured: BTreeMap<String, i64> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.contains(&ruri)) {
            let code = line.split(';').find_map(|field| field.strip_prefix("code="));
            *measured.entry(code.unwrap_or_default().to_owned()).or_default() += 1;
        }
        report.check(format!("{prefix}-kamailio-{name}-free-{mark}"), expected, measured);
    }
    let marked = [(Target::Hotline, "0"), (Target::Other, "1")].map(|(target, mark)| {
        let wrong = format!(";ruri={};free={mark};", target.number());
        lines.iter().filter(|line| line.contains(&wrong)).count()
    });
    report.check(format!("{prefix}-kamailio-marked-wrongly"), [0, 0], marked);
}
