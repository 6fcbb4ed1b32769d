//! The first slice: from policy file to billed and audited bytes. The checks' names begin with what they show:
//!
//! 1. free and charged bytes are right, to the byte; 2. what is free is tagged, and nothing else;
//! 3. no byte is lost or doubled by a killed daemon or by changed policies; 4. strangers' packets are charged;
//! 5. a free call's media is free; 6. records, metrics and audit log agree with it all.

mod browse;
mod calls;
mod evidence;
mod strangers;
mod survive;

use anyhow::Result;

use crate::address::{FREE_SITE, Family, SUBSCRIBERS};
use crate::gateway::SITE_RULE;
use crate::laboratory::Laboratory;
use crate::packet::Packet;
use crate::phase::Phase;
use crate::report::Report;

/// Runs it all, in one lab, on one daemon's counters.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    browse::run(lab, report)?;
    survive::kill(lab, report)?;
    survive::reload(lab, report)?;
    strangers::run(lab, report)?;
    let media = calls::run(lab, report)?;
    evidence::run(lab, report, media)
}

/// Whether a packet belongs to a flow that the site's rule makes free if the subscriber opened it.
fn is_free_site(packet: &Packet) -> bool {
    packet.has_ports() && (FREE_SITE.has(&packet.source) || FREE_SITE.has(&packet.destination))
}

/// Checks every subscriber's free and charged usage, both versions and directions, against the captures.
fn check_subscribers(report: &mut Report, prefix: &str, phase: &Phase) {
    for index in 0..SUBSCRIBERS {
        for family in Family::ALL {
            let who = format!("{}-sub{}", family.name(), index + 1);
            let expected = phase.captured_of(index, family, is_free_site);
            let measured = phase.counted_of(index, family, |counter| counter.is_free_by(SITE_RULE));
            report.check(format!("{prefix}-free-uplink-{who}"), expected.uplink, measured.uplink);
            report.check(format!("{prefix}-free-downlink-{who}"), expected.downlink, measured.downlink);
            let expected = phase.captured_of(index, family, |packet| !is_free_site(packet));
            let measured = phase.counted_of(index, family, |counter| counter.bucket == "charged");
            report.check(format!("{prefix}-charged-uplink-{who}"), expected.uplink, measured.uplink);
            report.check(format!("{prefix}-charged-downlink-{who}"), expected.downlink, measured.downlink);
        }
    }
}
