//! Media that does not wait: the first packet follows the ACK at once, while the gateway still reads the answer.

use std::path::Path;

use anyhow::Result;

use super::RULE;
use super::agents::{self, Done, Target, Task, is_media};
use super::clip;
use super::kind::Kind;
use super::load::captured;
use crate::address::Family;
use crate::laboratory::Laboratory;
use crate::reconcile::check_totals;
use crate::report::Report;
use crate::volume::Usage;

const CALLS_EACH: u32 = 50;
/// Who calls.
const CALLER: u8 = 1;

/// Runs it. All of it is free: what came before the grant was written waited for it.
pub(super) fn run(lab: &mut Laboratory, directory: &Path, report: &mut Report) -> Result<()> {
    let tasks = Family::ALL.map(|family| Task {
        kind: Kind::Hasty,
        target: Target::Hotline,
        subscriber: CALLER,
        family,
        calls: CALLS_EACH,
    });
    let mut done = Vec::new();
    let phase = lab.measure("haste", |lab| {
        done = agents::call(&lab.network.topology, directory, &tasks)?;
        Ok(())
    })?;
    let prefix = "calls-2";
    let successful: i64 = done.iter().map(|done: &Done| done.successful).sum();
    report.check(format!("{prefix}-calls"), i64::from(CALLS_EACH) * 2, successful);
    let media = captured(&phase, |packet| is_media(packet, Target::Hotline));
    let packets = successful * i64::from(clip::PACKETS);
    report.check(
        format!("{prefix}-media-packets"),
        [packets; 2],
        [media.uplink.packets, media.downlink.packets],
    );
    let free = phase.counted(|counter| counter.is_free_by(RULE));
    report.check(format!("{prefix}-media-free"), media, free);
    let too_early = phase.counted(|counter| counter.reason == "no-call");
    report.check(format!("{prefix}-media-without-a-call"), Usage::default(), too_early);
    check_totals(report, prefix, &phase);
    report.figure("hasty_calls", successful);
    report.figure("hasty_streams_that_waited", phase.after.early_media() - phase.before.early_media());
    report.figure("hasty_media_free", free);
    Ok(())
}
