//! What may stand between Ethernet and IP: MPLS (RFC 3032), `PPPoE` (RFC 2516), PPP (RFC 1661).

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, charged, unattributed};
use crate::envelope::{ethernet, mpls, packet, pppoe};
use crate::world::{SITE, STRANGER, SUBSCRIBER, at};

const MPLS: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_DISCOVERY: u16 = 0x8863;
const PPPOE: u16 = 0x8864;
const DOT1Q: u16 = 0x8100;

pub(crate) fn cases() -> Vec<Case> {
    [labels(), broken_labels(), sessions(), broken_sessions()].into_iter().flatten().collect()
}

/// A frame that is nobody's, and cannot be read.
fn unread(name: &'static str, frame: Vec<u8>, reason: Reason) -> Case {
    Case::octets(name, Role::Access, frame, unattributed(reason, 0))
}

/// A packet to the site.
fn site() -> Vec<u8> {
    packet(&FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn())
}

/// In a VLAN.
fn tagged(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = ether_type.to_be_bytes();
    ethernet(DOT1Q, &[&[0, 100, high, low], payload].concat())
}

fn labels() -> Vec<Case> {
    vec![
        Case::site_in("one label", |inner| ethernet(MPLS, &mpls(1, inner))),
        Case::site_in("two labels", |inner| ethernet(MPLS, &mpls(2, inner))),
        Case::site_in("three labels", |inner| ethernet(MPLS, &mpls(3, inner))),
        Case::site_in("four labels", |inner| ethernet(MPLS, &mpls(4, inner))),
        Case::site_in("multicast", |inner| ethernet(MPLS_MULTICAST, &mpls(1, inner))),
        Case::site_in("in a VLAN", |inner| tagged(MPLS, &mpls(2, inner))),
        Case::site_v6_in("IPv6, one label", |inner| ethernet(MPLS, &mpls(1, inner))),
        Case::site_v6_in("IPv6, four labels", |inner| ethernet(MPLS, &mpls(4, inner))),
    ]
}

fn broken_labels() -> Vec<Case> {
    let five = ethernet(MPLS, &mpls(5, &site()));
    let cut = |octets| ethernet(MPLS, &mpls(2, &site())[..octets]);
    vec![
        unread("five labels", five, Reason::MplsTooDeep),
        unread("no label", cut(0), Reason::MalformedMpls),
        unread("cut in a label", cut(3), Reason::MalformedMpls),
        unread("cut before the bottom", cut(4), Reason::MalformedMpls),
        unread("cut in the bottom", cut(7), Reason::MalformedMpls),
        unread("nothing behind the bottom", cut(8), Reason::NotIp),
        // A pseudowire's control word begins with zeros (RFC 4385, section 3).
        unread("a pseudowire", ethernet(MPLS, &mpls(1, &[0; 60])), Reason::NotIp),
        unread("cut in the IP header", cut(8 + 19), Reason::MalformedIpv4),
    ]
}

fn ppp(protocol: &[u8], inner: &[u8]) -> Vec<u8> {
    [protocol, inner].concat()
}

fn sessions() -> Vec<Case> {
    let stranger = FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER));
    let session =
        |protocol: &'static [u8]| move |inner: &[u8]| ethernet(PPPOE, &pppoe(&ppp(protocol, inner)));
    vec![
        Case::site_in("PPPoE", session(&[0, 0x21])),
        Case::site_in("PPPoE, compressed protocol", session(&[0x21])),
        Case::site_in("PPPoE, address and control", session(&[0xff, 0x03, 0, 0x21])),
        Case::site_v6_in("PPPoE, IPv6", session(&[0, 0x57])),
        Case::site_v6_in("PPPoE, IPv6, compressed protocol", session(&[0x57])),
        Case::site_in("PPPoE in a VLAN", |inner| tagged(PPPOE, &pppoe(&ppp(&[0, 0x21], inner)))),
        Case::wrapped("PPPoE, padded", &stranger, charged(Reason::NotListed, 40), |inner| {
            [ethernet(PPPOE, &pppoe(&ppp(&[0, 0x21], inner))), vec![0; 9]].concat()
        }),
    ]
}

fn broken_sessions() -> Vec<Case> {
    let whole = pppoe(&ppp(&[0, 0x21], &site()));
    let changed = |offset: usize, octets: &[u8]| {
        let mut header = whole.clone();
        header[offset..offset + octets.len()].copy_from_slice(octets);
        ethernet(PPPOE, &header)
    };
    let cut = |octets| ethernet(PPPOE, &whole[..octets]);
    let control = |protocol: [u8; 2]| ethernet(PPPOE, &pppoe(&ppp(&protocol, &[1, 1, 0, 4])));
    vec![
        unread("LCP", control([0xc0, 0x21]), Reason::NotIp),
        unread("IPCP", control([0x80, 0x21]), Reason::NotIp),
        unread("IPv6CP", control([0x80, 0x57]), Reason::NotIp),
        unread("another network protocol", control([0x00, 0x2b]), Reason::NotIp),
        unread("PPPoE discovery", ethernet(PPPOE_DISCOVERY, &pppoe(&[])), Reason::NotIp),
        unread("a length beyond the frame", changed(4, &[0, 43]), Reason::MalformedPppoe),
        unread("a length of 65535", changed(4, &[0xff, 0xff]), Reason::MalformedPppoe),
        unread("a length shorter than the packet", changed(4, &[0, 41]), Reason::MalformedIpv4),
        unread("a length of 0", changed(4, &[0, 0]), Reason::MalformedPppoe),
        unread("version 2", changed(0, &[0x21]), Reason::MalformedPppoe),
        unread("not session data", changed(1, &[0xa7]), Reason::MalformedPppoe),
        unread("cut in the header", cut(5), Reason::MalformedPppoe),
        unread("cut behind the header", cut(6), Reason::MalformedPppoe),
    ]
}
