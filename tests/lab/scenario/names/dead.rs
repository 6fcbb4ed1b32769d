//! While the daemon is dead.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::fresh::{NAMES, browse};
use super::{HONEST, check_all, measure};
use crate::address::{FREE_SITE, Family, resolver, subscriber, wild_addresses};
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::question::Question;
use crate::report::Report;

/// Names that were known before.
const KNOWN: Range<u16> = 0..10;
/// Names that are asked for while it is dead.
const MISSED: Range<u16> = NAMES..NAMES + 10;
/// Names that are asked for when it is back.
const LATER: Range<u16> = NAMES + 10..NAMES + 20;
/// Questions whose answers are timed. Reason: the median of so many is steady.
const TIMED: usize = 300;

/// The daemon is killed; subscribers go on.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let mut times = [Duration::ZERO; 2];
    let mut opened = 0;
    let phase = measure(lab, "dead", |lab| {
        times[0] = median(&lab.network)?;
        lab.gateway.kill()?;
        times[1] = median(&lab.network)?;
        opened += browse(&lab.network, KNOWN)?;
        opened += browse(&lab.network, MISSED)?;
        lab.gateway.start(&lab.network.topology.gateway)
    })?;
    report.check("names-2-dead-opened", 20, opened);
    // All questions were answered, else there were no median.
    let [alive, dead] = times.map(|time| time.as_secs_f64());
    report.figure("answer_seconds_alive", alive);
    report.figure("answer_seconds_dead", dead);
    report.figure("answer_seconds_dead_to_alive", dead / alive);
    // What was missed waited in the ring buffer, and its flows waited for it: the daemon that comes back repairs them.
    let mut free = wild_addresses(KNOWN);
    free.extend(wild_addresses(MISSED));
    check_all(report, "names-2-dead", &phase, &free);
    let phase = measure(lab, "later", |lab| browse(&lab.network, LATER).map(drop))?;
    check_all(report, "names-2-later", &phase, &wild_addresses(LATER));
    Ok(())
}

/// How long an answer takes.
fn median(network: &Network) -> Result<Duration> {
    network.topology.subscribers[usize::from(HONEST)].within(|| {
        let mut times = Vec::with_capacity(TIMED);
        for _ in 0..TIMED {
            let began = Instant::now();
            let client = subscriber(HONEST, Family::V4);
            let question = Question::ask(client, resolver(Family::V4), FREE_SITE.name, Family::V4)?;
            question.answer()?.context("a question without an answer")?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(times[TIMED / 2])
    })
}
