//! Calls that outlive the daemon, and calls that nobody ends.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::BRIEF_RULE;
use super::phone::{Call, Line, Office, VOICE_OCTETS, granted, over, talked};
use crate::call::PastCall;
use crate::gateway::{Gateway, HOTLINE_RULE};
use crate::laboratory::Laboratory;
use crate::phase::Phase;
use crate::reconcile::check_totals;
use crate::report::Report;
use crate::volume::Usage;
use crate::wait;

/// Telephones of this part; cheats have others.
const PLACE: u16 = 0;
/// A telephone whose ports nothing has just been said on.
const FRESH_PLACE: u16 = 4;
/// Packets each way, each time somebody talks.
const PACKETS: u16 = 10;
/// Longest that a call may be silent (docs/billing.md: `silence`), and that one to the brief hotline may last.
const BOUND: Duration = Duration::from_mins(1);
/// From a bound to the record, on a busy machine.
const RECORD_LIMIT: Duration = Duration::from_secs(30);

/// Calls that wait for their bounds.
pub(super) struct Waiting {
    /// Nothing was heard of it since the daemon was dead.
    silent: (Line, Call),
    /// It is never answered.
    early: (Line, Call),
}

/// A call during which the daemon is killed; one that ends while it is dead; one that nobody answers.
pub(super) fn run(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<Waiting> {
    outlive(lab, office, report)?;
    end_unheard(lab, office, report)?;
    answer_paused(lab, office, report)?;
    let silent = fall_silent(lab, office, report)?;
    let early = ring(lab, office, report)?;
    Ok(Waiting { silent, early })
}

/// The daemon is killed in mid-call: the kernel's grant goes on, and the next daemon sees the end.
fn outlive(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<()> {
    let line = office.line(&lab.network.topology, 0, PLACE)?;
    let call = line.call("outlives", super::HOTLINE)?;
    let phase = lab.measure("outlive", |lab| {
        line.answer(&lab.gateway, &call)?;
        line.talk(PACKETS, VOICE_OCTETS)?;
        lab.gateway.kill()?;
        line.talk(PACKETS, VOICE_OCTETS)?;
        lab.gateway.start(&lab.network.topology.gateway)?;
        granted(&lab.gateway, &call)?;
        line.talk(PACKETS, VOICE_OCTETS)?;
        line.hang_up(&lab.gateway, &call)
    })?;
    let prefix = "calls-3-killed";
    let media = talked(3 * PACKETS, VOICE_OCTETS);
    check_free(report, prefix, &phase, HOTLINE_RULE, media);
    check_record(report, prefix, &record(&lab.gateway, &call)?, "hangup-subscriber", media);
    check_totals(report, prefix, &phase);
    Ok(())
}

/// BYE comes while the daemon is dead: its copy waits for the next daemon, and media is free until that has read it.
fn end_unheard(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<()> {
    let line = office.line(&lab.network.topology, 1, PLACE)?;
    let call = line.call("ends-unheard", super::HOTLINE)?;
    let phase = lab.measure("end-unheard", |lab| {
        line.answer(&lab.gateway, &call)?;
        line.talk(PACKETS, VOICE_OCTETS)?;
        lab.gateway.kill()?;
        line.hang_up_unheard(&call)?;
        line.talk(PACKETS, VOICE_OCTETS)?;
        lab.gateway.start(&lab.network.topology.gateway)?;
        over(&lab.gateway, &call, RECORD_LIMIT)
    })?;
    let (prefix, media) = ("calls-3-unheard", talked(2 * PACKETS, VOICE_OCTETS));
    check_free(report, prefix, &phase, HOTLINE_RULE, media);
    check_record(report, prefix, &record(&lab.gateway, &call)?, "hangup-subscriber", media);
    let phase = lab.measure("unheard-afterwards", |_| line.talk(PACKETS, VOICE_OCTETS))?;
    check_charged(report, prefix, &phase, talked(PACKETS, VOICE_OCTETS));
    Ok(())
}

/// A call is answered and talked on while the daemon does nothing: its media waits.
fn answer_paused(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<()> {
    let line = office.line(&lab.network.topology, 1, FRESH_PLACE)?;
    let call = line.call("answered-in-a-pause", super::HOTLINE)?;
    let phase = lab.measure("answer-paused", |lab| {
        lab.gateway.pause()?;
        line.answer_charged(&call)?;
        line.talk(PACKETS, VOICE_OCTETS)?;
        lab.gateway.go_on()?;
        granted(&lab.gateway, &call)?;
        line.talk(PACKETS, VOICE_OCTETS)?;
        line.hang_up(&lab.gateway, &call)
    })?;
    let (prefix, media) = ("calls-3-paused", talked(2 * PACKETS, VOICE_OCTETS));
    report.check(
        format!("{prefix}-streams-that-waited"),
        1,
        phase.after.early_media() - phase.before.early_media(),
    );
    check_free(report, prefix, &phase, HOTLINE_RULE, media);
    check_record(report, prefix, &record(&lab.gateway, &call)?, "hangup-subscriber", media);
    check_totals(report, prefix, &phase);
    Ok(())
}

/// A telephone is gone without BYE, while the daemon is dead: media stays free until silence ends the call.
fn fall_silent(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<(Line, Call)> {
    let line = office.line(&lab.network.topology, 1, PLACE)?;
    let call = line.call("falls-silent", super::HOTLINE)?;
    let phase = lab.measure("fall-silent", |lab| {
        line.answer(&lab.gateway, &call)?;
        line.talk(PACKETS, VOICE_OCTETS)?;
        lab.gateway.kill()?;
        line.talk(PACKETS, VOICE_OCTETS)?;
        lab.gateway.start(&lab.network.topology.gateway)?;
        granted(&lab.gateway, &call)
    })?;
    check_free(report, "calls-3-silent", &phase, HOTLINE_RULE, talked(2 * PACKETS, VOICE_OCTETS));
    Ok((line, call))
}

/// It rings, with early media, and is never answered.
fn ring(lab: &mut Laboratory, office: &Office, report: &mut Report) -> Result<(Line, Call)> {
    let line = office.line(&lab.network.topology, 2, PLACE)?;
    let call = line.call("rings-for-ever", super::BRIEF)?;
    let phase = lab.measure("ring", |lab| {
        line.up(&call.invite())?;
        line.down(&call.answer(183, "INVITE", 1))?;
        granted(&lab.gateway, &call)?;
        line.talk(PACKETS, VOICE_OCTETS)
    })?;
    check_free(report, "calls-4-early-media", &phase, BRIEF_RULE, talked(PACKETS, VOICE_OCTETS));
    Ok((line, call))
}

/// Both calls that wait have ended by themselves, and nothing of them is free any more.
pub(super) fn finish(lab: &mut Laboratory, waiting: &Waiting, report: &mut Report) -> Result<()> {
    let Waiting { silent, early } = waiting;
    for (_, call) in [silent, early] {
        over(&lab.gateway, call, BOUND + RECORD_LIMIT)?;
    }
    for (prefix, (line, call), cause, packets) in [
        ("calls-3-silent", silent, "partial", 2 * PACKETS),
        ("calls-4-early-media", early, "unanswered", PACKETS),
    ] {
        let phase = lab.measure(prefix, |_| line.talk(PACKETS, VOICE_OCTETS))?;
        check_charged(report, prefix, &phase, talked(PACKETS, VOICE_OCTETS));
        let records = record(&lab.gateway, call)?;
        check_record(report, prefix, &records, cause, talked(packets, VOICE_OCTETS));
        let lived = records.iter().map(|record| [record.invited_at.clone(), record.ended_at.clone()]);
        report.figure(format!("{}_lived", call.id), lived.collect::<Vec<_>>());
    }
    Ok(())
}

/// What is said once a call is over is charged.
fn check_charged(report: &mut Report, prefix: &str, phase: &Phase, media: Usage) {
    let free = phase.counted(|counter| counter.bucket == "free");
    report.check(format!("{prefix}-afterwards-free"), Usage::default(), free);
    let charged = phase.counted(|counter| counter.reason == "no-call");
    report.check(format!("{prefix}-afterwards-charged"), media, charged);
}

/// Free is what was said, which is what captures have of it.
fn check_free(report: &mut Report, prefix: &str, phase: &Phase, rule: &str, media: Usage) {
    let captured = super::load::captured(phase, |packet| packet.ports.contains(&super::phone::DESK_PORT));
    report.check(format!("{prefix}-media-captured"), media, captured);
    report.check(format!("{prefix}-media-free"), captured, phase.counted(|counter| counter.is_free_by(rule)));
    let free = phase.counted(|counter| counter.bucket == "free");
    report.check(format!("{prefix}-nothing-else-free"), captured, free);
}

/// The records of a call, once there is one.
pub(super) fn record(gateway: &Gateway, call: &Call) -> Result<Vec<PastCall>> {
    wait::until("a call record", RECORD_LIMIT, || {
        let mut past = gateway.past_calls()?;
        past.retain(|past| past.call_id == call.id);
        Ok((!past.is_empty()).then_some(past))
    })
    .context(call.id.clone())
}

pub(super) fn check_record(
    report: &mut Report,
    prefix: &str,
    records: &[PastCall],
    cause: &str,
    media: Usage,
) {
    let causes: Vec<&str> = records.iter().map(|record| record.cause.as_str()).collect();
    report.check(format!("{prefix}-record"), vec![cause], causes);
    let recorded: Usage = records.iter().map(PastCall::media).sum();
    report.check(format!("{prefix}-media-in-record"), media, recorded);
}
