//! The code point of tunnelled packets, and every checksum that covers it (RFC 768, RFC 2784, RFC 8200, section 8.1).
//!
//! A tagged frame must be the one that would have been built with the code point in it, all checksums computed in full.

use anyhow::{Result, ensure};
use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, built, changed, charged, free, free_priority, unattributed};
use crate::envelope::{
    GRE_CHECKSUM, GRE_KEY, GTPU, IPV4, IPV6, T_PDU, VXLAN, ethernet, gre, gtpu, in_gtpu, ip, packet, udp,
    vxlan,
};
use crate::world::{
    CONFERENCE, CONFERENCE_RULE, FREE_DSCP, FREE_PRIORITY_DSCP, GATEWAY, GRE_ENDS, GRE_ENDS_V6, GTPU_ENDS,
    GTPU_ENDS_V6, IPIP_ENDS_V6, SITE, SITE_RULE, SITE_V6, STRANGER, STRANGER_V6, SUBSCRIBER, SUBSCRIBER_V6,
    VXLAN_ENDS, World, at,
};

const GRE: u8 = 47;
const IPV6_IN_IP: u8 = 41;
const PPP: u16 = 0x880b;
/// Where the checksum of UDP is, over plain IPv4 and over plain IPv6.
const UDP_CHECKSUM: usize = 14 + 20 + 6;
const UDP_CHECKSUM_V6: usize = 14 + 40 + 6;
/// In no tag.
const OTHER_DSCP: u8 = 18;

pub(crate) fn cases() -> Vec<Case> {
    [udp_checksums(), gre_checksums(), nested(), forged()].into_iter().flatten().collect()
}

fn site() -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn()
}

fn site_v6() -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).syn()
}

fn in_v4(inner: &[u8]) -> Vec<u8> {
    built(&in_gtpu(GTPU_ENDS, inner))
}

fn in_v6(inner: &[u8]) -> Vec<u8> {
    built(&in_gtpu(GTPU_ENDS_V6, inner))
}

fn udp_checksums() -> Vec<Case> {
    let none = |inner: &[u8]| changed(&in_gtpu(GTPU_ENDS, inner), UDP_CHECKSUM, &[0, 0]);
    let none_v6 = |inner: &[u8]| changed(&in_gtpu(GTPU_ENDS_V6, inner), UDP_CHECKSUM_V6, &[0, 0]);
    let optional =
        |inner: &[u8]| built(&udp(GTPU_ENDS, GTPU, &gtpu(4, T_PDU, &[0, 0, 0, 0x85, 1, 0x10, 9, 0], inner)));
    vec![
        Case::site_in("IPv4 in UDP over IPv4", in_v4),
        Case::site_in("IPv4 in UDP over IPv6", in_v6),
        Case::site_in("IPv4 in UDP without a checksum", none),
        Case::site_v6_in("IPv6 in UDP over IPv4", in_v4),
        Case::site_v6_in("IPv6 in UDP over IPv6", in_v6),
        Case::site_v6_in("IPv6 in UDP over IPv4 without a checksum", none),
        Case::site_v6_in("IPv6 in UDP over IPv6 without a checksum", none_v6),
        Case::site_v6_in("IPv6 behind extension headers of GTP-U", optional),
        Case::wrapped(
            "another class, and an odd length",
            &FrameBuilder::udp(at(SUBSCRIBER), at(CONFERENCE)).payload_octets(11),
            free_priority(CONFERENCE_RULE, 39),
            in_v4,
        ),
        Case::octets(
            "over another code point, IPv6, CE stays",
            Role::Access,
            in_v4(&packet(&site_v6().traffic_class(46 << 2 | 3))),
            free(SITE_RULE, 60).v6(),
        )
        .leaving(in_v4(&packet(&site_v6().traffic_class(FREE_DSCP << 2 | 3)))),
    ]
}

fn gre_checksums() -> Vec<Case> {
    let wrap = |ends, flags, ether_type, front: &'static [u8]| {
        move |inner: &[u8]| built(&ip(ends, GRE, &gre(flags, ether_type, &[front, inner].concat())))
    };
    vec![
        Case::site_in("IPv4 in GRE with a checksum", wrap(GRE_ENDS, GRE_CHECKSUM, IPV4, &[])),
        Case::site_v6_in("IPv6 in GRE with a checksum", wrap(GRE_ENDS, GRE_CHECKSUM, IPV6, &[])),
        Case::site_v6_in(
            "IPv6 in GRE with a checksum and a key",
            wrap(GRE_ENDS_V6, GRE_CHECKSUM | GRE_KEY, IPV6, &[]),
        ),
        Case::site_v6_in("IPv6 in GRE without a checksum", wrap(GRE_ENDS, GRE_KEY, IPV6, &[])),
        // The compressed protocol field puts the header at an odd offset in what the checksum covers.
        Case::site_in("IPv4 at an odd offset", wrap(GRE_ENDS, GRE_CHECKSUM, PPP, &[0x21])),
        Case::site_v6_in("IPv6 at an odd offset", wrap(GRE_ENDS, GRE_CHECKSUM, PPP, &[0x57])),
    ]
}

