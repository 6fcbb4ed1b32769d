//! Calls to the hotline and to another number.

use anyhow::Result;

use crate::address::Family;
use crate::gateway::HOTLINE_RULE;
use crate::laboratory::Laboratory;
use crate::phase::Phase;
use crate::reconcile::check_totals;
use crate::report::Report;
use crate::sip::{MEDIA_PACKETS, is_media, is_signalling};
use crate::volume::Usage;

/// The number that the lab's policy lists.
pub(super) const HOTLINE: &str = "19003228";
/// A number that no policy lists.
const OTHER_NUMBER: &str = "19001111";
const CALLER: u8 = 0;

/// The same call twice, to two numbers; returns the free one's media.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<Usage> {
    let phase =
        lab.measure("free-call", |lab| lab.network.callee.call(&lab.network.topology, CALLER, HOTLINE))?;
    let media = check_media(report, "5-free-call", &phase);
    check_call(report, "5-free-call", &phase, media);
    check_totals(report, "5-free-call", &phase);
    report.figure("free_call_media", media.total());

    let phase = lab.measure("charged-call", |lab| {
        lab.network.callee.call(&lab.network.topology, CALLER, OTHER_NUMBER)
    })?;
    check_media(report, "5-charged-call", &phase);
    check_call(report, "5-charged-call", &phase, Usage::default());
    check_totals(report, "5-charged-call", &phase);
    Ok(media)
}

/// Checks that both sides really talked; returns what they said.
fn check_media(report: &mut Report, prefix: &str, phase: &Phase) -> Usage {
    let media = phase.captured_of(CALLER, Family::V4, is_media);
    let packets = [media.uplink.packets, media.downlink.packets];
    report.check(format!("{prefix}-media-packets-both-ways"), [MEDIA_PACKETS; 2], packets);
    media
}

/// Checks that exactly `free` is free, and the rest of the call charged.
fn check_call(report: &mut Report, prefix: &str, phase: &Phase, free: Usage) {
    let counted = phase.counted_of(CALLER, Family::V4, |counter| counter.is_free_by(HOTLINE_RULE));
    report.check(format!("{prefix}-free-media"), free, counted);
    let all_free = phase.counted(|counter| counter.bucket == "free");
    report.check(format!("{prefix}-free-in-all"), free, all_free);
    let signalling = phase.captured_of(CALLER, Family::V4, is_signalling);
    let counted = phase.counted_of(CALLER, Family::V4, |counter| counter.reason == "signalling");
    report.check(format!("{prefix}-signalling"), signalling, counted);
    let all = phase.captured_of(CALLER, Family::V4, |_| true);
    let charged = phase.counted_of(CALLER, Family::V4, |counter| counter.bucket == "charged");
    report.check(format!("{prefix}-charged"), all - free, charged);
}
