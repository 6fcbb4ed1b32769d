//! Who talks to whom, and the world in which they do.

use std::net::IpAddr;

use ipnet::IpNet;
use tollfree_core::interface::Role;
use tollfree_core::packet::tunnel::TunnelKind;
use tollfree_core::plan::{Evidence, RuleClass};

use super::random::Random;
use crate::world::{Grant, Ports, Rule, Transport, World};

/// When the rule that ends does, in nanoseconds.
pub(super) const END_NS: u64 = 60_000_000_000;

/// Subscribers, by family.
const SUBSCRIBERS: [[&str; 3]; 2] = [
    ["10.20.0.11", "10.20.0.12", "10.21.0.13"],
    ["2001:db8:20:11::1", "2001:db8:20:11::2", "2001:db8:20:12::1"],
];

/// Listed addresses and others, by family.
const REMOTES: [[&str; 10]; 2] = [
    [
        "203.0.113.7",
        "203.0.113.20",
        "203.0.113.36",
        "203.0.113.200",
        "198.51.100.7",
        "198.51.100.10",
        "198.51.100.200",
        "192.0.2.77",
        "198.18.0.5",
        "10.20.0.12",
    ],
    [
        "2001:db8:6000::7",
        "2001:db8:6000:1::20",
        "2001:db8:6000:2::36",
        "2001:db8:6001::1",
        "2001:db8:5060::7",
        "2001:db8:5060::10",
        "2001:db8:5060::200",
        "2001:db8:7000::1",
        "2001:db8:ffff::5",
        "2001:db8:20:12::1",
    ],
];

/// So many of them are listed by rules or are in media networks.
const LISTED: usize = 6;

/// Anyone, also those who should not talk.
const STRANGERS: [[&str; 6]; 2] = [
    ["10.20.0.1", "224.0.0.5", "169.254.1.1", "0.0.0.0", "172.16.0.1", "198.18.0.6"],
    ["2001:db8:20::1", "ff02::1", "fe80::1", "::", "2001:db8:1:1::1", "::ffff:203.0.113.7"],
];

/// Ends of tunnels, by family: of the carrier for all kinds, for GTP-U alone, and of someone else.
const ENDPOINTS: [[[&str; 2]; 3]; 2] = [
    [["172.16.0.1", "172.16.0.2"], ["172.16.1.1", "172.16.1.2"], ["172.31.0.1", "172.16.0.1"]],
    [
        ["2001:db8:1:1::1", "2001:db8:1:1::2"],
        ["2001:db8:1:2::1", "2001:db8:1:2::2"],
        ["2001:db8:1:9::1", "2001:db8:1:1::1"],
    ],
];

/// Source and destination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
}

impl Ends {
    /// Mostly a subscriber and a remote address, in the direction that belongs to the interface.
    pub(super) fn conversation(random: &mut Random, role: Role) -> Self {
        let family = usize::from(random.chance(400));
        let subscriber = draw(random, SUBSCRIBERS.get(family));
        let remote = draw(random, REMOTES.get(family));
        let (mut source, mut destination) = match role {
            Role::Access => (subscriber, remote),
            Role::Core => (remote, subscriber),
        };
        if random.chance(30) {
            (source, destination) = (destination, source);
        }
        if random.chance(40) {
            source = draw(random, STRANGERS.get(family));
        }
        if random.chance(40) {
            destination = draw(random, STRANGERS.get(family));
        }
        Self { source, destination }
    }

    /// A subscriber, and a remote address that is listed.
    pub(super) fn listed(random: &mut Random) -> Self {
        let family = usize::from(random.chance(400));
        let listed = REMOTES.get(family).map(|remotes| remotes.first_chunk::<LISTED>()).unwrap_or_default();
        Self { source: draw(random, SUBSCRIBERS.get(family)), destination: draw(random, listed) }
    }

    /// Of a tunnel: mostly the carrier's, else a subscriber's own.
    pub(super) fn of_tunnel(random: &mut Random, role: Role) -> Self {
        if random.chance(150) {
            return Self::conversation(random, role);
        }
        let family = usize::from(random.chance(400));
        let pairs = ENDPOINTS.get(family).map_or(&[][..], |pairs| pairs);
        let pair = if random.chance(700) { pairs.first() } else { Some(random.pick(pairs)) };
        let mut ends = pair.copied().unwrap_or_default();
        random.shuffle(&mut ends);
        let [source, destination] = ends.map(parsed);
        Self { source, destination }
    }

    pub(super) const fn is_v4(self) -> bool {
        matches!(self.source, IpAddr::V4(_))
    }
}

fn draw<const N: usize>(random: &mut Random, choices: Option<&[&str; N]>) -> IpAddr {
    let choices = choices.map_or(&[][..], |choices| choices);
    parsed(choices.get(random.below(N)).copied().unwrap_or_default())
}

fn parsed(text: &str) -> IpAddr {
    text.parse().expect("the addresses of this file are addresses")
}

