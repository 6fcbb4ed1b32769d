//! Everything inside the carrier's own transport, one encapsulation after the other. The checks' names begin with
//! `carrier-` and the encapsulation.

use std::net::IpAddr;

use anyhow::Result;

use crate::address::{
    FREE_SITE, Family, OTHER_SITE, Site, is_tunnel_end, relay, socket, subscriber, tunnel_end,
};
use crate::capture::Point;
use crate::datagram;
use crate::encapsulation::Encapsulation;
use crate::encapsulator::Encapsulators;
use crate::gateway::FREE_DSCP;
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::packet::Packet;
use crate::phase::Phase;
use crate::private_tunnel::{self, Kind};
use crate::reconcile::{check_subscribers, check_totals, is_free_site};
use crate::report::Report;
use crate::topology::Side;
use crate::volume::{Usage, Volume};

/// Opens pages, and pings.
const BROWSER: u8 = 0;
/// Exchanges datagrams.
const SENDER: u8 = 1;
/// Has tunnels of his own.
const TUNNELLER: u8 = 2;
/// Where the sites answer datagrams: echo (RFC 862).
const ECHO_PORT: u16 = 7;
/// Two octets, in a frame that is padded; 1452, which fill a packet that GTP-U makes too long for the path; 4000, in
/// three packets.
const DATAGRAM_OCTETS: [usize; 3] = [2, 1452, 4000];
/// Of each length, over each IP version, with each site.
const DATAGRAMS: usize = 3;

/// Runs it all, in one lab, on one daemon's counters.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report) -> Result<()> {
    for encapsulation in Encapsulation::ALL {
        let prefix = format!("carrier-{}", encapsulation.name());
        let encapsulators = Encapsulators::start(&lab.network.topology, encapsulation)?;
        let phase = lab.measure(&encapsulation.name(), |lab| traffic(&lab.network))?;
        encapsulators.stop()?;
        check_what_crossed(report, &prefix, encapsulation, &phase);
        check_subscribers(report, &prefix, &phase, [BROWSER, SENDER, TUNNELLER]);
        check_private_tunnels(report, &prefix, &phase);
        check_tunnel_fragments(report, &prefix, encapsulation, &phase);
        check_tags(report, &prefix, &phase);
        check_totals(report, &prefix, &phase);
        let free = phase.counted(|counter| counter.bucket == "free").total();
        report.figure(format!("{}_free", encapsulation.name()), free);
    }
    Ok(())
}

/// What every encapsulation carries.
///
/// # Errors
/// If something does not come through.
pub fn traffic(network: &Network) -> Result<()> {
    for family in Family::ALL {
        for site in [FREE_SITE, OTHER_SITE] {
            network.subscriber(BROWSER).browse(&site, family)?;
            exchange_datagrams(network, &site, family)?;
        }
        network.subscriber(BROWSER).ping(&FREE_SITE, family)?;
        for inner in Family::ALL {
            tunnel_privately(network, family, inner)?;
        }
    }
    Ok(())
}

fn exchange_datagrams(network: &Network, site: &Site, family: Family) -> Result<()> {
    let client = (network.subscriber(SENDER).namespace, subscriber(SENDER, family));
    let server = (&network.topology.internet, socket(site.address(family), ECHO_PORT));
    for octets in DATAGRAM_OCTETS {
        (0..DATAGRAMS).try_for_each(|_| datagram::exchange(client, server, octets))?;
    }
    Ok(())
}

/// Packets to the free site, in packets to a relay and in packets to the carrier's own tunnel end.
fn tunnel_privately(network: &Network, outer: Family, inner: Family) -> Result<()> {
    let namespaces = [network.subscriber(TUNNELLER).namespace, &network.topology.internet];
    let own = subscriber(TUNNELLER, outer);
    let inner = [subscriber(TUNNELLER, inner), FREE_SITE.address(inner)];
    for kind in Kind::ALL {
        private_tunnel::exchange(namespaces, kind, [own, relay(outer)], inner)?;
    }
    private_tunnel::imitate(namespaces[0], own, tunnel_end(Side::Core, outer), inner)
}

/// Whether it is what is left of a packet whose beginning, with all headers, was in another frame.
fn is_tunnel_fragment(packet: &Packet) -> bool {
    packet.is_later_fragment && is_tunnel_end(&packet.source) && is_tunnel_end(&packet.destination)
}

