use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{Count, Inspector, Limits, Undecided};
use super::{
    Direction, FIRST, FLOW, ISN, NAME, Talk, Trust, Via, ack, at, data, named, syn, syn_ack, undecided,
};
use crate::quic::samples::{Attempt, V1, crypto};
use crate::tls::samples::{hello, records, server_name};

fn tls() -> Vec<u8> {
    records(&hello(&[server_name(NAME)]), 1 << 14)
}

const LIMITS: Limits = Limits { flows: 3, octets: 1000, flow_packets: 8, age_ns: 100 };

/// A flow that waits for the rest of its hello.
fn open(inspector: &mut Inspector, flow: u64, at_ns: u64, octets: usize) {
    assert_eq!(inspector.take(flow, at_ns, Direction::Uplink, &syn(ISN)), None);
    assert_eq!(inspector.take(flow, at_ns, Direction::Downlink, &syn_ack(FIRST)), None);
    assert_eq!(inspector.take(flow, at_ns, Direction::Uplink, &data(FIRST, &vec![b'a'; octets])), None);
}

#[test]
fn flows_that_take_too_long_are_given_up() {
    let mut inspector = Inspector::new(LIMITS);
    open(&mut inspector, 1, 10, 100);
    open(&mut inspector, 2, 60, 100);
    assert_eq!(inspector.expire(109), []);
    let findings = inspector.expire(110);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].flow, findings[0].first_payload_ns), (1, Some(10)));
    assert_eq!(findings[0].evidence, undecided(Undecided::TooOld));
    // Packets that were still on their way begin nothing new.
    assert_eq!(inspector.take(1, 111, Direction::Downlink, &ack(at(100))), None);
    assert_eq!(inspector.stats().get(Count::Late), 1);
    assert_eq!(inspector.expire(300).len(), 1);
    assert_eq!((inspector.flows(), inspector.held_octets()), (1, 0), "given up at 300, kept until 400");
    assert_eq!(inspector.expire(400), []);
    assert_eq!(inspector.flows(), 0);
}

#[test]
fn with_too_many_flows_the_oldest_go() {
    let mut inspector = Inspector::new(LIMITS);
    for flow in 1..=5 {
        open(&mut inspector, flow, flow, 10);
    }
    let found: Vec<_> = inspector.expire(5).into_iter().map(|found| (found.flow, found.evidence)).collect();
    assert_eq!(found, [(1, undecided(Undecided::Evicted)), (2, undecided(Undecided::Evicted))]);
    assert_eq!((inspector.flows(), inspector.held_octets()), (3, 30));
}

#[test]
fn with_too_many_octets_the_oldest_go() {
    let mut inspector = Inspector::new(LIMITS);
    open(&mut inspector, 1, 1, 600);
    open(&mut inspector, 2, 2, 300);
    open(&mut inspector, 3, 3, 300);
    assert_eq!(inspector.expire(5).len(), 1);
    assert_eq!((inspector.flows(), inspector.held_octets()), (2, 600));
}

/// Found by a fuzzer: what is decided was forgotten in vain, and decided again.
#[test]
fn octets_of_one_flow_do_not_make_others_decided_twice() {
    let mut inspector = Inspector::new(LIMITS);
    inspector.take(1, 1, Direction::Uplink, &data(FIRST, b"GET"));
    open(&mut inspector, 2, 2, LIMITS.octets + 1);
    assert_eq!(inspector.take(1, 3, Direction::Uplink, &data(FIRST, b"GET")), None);
    assert_eq!(inspector.stats().get(Count::Late), 1, "flow 1 was decided by its first packet");
}

#[test]
fn keys_are_counted_too() {
    let mut inspector = Inspector::new(LIMITS);
    let packet =
        Attempt { protocol: V1, first: b"first-id" }.padded(0, &crypto(0, &hello(&[server_name(NAME)])));
    for flow in 1..=2 {
        inspector.take(flow, flow, Direction::Uplink, &super::datagram(Direction::Uplink, &packet));
    }
    assert_eq!(inspector.expire(2).len(), 1);
    assert_eq!(inspector.flows(), 1);
}

#[test]
fn a_flow_of_too_many_packets_is_given_up() {
    let mut inspector = Inspector::new(LIMITS);
    let findings: Vec<_> =
        (0..10).filter_map(|at| inspector.take(1, at, Direction::Uplink, &syn(ISN))).collect();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].evidence, undecided(Undecided::TooManyPackets));
    assert_eq!(inspector.stats().get(Count::Late), 1);
}

