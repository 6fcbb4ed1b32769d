//! TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792, RFC 4443), and what has no ports.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, changed, charged, free};
use crate::world::{
    CONFERENCE, MEDIA, SITE, SITE_RULE, SITE_V6, STRANGER, STRANGER_V6, SUBSCRIBER, SUBSCRIBER_V6, at,
};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;
const ESP: u8 = 50;
const SCTP: u8 = 132;
const ICMPV6: u8 = 58;

/// Where the data offset of TCP is in a frame with a plain IPv4 header.
const DATA_OFFSET: usize = 14 + 20 + 12;

pub(crate) fn cases() -> Vec<Case> {
    [control_payload(), echoes(), malformed(), others()].into_iter().flatten().collect()
}

fn control_payload() -> Vec<Case> {
    let site = || FrameBuilder::tcp(at(SUBSCRIBER), at(SITE));
    let back = || FrameBuilder::tcp(at(SITE), at(SUBSCRIBER));
    vec![
        Case::uplink("SYN", &site().syn(), free(SITE_RULE, 40)),
        Case::uplink("SYN, padded by Ethernet", &site().syn().padding(6), free(SITE_RULE, 40)),
        Case::uplink(
            "SYN with payload",
            &site().syn().payload_octets(1),
            charged(Reason::ControlPayload, 41),
        ),
        Case::uplink("RST of an open flow", &site().rst(), free(SITE_RULE, 40)).after(&site().syn()),
        Case::uplink(
            "RST with payload",
            &site().rst().payload_octets(100),
            charged(Reason::ControlPayload, 140),
        ),
        Case::opened("FIN with payload", &site().fin().payload_octets(100), free(SITE_RULE, 140)),
        Case::uplink(
            "IPv6 SYN with payload",
            &FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).syn().payload_octets(1),
            charged(Reason::ControlPayload, 61).v6(),
        ),
        Case::uplink(
            "SYN with payload to a stranger",
            &FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER)).syn().payload_octets(1),
            charged(Reason::NotListed, 41),
        ),
        Case::downlink(
            "RST with payload downlink",
            &back().rst().payload_octets(9),
            charged(Reason::ControlPayload, 49),
        )
        .after(&site().syn()),
        Case::downlink("SYN with payload opens no flow", &back(), charged(Reason::NoFlow, 40).by(SITE_RULE))
            .after(&site().syn().payload_octets(1)),
        Case::octets(
            "SYN with 24 octets of options and no payload",
            Role::Access,
            changed(&site().syn().payload_octets(24), DATA_OFFSET, &[11 << 4]),
            free(SITE_RULE, 64),
        ),
        Case::octets(
            "SYN with 20 octets of options and 4 of payload",
            Role::Access,
            changed(&site().syn().payload_octets(24), DATA_OFFSET, &[10 << 4]),
            charged(Reason::ControlPayload, 64),
        ),
    ]
}

fn echoes() -> Vec<Case> {
    let echo = |from, to| FrameBuilder::echo(at(from), at(to)).payload_octets(56);
    vec![
        Case::uplink("ICMP to a listed site", &echo(SUBSCRIBER, SITE), charged(Reason::Icmp, 84)),
        Case::downlink("ICMP from a listed site", &echo(SITE, SUBSCRIBER), charged(Reason::Icmp, 84)),
        Case::uplink(
            "ICMPv6 to a listed site",
            &echo(SUBSCRIBER_V6, SITE_V6),
            charged(Reason::Icmp, 104).v6(),
        ),
        Case::downlink(
            "ICMPv6 from a listed site",
            &echo(SITE_V6, SUBSCRIBER_V6),
            charged(Reason::Icmp, 104).v6(),
        ),
        Case::uplink("ICMP to a media network", &echo(SUBSCRIBER, MEDIA), charged(Reason::Icmp, 84)),
        Case::uplink("ICMP to a stranger", &echo(SUBSCRIBER, STRANGER), charged(Reason::NotListed, 84)),
        Case::uplink(
            "ICMPv6 to a stranger",
            &echo(SUBSCRIBER_V6, STRANGER_V6),
            charged(Reason::NotListed, 104).v6(),
        ),
    ]
}

fn malformed() -> Vec<Case> {
    let short = |protocol, octets| {
        FrameBuilder::other(protocol, at(SUBSCRIBER), at(SITE)).payload_octets(octets).padding(30)
    };
    let short_v6 = |protocol, octets| {
        FrameBuilder::other(protocol, at(SUBSCRIBER_V6), at(SITE_V6)).payload_octets(octets).padding(30)
    };
    let row = |name, protocol, octets: usize| {
        let volume = u32::try_from(20 + octets).expect("a short packet");
        Case::uplink(name, &short(protocol, octets), charged(Reason::MalformedTransport, volume))
    };
    let row_v6 = |name, protocol, octets: usize| {
        let volume = u32::try_from(40 + octets).expect("a short packet");
        Case::uplink(name, &short_v6(protocol, octets), charged(Reason::MalformedTransport, volume).v6())
    };
    let site = FrameBuilder::tcp(at(SUBSCRIBER), at(SITE));
    let offset = |name, words: u8| {
        let frame = changed(&site, DATA_OFFSET, &[words << 4]);
        Case::octets(name, Role::Access, frame, charged(Reason::MalformedTransport, 40))
    };
    vec![
        row("TCP of 19 octets, padded", TCP, 19),
        row("TCP of 0 octets, padded", TCP, 0),
        row("UDP of 7 octets, padded", UDP, 7),
        row("ICMP of 7 octets, padded", ICMP, 7),
        row_v6("IPv6, TCP of 19 octets, padded", TCP, 19),
        row_v6("IPv6, UDP of 7 octets, padded", UDP, 7),
        row_v6("IPv6, ICMPv6 of 7 octets, padded", ICMPV6, 7),
        offset("TCP data offset 4", 4),
        offset("TCP data offset 0", 0),
        offset("TCP data offset past the end", 6),
    ]
}

fn others() -> Vec<Case> {
    let other = |protocol, to| FrameBuilder::other(protocol, at(SUBSCRIBER), at(to)).payload_octets(40);
    vec![
        Case::uplink("GRE to a listed site", &other(GRE, SITE), charged(Reason::OtherProtocol, 60)),
        Case::uplink("ESP to a listed site", &other(ESP, CONFERENCE), charged(Reason::OtherProtocol, 60)),
        Case::uplink("SCTP to a listed site", &other(SCTP, SITE), charged(Reason::OtherProtocol, 60)),
        Case::uplink("GRE to a stranger", &other(GRE, STRANGER), charged(Reason::NotListed, 60)),
        Case::uplink(
            "ESP over IPv6 to a listed site",
            &FrameBuilder::other(ESP, at(SUBSCRIBER_V6), at(SITE_V6)).payload_octets(40),
            charged(Reason::OtherProtocol, 80).v6(),
        ),
    ]
}