/// Keeps the comparisons from passing on nothing, or on something else than was meant.
fn check_what_crossed(report: &mut Report, prefix: &str, encapsulation: Encapsulation, phase: &Phase) {
    let packed = encapsulation.carriage();
    let otherwise = Point::ALL
        .map(|point| phase.traffic.volume(point, |p| p.carriage != packed && !is_tunnel_fragment(p)).packets);
    report.check(format!("{prefix}-packets-packed-otherwise"), [0; 4], otherwise);
    for family in Family::ALL {
        let name = family.name();
        let page = phase.captured_of(BROWSER, family, is_free_site).downlink;
        report.check(format!("{prefix}-a-page-was-fetched-{name}"), true, page.octets > 200_000);
        let fragments = phase.captured_of(SENDER, family, |p| is_free_site(p) && p.is_later_fragment);
        // 4000 octets are three packets, two of them later fragments.
        let expected = [i64::try_from(DATAGRAMS * 2).unwrap_or(i64::MAX); 2];
        let crossed = [fragments.uplink.packets, fragments.downlink.packets];
        report.check(format!("{prefix}-inner-fragments-crossed-{name}"), expected, crossed);
    }
    for (point, name) in [(Point::UplinkIn, "uplink"), (Point::DownlinkIn, "downlink")] {
        let crossed = phase.traffic.volume(point, is_tunnel_fragment).packets > 0;
        report.check(format!("{prefix}-outer-fragments-crossed-{name}"), encapsulation.fragments(), crossed);
    }
}

/// A subscriber's own tunnels are charged as what they are outside.
fn check_private_tunnels(report: &mut Report, prefix: &str, phase: &Phase) {
    for family in Family::ALL {
        let name = family.name();
        let free = phase.counted_of(TUNNELLER, family, |counter| counter.bucket == "free");
        report.check(format!("{prefix}-private-tunnels-free-{name}"), Usage::default(), free);
        let with = |remote: IpAddr| {
            let sent = phase.captured_of(TUNNELLER, family, |packet| packet.touches(&remote));
            [sent.uplink.packets, sent.downlink.packets]
        };
        // Of each kind one each way, with both versions inside; what is sent to the tunnel end is not answered.
        let crossed = [with(relay(family)), with(tunnel_end(Side::Core, family))];
        report.check(format!("{prefix}-private-tunnels-packets-{name}"), [[4, 4], [2, 0]], crossed);
        let sent = phase.captured_of(TUNNELLER, family, |_| true);
        let charged = phase.counted_of(TUNNELLER, family, |counter| counter.bucket == "charged");
        report.check(format!("{prefix}-private-tunnels-charged-{name}"), sent, charged);
    }
}

/// The rest of a packet was counted with its beginning, and only as a frame here.
fn check_tunnel_fragments(report: &mut Report, prefix: &str, encapsulation: Encapsulation, phase: &Phase) {
    if !encapsulation.fragments() {
        return;
    }
    let [uplink, downlink] = [Point::UplinkIn, Point::DownlinkIn].map(|point| {
        let packets = phase.traffic.volume(point, is_tunnel_fragment).packets;
        Volume { packets, octets: 0 }
    });
    let counted = phase.counted(|counter| counter.reason == "tunnel-fragment");
    report.check(format!("{prefix}-rests-of-packets"), Usage { uplink, downlink }, counted);
}

/// What is free when it enters has the code point when it leaves, inside and outside; nothing else has it anywhere.
fn check_tags(report: &mut Report, prefix: &str, phase: &Phase) {
    let [both, none] = [[FREE_DSCP; 2], [0; 2]];
    let tags = |packet: &Packet| [packet.dscp, packet.outer_dscp];
    let directions =
        [("uplink", Point::UplinkIn, Point::UplinkOut), ("downlink", Point::DownlinkIn, Point::DownlinkOut)];
    for (direction, before, after) in directions {
        let free = phase.traffic.volume(before, is_free_site);
        let tagged = phase.traffic.volume(after, |packet| is_free_site(packet) && tags(packet) == both);
        report.check(format!("{prefix}-dscp-on-free-{direction}"), free, tagged);
        let wrongly = phase.traffic.volume(after, |packet| !is_free_site(packet) && tags(packet) != none);
        report.check(format!("{prefix}-dscp-on-others-{direction}"), Volume::default(), wrongly);
    }
}