fn nested() -> Vec<Case> {
    let bridged = |ends, inner: &[u8]| vxlan(&ethernet(IPV6, &packet(&in_gtpu(ends, inner))));
    vec![
        // The inner checksum makes up for the change, so the outer one stays.
        Case::site_v6_in("in UDP in UDP, both with a checksum", |inner| {
            built(&udp(VXLAN_ENDS, VXLAN, &bridged(GTPU_ENDS_V6, inner)))
        }),
        // Nothing inside makes up for it, so the outer one is mended.
        Case::site_v6_in("in UDP without a checksum, in GRE with one", |inner| {
            let inner = changed(&in_gtpu(GTPU_ENDS_V6, inner), UDP_CHECKSUM_V6, &[0, 0]);
            built(&ip(GRE_ENDS, GRE, &gre(GRE_CHECKSUM, IPV6, &inner[14..])))
        }),
        Case::site_v6_in("in IP in GRE with a checksum", |inner| {
            let inner = packet(&ip(IPIP_ENDS_V6, IPV6_IN_IP, inner));
            built(&ip(GRE_ENDS, GRE, &gre(GRE_CHECKSUM, IPV6, &inner)))
        }),
        Case::site_in("IPv4 in UDP in GRE, both with a checksum", |inner| {
            built(&ip(GRE_ENDS, GRE, &gre(GRE_CHECKSUM, IPV4, &packet(&in_gtpu(GTPU_ENDS, inner)))))
        }),
    ]
}

/// A frame whose inner header came with the free class's code point.
fn forged_inside(
    name: &'static str,
    inner: &FrameBuilder,
    expect: Expect,
    wrap: impl Fn(&[u8]) -> Vec<u8>,
) -> Case {
    Case::wrapped(name, &inner.clone().traffic_class(FREE_DSCP << 2), expect, wrap)
}

fn forged() -> Vec<Case> {
    let (stranger, not_listed) =
        (FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER)), charged(Reason::NotListed, 40));
    let stranger_v6 = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(STRANGER_V6));
    let spoofed = FrameBuilder::tcp(at("10.21.0.1:1"), at(STRANGER));
    let own = FrameBuilder::udp(at("10.21.0.1:1"), at(GATEWAY));
    let transit = FrameBuilder::tcp(at(STRANGER), at("10.21.0.1:1")).traffic_class(FREE_DSCP << 2);
    let echo = udp(GTPU_ENDS, GTPU, &gtpu(2, 1, &[0, 1, 0, 0], &[])).traffic_class(FREE_DSCP << 2);
    let outer = in_gtpu(GTPU_ENDS, &packet(&stranger)).traffic_class(FREE_DSCP << 2);
    vec![
        forged_inside("forged", &stranger, not_listed.clone().forged(), in_v4),
        forged_inside("forged, IPv6", &stranger_v6, charged(Reason::NotListed, 60).v6().forged(), in_v6),
        forged_inside("forged, spoofed", &spoofed, unattributed(Reason::Spoofed, 40).forged(), in_v4),
        forged_inside("the gateway's own, in a tunnel", &own, unattributed(Reason::Own, 28), in_v4),
        Case::downlink("transit keeps its own", &transit, unattributed(Reason::Transit, 40)),
        Case::downlink(
            "the gateway's own",
            &FrameBuilder::udp(at(STRANGER), at(GATEWAY)).traffic_class(FREE_DSCP << 2),
            unattributed(Reason::Own, 28),
        ),
        Case::uplink("the tunnel's own message", &echo, unattributed(Reason::Own, 0)),
        Case::uplink("in the outer header alone, where no tag is", &outer, not_listed),
    ]
}

/// A packet in GTP-U, with the code points of its inner and its outer header.
fn tunnel(inner: &FrameBuilder, code_point: u8, outer: u8) -> Vec<u8> {
    let inner = packet(&inner.clone().traffic_class(code_point << 2));
    let ends = if inner[0] >> 4 == 4 { GTPU_ENDS } else { GTPU_ENDS_V6 };
    built(&in_gtpu(ends, &inner).traffic_class(outer << 2))
}

