//! GTP-U (TS 29.281, clause 5).

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, built, charged, free, free_priority, unattributed};
use crate::envelope::{GTPU, T_PDU, gtpu, in_gtpu, packet, udp};
use crate::world::{
    CONFERENCE, CONFERENCE_RULE, GRE_ENDS, GTPU_ENDS, GTPU_ENDS_V6, SECOND_RULE, SITE, SITE_RULE, STRANGER,
    STRANGER_V6, SUBSCRIBER, SUBSCRIBER_V6, TWO_RULES, at,
};

/// Flags of the header: N-PDU number, sequence number, extension header.
const PN: u8 = 1;
const S: u8 = 2;
const E: u8 = 4;
/// Types of extension headers (clause 5.2.1): UDP port, PDU session container.
const UDP_PORT: u8 = 0x40;
const CONTAINER: u8 = 0x85;

pub(crate) fn cases() -> Vec<Case> {
    [families(), options(), inside(), messages(), malformed(), ends()].into_iter().flatten().collect()
}

fn in_v4(inner: &[u8]) -> Vec<u8> {
    built(&in_gtpu(GTPU_ENDS, inner))
}

fn in_v6(inner: &[u8]) -> Vec<u8> {
    built(&in_gtpu(GTPU_ENDS_V6, inner))
}

fn families() -> Vec<Case> {
    let back = |inner: &FrameBuilder| built(&in_gtpu((GTPU_ENDS.1, GTPU_ENDS.0), &packet(inner)));
    let answer = FrameBuilder::tcp(at(SITE), at(SUBSCRIBER)).payload_octets(1200);
    let tagged = answer.clone().traffic_class(10 << 2);
    vec![
        Case::site_in("IPv4 in IPv4", in_v4),
        Case::site_in("IPv4 in IPv6", in_v6),
        Case::site_v6_in("IPv6 in IPv4", in_v4),
        Case::site_v6_in("IPv6 in IPv6", in_v6),
        Case::site_in("in a VLAN", |inner| built(&in_gtpu(GTPU_ENDS, inner).vlan(0x8100))),
        Case::site_in("the outer header has options", |inner| {
            built(&in_gtpu(GTPU_ENDS, inner).options(&[1, 1, 1, 0]))
        }),
        Case::site_in("padded", |inner| built(&in_gtpu(GTPU_ENDS, inner).padding(7))),
        Case::octets("downlink", Role::Core, back(&answer), free(SITE_RULE, 1240))
            .leaving(back(&tagged))
            .after_octets(Role::Access, in_v4(&packet(&FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn()))),
    ]
}

fn options() -> Vec<Case> {
    let with = |flags, optional: &'static [u8]| {
        move |inner: &[u8]| built(&udp(GTPU_ENDS, GTPU, &gtpu(flags, T_PDU, optional, inner)))
    };
    // Sequence number, N-PDU number, type of the next extension header; there if any flag is set.
    vec![
        Case::site_in("sequence number", with(S, &[0, 1, 0, 0])),
        Case::site_in("N-PDU number", with(PN, &[0, 0, 9, 0])),
        Case::site_in("both", with(S | PN, &[0, 1, 9, 0])),
        // Without its flag, the type is to be ignored.
        Case::site_in("a type without its flag", with(S, &[0, 1, 0, CONTAINER])),
        Case::site_in("a flag without a type", with(E, &[0, 0, 0, 0])),
        Case::site_in("PDU session container", with(E, &[0, 0, 0, CONTAINER, 1, 0x10, 9, 0])),
        Case::site_v6_in("PDU session container, IPv6", with(E, &[0, 0, 0, CONTAINER, 1, 0x10, 9, 0])),
        Case::site_in("all flags", with(E | S | PN, &[0, 1, 9, CONTAINER, 1, 0x10, 9, 0])),
        Case::site_in(
            "an extension header of eight octets",
            with(E, &[0, 0, 0, CONTAINER, 2, 0x18, 9, 0, 0, 0, 0, 0]),
        ),
        Case::site_in(
            "four extension headers",
            with(
                E,
                &[0, 0, 0, UDP_PORT, 1, 0, 9, CONTAINER, 1, 0, 9, UDP_PORT, 1, 0, 9, CONTAINER, 1, 0, 9, 0],
            ),
        ),
    ]
}

