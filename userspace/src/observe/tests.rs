//! What is expected is computed by hand, from the lengths of the headers: Ethernet 14, IPv4 20, UDP 8, TCP 20 octets.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use proptest::prelude::*;
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::interface::Role;
use tollfree_core::limits::{FLOW_REST_OPENING_NS, OVERFLOW_MAX};
use tollfree_core::plan::{ClassEntry, MatchSet, Matcher, RuleClass, RuleEntry};
use tollfree_core::reason::{Bucket, Reason};
use tollfree_core::stat::Stat;

use super::*;
use crate::classify::Tunnels;
use crate::config::LimitsConfig;
use crate::dataplane::{NicCounts, PlanTables};
use crate::memory::MemoryTransports;
use crate::status;

const SUBSCRIBER: [u8; 4] = [10, 20, 0, 11];
const NEIGHBOUR: [u8; 4] = [10, 20, 0, 12];
const SITE: [u8; 4] = [203, 0, 113, 10];
const OTHER: [u8; 4] = [203, 0, 113, 20];
const RULE: u32 = 7;
const PORT: u16 = 5000;
const SECOND: u64 = 1_000_000_000;
/// When the rule ends.
const RULE_END: u64 = 1000 * SECOND;
const EPOCH: u32 = 3;
const UDP: u8 = 17;
/// More-fragments flag (RFC 791).
const MORE: u16 = 0x2000;

/// Everything on the site's address is free.
fn plan() -> PlanTables {
    let mut set = MatchSet::EMPTY;
    let protocols = Matcher::TCP | Matcher::UDP;
    set.matchers[0] = Matcher { first_port: 0, last_port: u16::MAX, rule_index: 0, protocols };
    let site = IpNet::from(std::net::IpAddr::from(SITE));
    PlanTables {
        classes: [(site, ClassEntry { flags: ClassEntry::CANDIDATE, match_set: 0 })].into(),
        match_sets: vec![set],
        rules: vec![RuleEntry { valid_until_ns: RULE_END, ..RuleEntry::new(RULE, RuleClass::Free) }],
    }
}

fn observer_of(side: Side, tunnels: Tunnels, room: LimitsConfig) -> Observer {
    let pools = ["10.20.0.0/16".parse().expect("a network")];
    let mut observer = Observer::new(side, &pools, tunnels, 5060, room);
    observer.enforce(&plan(), EPOCH);
    observer
}

fn observer(side: Side) -> Observer {
    observer_of(side, Tunnels::Listed(MemoryTransports::default()), LimitsConfig::default())
}

/// An Ethernet frame with an IPv4 packet; `fragment` is the word of flags and offset.
fn ip(source: [u8; 4], destination: [u8; 4], protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).expect("short").to_be_bytes();
    let [flags, offset] = fragment.to_be_bytes();
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, total[0], total[1], 0, 1, flags, offset, 64, protocol, 0, 0]);
    frame.extend(source.into_iter().chain(destination));
    frame.extend(payload);
    frame
}

/// UDP with `octets` of payload, between `PORT` and port 443 of the remote side.
fn udp(source: [u8; 4], destination: [u8; 4], octets: usize) -> Vec<u8> {
    let is_uplink = source[0] == 10;
    let (from, to) = if is_uplink { (PORT, 443) } else { (443, PORT) };
    ip(source, destination, UDP, 0, &udp_payload(from, to, octets))
}

fn udp_payload(from: u16, to: u16, octets: usize) -> Vec<u8> {
    let length = u16::try_from(8 + octets).expect("short");
    let mut datagram = [from, to, length, 0].map(u16::to_be_bytes).concat();
    datagram.resize(8 + octets, 0);
    datagram
}

/// Counters by subscriber, reason and rule: packets and octets up, packets and octets down.
type Counted = Vec<(&'static str, &'static str, u32, [u64; 4])>;

fn counted(observer: &Observer) -> Vec<(String, String, u32, [u64; 4])> {
    let cut = observer.account().cut("eth0", observer.epoch(), NicCounts::default());
    assert!(cut.counters.keys().all(|key| key.epoch == EPOCH));
    let counters = status::counters(&status::standing(&cut), |_| status::RuleName::default());
    let row = |c: status::CounterStatus| {
        let usage = [c.uplink_packets, c.uplink_octets, c.downlink_packets, c.downlink_octets];
        (c.subscriber, c.reason, c.rule, usage)
    };
    counters.into_iter().map(row).collect()
}

