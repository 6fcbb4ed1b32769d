//! IP in IP (RFC 2003, RFC 2473, RFC 4213), GRE (RFC 2784), VXLAN (RFC 7348), Geneve (RFC 8926), and tunnels in tunnels.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, built, charged, free, unattributed};
use crate::envelope::{
    GENEVE, GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE, IPV4, IPV6, VXLAN, ethernet, geneve, gre, in_gtpu, ip, mpls,
    packet, udp, vxlan,
};
use crate::fragments::header;
use crate::world::{
    GENEVE_ENDS, GENEVE_ENDS_V6, GRE_AND_VXLAN_ENDS, GRE_ENDS, GRE_ENDS_V6, GTPU_ENDS, GTPU_ENDS_V6,
    IPIP_ENDS, IPIP_ENDS_V6, SITE, SITE_RULE, SITE_V6, STRANGER, SUBSCRIBER, SUBSCRIBER_V6, VXLAN_ENDS, at,
};

/// IP protocol numbers (IANA).
const IPV4_IN_IP: u8 = 4;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const FRAGMENT: u8 = 44;
const GRE: u8 = 47;
/// Ether types.
const ARP: u16 = 0x0806;
const DOT1Q: u16 = 0x8100;
const BRIDGED: u16 = 0x6558;
const PPP: u16 = 0x880b;
const MPLS: u16 = 0x8847;
const ERSPAN: u16 = 0x88be;
/// Type III, which is not read.
const ERSPAN_3: u16 = 0x22eb;
/// GRE's flag of RFC 1701, and the version of RFC 2637.
const GRE_ROUTING: u16 = 0x4000;
const GRE_PPTP: u16 = 0x0001;

pub(crate) fn cases() -> Vec<Case> {
    let fragments = outer_fragments().into_iter().chain(outer_fragments_v6());
    [ip_in_ip(), gre_flags(), gre_payloads(), gre_broken(), vxlans(), geneves(), nested()]
        .into_iter()
        .flatten()
        .chain(fragments)
        .collect()
}

/// A packet to the site.
fn site() -> Vec<u8> {
    packet(&FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn())
}

/// A tunnelled packet that is nobody's, and cannot be read.
fn unread(name: &'static str, frame: &FrameBuilder, reason: Reason) -> Case {
    Case::uplink(name, frame, unattributed(reason, 0))
}

fn ip_in_ip() -> Vec<Case> {
    let wrap = |ends, protocol| move |inner: &[u8]| built(&ip(ends, protocol, inner));
    vec![
        Case::site_in("IPv4 in IPv4", wrap(IPIP_ENDS, IPV4_IN_IP)),
        Case::site_in("IPv4 in IPv6", wrap(IPIP_ENDS_V6, IPV4_IN_IP)),
        Case::site_v6_in("IPv6 in IPv4", wrap(IPIP_ENDS, IPV6_IN_IP)),
        Case::site_v6_in("IPv6 in IPv6", wrap(IPIP_ENDS_V6, IPV6_IN_IP)),
        unread("IPv4 called IPv6", &ip(IPIP_ENDS, IPV6_IN_IP, &site()), Reason::MalformedIpv6),
        unread("nothing inside", &ip(IPIP_ENDS, IPV4_IN_IP, &[]), Reason::MalformedIpv4),
        unread("cut inside", &ip(IPIP_ENDS, IPV4_IN_IP, &site()[..39]), Reason::MalformedIpv4),
        unread(
            "padding is not inside",
            &ip(IPIP_ENDS, IPV4_IN_IP, &site()[..39]).padding(1),
            Reason::MalformedIpv4,
        ),
        Case::uplink(
            "a subscriber's",
            &ip((SUBSCRIBER, STRANGER), IPV4_IN_IP, &site()),
            charged(Reason::NotListed, 60),
        ),
        Case::uplink(
            "a subscriber's, to an end",
            &ip((SUBSCRIBER, IPIP_ENDS.1), IPV6_IN_IP, &site()),
            charged(Reason::NotListed, 60),
        ),
        Case::uplink(
            "a subscriber's, to a listed address",
            &ip((SUBSCRIBER, SITE), IPV4_IN_IP, &site()),
            charged(Reason::OtherProtocol, 60),
        ),
    ]
}