fn inside() -> Vec<Case> {
    let packet_to = |from: &str, to: &str| FrameBuilder::udp(at(from), at(to)).payload_octets(10);
    let own_tunnel =
        udp((SUBSCRIBER, STRANGER), GTPU, &gtpu(0, T_PDU, &[], &packet(&packet_to(SUBSCRIBER, SITE))));
    let row = |name, inner: &FrameBuilder, expect: Expect| Case::wrapped(name, inner, expect, in_v4);
    let first = FrameBuilder::udp(at(SUBSCRIBER), at(CONFERENCE)).fragment(0, true).payload_octets(1000);
    let rest =
        FrameBuilder::other(17, at(SUBSCRIBER), at(CONFERENCE)).fragment(126, false).payload_octets(80);
    let whole = packet(&packet_to(SUBSCRIBER, STRANGER));
    let nobodys =
        |name, inner: &[u8], reason| Case::octets(name, Role::Access, in_v4(inner), unattributed(reason, 0));
    vec![
        row("to a stranger", &packet_to(SUBSCRIBER, STRANGER), charged(Reason::NotListed, 38)),
        row(
            "IPv6 to a stranger",
            &packet_to(SUBSCRIBER_V6, STRANGER_V6),
            charged(Reason::NotListed, 58).v6(),
        ),
        row("another class", &packet_to(SUBSCRIBER, CONFERENCE), free_priority(CONFERENCE_RULE, 38)),
        row("spoofed inside", &packet_to(STRANGER, SITE), unattributed(Reason::Spoofed, 38)),
        row("echo inside", &FrameBuilder::echo(at(SUBSCRIBER), at(SITE)), charged(Reason::Icmp, 28)),
        row("a subscriber's tunnel inside", &own_tunnel, charged(Reason::NotListed, 28 + 8 + 38)),
        row("the first fragment inside", &first, free_priority(CONFERENCE_RULE, 1028)),
        row("a later fragment inside", &rest, free_priority(CONFERENCE_RULE, 100))
            .after_octets(Role::Access, in_v4(&packet(&first))),
        nobodys("not IP inside", &[0x50; 40], Reason::NotIp),
        nobodys("nothing inside", &[], Reason::NotIp),
        nobodys("cut inside", &whole[..whole.len() - 1], Reason::MalformedIpv4),
    ]
}

fn messages() -> Vec<Case> {
    let row = |name, message_type, ends| {
        let message = udp(ends, GTPU, &gtpu(S, message_type, &[0, 1, 0, 0], &[]));
        Case::uplink(name, &message, unattributed(Reason::Own, 0))
    };
    vec![
        row("echo request", 1, GTPU_ENDS),
        row("echo response", 2, GTPU_ENDS),
        row("error indication", 26, GTPU_ENDS),
        row("supported extension headers", 31, GTPU_ENDS),
        row("end marker", 254, GTPU_ENDS),
        row("echo request, IPv6", 1, GTPU_ENDS_V6),
    ]
}

fn malformed() -> Vec<Case> {
    let inner = packet(&FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn());
    let whole = gtpu(0, T_PDU, &[], &inner);
    let row = |name, message: &[u8]| {
        Case::uplink(name, &udp(GTPU_ENDS, GTPU, message), unattributed(Reason::MalformedTunnel, 0))
    };
    let changed = |offset: usize, octet| {
        let mut message = whole.clone();
        message[offset] = octet;
        message
    };
    let extended = |optional: &[u8]| gtpu(E, T_PDU, optional, &inner);
    let five = [[0, 0, 0, CONTAINER], [1, 0, 9, CONTAINER], [1, 0, 9, CONTAINER], [1, 0, 9, CONTAINER]];
    let five = [five.concat(), vec![1, 0, 9, CONTAINER, 1, 0, 9, 0]].concat();
    vec![
        row("version 2", &changed(0, 0x50)),
        row("version 0", &changed(0, 0x10)),
        row("GTP prime", &changed(0, 0x20)),
        row("a length of one more than there is", &changed(3, 41)),
        row("cut in the header", &whole[..7]),
        row("no header", &[]),
        row("cut in the optional octets", &gtpu(S, T_PDU, &[0, 1], &[])),
        row("cut before an extension header", &gtpu(E, T_PDU, &[0, 0, 0, CONTAINER], &[])),
        row("cut in an extension header", &gtpu(E, T_PDU, &[0, 0, 0, CONTAINER, 1, 0x10], &[])),
        row("an extension header of no length", &extended(&[0, 0, 0, CONTAINER, 0, 0x10, 9, 0])),
        row("five extension headers", &extended(&five)),
    ]
}

/// Only between two ends of this kind is it the carrier's.
fn ends() -> Vec<Case> {
    let inner = packet(&FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn());
    let octets = 28 + 8 + 40;
    let tunnel = |from, to| in_gtpu((from, to), &inner);
    let spoofed = || unattributed(Reason::Spoofed, octets);
    vec![
        Case::uplink("a subscriber's", &tunnel(SUBSCRIBER, STRANGER), charged(Reason::NotListed, octets)),
        Case::uplink(
            "a subscriber's, IPv6",
            &tunnel(SUBSCRIBER_V6, STRANGER_V6),
            charged(Reason::NotListed, octets + 20).v6(),
        ),
        Case::uplink(
            "a subscriber's, to a listed address",
            &tunnel(SUBSCRIBER, TWO_RULES),
            free(SECOND_RULE, octets),
        ),
        Case::uplink(
            "a subscriber's, to an end",
            &tunnel(SUBSCRIBER, GTPU_ENDS.1),
            charged(Reason::NotListed, octets),
        ),
        Case::uplink("from an end to a stranger", &tunnel(GTPU_ENDS.0, STRANGER), spoofed()),
        Case::uplink("from a stranger to an end", &tunnel(STRANGER, GTPU_ENDS.1), spoofed()),
        Case::uplink("between ends of another kind", &tunnel(GRE_ENDS.0, GRE_ENDS.1), spoofed()),
        Case::downlink(
            "from a stranger to a subscriber",
            &tunnel(STRANGER, SUBSCRIBER),
            charged(Reason::NotListed, octets),
        ),
        Case::uplink(
            "another port between ends",
            &udp(GTPU_ENDS, 2123, &gtpu(0, T_PDU, &[], &inner)),
            spoofed(),
        ),
    ]
}
