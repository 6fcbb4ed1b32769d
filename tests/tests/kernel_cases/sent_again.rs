//! TCP payload that was sent again: charged or free as any, and counted once more (RFC 9293, section 3.4).

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, changed, charged, free, pending, priority};
use crate::world::{
    HOSPITAL, HOSPITAL_RULE, NAMED, NAMED_RULE, SITE, SITE_RULE, SITE_V6, SUBSCRIBER, SUBSCRIBER_V6, at,
    tcp_flow,
};

/// Where the sequence number is, behind a plain IPv4 header and behind a plain IPv6 header.
const SEQUENCE: usize = 14 + 20 + 4;
const SEQUENCE_V6: usize = 14 + 40 + 4;

pub(crate) fn cases() -> Vec<Case> {
    [in_order(), around_zero(), apart(), not_counted()].into_iter().flatten().collect()
}

/// So many octets from this number on.
fn segment(from: &str, to: &str, sequence: u32, octets: usize) -> Vec<u8> {
    let offset = if at(from).is_ipv4() { SEQUENCE } else { SEQUENCE_V6 };
    changed(&FrameBuilder::tcp(at(from), at(to)).payload_octets(octets), offset, &sequence.to_be_bytes())
}

fn syn(from: &str, to: &str) -> FrameBuilder {
    FrameBuilder::tcp(at(from), at(to)).syn()
}

/// A hundred octets of the subscriber's from one number on, after a hundred from another on.
fn second(name: &'static str, first: u32, second: u32, again: u32) -> Case {
    let frame = |sequence| segment(SUBSCRIBER, SITE, sequence, 100);
    Case::octets(name, Role::Access, frame(second), free(SITE_RULE, 140).sent_again(again))
        .after(&syn(SUBSCRIBER, SITE))
        .after_octets(Role::Access, frame(first))
}

fn in_order() -> Vec<Case> {
    let first = segment(SUBSCRIBER, SITE, 1000, 100);
    vec![
        Case::octets("the first payload", Role::Access, first, free(SITE_RULE, 140))
            .after(&syn(SUBSCRIBER, SITE)),
        second("the next", 1000, 1100, 0),
        second("the same", 1000, 1000, 100),
        second("half of it", 1000, 1050, 50),
        second("all but an octet", 1000, 1001, 99),
        second("its last octet", 1000, 1099, 1),
        second("behind a gap", 1000, 5000, 0),
        second("into what was overtaken", 5000, 1000, 100),
        second("from before the first into it", 1000, 950, 100),
    ]
}

/// Numbers begin again with 0 after 2^32 - 1.
fn around_zero() -> Vec<Case> {
    vec![
        second("the next begins with 0", 0xffff_ff9c, 0, 0),
        second("the same around 0", 0xffff_ffd0, 0xffff_ffd0, 100),
        // 0xffffffd0 and a hundred is 52 in 2^32.
        second("0 to 99 after up to 51", 0xffff_ffd0, 0, 52),
        second("less than half a round behind", 0x7fff_ff00, 0, 100),
        second("more than half a round behind is ahead", 0x8000_0100, 0, 0),
    ]
}

/// Each direction, flow and rule has its own.
fn apart() -> Vec<Case> {
    let up = || segment(SUBSCRIBER, SITE, 1, 100);
    let down = || segment(SITE, SUBSCRIBER, 1, 100);
    let v6 = || segment(SUBSCRIBER_V6, SITE_V6, 1, 100);
    let hospital = || segment(SUBSCRIBER, HOSPITAL, 1, 100);
    let named = || segment(SUBSCRIBER, NAMED, 1, 100);
    let site = |name, role, frame, again| {
        let expect = free(SITE_RULE, 140).sent_again(again);
        Case::octets(name, role, frame, expect).after(&syn(SUBSCRIBER, SITE))
    };
    let awaits: Expect = pending(NAMED_RULE, 140, tcp_flow(SUBSCRIBER, NAMED));
    vec![
        site("downlink after uplink", Role::Core, down(), 0).after_octets(Role::Access, up()),
        site("downlink again", Role::Core, down(), 100).after_octets(Role::Core, down()),
        site("in a flow begun anew", Role::Access, up(), 0)
            .after_octets(Role::Access, up())
            .after(&FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).rst())
            .after(&syn(SUBSCRIBER, SITE)),
        Case::octets("IPv6", Role::Access, v6(), free(SITE_RULE, 160).v6().sent_again(100))
            .after(&syn(SUBSCRIBER_V6, SITE_V6))
            .after_octets(Role::Access, v6()),
        Case::octets("priority", Role::Access, hospital(), priority(HOSPITAL_RULE, 140).sent_again(100))
            .after(&syn(SUBSCRIBER, HOSPITAL))
            .after_octets(Role::Access, hospital()),
        Case::octets("awaiting", Role::Access, named(), awaits.sent_again(100))
            .after(&syn(SUBSCRIBER, NAMED))
            .after_octets(Role::Access, named()),
    ]
}

fn not_counted() -> Vec<Case> {
    let up = || segment(SUBSCRIBER, SITE, 1, 100);
    let ack = FrameBuilder::tcp(at(SUBSCRIBER), at(SITE));
    let fragment = |frame: &FrameBuilder| frame.clone().identification(7).fragment(0, true);
    let first = fragment(&ack.clone().payload_octets(100));
    vec![
        Case::uplink("without payload", &ack, free(SITE_RULE, 40))
            .after(&syn(SUBSCRIBER, SITE))
            .after_octets(Role::Access, up()),
        Case::octets("without a flow", Role::Access, up(), charged(Reason::NoFlow, 140).by(SITE_RULE))
            .after_octets(Role::Access, up()),
        Case::uplink("in fragments", &first, free(SITE_RULE, 140))
            .after(&syn(SUBSCRIBER, SITE))
            .after_octets(Role::Access, up()),
    ]
}