fn gre_flags() -> Vec<Case> {
    let wrap = |ends, flags| move |inner: &[u8]| built(&ip(ends, GRE, &gre(flags, IPV4, inner)));
    vec![
        Case::site_in("GRE", wrap(GRE_ENDS, 0)),
        Case::site_in("GRE over IPv6", wrap(GRE_ENDS_V6, 0)),
        Case::site_in("GRE, checksum", wrap(GRE_ENDS, GRE_CHECKSUM)),
        Case::site_in("GRE, key", wrap(GRE_ENDS, GRE_KEY)),
        Case::site_in("GRE, sequence number", wrap(GRE_ENDS, GRE_SEQUENCE)),
        Case::site_in("GRE, key and sequence number", wrap(GRE_ENDS, GRE_KEY | GRE_SEQUENCE)),
        Case::site_in("GRE, all", wrap(GRE_ENDS, GRE_CHECKSUM | GRE_KEY | GRE_SEQUENCE)),
        Case::site_in("GRE between hosts that are ends of VXLAN too", wrap(GRE_AND_VXLAN_ENDS, 0)),
    ]
}

fn gre_payloads() -> Vec<Case> {
    let wrap = |flags, ether_type, front: &'static [u8]| {
        move |inner: &[u8]| built(&ip(GRE_ENDS, GRE, &gre(flags, ether_type, &[front, inner].concat())))
    };
    // Type II: version 1, VLAN, session, index.
    let mirrored = |front: &'static [u8], flags| {
        move |inner: &[u8]| {
            let inner = [front, &ethernet(IPV4, inner)].concat();
            built(&ip(GRE_ENDS, GRE, &gre(flags, ERSPAN, &inner)))
        }
    };
    vec![
        Case::site_v6_in("GRE, IPv6", wrap(0, IPV6, &[])),
        Case::site_in("GRE, PPP", wrap(0, PPP, &[0xff, 0x03, 0, 0x21])),
        Case::site_in("GRE, PPP with a compressed protocol", wrap(GRE_CHECKSUM, PPP, &[0x21])),
        Case::site_in("GRE, Ethernet", |inner| {
            built(&ip(GRE_ENDS, GRE, &gre(GRE_KEY, BRIDGED, &ethernet(IPV4, inner))))
        }),
        Case::site_in("GRE, MPLS", |inner| built(&ip(GRE_ENDS, GRE, &gre(0, MPLS, &mpls(2, inner))))),
        Case::site_in("ERSPAN without a header", mirrored(&[], 0)),
        Case::site_in("ERSPAN", mirrored(&[0x10, 0, 0, 1, 0, 0, 0, 2], GRE_SEQUENCE)),
        unread("GRE, ARP", &ip(GRE_ENDS, GRE, &gre(0, ARP, &[0; 28])), Reason::NotIp),
        unread("GRE, ERSPAN type III", &ip(GRE_ENDS, GRE, &gre(0, ERSPAN_3, &site())), Reason::NotIp),
        unread("GRE, keepalive", &ip(GRE_ENDS, GRE, &gre(0, 0, &[])), Reason::NotIp),
    ]
}

fn gre_broken() -> Vec<Case> {
    let flagged = |flags| ip(GRE_ENDS, GRE, &gre(flags, IPV4, &site()));
    let whole = gre(GRE_KEY, IPV4, &site());
    vec![
        unread("GRE, source routes", &flagged(GRE_ROUTING), Reason::MalformedTunnel),
        unread("GRE, cut in the header", &ip(GRE_ENDS, GRE, &whole[..3]), Reason::MalformedTunnel),
        unread("GRE, cut in the key", &ip(GRE_ENDS, GRE, &whole[..6]), Reason::MalformedIpv4),
        // Nobody is a subscriber outside.
        Case::uplink("GRE, PPTP", &flagged(GRE_PPTP), unattributed(Reason::Spoofed, 64)),
        Case::uplink(
            "GRE, a subscriber's",
            &ip((SUBSCRIBER, STRANGER), GRE, &gre(0, IPV4, &site())),
            charged(Reason::NotListed, 64),
        ),
        Case::downlink(
            "GRE, to a subscriber",
            &ip((STRANGER, SUBSCRIBER), GRE, &gre(0, IPV4, &site())),
            charged(Reason::NotListed, 64),
        ),
    ]
}

