//! ICMP errors (RFC 792, RFC 4443) about subscribers' flows: charged with the flow's rule, never free.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::calls::RTCP;
use crate::case::{Case, Expect, charged};
use crate::envelope::{self, IPV4, in_gtpu, packet};
use crate::world::{
    CALLER, CONFERENCE, CONFERENCE_RULE, GTPU_ENDS, HOTLINE_RULE, MEDIA, NAMED, NAMED_RULE, SITE, SITE_RULE,
    SITE_V6, SUBSCRIBER, SUBSCRIBER_V6, at, port,
};

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Types of RFC 792.
const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const ECHO: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
/// Types of RFC 4443.
const TOO_BIG_V6: u8 = 2;
const ECHO_V6: u8 = 128;
/// In no rule and no pool.
const ROUTER: &str = "203.0.113.250:0";
const ROUTER_V6: &str = "[2001:db8:9::fe]:0";
const OTHER_SUBSCRIBER: &str = "10.20.0.12:40000";
/// An IPv4 header and the eight octets behind it that RFC 792 asks for.
const QUOTE_OCTETS: usize = 28;
const MINUTE_NS: u64 = 60 * 1_000_000_000;

pub(crate) fn cases() -> Vec<Case> {
    [kinds(), ways(), flows(), not_own(), quotes(), wrapped(), alive()].into_iter().flatten().collect()
}

fn up() -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER), at(SITE))
}

fn down() -> FrameBuilder {
    FrameBuilder::tcp(at(SITE), at(SUBSCRIBER))
}

/// An error with what it quotes.
fn error(kind: u8, from: &str, to: &str, quote: &[u8]) -> FrameBuilder {
    let protocol = if at(from).is_ipv4() { ICMP } else { ICMPV6 };
    let payload = [&[kind, 0, 0, 0, 0, 0, 0, 0], quote].concat();
    FrameBuilder::other(protocol, at(from), at(to)).payload(&payload)
}

/// Unreachable, for the subscriber, about `quote`.
fn about(quote: &[u8]) -> FrameBuilder {
    error(UNREACHABLE, ROUTER, SUBSCRIBER, quote)
}

fn volume(quote: &[u8]) -> u32 {
    28 + u32::try_from(quote.len()).expect("a short quote")
}

fn quoted(quote: &[u8]) -> Expect {
    charged(Reason::IcmpError, volume(quote)).by(SITE_RULE)
}

fn not_listed(quote: &[u8]) -> Expect {
    charged(Reason::NotListed, volume(quote))
}

/// After the SYN that opens the site's flow.
fn open(case: Case) -> Case {
    case.after(&up().syn())
}

fn kinds() -> Vec<Case> {
    let quote = &packet(&up())[..QUOTE_OCTETS];
    let case = |name, kind, expect: Expect| {
        open(Case::downlink(name, &error(kind, ROUTER, SUBSCRIBER, quote), expect))
    };
    let v6 = packet(&FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).payload_octets(1000));
    let octets = volume(&v6) + 20;
    let case_v6 = |name, kind, expect: Expect| {
        let frame = error(kind, ROUTER_V6, SUBSCRIBER_V6, &v6);
        let opened = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).syn();
        Case::downlink(name, &frame, expect.v6()).after(&opened)
    };
    let quoted_v6 = || charged(Reason::IcmpError, octets).by(SITE_RULE);
    vec![
        case("unreachable", UNREACHABLE, quoted(quote)),
        case("source quench", SOURCE_QUENCH, quoted(quote)),
        case("redirect", REDIRECT, quoted(quote)),
        case("time exceeded", TIME_EXCEEDED, quoted(quote)),
        case("parameter problem", PARAMETER_PROBLEM, quoted(quote)),
        case("an echo that holds a packet", ECHO, not_listed(quote)),
        case("an echo reply that holds a packet", ECHO_REPLY, not_listed(quote)),
        case_v6("packet too big, IPv6", TOO_BIG_V6, quoted_v6()),
        case_v6("an error that is not known yet, IPv6", 127, quoted_v6()),
        case_v6("an echo that holds a packet, IPv6", ECHO_V6, charged(Reason::NotListed, octets)),
    ]
}

fn ways() -> Vec<Case> {
    let (sent, got) = (packet(&up()), packet(&down()));
    let icmp = |quote| charged(Reason::Icmp, volume(quote));
    vec![
        open(Case::downlink("from the site", &error(UNREACHABLE, SITE, SUBSCRIBER, &sent), quoted(&sent))),
        open(Case::uplink("uplink, to the site", &error(UNREACHABLE, SUBSCRIBER, SITE, &got), quoted(&got))),
        open(Case::uplink(
            "uplink, to a router",
            &error(UNREACHABLE, SUBSCRIBER, ROUTER, &got),
            quoted(&got),
        )),
        open(Case::uplink(
            "uplink, about what he sent himself",
            &error(UNREACHABLE, SUBSCRIBER, SITE, &sent),
            icmp(&sent),
        )),
        open(Case::downlink("downlink, about what he got", &about(&got), not_listed(&got))),
    ]
}

