//! Nothing is missing: captures, interfaces, buckets and the NIC all say the same.

use crate::address::{FREE_SITE, Family};
use crate::capture::Point;
use crate::gateway::SITE_RULE;
use crate::packet::Packet;
use crate::phase::Phase;
use crate::report::Report;
use crate::topology::{ACCESS_INTERFACE, CORE_INTERFACE};
use crate::volume::Volume;

/// Checks a phase's totals. The checks' names begin with `prefix`.
pub fn check_totals(report: &mut Report, prefix: &str, phase: &Phase) {
    let points = [(ACCESS_INTERFACE, Point::UplinkIn), (CORE_INTERFACE, Point::DownlinkIn)];
    for (interface, point) in points {
        report.check(
            format!("{prefix}-frames-{interface}"),
            phase.traffic.frames(point),
            phase.seen(interface),
        );
    }
    let frames = points.map(|(_, point)| phase.traffic.frames(point).packets).into_iter().sum();
    report.check(format!("{prefix}-packets-in-all-buckets"), frames, phase.counted_in_all_buckets().packets);
    let reconciliation = phase.after.status.reconciliation;
    report.check(format!("{prefix}-buckets-equal-totals"), Volume::default(), reconciliation.buckets());
    report.check(format!("{prefix}-nic-equals-totals"), Volume::default(), reconciliation.nic());
}

/// Whether a packet belongs to a flow that the free site's rule makes free if the subscriber opened it.
pub fn is_free_site(packet: &Packet) -> bool {
    packet.has_ports() && (FREE_SITE.has(&packet.source) || FREE_SITE.has(&packet.destination))
}

/// Checks free and charged usage of these subscribers, both versions and directions, against the captures: what is to the
/// free site is free, and everything else is charged, to the byte of the inner packets.
pub fn check_subscribers(
    report: &mut Report,
    prefix: &str,
    phase: &Phase,
    subscribers: impl IntoIterator<Item = u8>,
) {
    for index in subscribers {
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