#[test]
fn a_forgotten_flow_leaves_nothing() {
    let mut inspector = Inspector::new(LIMITS);
    open(&mut inspector, 1, 1, 500);
    inspector.forget(1);
    inspector.forget(2);
    assert_eq!((inspector.flows(), inspector.held_octets()), (0, 0));
    assert_eq!(inspector.expire(1000), []);
}

#[test]
fn flows_are_kept_apart() {
    let hello = tls();
    let mut inspector = Inspector::new(Limits::default());
    for flow in 1..=3 {
        inspector.take(flow, 1, Direction::Uplink, &syn(ISN));
        inspector.take(flow, 2, Direction::Downlink, &syn_ack(FIRST));
    }
    inspector.take(1, 3, Direction::Uplink, &data(FIRST, &hello));
    inspector.take(2, 3, Direction::Uplink, &data(FIRST, b"GET"));
    assert_eq!(inspector.take(3, 4, Direction::Downlink, &ack(at(0))), None);
    let found = inspector.take(1, 4, Direction::Downlink, &ack(at(hello.len()))).map(|found| found.evidence);
    assert_eq!(found, Some(named(NAME, Via::Tls)));
}

#[test]
fn names_of_counts_are_their_own() {
    let talk = Talk::new(Trust::Wire);
    let names: BTreeMap<_, _> = talk.inspector.stats().iter().collect();
    assert_eq!(names.len(), Count::ALL.len());
    for (place, count) in Count::ALL.iter().enumerate() {
        assert_eq!(*count as usize, place);
    }
}

/// Packets of all kinds, some changed.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![0u32..400, any::<u32>()].prop_map(|offset| FIRST.wrapping_add(offset));
    let text = prop_oneof![
        Just(tls()),
        Just(b"GET / HTTP/1.1\r\nHost: a.b\r\n\r\n".to_vec()),
        any::<[u8; 9]>().prop_map(Vec::from)
    ];
    let kinds = (0u8..8, number, text).prop_map(|(kind, number, text)| match kind {
        0 => syn(number),
        1 => syn_ack(number),
        2 => ack(number),
        3 => super::datagram(Direction::Uplink, &text),
        4 => super::fragments(&data(number, &text), 16).pop().unwrap(),
        _ => data(number, &text),
    });
    (kinds, prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()))).prop_map(
        |(mut ip, change)| {
            if let Some((at, octet)) = change {
                let at = at.index(ip.len());
                ip[at] = octet;
            }
            ip
        },
    )
}

proptest! {
    #[test]
    fn whatever_comes_is_bounded_and_each_flow_is_found_once(
        packets in prop::collection::vec((0u64..6, any::<bool>(), packet(), 0u64..30), 0..80),
        trust in prop_oneof![Just(Trust::Wire), Just(Trust::Capture)],
    ) {
        let mut inspector = Inspector::with_trust(LIMITS, trust);
        let mut now_ns = 0;
        let mut found = 0;
        for (flow, is_uplink, ip, passed_ns) in packets {
            now_ns += passed_ns;
            let direction = if is_uplink { Direction::Uplink } else { Direction::Downlink };
            found += inspector.take(flow, now_ns, direction, &ip).into_iter().count();
            prop_assert!(inspector.flows() <= LIMITS.flows);
            // One flow may hold more by itself; what is decided holds nothing.
            prop_assert!(inspector.held_octets() <= LIMITS.octets || inspector.waiting.len() == 1);
            prop_assert!(inspector.waiting.len() + inspector.decided.len() == inspector.flows());
            found += inspector.expire(now_ns).len();
        }
        let counted = inspector.stats().iter().filter(|(name, _)| {
            ["name-", "hidden-", "undecided-"].iter().any(|kind| name.starts_with(kind))
        });
        prop_assert_eq!(counted.map(|(_, times)| times).sum::<u64>(), u64::try_from(found).unwrap());
        inspector.expire(now_ns + 1000);
        inspector.expire(now_ns + 2000);
        prop_assert_eq!((inspector.flows(), inspector.held_octets()), (0, 0));
    }

    #[test]
    fn any_octets_make_no_panic(ip in prop::collection::vec(any::<u8>(), 0..120), version in prop_oneof![Just(0x45u8), Just(0x60)]) {
        let mut talk = Talk::new(Trust::Wire);
        talk.up(&ip);
        talk.up(&[&[version][..], &ip].concat());
        prop_assert!(talk.inspector.take(FLOW, 9, Direction::Downlink, &ip).is_none() || talk.findings.is_empty());
    }
}
