//! The code point (RFC 2474), congestion (RFC 3168), and the header's checksum (RFC 791).

use anyhow::{Result, ensure};
use tollfree_benches::frame::FrameBuilder;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::case::{Case, built, charged, free, free_priority, priority, unattributed};
use crate::check::write_code_point;
use crate::world::{
    CONFERENCE, CONFERENCE_RULE, FREE_DSCP, HOSPITAL, HOSPITAL_RULE, SITE, SITE_RULE, SITE_V6, STRANGER,
    STRANGER_V6, SUBSCRIBER, SUBSCRIBER_V6, World, at,
};

/// The traffic class octet of a code point and congestion bits.
const fn octet(code_point: u8, congestion: u8) -> u8 {
    code_point << 2 | congestion
}

pub(crate) fn cases() -> Vec<Case> {
    [written(), congestion(), forged()].into_iter().flatten().collect()
}

fn site() -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER), at(SITE)).syn()
}

fn site_v6() -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER_V6), at(SITE_V6)).syn()
}

fn written() -> Vec<Case> {
    let conference = FrameBuilder::udp(at(SUBSCRIBER), at(CONFERENCE));
    let hospital = FrameBuilder::tcp(at(SUBSCRIBER), at(HOSPITAL)).syn();
    vec![
        Case::uplink("over another code point", &site().traffic_class(octet(46, 0)), free(SITE_RULE, 40)),
        Case::uplink("over all ones", &site().traffic_class(octet(63, 0)), free(SITE_RULE, 40)),
        Case::uplink("over all ones, IPv6", &site_v6().traffic_class(octet(63, 0)), free(SITE_RULE, 60).v6()),
        Case::uplink(
            "already there",
            &site().traffic_class(octet(FREE_DSCP, 1)),
            free(SITE_RULE, 40).code_point_kept(),
        ),
        Case::uplink("another class", &conference, free_priority(CONFERENCE_RULE, 28)),
        Case::uplink("a class without a code point", &hospital, priority(HOSPITAL_RULE, 40)),
        Case::uplink(
            "a class without a code point leaves the packet's",
            &hospital.traffic_class(octet(18, 0)),
            priority(HOSPITAL_RULE, 40),
        ),
        Case::uplink(
            "with options",
            &site().options(&[1, 1, 1, 0]).identification(0xbeef),
            free(SITE_RULE, 44),
        ),
    ]
}

fn congestion() -> Vec<Case> {
    vec![
        Case::uplink("ECT(1) stays", &site().traffic_class(octet(0, 1)), free(SITE_RULE, 40)),
        Case::uplink("ECT(0) stays", &site().traffic_class(octet(0, 2)), free(SITE_RULE, 40)),
        Case::uplink("CE stays", &site().traffic_class(octet(0, 3)), free(SITE_RULE, 40)),
        Case::uplink("CE stays, IPv6", &site_v6().traffic_class(octet(0, 3)), free(SITE_RULE, 60).v6()),
        Case::uplink("ECT(1) stays, IPv6", &site_v6().traffic_class(octet(18, 1)), free(SITE_RULE, 60).v6()),
    ]
}

fn forged() -> Vec<Case> {
    let stranger = |class| FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER)).traffic_class(class);
    let stranger_v6 = |class| FrameBuilder::tcp(at(SUBSCRIBER_V6), at(STRANGER_V6)).traffic_class(class);
    let back = |class| FrameBuilder::tcp(at(STRANGER), at(SUBSCRIBER)).traffic_class(class);
    let not_listed = |octets| charged(Reason::NotListed, octets);
    vec![
        Case::uplink("the free class's", &stranger(octet(10, 0)), not_listed(40).forged()),
        Case::uplink("the free class's, with CE", &stranger(octet(10, 3)), not_listed(40).forged()),
        Case::uplink("the priority class's", &stranger(octet(46, 1)), not_listed(40).forged()),
        Case::uplink("IPv6", &stranger_v6(octet(10, 2)), not_listed(60).v6().forged()),
        Case::downlink("downlink", &back(octet(10, 0)), not_listed(40).forged()),
        Case::uplink("one that is nobody's tag", &stranger(octet(18, 0)), not_listed(40)),
        Case::uplink("the default", &stranger(octet(0, 3)), not_listed(40)),
        Case::downlink(
            "from a listed site that nobody asked",
            &FrameBuilder::tcp(at(SITE), at(SUBSCRIBER)).traffic_class(octet(10, 0)),
            charged(Reason::NoFlow, 40).by(SITE_RULE).forged(),
        ),
        Case::uplink(
            "from a spoofed source",
            &FrameBuilder::tcp(at("10.21.0.1:1"), at(STRANGER)).traffic_class(octet(10, 0)),
            unattributed(Reason::Spoofed, 40).forged(),
        ),
    ]
}

/// Every value that a checksum can have stays right (RFC 1624 tells of one method that fails at some).
#[test]
fn every_checksum_stays_right() -> Result<()> {
    let mut world = World::open()?;
    for identification in 0..=u16::MAX {
        let mut frame = built(&site().identification(identification));
        let run = world.kernel.run(Role::Access, &frame, 1)?;
        write_code_point(&mut frame, FREE_DSCP);
        ensure!(run.frame == frame, "identification {identification}: {:02x?}, not {frame:02x?}", run.frame);
    }
    Ok(())
}
