//! IPv4 (RFC 791).

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, changed, charged, cut, free, unattributed};
use crate::world::{SITE, SITE_RULE, STRANGER, SUBSCRIBER, at};

/// Where the IPv4 header begins in a frame without tags.
const IP: usize = 14;

pub(crate) fn cases() -> Vec<Case> {
    [lengths(), malformed()].into_iter().flatten().collect()
}

fn lengths() -> Vec<Case> {
    let site = || FrameBuilder::tcp(at(SUBSCRIBER), at(SITE));
    let datagram = || FrameBuilder::udp(at(SUBSCRIBER), at(STRANGER));
    // No operation, three times, and the end of the list (RFC 791, section 3.1).
    let short = [1, 1, 1, 0];
    let mut longest = [1; 40];
    longest[39] = 0;
    vec![
        Case::opened("header, TCP header, 100 octets", &site().payload_octets(100), free(SITE_RULE, 140)),
        Case::uplink("four octets of options", &site().syn().options(&short), free(SITE_RULE, 44)),
        Case::uplink("forty octets of options", &site().syn().options(&longest), free(SITE_RULE, 80)),
        Case::opened("a full link", &site().payload_octets(1460), free(SITE_RULE, 1500)),
        Case::uplink(
            "Ethernet padding is not billed",
            &datagram().payload_octets(1).padding(17),
            charged(Reason::NotListed, 29),
        ),
        Case::uplink("UDP without payload", &datagram().padding(18), charged(Reason::NotListed, 28)),
        Case::downlink(
            "padding downlink",
            &FrameBuilder::udp(at(STRANGER), at(SUBSCRIBER)).payload_octets(1).padding(17),
            charged(Reason::NotListed, 29),
        ),
    ]
}

fn malformed() -> Vec<Case> {
    let site = FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).payload_octets(8);
    let row = |name, frame| Case::octets(name, Role::Access, frame, unattributed(Reason::MalformedIpv4, 0));
    vec![
        row("version 5", changed(&site, IP, &[0x55])),
        row("version 6", changed(&site, IP, &[0x65])),
        row("IHL 4", changed(&site, IP, &[0x44])),
        row("IHL 0", changed(&site, IP, &[0x40])),
        row("IHL 15, but a total length of 48", changed(&site, IP, &[0x4f])),
        row("a total length of one more than arrived", changed(&site, IP + 2, &[0, 49])),
        row("a total length of 65535", changed(&site, IP + 2, &[0xff, 0xff])),
        row("a total length shorter than the header", changed(&site, IP + 2, &[0, 19])),
        row("a total length of 0", changed(&site, IP + 2, &[0, 0])),
        row("cut in its first half", cut(&site, IP + 11)),
        row("cut in its addresses", cut(&site, IP + 19)),
        row("cut behind its header", cut(&site, IP + 20)),
    ]
}
