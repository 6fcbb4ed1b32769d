//! Whose packet it is.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, charged, unattributed};
use crate::world::{GATEWAY, GATEWAY_V6, SITE, STRANGER, STRANGER_V6, SUBSCRIBER, SUBSCRIBER_V6, at};

const OTHER_SUBSCRIBER: &str = "10.20.0.12:40000";
/// Just outside the pools.
const BEFORE_POOL: &str = "10.19.255.255:40000";
const AFTER_POOL: &str = "10.21.0.0:40000";
const AFTER_POOL_V6: &str = "[2001:db8:21::1]:40000";
/// The pools' first and last addresses.
const POOL_FIRST: &str = "10.20.0.0:40000";
const POOL_LAST_V6: &str = "[2001:db8:20:ffff:ffff:ffff:ffff:ffff]:40000";

pub(crate) fn cases() -> Vec<Case> {
    [attributed(), spoofed(), transit(), own()].into_iter().flatten().collect()
}

fn udp(from: &str, to: &str) -> FrameBuilder {
    FrameBuilder::udp(at(from), at(to)).payload_octets(10)
}

fn attributed() -> Vec<Case> {
    let first = Expect {
        subscriber: Some(("10.20.0.0".parse().expect("an address"), 32)),
        ..charged(Reason::NotListed, 38)
    };
    let last = Expect {
        subscriber: Some(("2001:db8:20:ffff::".parse().expect("an address"), 64)),
        ..charged(Reason::NotListed, 58)
    };
    vec![
        Case::uplink("uplink: the source", &udp(SUBSCRIBER, STRANGER), charged(Reason::NotListed, 38)),
        Case::downlink(
            "downlink: the destination",
            &udp(STRANGER, SUBSCRIBER),
            charged(Reason::NotListed, 38),
        ),
        Case::uplink(
            "an IPv6 host is its /64",
            &udp(SUBSCRIBER_V6, STRANGER_V6),
            charged(Reason::NotListed, 58).v6(),
        ),
        Case::downlink(
            "another host of the /64",
            &udp(STRANGER_V6, "[2001:db8:20:11:ffff::2]:1"),
            charged(Reason::NotListed, 58).v6(),
        ),
        Case::uplink("the pool's first address", &udp(POOL_FIRST, STRANGER), first),
        Case::uplink("the pool's last address", &udp(POOL_LAST_V6, STRANGER_V6), last),
        Case::uplink(
            "to another subscriber",
            &udp(SUBSCRIBER, OTHER_SUBSCRIBER),
            charged(Reason::NotListed, 38),
        ),
        // DESIGN, "Life of a packet", 2: a source inside the pools is the subscriber, wherever it sends to.
        Case::uplink("to the gateway", &udp(SUBSCRIBER, GATEWAY), charged(Reason::NotListed, 38)),
    ]
}

fn spoofed() -> Vec<Case> {
    let row = |octets| unattributed(Reason::Spoofed, octets);
    vec![
        Case::uplink("uplink from below the pool", &udp(BEFORE_POOL, STRANGER), row(38)),
        Case::uplink("uplink from above the pool", &udp(AFTER_POOL, SITE), row(38)),
        Case::uplink("uplink from above the IPv6 pool", &udp(AFTER_POOL_V6, STRANGER_V6), row(58)),
        Case::uplink("uplink to a subscriber, from none", &udp(STRANGER, SUBSCRIBER), row(38)),
        Case::downlink("downlink from a subscriber to none", &udp(SUBSCRIBER, STRANGER), row(38)),
        Case::downlink("downlink from a subscriber to one", &udp(OTHER_SUBSCRIBER, SUBSCRIBER), row(38)),
        Case::downlink("IPv6 downlink from a subscriber", &udp(SUBSCRIBER_V6, STRANGER_V6), row(58)),
    ]
}

fn transit() -> Vec<Case> {
    let row = |octets| unattributed(Reason::Transit, octets);
    vec![
        Case::downlink("neither side is a subscriber", &udp(STRANGER, AFTER_POOL), row(38)),
        Case::downlink("neither side, IPv6", &udp(STRANGER_V6, AFTER_POOL_V6), row(58)),
        Case::downlink("from a listed site to none", &udp(SITE, AFTER_POOL), row(38)),
    ]
}

fn own() -> Vec<Case> {
    let row = |octets| unattributed(Reason::Own, octets);
    vec![
        Case::downlink("to the gateway, inside the pool", &udp(STRANGER, GATEWAY), row(38)),
        Case::downlink("to the gateway, IPv6", &udp(STRANGER_V6, GATEWAY_V6), row(58)),
        Case::uplink("a neighbour to the gateway", &udp(AFTER_POOL, GATEWAY), row(38)),
        Case::uplink(
            "router solicitation",
            &FrameBuilder::echo(at("[fe80::1]:0"), at("[ff02::2]:0")),
            row(48),
        ),
        Case::downlink(
            "OSPF hello",
            &FrameBuilder::other(89, at(STRANGER), at("224.0.0.5:0")).payload_octets(44),
            row(64),
        ),
        Case::uplink("DHCP discover", &udp("0.0.0.0:68", "255.255.255.255:67"), row(38)),
        Case::uplink("link-local IPv4", &udp("169.254.1.1:5353", "224.0.0.251:5353"), row(38)),
    ]
}