/// A packet in GTP-U that comes with one pair of code points and leaves with another.
fn between(name: &'static str, inner: &FrameBuilder, expect: Expect, came: (u8, u8), left: (u8, u8)) -> Case {
    Case::octets(name, Role::Access, tunnel(inner, came.0, came.1), expect)
        .leaving(tunnel(inner, left.0, left.1))
}

/// The tag is in the outermost header alone.
pub(crate) fn outer_cases() -> Vec<Case> {
    let stranger = FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER));
    let stranger_v6 = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(STRANGER_V6));
    let conference = FrameBuilder::udp(at(SUBSCRIBER), at(CONFERENCE));
    let not_listed = charged(Reason::NotListed, 40);
    let no_tag = free(SITE_RULE, 60).v6();
    vec![
        between("outer", &site(), free(SITE_RULE, 40), (OTHER_DSCP, OTHER_DSCP), (OTHER_DSCP, FREE_DSCP)),
        between("outer, IPv6", &site_v6(), no_tag, (OTHER_DSCP, 0), (OTHER_DSCP, FREE_DSCP)),
        between(
            "outer, another class",
            &conference,
            free_priority(CONFERENCE_RULE, 28),
            (0, 0),
            (0, FREE_PRIORITY_DSCP),
        ),
        Case::octets("no tunnel", Role::Access, built(&site()), free(SITE_RULE, 40)),
        between("outer, forged", &stranger, not_listed.clone().forged(), (0, FREE_DSCP), (0, 0)),
        between(
            "outer, forged, IPv6",
            &stranger_v6,
            charged(Reason::NotListed, 60).v6().forged(),
            (OTHER_DSCP, FREE_PRIORITY_DSCP),
            (OTHER_DSCP, 0),
        ),
        between(
            "a tag's code point inside, where no tag is",
            &stranger,
            not_listed.clone(),
            (FREE_DSCP, OTHER_DSCP),
            (FREE_DSCP, OTHER_DSCP),
        ),
        Case::uplink(
            "no tunnel, forged",
            &stranger.clone().traffic_class(FREE_DSCP << 2),
            not_listed.forged(),
        ),
    ]
}

/// The tag is in the innermost and the outermost header.
pub(crate) fn both_cases() -> Vec<Case> {
    let stranger = FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER));
    let stranger_v6 = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(STRANGER_V6));
    let forged = charged(Reason::NotListed, 40).forged();
    let forged_v6 = charged(Reason::NotListed, 60).v6().forged();
    let tagged = (FREE_DSCP, FREE_DSCP);
    vec![
        between("both", &site(), free(SITE_RULE, 40), (0, OTHER_DSCP), tagged),
        between("both, IPv6", &site_v6(), free(SITE_RULE, 60).v6(), (OTHER_DSCP, 0), tagged),
        Case::octets("both, no tunnel", Role::Access, built(&site()), free(SITE_RULE, 40)),
        between("both forged", &stranger, forged.clone(), tagged, (0, 0)),
        between("the inner forged", &stranger, forged.clone(), (FREE_DSCP, OTHER_DSCP), (0, OTHER_DSCP)),
        between("the outer forged", &stranger, forged, (OTHER_DSCP, FREE_DSCP), (OTHER_DSCP, 0)),
        between("the inner forged, IPv6", &stranger_v6, forged_v6, (FREE_DSCP, OTHER_DSCP), (0, OTHER_DSCP)),
    ]
}

/// Every value that the checksum of UDP can have stays right, and none becomes "no checksum" (RFC 768).
#[test]
fn every_udp_checksum_stays_right() -> Result<()> {
    let mut world = World::open()?;
    let (inner, tagged) = (packet(&site_v6()), packet(&site_v6().traffic_class(FREE_DSCP << 2)));
    for sequence in 0..=u16::MAX {
        let [high, low] = sequence.to_be_bytes();
        let wrap = |inner: &[u8]| built(&udp(GTPU_ENDS, GTPU, &gtpu(2, T_PDU, &[high, low, 0, 0], inner)));
        let run = world.kernel.run(Role::Access, &wrap(&inner), 1)?;
        let wanted = wrap(&tagged);
        ensure!(run.frame == wanted, "sequence number {sequence}: {:02x?}, not {wanted:02x?}", run.frame);
    }
    Ok(())
}