#[track_caller]
fn assert_counted(observer: &Observer, expected: &Counted) {
    let mut counted = counted(observer);
    counted.sort();
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(who, why, rule, usage)| ((*who).to_owned(), (*why).to_owned(), *rule, *usage))
        .collect();
    expected.sort();
    assert_eq!(counted, expected);
}

#[test]
fn a_mirror_tells_directions_by_the_subscribers_side() {
    let mut observer = observer(Side::Mirror);
    let mut arp = vec![2; 12];
    arp.extend([8, 6]);
    arp.resize(60, 0);
    let frames = [
        udp(SUBSCRIBER, SITE, 100),
        udp(SITE, SUBSCRIBER, 200),
        udp(SITE, SUBSCRIBER, 300),
        udp(SUBSCRIBER, OTHER, 10),
        udp(OTHER, NEIGHBOUR, 20),
        udp(SUBSCRIBER, NEIGHBOUR, 30),
        udp(OTHER, SITE, 40),
        arp,
    ];
    for frame in &frames {
        observer.take(frame, SECOND);
    }
    assert_counted(
        &observer,
        &vec![
            ("10.20.0.11/32", "address", RULE, [1, 128, 2, 228 + 328]),
            // To the other site, and to a neighbour: his uplink, and not the neighbour's downlink.
            ("10.20.0.11/32", "not-listed", 0, [2, 38 + 58, 0, 0]),
            ("10.20.0.12/32", "not-listed", 0, [0, 0, 1, 48]),
            ("-", "transit", 0, [0, 0, 1, 68]),
            ("-", "not-ip", 0, [0, 0, 1, 0]),
        ],
    );
    let cut = observer.account().cut("eth0", EPOCH, NicCounts::default());
    // 42 octets of headers each, but for the last.
    let frame_octets = 7 * 42 + 100 + 200 + 300 + 10 + 20 + 30 + 40 + 60;
    assert_eq!((cut.total.seen.packets, cut.total.seen.frame_octets), (8, frame_octets));
    let buckets = Bucket::ALL.map(|bucket| cut.total.buckets[bucket as usize].packets);
    assert_eq!(buckets, [3, 3, 0, 2, 0], "free, charged, pending, unattributed, overflow");
    assert_eq!(observer.account().stat(Stat::FlowOpened), 1);
}

#[test]
fn what_a_stranger_sends_is_charged_until_the_subscriber_opens_the_flow() {
    let mut observer = observer(Side::Mirror);
    for frame in [udp(SITE, SUBSCRIBER, 1), udp(SUBSCRIBER, SITE, 2), udp(SITE, SUBSCRIBER, 3)] {
        observer.take(&frame, SECOND);
    }
    assert_counted(
        &observer,
        &vec![
            ("10.20.0.11/32", "no-flow", RULE, [0, 0, 1, 29]),
            ("10.20.0.11/32", "address", RULE, [1, 30, 1, 31]),
        ],
    );
}

#[test]
fn one_direction_is_what_a_gateways_interface_sees() {
    let frames = [udp(SUBSCRIBER, SITE, 1), udp(SITE, SUBSCRIBER, 2)];
    let mut access = observer(Side::Only(Role::Access));
    let mut core = observer(Side::Only(Role::Core));
    for frame in &frames {
        access.take(frame, SECOND);
        core.take(frame, SECOND);
    }
    let free = ("10.20.0.11/32", "address", RULE, [1, 29, 0, 0]);
    assert_counted(&access, &vec![free, ("-", "spoofed", 0, [1, 30, 0, 0])]);
    let charged = ("10.20.0.11/32", "no-flow", RULE, [0, 0, 1, 30]);
    assert_counted(&core, &vec![charged, ("-", "spoofed", 0, [0, 0, 1, 29])]);
}

#[test]
fn own_addresses_in_a_pool_are_no_subscribers() {
    let mut observer = observer(Side::Mirror);
    let own = IpNet::from(std::net::IpAddr::from(SUBSCRIBER));
    observer.set_own(
        &[(own, tollfree_core::plan::Local::Own)].into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    );
    observer.take(&udp(SUBSCRIBER, SITE, 1), SECOND);
    assert_counted(&observer, &vec![("-", "own", 0, [0, 0, 1, 29])]);
}

