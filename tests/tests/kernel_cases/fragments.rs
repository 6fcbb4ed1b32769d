//! Fragments (RFC 791, RFC 8200; tricks with them: RFC 1858, RFC 3128).

use anyhow::{Result, ensure};
use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, built, changed, charged, free, free_priority};
use crate::process::pass;
use crate::world::{
    CALLER, CONFERENCE, CONFERENCE_RULE, CONFERENCE_V6, HOTLINE_RULE, MEDIA, NOW_NS, PROXY, SITE, SITE_RULE,
    STRANGER, STRANGER_V6, SUBSCRIBER, SUBSCRIBER_V6, World, at, port,
};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const FRAGMENT: u8 = 44;
/// Eight octets: Next Header, length 0, and one `PadN` of six octets (RFC 8200, section 4.2).
const OPTIONS_8: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];
/// Where the data offset of TCP is in a frame with a plain IPv4 header.
const DATA_OFFSET: usize = 14 + 20 + 12;

pub(crate) fn cases() -> Vec<Case> {
    [following(), not_seen(), unlisted(), tiny(), overlapping(), tcp(), v6()].into_iter().flatten().collect()
}

/// The first 1480 octets of a datagram, with its ports.
fn first(from: &str, to: &str, identification: u16) -> FrameBuilder {
    FrameBuilder::udp(at(from), at(to)).fragment(0, true).identification(identification).payload_octets(1472)
}

/// 100 octets from the middle or the end of a datagram, at `offset` (units of eight octets).
fn later(from: &str, to: &str, identification: u16, offset: u16) -> FrameBuilder {
    FrameBuilder::other(UDP, at(from), at(to))
        .fragment(offset, false)
        .identification(identification)
        .payload_octets(100)
}

/// A first fragment of a TCP segment without options.
fn first_tcp(identification: u16) -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER), at(SITE))
        .fragment(0, true)
        .identification(identification)
        .payload_octets(28)
}

fn later_of(protocol: u8, identification: u16, offset: u16) -> FrameBuilder {
    FrameBuilder::other(protocol, at(SUBSCRIBER), at(SITE))
        .fragment(offset, false)
        .identification(identification)
        .payload_octets(100)
}

fn conference(octets: u32) -> Expect {
    free_priority(CONFERENCE_RULE, octets)
}

fn following() -> Vec<Case> {
    let no_flow = |octets| charged(Reason::NoFlow, octets).by(CONFERENCE_RULE);
    let (up, down) = ((SUBSCRIBER, CONFERENCE), (CONFERENCE, SUBSCRIBER));
    let signalling = |octets| charged(Reason::Signalling, octets).copied();
    let not_listed = "203.0.113.11:80";
    vec![
        Case::uplink("the first fragment has ports", &first(up.0, up.1, 1), conference(1500)),
        Case::uplink("the last follows", &later(up.0, up.1, 2, 185), conference(120))
            .after(&first(up.0, up.1, 2)),
        Case::uplink(
            "one of the middle follows",
            &later(up.0, up.1, 3, 185).fragment(185, true),
            conference(120),
        )
        .after(&first(up.0, up.1, 3)),
        Case::uplink("the least offset follows", &later(up.0, up.1, 4, 1), conference(120))
            .after(&first(up.0, up.1, 4)),
        Case::uplink("the third follows", &later(up.0, up.1, 5, 370), conference(120))
            .after(&first(up.0, up.1, 5))
            .after(&later(up.0, up.1, 5, 185)),
        Case::uplink("the first again", &first(up.0, up.1, 6), conference(1500)).after(&first(up.0, up.1, 6)),
        Case::downlink(
            "downlink, of a flow that was opened",
            &later(down.0, down.1, 7, 185),
            conference(120),
        )
        .after(&FrameBuilder::udp(at(up.0), at(up.1)))
        .after_downlink(&first(down.0, down.1, 7)),
        Case::downlink("downlink, the first that nobody asked for", &first(down.0, down.1, 8), no_flow(1500)),
        Case::downlink(
            "downlink, a later that nobody asked for",
            &later(down.0, down.1, 9, 185),
            no_flow(120),
        )
        .after_downlink(&first(down.0, down.1, 9)),
        Case::uplink(
            "of a port that is not listed",
            &later(SUBSCRIBER, not_listed, 10, 185),
            charged(Reason::PortNotListed, 120),
        )
        .after(&first(SUBSCRIBER, not_listed, 10)),
        // Only a whole packet shows that it is media.
        Case::uplink(
            "of a call",
            &later(CALLER, MEDIA, 11, 2),
            charged(Reason::MediaShape, 120).by(HOTLINE_RULE),
        )
        .after(&first(CALLER, MEDIA, 11)),
        Case::uplink("the first of a SIP message", &first(SUBSCRIBER, PROXY, 12), signalling(1500)),
        Case::uplink("the rest of a SIP message", &later(SUBSCRIBER, PROXY, 13, 185), signalling(120))
            .after(&first(SUBSCRIBER, PROXY, 13)),
    ]
}