fn vxlans() -> Vec<Case> {
    let wrap = |port| move |inner: &[u8]| built(&udp(VXLAN_ENDS, port, &vxlan(&ethernet(IPV4, inner))));
    let message = vxlan(&ethernet(IPV4, &site()));
    let mut unnamed = message.clone();
    unnamed[0] = 0;
    vec![
        Case::site_in("VXLAN", wrap(VXLAN)),
        Case::site_in("VXLAN, old port", wrap(8472)),
        Case::site_v6_in("VXLAN, IPv6", |inner| {
            built(&udp(VXLAN_ENDS, VXLAN, &vxlan(&ethernet(IPV6, inner))))
        }),
        Case::site_in("VXLAN, a VLAN inside", |inner| {
            let inner = ethernet(DOT1Q, &[&[0, 100, 0x08, 0x00], inner].concat());
            built(&udp(VXLAN_ENDS, VXLAN, &vxlan(&inner)))
        }),
        unread("VXLAN, ARP", &udp(VXLAN_ENDS, VXLAN, &vxlan(&ethernet(ARP, &[0; 28]))), Reason::NotIp),
        unread("VXLAN, no identifier", &udp(VXLAN_ENDS, VXLAN, &unnamed), Reason::MalformedTunnel),
        unread("VXLAN, cut in the header", &udp(VXLAN_ENDS, VXLAN, &message[..7]), Reason::MalformedTunnel),
        unread("VXLAN, nothing inside", &udp(VXLAN_ENDS, VXLAN, &message[..8]), Reason::MalformedEthernet),
        Case::uplink(
            "VXLAN, a subscriber's",
            &udp((SUBSCRIBER, VXLAN_ENDS.1), VXLAN, &message),
            charged(Reason::NotListed, 28 + 8 + 14 + 40),
        ),
        Case::uplink(
            "VXLAN, between ends of GTP-U",
            &udp(GTPU_ENDS, VXLAN, &message),
            unattributed(Reason::Spoofed, 28 + 8 + 14 + 40),
        ),
    ]
}

fn geneves() -> Vec<Case> {
    let wrap = |words| move |inner: &[u8]| built(&udp(GENEVE_ENDS, GENEVE, &geneve(words, IPV4, inner)));
    let message = geneve(0, IPV4, &site());
    let mut versioned = message.clone();
    versioned[0] = 0x40;
    vec![
        Case::site_in("Geneve", wrap(0)),
        Case::site_in("Geneve, one option", wrap(1)),
        Case::site_in("Geneve, as many options as fit", wrap(63)),
        Case::site_v6_in("Geneve, Ethernet", |inner| {
            built(&udp(GENEVE_ENDS_V6, GENEVE, &geneve(2, BRIDGED, &ethernet(IPV6, inner))))
        }),
        unread("Geneve, version 1", &udp(GENEVE_ENDS, GENEVE, &versioned), Reason::MalformedTunnel),
        unread(
            "Geneve, cut in the header",
            &udp(GENEVE_ENDS, GENEVE, &message[..7]),
            Reason::MalformedTunnel,
        ),
        unread("Geneve, ARP", &udp(GENEVE_ENDS, GENEVE, &geneve(0, ARP, &[0; 28])), Reason::NotIp),
        Case::uplink(
            "Geneve, a subscriber's",
            &udp((SUBSCRIBER, GENEVE_ENDS.1), GENEVE, &message),
            charged(Reason::NotListed, 28 + 8 + 40),
        ),
    ]
}

fn nested() -> Vec<Case> {
    let two =
        |inner: &[u8]| packet(&ip(GRE_ENDS, GRE, &gre(GRE_KEY, IPV4, &packet(&in_gtpu(GTPU_ENDS, inner)))));
    let four = ip(IPIP_ENDS, IPV4_IN_IP, &packet(&ip(IPIP_ENDS, IPV4_IN_IP, &two(&site()))));
    let own = ip((SUBSCRIBER, STRANGER), IPV4_IN_IP, &site());
    // Whatever addresses a subscriber writes into his packets, they are his packets.
    let imitated = in_gtpu(GTPU_ENDS, &site());
    vec![
        Case::wrapped(
            "a subscriber's GTP-U between the carrier's ends",
            &imitated,
            unattributed(Reason::Spoofed, 28 + 8 + 40),
            |inner| built(&in_gtpu(GTPU_ENDS, inner)),
        ),
        Case::site_in("GTP-U in GRE", |inner| [&built(&ip(GRE_ENDS, GRE, &[]))[..14], &two(inner)].concat()),
        Case::site_in("GTP-U in GRE in IP", |inner| built(&ip(IPIP_ENDS, IPV4_IN_IP, &two(inner)))),
        Case::site_v6_in("GTP-U in VXLAN in IP", |inner| {
            let inner = ethernet(IPV6, &packet(&in_gtpu(GTPU_ENDS_V6, inner)));
            built(&ip(IPIP_ENDS_V6, IPV4_IN_IP, &packet(&udp(VXLAN_ENDS, VXLAN, &vxlan(&inner)))))
        }),
        Case::site_in("IP in IP in IP in IP", |inner| {
            let inner = packet(&ip(IPIP_ENDS_V6, IPV4_IN_IP, inner));
            built(&ip(IPIP_ENDS, IPV4_IN_IP, &packet(&ip(IPIP_ENDS, IPV6_IN_IP, &inner))))
        }),
        unread("four tunnels", &four, Reason::TunnelTooDeep),
        Case::wrapped("a subscriber's in three", &own, charged(Reason::NotListed, 60), |inner| {
            built(&ip(IPIP_ENDS, IPV4_IN_IP, &two(inner)))
        }),
    ]
}