/// Of which flow.
fn flows() -> Vec<Case> {
    let conference = packet(&FrameBuilder::udp(at(SUBSCRIBER), at(CONFERENCE)));
    let named = FrameBuilder::tcp(at(SUBSCRIBER), at(NAMED)).syn();
    let voice = FrameBuilder::udp(at(CALLER), at(MEDIA)).payload(&RTCP);
    let by = |quote: &[u8], rule| quoted(quote).by(rule);
    let sent = packet(&up());
    let from_site = error(UNREACHABLE, SITE, SUBSCRIBER, &sent);
    let rested = |case: Case, ns| open(case).resting(ns);
    vec![
        Case::downlink("of UDP", &about(&conference), by(&conference, CONFERENCE_RULE))
            .after(&FrameBuilder::udp(at(SUBSCRIBER), at(CONFERENCE))),
        Case::downlink("that awaits evidence", &about(&packet(&named)), by(&packet(&named), NAMED_RULE))
            .after(&named),
        Case::downlink(
            "of a call",
            &error(UNREACHABLE, ROUTER, CALLER, &packet(&voice)),
            by(&packet(&voice), HOTLINE_RULE),
        )
        .after(&voice),
        open(Case::downlink("that was reset", &about(&sent), quoted(&sent))).after(&up().rst()),
        Case::downlink("of none", &about(&sent), not_listed(&sent)),
        Case::downlink("of none, from the site", &from_site, charged(Reason::Icmp, volume(&sent))),
        rested(Case::downlink("that is over", &about(&sent), not_listed(&sent)), 4 * MINUTE_NS),
        rested(
            Case::downlink("that is over, from the site", &from_site, charged(Reason::Icmp, volume(&sent))),
            4 * MINUTE_NS,
        ),
    ]
}

/// About others' packets.
fn not_own() -> Vec<Case> {
    let other = packet(&FrameBuilder::tcp(at(OTHER_SUBSCRIBER), at(SITE)));
    let opened = FrameBuilder::tcp(at(OTHER_SUBSCRIBER), at(SITE)).syn();
    let another_port = packet(&FrameBuilder::tcp(at(&port(SUBSCRIBER, 40_001)), at(SITE)));
    let by_udp = packet(&FrameBuilder::udp(at(SUBSCRIBER), at(SITE)));
    let stranger = packet(&FrameBuilder::tcp(at(SUBSCRIBER), at("203.0.113.200:443")));
    vec![
        Case::downlink("about another subscriber's", &about(&other), not_listed(&other)).after(&opened),
        open(Case::downlink("about another port", &about(&another_port), not_listed(&another_port))),
        open(Case::downlink("about another protocol", &about(&by_udp), not_listed(&by_udp))),
        open(Case::downlink("about what is in no rule", &about(&stranger), not_listed(&stranger))),
    ]
}

/// As much as is there.
fn quotes() -> Vec<Case> {
    let whole = packet(&up().payload_octets(600));
    let (least, cut) = (&whole[..QUOTE_OCTETS], &whole[..QUOTE_OCTETS - 1]);
    let options = packet(&up().options(&[1; 8]));
    let first = packet(&up().payload_octets(64).identification(7).fragment(0, true));
    let later = packet(&up().payload_octets(64).identification(7).fragment(8, false));
    let case = |name, quote: &[u8], expect| open(Case::downlink(name, &about(quote), expect));
    vec![
        case("all of it", &whole, quoted(&whole)),
        case("eight octets behind the header", least, quoted(least)),
        case("seven octets behind the header", cut, not_listed(cut)),
        case("half a header", &whole[..10], not_listed(&whole[..10])),
        case("nothing", &[], not_listed(&[])),
        case("with options", &options, quoted(&options)),
        case("a first fragment", &first, quoted(&first)),
        case("a later fragment", &later, not_listed(&later)),
    ]
}

fn wrapped() -> Vec<Case> {
    let quote = packet(&up());
    let inner = packet(&about(&quote));
    let wrap = |frame: FrameBuilder| frame.build().expect("a frame that can be built");
    let tunnelled = wrap(in_gtpu(GTPU_ENDS, &inner));
    let tagged = envelope::ethernet(0x8847, &envelope::mpls(1, &inner));
    let fragment = about(&quote).identification(9).fragment(0, true);
    vec![
        open(Case::octets("in GTP-U", Role::Core, tunnelled, quoted(&quote))),
        open(Case::octets("behind a label", Role::Core, tagged, quoted(&quote))),
        open(Case::octets(
            "padded",
            Role::Core,
            envelope::ethernet(IPV4, &[&inner[..], &[0; 6]].concat()),
            quoted(&quote),
        )),
        open(Case::downlink("in fragments", &fragment, not_listed(&quote))),
    ]
}

/// An error is no packet of the flow's: it keeps it no longer alive.
fn alive() -> Vec<Case> {
    let quote = packet(&up());
    let rest_ns = 3 * MINUTE_NS;
    vec![
        Case::uplink("ACK after an error", &up(), charged(Reason::NoFlow, 40).by(SITE_RULE))
            .after(&up().syn())
            .resting(rest_ns)
            .after_downlink(&about(&quote))
            .resting(rest_ns),
    ]
}