fn not_seen() -> Vec<Case> {
    let row = |octets| charged(Reason::Fragment, octets);
    let (up, down) = ((SUBSCRIBER, CONFERENCE), (CONFERENCE, SUBSCRIBER));
    vec![
        Case::uplink("the last alone", &later(up.0, up.1, 20, 185), row(120)),
        Case::uplink("one of the middle alone", &later(up.0, up.1, 21, 185).fragment(185, true), row(120)),
        Case::uplink("the least offset alone", &later(up.0, up.1, 22, 1), row(120)),
        Case::uplink("a flow is open, but the first was not seen", &later(up.0, up.1, 23, 185), row(120))
            .after(&FrameBuilder::udp(at(up.0), at(up.1))),
        Case::uplink("another identification", &later(up.0, up.1, 24, 185), row(120))
            .after(&first(up.0, up.1, 25)),
        Case::uplink("another protocol", &later_of(UDP, 26, 185), row(120)).after(&first_tcp(26)),
        Case::uplink("another receiver", &later(SUBSCRIBER, CONFERENCE, 27, 185), row(120))
            .after(&first(SUBSCRIBER, PROXY, 27)),
        Case::downlink("the other direction", &later(down.0, down.1, 28, 185), row(120))
            .after(&first(up.0, up.1, 28)),
        Case::uplink("a whole datagram is no first fragment", &later(up.0, up.1, 29, 185), row(120))
            .after(&first(up.0, up.1, 29).fragment(0, false)),
        Case::uplink("of the proxy", &later(SUBSCRIBER, PROXY, 30, 185), row(120)),
        Case::uplink("of a call", &later(CALLER, MEDIA, 31, 185), row(120)),
    ]
}

fn unlisted() -> Vec<Case> {
    let echo = FrameBuilder::echo(at(SUBSCRIBER), at(SITE)).fragment(0, true).payload_octets(1472);
    vec![
        Case::uplink(
            "the first to a stranger",
            &first(SUBSCRIBER, STRANGER, 40),
            charged(Reason::NotListed, 1500),
        ),
        Case::uplink(
            "a later to a stranger",
            &later(SUBSCRIBER, STRANGER, 41, 185),
            charged(Reason::NotListed, 120),
        ),
        Case::uplink(
            "a later to a stranger, whose first was seen",
            &later(SUBSCRIBER, STRANGER, 42, 185),
            charged(Reason::NotListed, 120),
        )
        .after(&first(SUBSCRIBER, STRANGER, 42)),
        Case::uplink("ICMP, the first", &echo, charged(Reason::Icmp, 1500)),
        Case::uplink("ICMP, a later", &later_of(ICMP, 43, 185), charged(Reason::Icmp, 120)),
    ]
}