#[test]
fn a_rule_ends_by_itself_and_the_next_plan_keeps_flows() {
    let mut observer = observer(Side::Mirror);
    observer.take(&udp(SUBSCRIBER, SITE, 1), RULE_END - 1);
    observer.take(&udp(SITE, SUBSCRIBER, 1), RULE_END);
    let mut longer = plan();
    longer.rules[0].valid_until_ns = u64::MAX;
    observer.enforce(&longer, EPOCH);
    observer.take(&udp(SITE, SUBSCRIBER, 1), RULE_END);
    assert_counted(
        &observer,
        &vec![
            ("10.20.0.11/32", "address", RULE, [1, 29, 1, 29]),
            ("10.20.0.11/32", "expired", RULE, [0, 0, 1, 29]),
        ],
    );
}

#[test]
fn flows_are_bounded_and_forgotten_when_they_rest() {
    let room = LimitsConfig { counters: 100, flows: 1, ..LimitsConfig::default() };
    let mut observer = observer_of(Side::Mirror, Tunnels::All, room);
    observer.take(&udp(SUBSCRIBER, SITE, 1), SECOND);
    observer.take(&udp(NEIGHBOUR, SITE, 1), SECOND);
    // Nobody answered.
    let rested = SECOND + FLOW_REST_OPENING_NS;
    observer.look_after_flows(rested - 1);
    observer.take(&udp(NEIGHBOUR, SITE, 1), rested - 1);
    observer.look_after_flows(rested);
    observer.take(&udp(SITE, SUBSCRIBER, 1), rested);
    observer.take(&udp(NEIGHBOUR, SITE, 1), rested);
    assert_counted(
        &observer,
        &vec![
            ("10.20.0.11/32", "address", RULE, [1, 29, 0, 0]),
            ("10.20.0.12/32", "flow-table-full", RULE, [2, 58, 0, 0]),
            ("10.20.0.11/32", "no-flow", RULE, [0, 0, 1, 29]),
            ("10.20.0.12/32", "address", RULE, [1, 29, 0, 0]),
        ],
    );
}

#[test]
fn what_finds_no_counter_is_kept_by_rule() {
    let mut observer = observer_of(
        Side::Mirror,
        Tunnels::All,
        LimitsConfig { counters: 1, flows: 100, ..LimitsConfig::default() },
    );
    for source in [SUBSCRIBER, NEIGHBOUR, SUBSCRIBER] {
        observer.take(&udp(source, OTHER, 1), SECOND);
    }
    observer.take(&udp(NEIGHBOUR, SITE, 1), SECOND);
    assert_counted(
        &observer,
        &vec![
            ("10.20.0.11/32", "not-listed", 0, [2, 58, 0, 0]),
            ("-", "not-listed", 0, [1, 29, 0, 0]),
            ("-", "address", RULE, [1, 29, 0, 0]),
        ],
    );
    let cut = observer.account().cut("eth0", EPOCH, NicCounts::default());
    assert_eq!(
        status::totals(&status::standing(&cut))["overflow"],
        status::Volume { packets: 2, octets: 58 }
    );
    assert_eq!(cut.total.buckets[Bucket::Overflow as usize].packets, 2);
    let account = observer.account();
    assert_eq!([Stat::CounterFull, Stat::OverflowFull].map(|stat| account.stat(stat)), [2, 0]);
}

#[test]
fn what_even_overflow_has_no_room_for_is_in_the_interfaces_buckets() {
    let mut account = Account::new(0, 0);
    let subscriber = tollfree_core::address::SubscriberId::NONE;
    for rule in 0..=OVERFLOW_MAX {
        account.arrived(60);
        let key = CounterKey::new(subscriber, EPOCH, rule, Bucket::Charged, Reason::NotListed);
        account.count(&key, 0, Bucket::Charged, Role::Access, 60, 46);
    }
    let frames = u64::from(OVERFLOW_MAX) + 1;
    assert_eq!([Stat::CounterFull, Stat::OverflowFull].map(|stat| account.stat(stat)), [frames, 1]);
    let cut = account.cut("eth0", EPOCH, NicCounts::default());
    assert_eq!(cut.counters.values().map(Usage::packets).sum::<u64>(), frames - 1);
    assert_eq!(cut.total.buckets[Bucket::Overflow as usize].packets, frames);
    // The reconciliation shows it: one packet, 46 octets.
    let reconciliation = status::reconcile(&cut, &status::standing(&cut), &[]);
    assert_eq!((reconciliation.difference_packets, reconciliation.difference_octets), (1, 46));
}

