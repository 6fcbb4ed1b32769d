//! The lab without Tollfree: the network carries the traffic, and the captures agree with what was asked for.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use tollfree_tests::address::{FREE_SITE, Family, OTHER_SITE, RESOLVER, SIP_PORT, socket, subscriber};
use tollfree_tests::capture::{Captures, Point, Traffic};
use tollfree_tests::network::Network;
use tollfree_tests::packet::{Packet, TCP, UDP};
use tollfree_tests::sip::{self, MEDIA_PACKETS};
use tollfree_tests::stranger;
use tollfree_tests::topology::Crossing;

/// Octets of the page: nginx's content in `web.rs`.
const PAGE_OCTETS: i64 = 200_000;

fn capture(network: &Network, name: &str, work: impl FnOnce()) -> Traffic {
    let directory = network.directory().join(name);
    std::fs::create_dir(&directory).unwrap();
    let mut captures = Captures::start(&network.topology, &directory).unwrap();
    let from = captures.mark().unwrap();
    work();
    let to = captures.mark().unwrap();
    captures.stop(&from, &to).unwrap()
}

fn both_ways(traffic: &Traffic, wanted: impl Fn(&Packet) -> bool) -> [i64; 2] {
    [Point::UplinkIn, Point::DownlinkIn].map(|point| traffic.volume(point, &wanted).packets)
}

#[test]
fn traffic_flows_and_captures_see_it() {
    let network =
        Network::start(Crossing::Routed).expect("the lab needs root and what `cargo xtask setup` installs");
    browsing(&network);
    calling(&network);
    knocking(&network);
}

fn browsing(network: &Network) {
    for family in Family::ALL {
        let traffic = capture(network, family.name(), || {
            network.subscriber(0).browse(&FREE_SITE, family).unwrap();
            network.subscriber(1).ping(&OTHER_SITE, family).unwrap();
        });
        let [site, other] = [FREE_SITE, OTHER_SITE].map(|site| site.address(family));
        let web = |packet: &Packet| packet.protocol == TCP && packet.touches(&site);
        let downlink = traffic.volume(Point::DownlinkIn, web);
        let headers = downlink.packets * 100;
        assert!((PAGE_OCTETS..PAGE_OCTETS + headers + 10_000).contains(&downlink.octets), "{downlink}");
        assert_eq!(both_ways(&traffic, |packet| packet.touches(&other)), [3, 3], "echo requests and replies");
        assert_eq!(
            both_ways(&traffic, |packet| packet.touches(&RESOLVER[0])),
            [1, 1],
            "one question, one answer"
        );
        // Nothing in the gateway changes anything, so it leaves as it came.
        for (before, after) in [(Point::UplinkIn, Point::UplinkOut), (Point::DownlinkIn, Point::DownlinkOut)]
        {
            let [came, left] = [before, after]
                .map(|point| traffic.volume(point, |p| [site, other].iter().any(|one| p.touches(one))));
            assert_eq!(came, left);
        }
    }
}

fn calling(network: &Network) {
    let traffic = capture(network, "call", || network.callee.call(&network.topology, 0, "19003228").unwrap());
    assert_eq!(both_ways(&traffic, sip::is_media), [MEDIA_PACKETS; 2]);
    // Uplink INVITE, ACK and BYE; downlink 180, 200 and 200.
    assert_eq!(both_ways(&traffic, sip::is_signalling), [3, 3], "port {SIP_PORT}");
}

fn knocking(network: &Network) {
    for family in Family::ALL {
        let from = socket(FREE_SITE.address(family), 4443);
        let to = socket(subscriber(2, family), 9);
        let traffic = capture(network, &format!("knock-{}", family.name()), || {
            stranger::send_datagrams(&network.topology.internet, from, to, 5, 972).unwrap();
            stranger::knock(&network.topology.internet, from, to, 2).unwrap();
        });
        let datagrams = traffic.volume(Point::DownlinkIn, |packet| packet.protocol == UDP);
        let ip_octets = if family == Family::V4 { 20 } else { 40 };
        assert_eq!((datagrams.packets, datagrams.octets), (5, 5 * (972 + 8 + ip_octets)));
        assert_eq!(both_ways(&traffic, |packet| packet.protocol == TCP), [2, 2], "SYN down, RST up");
    }
}