/// First fragments that end before their ports or flags do (RFC 1858, section 3).
fn tiny() -> Vec<Case> {
    let short = |protocol, to, identification, octets| {
        FrameBuilder::other(protocol, at(SUBSCRIBER), at(to))
            .fragment(0, true)
            .identification(identification)
            .payload_octets(octets)
    };
    let row = |octets| charged(Reason::FragmentTiny, octets);
    let cut_options = changed(&first_tcp(54), DATA_OFFSET, &[13 << 4]);
    vec![
        Case::uplink("TCP of 8 octets", &short(TCP, SITE, 50, 8), row(28)),
        Case::uplink("TCP of 16 octets", &short(TCP, SITE, 51, 16), row(36)),
        Case::uplink("TCP of 8 octets, padded", &short(TCP, SITE, 52, 8).padding(18), row(28)),
        Case::uplink("UDP of 4 octets", &short(UDP, CONFERENCE, 53, 4), row(24)),
        Case::octets("TCP options past the end", Role::Access, cut_options, row(68)),
        Case::uplink("to a stranger", &short(TCP, STRANGER, 55, 8), charged(Reason::NotListed, 28)),
        Case::uplink("what is tiny is not remembered", &later_of(TCP, 56, 3), charged(Reason::Fragment, 120))
            .after(&short(TCP, SITE, 56, 8)),
    ]
}

/// Fragments that would be put over what was decided (RFC 1858, section 4; RFC 3128).
fn overlapping() -> Vec<Case> {
    let (up, other) = ((SUBSCRIBER, CONFERENCE), port(CONFERENCE, 8802));
    let row = |octets| charged(Reason::FragmentOverlap, octets);
    let forgotten = charged(Reason::Fragment, 120);
    let syn = FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn();
    let over_tcp = later_of(TCP, 64, 1);
    vec![
        Case::uplink("a second first, to another port", &first(up.0, &other, 60), row(1500))
            .after(&first(up.0, up.1, 60)),
        Case::uplink("a second first, from another port", &first(&port(SUBSCRIBER, 1), up.1, 61), row(1500))
            .after(&first(up.0, up.1, 61)),
        Case::uplink("nothing follows two firsts", &later(up.0, up.1, 62, 185), forgotten.clone())
            .after(&first(up.0, up.1, 62))
            .after(&first(up.0, &other, 62)),
        Case::uplink("TCP at 8 octets alone", &later_of(TCP, 63, 1), row(120)),
        Case::uplink("TCP at 8 octets", &over_tcp, row(120)).after(&syn).after(&first_tcp(64)),
        Case::uplink("TCP at 16 octets", &later_of(TCP, 65, 2), row(120)).after(&syn).after(&first_tcp(65)),
        Case::uplink("nothing follows TCP at 8 octets", &later_of(TCP, 64, 6), forgotten)
            .after(&syn)
            .after(&first_tcp(64))
            .after(&over_tcp),
        Case::uplink(
            "TCP at 8 octets to a stranger",
            &FrameBuilder::other(TCP, at(SUBSCRIBER), at(STRANGER)).fragment(1, false).payload_octets(8),
            charged(Reason::NotListed, 28),
        ),
    ]
}

fn tcp() -> Vec<Case> {
    let syn = FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn();
    let syn_first = |identification| first_tcp(identification).syn().payload(&[]);
    let no_flow = |octets| charged(Reason::NoFlow, octets).by(SITE_RULE);
    vec![
        Case::uplink("TCP, the first", &first_tcp(70), free(SITE_RULE, 68)).after(&syn),
        Case::uplink("TCP, a later", &later_of(TCP, 71, 6), free(SITE_RULE, 120))
            .after(&syn)
            .after(&first_tcp(71)),
        Case::uplink("TCP, at the header's end", &later_of(TCP, 72, 3), free(SITE_RULE, 120))
            .after(&syn)
            .after(&first_tcp(72)),
        Case::uplink("TCP that nobody opened, the first", &first_tcp(73), no_flow(68)),
        Case::uplink("TCP that nobody opened, a later", &later_of(TCP, 74, 6), no_flow(120))
            .after(&first_tcp(74)),
        // What follows a SYN's header in other fragments is payload.
        Case::uplink("a first that is SYN", &syn_first(75), charged(Reason::ControlPayload, 40)),
        Case::uplink("behind a first that is SYN", &later_of(TCP, 76, 6), charged(Reason::Fragment, 120))
            .after(&syn_first(76)),
    ]
}

