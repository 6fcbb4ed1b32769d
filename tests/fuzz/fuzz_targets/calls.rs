//! Signalling: no panic on any octets, as datagrams or as a connection, and no stream free but a subscriber's own to a media
//! network.
//!
//! An input is a row of messages, split where an octet 0 stands; the first octet of each says which way it goes.
#![no_main]

use std::net::SocketAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tollfree::calls::connections::{Connections, Segment};
use tollfree::calls::sdp::Session;
use tollfree::calls::{
    Action, At, Direction, HotlineMatch, Hotlines, Tracker, TrackerLimits, request_number,
};
use tollfree::policy::CallTerms;
use tollfree_core::plan::RuleClass;

/// Every number is a hotline.
struct Anyone(Vec<IpNet>);

impl Hotlines for Anyone {
    fn find(&self, _dialled: &str) -> Option<HotlineMatch<'_>> {
        let terms = CallTerms { video_octets_per_second: Some(250_000), ..CallTerms::default() };
        let class = RuleClass::Free;
        Some(HotlineMatch { rule: 1, class, number: "1", media: &self.0, terms, is_emergency: false })
    }
}

fuzz_target!(|input: &[u8]| {
    let anyone = Anyone(vec![IpNet::from(ipnet::Ipv4Net::new_assert([198, 51, 100, 0].into(), 24))]);
    let subscriber = SocketAddr::from(([10, 20, 0, 11], 5060));
    let proxy = SocketAddr::from(([192, 0, 2, 10], 5060));
    let mut tracker = Tracker::new(TrackerLimits::default());
    let mut connections = Connections::default();
    let mut sequence = 1;
    for (second, part) in (1_u64..).zip(input.split(|octet| *octet == 0)) {
        let Some((way, payload)) = part.split_first() else { continue };
        let direction = if way % 2 == 0 { Direction::Uplink } else { Direction::Downlink };
        let at = At { wall: Timestamp::UNIX_EPOCH, monotonic_ns: second * 1_000_000_000 };
        let mut actions = tracker.message(at, direction, subscriber, proxy, payload, &anyone);
        let segment =
            Segment { subscriber, proxy, direction, sequence, is_syn: false, is_end: false, payload };
        sequence = sequence.wrapping_add(u32::try_from(payload.len()).unwrap_or_default());
        for message in connections.take(at.monotonic_ns, &segment).into_iter().flatten() {
            actions.extend(tracker.message(at, direction, subscriber, proxy, &message, &anyone));
        }
        actions.extend(tracker.expire(at));
        for action in actions {
            if let Action::Grant { stream, .. } = action {
                assert_eq!(stream.subscriber.ip(), subscriber.ip());
                assert!(anyone.0[0].contains(&stream.remote.ip()));
            }
        }
        let _ = Session::parse(payload);
        let _ = std::str::from_utf8(payload).map(request_number);
    }
});
