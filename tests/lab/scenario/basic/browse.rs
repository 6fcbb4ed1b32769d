//! Subscribers on sites on and off the whitelist.

use anyhow::Result;

use crate::address::{FREE_SITE, Family, OTHER_SITE, SUBSCRIBERS};
use crate::capture::Point;
use crate::gateway::{FREE_DSCP, SITE_RULE};
use crate::laboratory::Laboratory;
use crate::packet::Packet;
use crate::phase::Phase;
use crate::reconcile::{check_subscribers, check_totals, is_free_site};
use crate::report::Report;
use crate::volume::Volume;

/// The first subscriber uses both sites and pings the free one, the second only the other, the third only the free.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    let phase = lab.measure("browse", |lab| {
        for family in Family::ALL {
            lab.network.subscriber(0).browse(&FREE_SITE, family)?;
            lab.network.subscriber(0).browse(&OTHER_SITE, family)?;
            lab.network.subscriber(0).ping(&FREE_SITE, family)?;
            lab.network.subscriber(1).browse(&OTHER_SITE, family)?;
            lab.network.subscriber(2).browse(&FREE_SITE, family)?;
        }
        Ok(())
    })?;
    check_subscribers(report, "1", &phase, 0..SUBSCRIBERS);
    check_totals(report, "1", &phase);
    check_something_was_carried(report, &phase);
    check_tags(report, &phase);
    let free = phase.counted(|counter| counter.is_free_by(SITE_RULE)).total();
    report.figure("browse_free", free);
    let modes = phase.after.status.interfaces.iter().map(|interface| interface.mode.clone());
    report.figure("xdp_modes", modes.collect::<Vec<_>>());
    Ok(())
}

/// Keeps the comparisons from passing on nothing.
fn check_something_was_carried(report: &mut Report, phase: &Phase) {
    for family in Family::ALL {
        let free = phase.captured_of(0, family, is_free_site);
        let carried = free.uplink.octets > 0 && free.downlink.octets > 200_000;
        report.check(format!("1-a-page-was-fetched-{}", family.name()), true, carried);
    }
}

/// What is free when it enters has the code point when it leaves, and the mark within; nothing else has.
fn check_tags(report: &mut Report, phase: &Phase) {
    let is_tagged = |packet: &Packet| packet.dscp == FREE_DSCP;
    let directions =
        [("uplink", Point::UplinkIn, Point::UplinkOut), ("downlink", Point::DownlinkIn, Point::DownlinkOut)];
    for family in Family::ALL {
        let name = family.name();
        let of_family = |packet: &Packet| family.has(&packet.source);
        let mut free_packets = 0;
        for (direction, before, after) in directions {
            let free = phase.traffic.volume(before, |packet| of_family(packet) && is_free_site(packet));
            let tagged = phase.traffic.volume(after, |packet| of_family(packet) && is_tagged(packet));
            let wrongly = phase.traffic.volume(after, |p| of_family(p) && is_tagged(p) && !is_free_site(p));
            report.check(format!("2-dscp-on-free-{direction}-{name}"), free, tagged);
            report.check(format!("2-dscp-on-others-{direction}-{name}"), Volume::default(), wrongly);
            free_packets += free.packets;
        }
        let marked = phase.marked[usize::from(family == Family::V6)];
        report.check(format!("2-mark-on-free-packets-{name}"), free_packets, marked);
    }
    let already =
        [Point::UplinkIn, Point::DownlinkIn].map(|point| phase.traffic.volume(point, is_tagged).packets);
    report.check("2-dscp-before-the-gateway", [0, 0], already);
}