/// The two fragments of an IPv4 packet between `ends`, of which the first has so many octets behind its header.
fn fragments(ends: (&str, &str), whole: &FrameBuilder, octets: u16) -> (FrameBuilder, FrameBuilder) {
    let whole = packet(whole);
    let (protocol, (start, rest)) = (whole[9], whole[20..].split_at(usize::from(octets)));
    let first = ip(ends, protocol, start).fragment(0, true).identification(9);
    (first, ip(ends, protocol, rest).fragment(octets / 8, false).identification(9))
}

/// What is cut outside is counted whole with its first part, which alone tells whose it is.
fn outer_fragments() -> Vec<Case> {
    let inner = FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).payload_octets(1400);
    let syn = || built(&in_gtpu(GTPU_ENDS, &site()));
    let first_of = |inner: &[u8]| fragments(GTPU_ENDS, &in_gtpu(GTPU_ENDS, inner), 800).0;
    let later = fragments(GTPU_ENDS, &in_gtpu(GTPU_ENDS, &packet(&inner)), 800).1;
    let in_gre = |inner: &[u8]| ip(GRE_ENDS, GRE, &gre(GRE_CHECKSUM, IPV4, inner));
    let in_ip = |inner: &[u8]| ip(IPIP_ENDS, IPV4_IN_IP, inner);
    let rest = || unattributed(Reason::TunnelFragment, 0);
    let tiny = ip(GTPU_ENDS, UDP, &[0; 4]).fragment(0, true);
    let whole = free(SITE_RULE, 1440);
    vec![
        Case::wrapped("the first of GTP-U", &inner, whole.clone(), |inner| built(&first_of(inner)))
            .after_octets(Role::Access, syn()),
        Case::uplink("a later of GTP-U", &later, rest()),
        Case::downlink("a later of GTP-U, downlink", &later, rest()),
        Case::uplink("a later of GTP-U, whose first was seen", &later, rest())
            .after(&first_of(&packet(&inner))),
        Case::wrapped("the first of GRE", &inner, whole.clone(), |inner| {
            built(&fragments(GRE_ENDS, &in_gre(inner), 800).0)
        })
        .after_octets(Role::Access, syn()),
        Case::uplink("a later of GRE", &fragments(GRE_ENDS, &in_gre(&packet(&inner)), 800).1, rest()),
        Case::wrapped("the first of IP in IP", &inner, whole, |inner| {
            built(&fragments(IPIP_ENDS, &in_ip(inner), 800).0)
        })
        .after_octets(Role::Access, syn()),
        Case::uplink("a later of IP in IP", &fragments(IPIP_ENDS, &in_ip(&packet(&inner)), 800).1, rest()),
        unread("a first without its ports", &tiny, Reason::MalformedTunnel),
        Case::uplink(
            "a later of a subscriber's",
            &ip((SUBSCRIBER, GTPU_ENDS.1), UDP, &[0; 80]).fragment(100, false),
            charged(Reason::NotListed, 100),
        ),
        Case::uplink(
            "a later between ends of another kind",
            &ip(IPIP_ENDS, UDP, &[0; 80]).fragment(100, false),
            unattributed(Reason::Spoofed, 100),
        ),
    ]
}

fn outer_fragments_v6() -> Vec<Case> {
    let inner = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).payload_octets(1400);
    let part = |inner: &[u8], is_first| {
        let whole = packet(&in_gtpu(GTPU_ENDS_V6, inner));
        let (start, rest) = whole[40..].split_at(800);
        let (octets, offset) = if is_first { (start, 0) } else { (rest, 100) };
        ip(GTPU_ENDS_V6, UDP, octets).extension(FRAGMENT, &header(9, offset, is_first))
    };
    vec![
        Case::wrapped("the first of GTP-U over IPv6", &inner, free(SITE_RULE, 1460).v6(), |inner| {
            built(&part(inner, true))
        })
        .after(&FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).syn()),
        Case::uplink(
            "a later of GTP-U over IPv6",
            &part(&packet(&inner), false),
            unattributed(Reason::TunnelFragment, 0),
        ),
    ]
}