fn networks(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().expect("the networks of this file are networks")).collect()
}

/// The world that sequences are made for.
pub fn world() -> World {
    World {
        transports: transports(),
        pools: networks(&["10.20.0.0/16", "10.21.0.0/24", "2001:db8:20::/48"]),
        own: networks(&[
            "10.20.0.1/32",
            "2001:db8:20::1/128",
            "0.0.0.0/32",
            "169.254.0.0/16",
            "224.0.0.0/4",
            "::/128",
            "fe80::/10",
            "ff00::/8",
        ]),
        rules: rules(),
        proxies: ["198.51.100.200", "2001:db8:5060::200"].map(parsed).into(),
        sip_port: 5060,
        media: networks(&["198.51.100.0/27", "2001:db8:5060::/120"]),
        grants: grants(),
        flows_max: 3,
        flows_per_subscriber: 2,
        quotas_max: 2,
        day_ends_ns: DAY_ENDS_NS,
    }
}

/// A day ends while a sequence runs, now and then.
pub(super) const DAY_ENDS_NS: u64 = END_NS / 2;

fn transports() -> Vec<Transport> {
    let ends = ["172.16.0.0/24", "2001:db8:1:1::/64", "172.16.1.0/24", "2001:db8:1:2::/64"];
    TunnelKind::ALL
        .map(|kind| {
            let own = if kind == TunnelKind::Gtpu { &ends[..] } else { &ends[..2] };
            Transport { kind, endpoints: networks(own) }
        })
        .into()
}

const HTTPS: Ports = Ports { protocol: 6, first: 443, last: 443 };
const CONFERENCE: Ports = Ports { protocol: 17, first: 8801, last: 8810 };
const MEDIA: Ports = Ports { protocol: 17, first: 40_000, last: 40_000 };
const DNS: Ports = Ports { protocol: 17, first: 53, last: 53 };

/// Networks inside networks, ports that meet, one rule that ends, one that gives priority only, some that ask for evidence,
/// some with a ceiling of a few packets.
fn rules() -> Vec<Rule> {
    let rule = |number, class, texts: &[&str], ports: &[Ports]| Rule {
        number,
        class,
        networks: networks(texts),
        ports: ports.into(),
        ends_ns: None,
        evidence: Evidence::Address,
        ceiling_octets: None,
    };
    let asking = |rule| Rule { evidence: Evidence::NameAndAddress, ..rule };
    let up_to = |ceiling_octets, rule| Rule { ceiling_octets: Some(ceiling_octets), ..rule };
    vec![
        asking(rule(
            7,
            RuleClass::FreePriority,
            &["203.0.113.0/25", "2001:db8:6000::/48"],
            &[CONFERENCE, HTTPS],
        )),
        up_to(400, rule(3, RuleClass::Free, &["203.0.113.0/28", "2001:db8:6000::/64"], &[])),
        // Nothing is asked for where nothing is free.
        asking(rule(
            9,
            RuleClass::Priority,
            &["203.0.113.16/28", "2001:db8:6000:1::/64"],
            &[HTTPS, CONFERENCE],
        )),
        rule(4, RuleClass::Free, &["203.0.113.16/28", "2001:db8:6000:1::/64"], &[DNS]),
        Rule {
            ends_ns: Some(END_NS),
            ..rule(12, RuleClass::Free, &["203.0.113.200/32", "2001:db8:6001::1/128"], &[])
        },
        // What was a call's a moment ago asks for evidence.
        up_to(
            300,
            asking(rule(
                20,
                RuleClass::Free,
                &["198.51.100.10/32", "2001:db8:5060::10/128"],
                &[CONFERENCE, HTTPS, MEDIA],
            )),
        ),
        // The hotline's: its media networks are the world's.
        rule(30, RuleClass::Free, &[], &[]),
    ]
}

/// Calls' streams: the first two stay granted, the others end in mid-sequence.
const CALLS: [[&str; 2]; 4] = [
    ["10.20.0.11", "198.51.100.7"],
    ["2001:db8:20:11::1", "2001:db8:5060::7"],
    ["10.20.0.12", "198.51.100.10"],
    ["2001:db8:20:12::1", "2001:db8:5060::10"],
];

/// Both sides of one of them.
pub(super) fn call(random: &mut Random) -> ((IpAddr, u16), (IpAddr, u16)) {
    let [subscriber, remote] = random.pick(&CALLS).map(parsed);
    ((subscriber, 50_000), (remote, 40_000))
}

fn grants() -> Vec<Grant> {
    let grant = |index: usize, ends_ns, gone_ns| {
        let [subscriber, remote] = CALLS[index].map(parsed);
        Grant { subscriber: (subscriber, 50_000), remote: (remote, 40_000), rule: 30, ends_ns, gone_ns }
    };
    vec![
        grant(0, u64::MAX, u64::MAX),
        grant(1, END_NS, u64::MAX),
        grant(2, u64::MAX, END_NS / 2),
        grant(3, u64::MAX, END_NS / 2),
    ]
}