/// A fragment header: `offset` in units of eight octets (RFC 8200, section 4.5).
pub(crate) fn header(identification: u32, offset: u16, more: bool) -> [u8; 8] {
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
    let [a, b, c, d] = identification.to_be_bytes();
    [0, 0, high, low, a, b, c, d]
}

fn v6() -> Vec<Case> {
    let conference = |octets| conference(octets).v6();
    let row = |octets| charged(Reason::Fragment, octets).v6();
    let start = |to| FrameBuilder::udp(at(SUBSCRIBER_V6), at(to)).payload_octets(1000);
    let rest = |to| FrameBuilder::other(UDP, at(SUBSCRIBER_V6), at(to)).payload_octets(100);
    let first = |identification| start(CONFERENCE_V6).extension(FRAGMENT, &header(identification, 0, true));
    let second =
        |identification| rest(CONFERENCE_V6).extension(FRAGMENT, &header(identification, 126, false));
    let hopped = |frame: FrameBuilder, header: &[u8]| {
        frame.extension(HOP_BY_HOP, &OPTIONS_8).extension(FRAGMENT, header)
    };
    let elsewhere = FrameBuilder::udp(at(SUBSCRIBER_V6), at(&port(CONFERENCE_V6, 8802))).payload_octets(1000);
    let short = FrameBuilder::other(UDP, at(SUBSCRIBER_V6), at(CONFERENCE_V6)).payload_octets(4);
    vec![
        Case::uplink("IPv6, the first has ports", &first(1), conference(1056)),
        Case::uplink("IPv6, the last follows", &second(2), conference(148)).after(&first(2)),
        Case::uplink(
            "IPv6, behind other headers",
            &hopped(rest(CONFERENCE_V6), &header(3, 126, true)),
            conference(156),
        )
        .after(&hopped(start(CONFERENCE_V6), &header(3, 0, true))),
        Case::uplink("IPv6, the last alone", &second(4), row(148)),
        Case::uplink(
            "IPv6, alone behind other headers",
            &hopped(rest(CONFERENCE_V6), &header(5, 126, false)),
            row(156),
        ),
        // Identifications have 32 bits here, and all of them count.
        Case::uplink("IPv6, another identification", &second(0x0001_0006), row(148)).after(&first(6)),
        Case::uplink("IPv6, a whole datagram is no first", &second(7), row(148))
            .after(&start(CONFERENCE_V6).extension(FRAGMENT, &header(7, 0, false))),
        Case::uplink(
            "IPv6, a later to a stranger",
            &rest(STRANGER_V6).extension(FRAGMENT, &header(8, 126, false)),
            charged(Reason::NotListed, 148).v6(),
        ),
        Case::uplink(
            "IPv6, UDP of 4 octets",
            &short.extension(FRAGMENT, &header(9, 0, true)),
            charged(Reason::FragmentTiny, 52).v6(),
        ),
        Case::uplink(
            "IPv6, a second first, to another port",
            &elsewhere.clone().extension(FRAGMENT, &header(10, 0, true)),
            charged(Reason::FragmentOverlap, 1056).v6(),
        )
        .after(&first(10)),
        Case::uplink("IPv6, nothing follows two firsts", &second(11), row(148))
            .after(&first(11))
            .after(&elsewhere.extension(FRAGMENT, &header(11, 0, true))),
    ]
}

/// RFC 8200, section 4.5: what is not whole after a minute is dropped, so its identification may be another's.
#[test]
fn a_first_fragment_is_remembered_for_a_minute() -> Result<()> {
    const MINUTE_NS: u64 = 60_000_000_000;
    let World { mut memory, transports, .. } = World::open()?;
    let (first, later) = (first(SUBSCRIBER, CONFERENCE, 1), later(SUBSCRIBER, CONFERENCE, 1, 185));
    pass(&mut memory, &transports, Role::Access, &built(&first));
    for (age_ns, wanted) in [(MINUTE_NS - 1, Reason::Address), (MINUTE_NS, Reason::Fragment)] {
        memory.set_now(NOW_NS + age_ns);
        let (decision, _) = pass(&mut memory, &transports, Role::Access, &built(&later));
        ensure!(decision.reason == wanted, "after {age_ns} ns: {}", decision.reason.name());
    }
    Ok(())
}
