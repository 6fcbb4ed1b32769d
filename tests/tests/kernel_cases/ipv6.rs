//! IPv6 (RFC 8200) and its extension headers (authentication: RFC 4302).

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, built, changed, charged, cut, free, unattributed};
use crate::world::{SITE_RULE, SITE_V6, STRANGER_V6, SUBSCRIBER_V6, at};

/// Where the IPv6 header begins in a frame without tags, and where what follows it does.
const IP: usize = 14;
const NEXT: usize = IP + 40;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const NO_NEXT_HEADER: u8 = 59;
const DESTINATION: u8 = 60;

/// Eight octets: Next Header, length 0, and one `PadN` of six octets (RFC 8200, section 4.2).
const OPTIONS_8: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];
/// Sixteen octets: length 1 (units of eight, without the first).
const OPTIONS_16: [u8; 16] = [0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Twenty-four octets: length 4 (units of four, without two), SPI, sequence number, twelve octets of check value.
const AUTHENTICATION_24: [u8; 24] = [0, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
/// Whole datagrams may carry the header too (RFC 6946).
const ATOMIC_FRAGMENT: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 7];

pub(crate) fn cases() -> Vec<Case> {
    [lengths(), extensions(), malformed()].into_iter().flatten().collect()
}

fn site() -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).syn()
}

fn lengths() -> Vec<Case> {
    let datagram = FrameBuilder::udp(at(SUBSCRIBER_V6), at(STRANGER_V6)).payload_octets(1);
    vec![
        Case::opened(
            "header, TCP header, 100 octets",
            &FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).payload_octets(100),
            free(SITE_RULE, 160).v6(),
        ),
        Case::uplink("not listed", &datagram, charged(Reason::NotListed, 49).v6()),
        Case::uplink("padding is not billed", &datagram.padding(7), charged(Reason::NotListed, 49).v6()),
    ]
}

fn extensions() -> Vec<Case> {
    let with = |count| (0..count).fold(site(), |frame, _| frame.extension(DESTINATION, &OPTIONS_8));
    let many = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6))
        .extension(HOP_BY_HOP, &OPTIONS_8)
        .extension(DESTINATION, &OPTIONS_16)
        .extension(FRAGMENT, &ATOMIC_FRAGMENT)
        .extension(AUTHENTICATION, &AUTHENTICATION_24)
        .payload_octets(4);
    let routed = site().extension(ROUTING, &[0, 0, 253, 0, 0, 0, 0, 0]);
    vec![
        Case::uplink("hop-by-hop", &site().extension(HOP_BY_HOP, &OPTIONS_8), free(SITE_RULE, 68).v6()),
        Case::uplink("routing", &routed, free(SITE_RULE, 68).v6()),
        Case::uplink(
            "authentication",
            &site().extension(AUTHENTICATION, &AUTHENTICATION_24),
            free(SITE_RULE, 84).v6(),
        ),
        Case::opened("four kinds", &many, free(SITE_RULE, 40 + 8 + 16 + 8 + 24 + 20 + 4).v6()),
        Case::uplink("seven", &with(7), free(SITE_RULE, 40 + 56 + 20).v6()),
        Case::uplink("eight", &with(8), charged(Reason::Extensions, 40 + 64 + 20).v6()),
        Case::uplink(
            "no next header",
            &FrameBuilder::other(NO_NEXT_HEADER, at(SUBSCRIBER_V6), at(SITE_V6)),
            charged(Reason::OtherProtocol, 40).v6(),
        ),
    ]
}

fn malformed() -> Vec<Case> {
    let row = |name, frame, reason| Case::octets(name, Role::Access, frame, unattributed(reason, 0));
    // Whose it is and how long is known: he pays.
    let charged_row = |name, frame, octets| {
        Case::octets(name, Role::Access, frame, charged(Reason::Extensions, octets).v6())
    };
    let payload = site().payload_octets(8);
    let extended = site().extension(DESTINATION, &OPTIONS_8);
    let bare = FrameBuilder::other(DESTINATION, at(SUBSCRIBER_V6), at(SITE_V6));
    // As padding, octets that read as an extension header and an upper layer.
    let mut padded = built(&bare.clone().padding(40));
    padded[NEXT] = 6;
    vec![
        row("version 4", changed(&payload, IP, &[0x40]), Reason::MalformedIpv6),
        row("cut in its first octets", cut(&payload, IP + 7), Reason::MalformedIpv6),
        row("cut in its addresses", cut(&payload, IP + 39), Reason::MalformedIpv6),
        row("cut behind its header", cut(&payload, NEXT), Reason::MalformedIpv6),
        row(
            "a payload length of one more than arrived",
            changed(&payload, IP + 4, &[0, 29]),
            Reason::MalformedIpv6,
        ),
        charged_row("an extension header that is not there", built(&bare), 40),
        charged_row("an extension header behind the payload length", padded, 40),
        charged_row(
            "an extension header longer than the payload",
            changed(&extended, NEXT + 1, &[255]),
            40 + 8 + 20,
        ),
        charged_row("an extension header one unit too long", changed(&extended, NEXT + 1, &[3]), 40 + 8 + 20),
    ]
}
