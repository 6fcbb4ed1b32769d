//! The frames that are replayed, in this order, and what must become of each.

use anyhow::Result;
use serde::Serialize;
use tollfree_core::interface::Role;
use tollfree_core::reason::{Bucket, Reason};

use crate::frame::{
    ACK, ARP, ETHERNET_OCTETS, IPV4, SYN, echo_request, ethernet, first_fragment, gtpu, last_fragment, mpls,
    pppoe, tcp, udp, udp_behind_options,
};
use crate::world::{
    BASE_STATION, CALLER, CONFERENCE, CONFERENCE_RULE, ENDED, ENDED_RULE, HOTLINE_RULE, MEDIA, PROXY, SITE,
    SITE_RULE, STRANGER, SUBSCRIBER, SUBSCRIBER_V6, USER_PLANE, at,
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

    const fn pending(octets: u64) -> Self {
        Self::new(Reason::AwaitingEvidence, Bucket::Pending, 0, octets)
    }

    const fn nobody(reason: Reason, octets: u64) -> Self {
        Self::new(reason, Bucket::Unattributed, 0, octets)
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
    /// Where the innermost IP header begins that is looked into, in octets.
    pub(crate) ip_offset: Option<usize>,
    pub(crate) expected: Outcome,
}

impl Case {
    fn ip_at(self, octet: usize) -> Self {
        Self { ip_offset: Some(octet), ..self }
    }

    fn without_ip(self) -> Self {
        Self { ip_offset: None, ..self }
    }
}

const fn uplink(name: &'static str, frame: Vec<u8>, expected: Outcome) -> Case {
    Case { name, role: Role::Access, frame, ip_offset: Some(ETHERNET_OCTETS), expected }
}

const fn downlink(name: &'static str, frame: Vec<u8>, expected: Outcome) -> Case {
    Case { name, role: Role::Core, frame, ip_offset: Some(ETHERNET_OCTETS), expected }
}

pub(crate) fn cases() -> Result<Vec<Case>> {
    Ok([sites()?, charged()?, calls()?, links()?, tunnels()?].into_iter().flatten().collect())
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
            "last fragment without a first",
            last_fragment(subscriber, site, 80),
            Outcome::charged(Reason::Fragment, 0, 100),
        ),
    ])
}

fn calls() -> Result<Vec<Case>> {
    let [subscriber, caller, media, proxy] = [at(SUBSCRIBER)?, at(CALLER)?, at(MEDIA)?, at(PROXY)?];
    let signalling = Outcome { copies: 1, ..Outcome::charged(Reason::Signalling, 0, 528) };
    let waits = Outcome { copies: 1, ..Outcome::pending(200) };
    let mut other_port = caller;
    other_port.set_port(30_002);
    Ok(vec![
        downlink(
            "media of no call",
            udp(media, other_port, 0, 172),
            Outcome::charged(Reason::NoCall, 0, 200),
        ),
        uplink("signalling", udp(subscriber, proxy, 0, 500), signalling),
        downlink("media that waits for its call", udp(media, other_port, 0, 172), waits),
        downlink(
            "a free call's media",
            udp(media, caller, 0, 172),
            Outcome::free(Reason::Call, HOTLINE_RULE, 200),
        ),
        uplink(
            "first fragment of a free call's datagram",
            first_fragment(caller, media, 72),
            Outcome::free(Reason::Call, HOTLINE_RULE, 100),
        ),
        uplink(
            "its last fragment",
            last_fragment(caller, media, 30),
            Outcome::charged(Reason::MediaShape, HOTLINE_RULE, 50),
        ),
    ])
}

/// A packet of 100 octets to the site, on the flow that is open.
fn packet() -> Result<Vec<u8>> {
    Ok(tcp(at(SUBSCRIBER)?, at(SITE)?, ACK, 60).split_off(ETHERNET_OCTETS))
}

fn links() -> Result<Vec<Case>> {
    let [subscriber, site, stranger] = [at(SUBSCRIBER)?, at(SITE)?, at(STRANGER)?];
    let packet = packet()?;
    let free = || Outcome::free(Reason::Address, SITE_RULE, 100);
    let mut cut = tcp(subscriber, site, ACK, 60);
    cut.truncate(60);
    Ok(vec![
        uplink("two VLAN tags", ethernet(&QINQ, IPV4, &packet), free()).ip_at(22),
        uplink("PPPoE", pppoe(&packet), free()).ip_at(22),
        uplink("MPLS", mpls(&packet), free()).ip_at(22),
        uplink("ARP", ethernet(&[], ARP, &[0; 46]), Outcome::nobody(Reason::NotIp, 0)).without_ip(),
        uplink("IPv4 that claims more than arrived", cut, Outcome::nobody(Reason::MalformedIpv4, 0)),
        uplink("a source in no pool", tcp(stranger, site, SYN, 0), Outcome::nobody(Reason::Spoofed, 40)),
    ])
}

fn tunnels() -> Result<Vec<Case>> {
    let [base_station, user_plane] = [at(BASE_STATION)?, at(USER_PLANE)?];
    let [mut subscriber, mut relay] = [at(SUBSCRIBER)?, at(STRANGER)?];
    subscriber.set_port(base_station.port());
    relay.set_port(base_station.port());
    let packet = packet()?;
    Ok(vec![
        uplink(
            "the carrier's GTP-U",
            gtpu(base_station, user_plane, 1, &packet),
            Outcome::free(Reason::Address, SITE_RULE, 100),
        )
        .ip_at(58),
        uplink(
            "the carrier's GTP-U, of a version that there is not",
            gtpu(base_station, user_plane, 7, &packet),
            Outcome::nobody(Reason::MalformedTunnel, 0),
        ),
        // Headers of IPv4, UDP and GTP-U: 20, 8 and 16 octets.
        uplink(
            "a subscriber's own GTP-U",
            gtpu(subscriber, relay, 1, &packet),
            Outcome::charged(Reason::NotListed, 0, 144),
        ),
    ])
}
