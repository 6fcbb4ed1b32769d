//! The scenario `names`, run once; each test is one of the things it has to show. And its network without Tollfree: names
//! resolve, pages come, forged answers arrive where they are to, and the reader of answers hears of it what it should.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::IpAddr;
use std::path::Path;

use tollfree_tests::address::{RESOLVER, foreign, unknown_name, wild};
use tollfree_tests::capture::Captures;
use tollfree_tests::network::Network;
use tollfree_tests::scenario::names;
use tollfree_tests::shown::Shown;
use tollfree_tests::topology::Crossing;
use tollfree_wire::dns::{Direction, Lesson, Limits, Listener, Refusal, Stats};

#[track_caller]
fn assert_shown(prefix: &str) {
    static SHOWN: Shown = Shown::new("names");
    SHOWN.assert(prefix);
}

#[test]
fn a_fresh_name_is_free_from_its_first_byte() {
    assert_shown("names-1-");
}

#[test]
fn a_dead_daemon_delays_nothing_and_frees_nothing() {
    assert_shown("names-2-");
}

#[test]
fn an_attackers_resolver_teaches_nothing() {
    assert_shown("names-3-foreign-resolver-");
}

#[test]
fn an_answer_with_a_wrong_id_teaches_nothing() {
    assert_shown("names-3-wrong-id-");
}

#[test]
fn an_answer_to_a_wrong_port_teaches_nothing() {
    assert_shown("names-3-wrong-port-");
}

#[test]
fn an_answer_to_a_wrong_question_teaches_nothing() {
    assert_shown("names-3-wrong-question-");
}

#[test]
fn an_answer_that_nobody_asked_for_teaches_nothing() {
    assert_shown("names-3-unasked-");
}

#[test]
fn what_is_told_rightly_is_believed() {
    assert_shown("names-3-right-");
}

#[test]
fn where_a_proof_is_required_the_gateway_proves_fresh_names_itself() {
    assert_shown("names-4-");
}

/// Octets of an Ethernet header without tags: the lab's frames have none.
const ETHERNET_OCTETS: usize = 14;

/// What is learned from a capture of the trusted resolver's packets.
fn hear(capture: &Path) -> (Vec<Lesson>, Stats) {
    let mut listener = Listener::new(Limits::default());
    let mut lessons = Vec::new();
    let file = File::open(capture).expect("a capture");
    tollfree::capture::read(file, &mut |record| {
        let ip = &record.octets[ETHERNET_OCTETS..];
        let (source, destination) = ends(ip);
        let direction = match (RESOLVER.contains(&source), RESOLVER.contains(&destination)) {
            (false, false) => return,
            (true, _) => Direction::Downlink,
            (false, true) => Direction::Uplink,
        };
        let at_ns = record.at_ns.expect("a time").unsigned_abs();
        lessons.extend(listener.take(at_ns, direction, ip));
    })
    .expect("a whole capture");
    (lessons, *listener.stats())
}

/// Source and destination address (RFC 791, section 3.1; RFC 8200, section 3).
fn ends(ip: &[u8]) -> (IpAddr, IpAddr) {
    let v4 = |at: usize| IpAddr::from(*ip[at..].first_chunk::<4>().expect("an address"));
    let v6 = |at: usize| IpAddr::from(*ip[at..].first_chunk::<16>().expect("an address"));
    if ip[0] >> 4 == 4 { (v4(12), v4(16)) } else { (v6(8), v6(24)) }
}

#[test]
fn names_are_heard_on_the_wire_and_forgeries_are_not_believed() {
    let mut network = Network::start(Crossing::Routed).expect("root, and what `cargo xtask setup` installs");
    let directory = network.directory().join("heard");
    std::fs::create_dir(&directory).expect("a directory of the lab's");
    let mut captures = Captures::start(&network.topology, &directory).expect("tcpdump");
    let from = captures.mark().expect("tcpdump's counts");
    names::traffic(&mut network).unwrap_or_else(|error| panic!("{error:#}"));
    let to = captures.mark().expect("tcpdump's counts");
    captures.stop(&from, &to).expect("captures");
    let (lessons, stats) = hear(&directory.join("core.pcap"));
    assert_eq!(lessons.len(), 21, "each name once");
    let learned: BTreeSet<(String, Vec<IpAddr>)> = lessons
        .into_iter()
        .map(|lesson| (lesson.name, lesson.addresses.into_iter().map(|(address, _)| address).collect()))
        .collect();
    let mut expected: BTreeSet<_> = (0..20).map(wild).map(|(name, address)| (name, vec![address])).collect();
    // The forgery with which nothing is wrong is the fifth.
    expected.insert((unknown_name(), vec![foreign(5)]));
    assert_eq!(learned, expected);
    for (refusal, count) in [
        (Refusal::WrongId, 1),
        (Refusal::WrongQuestion, 1),
        // To another port, and to somebody who asked nothing.
        (Refusal::Unasked, 2),
        // The resolver's own answers, when it may speak again: there is no such name.
        (Refusal::Failed, 4),
        (Refusal::Answered, 1),
        (Refusal::Checksum, 0),
    ] {
        assert_eq!(stats.refused(refusal), count, "{refusal}: {stats:?}");
    }
}
