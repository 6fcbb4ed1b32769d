//! Who opens a flow: a subscriber, by a TCP SYN (RFC 9293, section 3.5) or by any datagram.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, changed, charged, free, free_priority};
use crate::world::{CONFERENCE, CONFERENCE_RULE, SITE, SITE_RULE, SITE_V6, SUBSCRIBER, SUBSCRIBER_V6, at};

/// Where the flags of TCP are, behind a plain IPv4 header and behind a plain IPv6 header.
const FLAGS: usize = 14 + 20 + 13;
const FLAGS_V6: usize = 14 + 40 + 13;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

pub(crate) fn cases() -> Vec<Case> {
    [flags(), nothing_opened(), datagrams()].into_iter().flatten().collect()
}

/// A segment without payload, up to the site.
fn segment(flags: u8) -> Vec<u8> {
    changed(&FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)), FLAGS, &[flags])
}

fn no_flow() -> Expect {
    charged(Reason::NoFlow, 40).by(SITE_RULE)
}

fn flags() -> Vec<Case> {
    let row = |name, flags, expect| Case::octets(name, Role::Access, segment(flags), expect);
    let v6 = |name, flags, expect: Expect| {
        let frame = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6));
        Case::octets(name, Role::Access, changed(&frame, FLAGS_V6, &[flags]), expect.v6())
    };
    vec![
        row("SYN opens", SYN, free(SITE_RULE, 40)),
        // RFC 3168, section 6.1.1.
        row("SYN that asks for ECN opens", SYN | ECE | CWR, free(SITE_RULE, 40)),
        row("SYN-ACK opens nothing", SYN | ACK, no_flow()),
        row("RST opens nothing", RST, no_flow()),
        row("RST-ACK opens nothing", RST | ACK, no_flow()),
        row("SYN-RST opens nothing", SYN | RST, no_flow()),
        row("ACK opens nothing", ACK, no_flow()),
        row("PSH-ACK opens nothing", PSH | ACK, no_flow()),
        row("FIN-ACK opens nothing", FIN | ACK, no_flow()),
        row("no flags open nothing", 0, no_flow()),
        v6("IPv6, SYN opens", SYN, free(SITE_RULE, 60)),
        v6("IPv6, SYN-ACK opens nothing", SYN | ACK, charged(Reason::NoFlow, 60).by(SITE_RULE)),
        Case::uplink(
            "payload in the middle of a stream opens nothing",
            &FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).payload_octets(1000),
            charged(Reason::NoFlow, 1040).by(SITE_RULE),
        ),
        row("ACK after SYN", ACK, free(SITE_RULE, 40)).after_octets(Role::Access, segment(SYN)),
        row("SYN again", SYN, free(SITE_RULE, 40)).after_octets(Role::Access, segment(SYN)),
    ]
}

/// What did not open a flow leaves none behind.
fn nothing_opened() -> Vec<Case> {
    let back = || FrameBuilder::tcp(at(SITE), at(SUBSCRIBER));
    let answer =
        |name, flags| Case::downlink(name, &back(), no_flow()).after_octets(Role::Access, segment(flags));
    vec![
        answer("an answer to SYN-ACK", SYN | ACK),
        answer("an answer to RST", RST),
        answer("an answer to ACK", ACK),
        Case::octets("SYN-ACK to a stranger's SYN", Role::Access, segment(SYN | ACK), no_flow())
            .after_downlink(&back().syn()),
        Case::downlink("SYN downlink opens nothing", &back().syn(), no_flow()),
        Case::downlink("SYN downlink opened nothing", &back(), no_flow()).after_downlink(&back().syn()),
    ]
}

fn datagrams() -> Vec<Case> {
    let up = || FrameBuilder::udp(at(SUBSCRIBER), at(CONFERENCE));
    let down = || FrameBuilder::udp(at(CONFERENCE), at(SUBSCRIBER));
    let no_flow = charged(Reason::NoFlow, 28).by(CONFERENCE_RULE);
    vec![
        Case::uplink("UDP opens", &up(), free_priority(CONFERENCE_RULE, 28)),
        Case::downlink("UDP that was opened", &down(), free_priority(CONFERENCE_RULE, 28)).after(&up()),
        Case::downlink("UDP downlink opens nothing", &down(), no_flow.clone()),
        Case::downlink("UDP downlink opened nothing", &down(), no_flow).after_downlink(&down()),
    ]
}
