//! The frames that are replayed, in this order, and what must become of each.

use anyhow::Result;
use serde::Serialize;
use tollfree_core::interface::Role;
use tollfree_core::reason::{Bucket, Reason};

use crate::frame::{
    ACK, ARP, ETHERNET_OCTETS, IPV4, SYN, echo_request, ethernet, later_fragment, tcp, udp,
    udp_behind_options,
};
use crate::world::{
    CALLER, CONFERENCE, CONFERENCE_RULE, ENDED, ENDED_RULE, HOTLINE_RULE, MEDIA, PROXY, SITE, SITE_RULE,
    STRANGER, SUBSCRIBER, SUBSCRIBER_V6, at,
};

/// 802.1ad with 802.1Q inside (IEEE 802.1Q, clause 9.5).
const QINQ: [u16; 2] = [0x88a8, 0x8100];

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) bucket: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) rule: u32,
    /// Volume: IP length.
    pub(crate) octets: u64,
    /// The code point that it left with.
    pub(crate) dscp: u8,
    /// skb mark and priority in the metadata.
    pub(crate) marks: [u32; 2],
    /// Copies that userspace got.
    pub(crate) copies: u64,
}

impl Outcome {
    const fn new(reason: Reason, bucket: Bucket, rule: u32, octets: u64) -> Self {
        let [bucket, reason] = [bucket.name(), reason.name()];
        Self { bucket, reason, rule, octets, dscp: 0, marks: [0, 0], copies: 0 }
    }

    const fn charged(reason: Reason, rule: u32, octets: u64) -> Self {
        Self::new(reason, Bucket::Charged, rule, octets)
    }

    /// Tagged as the settings say of free traffic.
    const fn free(reason: Reason, rule: u32, octets: u64) -> Self {
        Self { dscp: 10, ..Self::new(reason, Bucket::Free, rule, octets) }
    }
}

/// A frame that arrives on an interface of `role`.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) frame: Vec<u8>,
    pub(crate) expected: Outcome,
}

const fn uplink(name: &'static str, frame: Vec<u8>, expected: Outcome) -> Case {
    Case { name, role: Role::Access, frame, expected }
}

const fn downlink(name: &'static str, frame: Vec<u8>, expected: Outcome) -> Case {
    Case { name, role: Role::Core, frame, expected }
}

pub(crate) fn cases() -> Result<Vec<Case>> {
    Ok([sites()?, charged()?, calls()?, links()?].into_iter().flatten().collect())
}

fn sites() -> Result<Vec<Case>> {
    let [subscriber, subscriber_v6] = [at(SUBSCRIBER)?, at(SUBSCRIBER_V6)?];
    let [site, conference, ended] = [at(SITE)?, at(CONFERENCE)?, at(ENDED)?];
    let mut other_port = subscriber;
    other_port.set_port(40_001);
    let marked =
        Outcome { dscp: 46, marks: [0x10, 6], ..Outcome::free(Reason::Address, CONFERENCE_RULE, 164) };
    Ok(vec![
        downlink(
            "answer that nobody asked for",
            tcp(site, subscriber, SYN | ACK, 0),
            Outcome::charged(Reason::NoFlow, SITE_RULE, 40),
        ),
        uplink("SYN", tcp(subscriber, site, SYN, 0), Outcome::free(Reason::Address, SITE_RULE, 40)),
        downlink(
            "answer to it",
            tcp(site, subscriber, SYN | ACK, 0),
            Outcome::free(Reason::Address, SITE_RULE, 40),
        ),
        downlink(
            "answer to another port",
            tcp(site, other_port, SYN | ACK, 0),
            Outcome::charged(Reason::NoFlow, SITE_RULE, 40),
        ),
        // 40 octets of header, 16 of options, 8 of UDP header, 100 of payload.
        uplink("IPv6 with options", udp_behind_options(subscriber_v6, conference, 100), marked),
        uplink(
            "rule that has ended",
            tcp(subscriber, ended, SYN, 0),
            Outcome::charged(Reason::Expired, ENDED_RULE, 40),
        ),
    ])
}

fn charged() -> Result<Vec<Case>> {
    let [subscriber, site, stranger] = [at(SUBSCRIBER)?, at(SITE)?, at(STRANGER)?];
    Ok(vec![
        uplink("stranger", tcp(subscriber, stranger, SYN, 0), Outcome::charged(Reason::NotListed, 0, 40)),
        uplink(
            "stranger, with a forged code point",
            udp(subscriber, stranger, 46, 12),
            Outcome::charged(Reason::NotListed, 0, 40),
        ),
        uplink(
            "port that is not listed",
            udp(subscriber, site, 0, 12),
            Outcome::charged(Reason::PortNotListed, 0, 40),
        ),
        uplink(
            "payload in a SYN",
            tcp(subscriber, site, SYN, 10),
            Outcome::charged(Reason::ControlPayload, 0, 50),
        ),
        uplink("echo request", echo_request(subscriber, site), Outcome::charged(Reason::Icmp, 0, 28)),
        uplink(
            "later fragment",
            later_fragment(subscriber, site, 80),
            Outcome::charged(Reason::Fragment, 0, 100),
        ),
    ])
}

fn calls() -> Result<Vec<Case>> {
    let [subscriber, caller, media, proxy] = [at(SUBSCRIBER)?, at(CALLER)?, at(MEDIA)?, at(PROXY)?];
    let signalling = Outcome { copies: 1, ..Outcome::charged(Reason::Signalling, 0, 528) };
    let mut other_port = caller;
    other_port.set_port(30_002);
    Ok(vec![
        uplink("signalling", udp(subscriber, proxy, 0, 500), signalling),
        downlink(
            "a free call's media",
            udp(media, caller, 0, 172),
            Outcome::free(Reason::Call, HOTLINE_RULE, 200),
        ),
        downlink(
            "media of no call",
            udp(media, other_port, 0, 172),
            Outcome::charged(Reason::NoCall, 0, 200),
        ),
    ])
}

fn links() -> Result<Vec<Case>> {
    let [subscriber, site, stranger] = [at(SUBSCRIBER)?, at(SITE)?, at(STRANGER)?];
    let packet = tcp(subscriber, site, ACK, 60).split_off(ETHERNET_OCTETS);
    let mut cut = tcp(subscriber, site, ACK, 60);
    cut.truncate(60);
    let nobody = |reason, octets| Outcome::new(reason, Bucket::Unattributed, 0, octets);
    Ok(vec![
        uplink(
            "two VLAN tags",
            ethernet(&QINQ, IPV4, &packet),
            Outcome::free(Reason::Address, SITE_RULE, 100),
        ),
        uplink("ARP", ethernet(&[], ARP, &[0; 46]), nobody(Reason::NotIp, 0)),
        uplink("IPv4 that claims more than arrived", cut, nobody(Reason::MalformedIpv4, 0)),
        uplink("a source in no pool", tcp(stranger, site, SYN, 0), nobody(Reason::Spoofed, 40)),
    ])
}