/// Where any address may be a tunnel's end, a datagram in fragments is its conversation's own all the same.
#[test]
fn fragments_are_told_from_those_of_tunnels() {
    let mut observer = observer_of(Side::Mirror, Tunnels::All, LimitsConfig::default());
    let [gateway, tower] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)].map(|ip| ip.octets());
    // 16 octets of UDP, then 8.
    observer.take(&ip(SUBSCRIBER, SITE, UDP, MORE, &udp_payload(PORT, 443, 8)), SECOND);
    observer.take(&ip(SUBSCRIBER, SITE, UDP, 2, &[0; 8]), SECOND);
    // GTP-U (TS 29.281): version 1, message 255, then the length of what is in it.
    let inner = udp(SUBSCRIBER, OTHER, 20)[14..].to_vec();
    let mut tunnel = udp_payload(2152, 2152, 0);
    tunnel.extend([0x30, 255, 0, 48, 0, 0, 0, 1]);
    tunnel.extend(&inner);
    let (first, later) = tunnel.split_at(48);
    observer.take(&ip(tower, gateway, UDP, MORE, first), SECOND);
    observer.take(&ip(tower, gateway, UDP, 6, later), SECOND);
    assert_counted(
        &observer,
        &vec![
            ("10.20.0.11/32", "address", RULE, [2, 36 + 28, 0, 0]),
            ("10.20.0.11/32", "not-listed", 0, [1, 48, 0, 0]),
            ("-", "tunnel-fragment", 0, [0, 0, 1, 0]),
        ],
    );
}

/// Frames in memory; behind them, the interface is gone.
struct InMemory {
    frames: std::vec::IntoIter<Vec<u8>>,
    current: Vec<u8>,
    pauses: usize,
}

impl Frames for InMemory {
    fn next(&mut self) -> Result<Option<&[u8]>, ObserveError> {
        if let Some(frame) = self.frames.next() {
            self.current = frame;
            return Ok(Some(&self.current));
        }
        if self.pauses == 0 {
            return Err(ObserveError::NoInterface { name: "eth0".into() });
        }
        self.pauses -= 1;
        Ok(None)
    }
}

#[test]
fn draining_ends_at_the_bound_at_a_pause_and_at_the_end() {
    let frames = vec![udp(SUBSCRIBER, SITE, 1); 5].into_iter();
    let mut source = InMemory { frames, current: Vec::new(), pauses: 1 };
    let mut observer = observer(Side::Mirror);
    let mut drained = |max| observer.drain(&mut source, max, || SECOND).ok();
    assert_eq!([drained(0), drained(2), drained(10), drained(10)], [Some(0), Some(2), Some(3), None]);
    assert_counted(&observer, &vec![("10.20.0.11/32", "address", RULE, [5, 5 * 29, 0, 0])]);
}

#[test]
fn sides_are_written_as_in_status() {
    for side in [Side::Mirror, Side::Only(Role::Access), Side::Only(Role::Core)] {
        assert_eq!(side.name().parse(), Ok(side));
    }
    assert_eq!("both".parse::<Side>(), Err(SideError));
}

/// Frames that are nearly right: octets of one are replaced, and it is cut.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        any::<u8>().prop_map(|n| udp([10, 20, 0, n], SITE, 30)),
        any::<u8>().prop_map(|n| udp(SITE, [10, 20, n, 1], 30)),
    ];
    (whole, prop::collection::vec((0..72_usize, any::<u8>()), 0..4), 0..=72_usize).prop_map(
        |(mut frame, changes, length)| {
            for (at, octet) in changes {
                frame[at] = octet;
            }
            frame.truncate(length);
            frame
        },
    )
}

proptest! {
    #[test]
    fn every_frame_is_in_exactly_one_bucket(
        frames in prop::collection::vec(prop_oneof![damaged(), prop::collection::vec(any::<u8>(), 0..200)], 0..50),
        counters in 0..20_u32,
        mirror in any::<bool>(),
    ) {
        let side = if mirror { Side::Mirror } else { Side::Only(Role::Core) };
        let mut observer = observer_of(side, Tunnels::All, LimitsConfig { counters, flows: 5, ..LimitsConfig::default() });
        for frame in &frames {
            observer.take(frame, SECOND);
        }
        let cut = observer.account().cut("eth0", EPOCH, NicCounts::default());
        let octets: usize = frames.iter().map(Vec::len).sum();
        prop_assert_eq!(cut.total.seen.packets, frames.len() as u64);
        prop_assert_eq!(cut.total.seen.frame_octets, octets as u64);
        prop_assert_eq!(cut.total.bucketed().packets, cut.total.seen.packets);
        prop_assert_eq!(cut.total.bucketed().frame_octets, cut.total.seen.frame_octets);
        prop_assert_eq!(status::reconcile(&cut, &status::standing(&cut), &[]), status::Reconciliation::default());
    }
}
