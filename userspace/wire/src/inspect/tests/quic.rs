use proptest::prelude::*;

use super::super::Count;
use super::{Direction, NAME, OTHER, Talk, Trust, Undecided, Via, datagram, hidden, named, undecided};
use crate::inspect::{Hidden, HostName};
use crate::quic::samples::{Attempt, V1, V1_GREASED, V2, crypto};
use crate::tls::samples::{ECH, hello, message, post_quantum_hello, server_name};

const FIRST_ID: &[u8] = b"first-id";
const ONE: Attempt<'_> = Attempt { protocol: V1, first: FIRST_ID };

impl Talk {
    fn client(&mut self, packet: &[u8]) {
        self.up(&datagram(Direction::Uplink, packet));
    }

    fn server(&mut self, packet: &[u8]) {
        self.down(&datagram(Direction::Downlink, packet));
    }
}

fn asks(name: &str) -> Vec<u8> {
    crypto(0, &hello(&[server_name(name)]))
}

/// The beginning of a ServerHello: that the server answers is all that counts.
fn answer() -> Vec<u8> {
    [&[2, 0, 0, 0, 0][..], &crypto(0, &message(2, &[3; 40]))].concat()
}

#[test]
fn a_name_counts_once_the_server_answers_under_the_same_keys() {
    for protocol in [V1, V2] {
        let attempt = Attempt { protocol, first: FIRST_ID };
        let mut talk = Talk::new(Trust::Wire);
        talk.client(&attempt.padded(0, &asks(NAME)));
        assert_eq!(talk.evidence(), None);
        talk.server(&attempt.server(0, &answer()));
        assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
        assert_eq!(talk.findings[0].first_payload_ns, Some(1));
    }
}

#[test]
fn a_server_may_answer_in_another_version() {
    let (first, second) = (ONE, Attempt { protocol: V2, first: FIRST_ID });
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&first.padded(0, &asks(NAME)));
    talk.server(&second.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

/// RFC 9287, section 3: who has read the other's transport parameter of that name clears the bit at random, a server from
/// its first packet on, a client that comes again likewise.
#[test]
fn the_fixed_bit_may_be_anything() {
    let greased = Attempt { protocol: V1_GREASED, first: FIRST_ID };
    for (client, server) in [(ONE, greased), (greased, ONE), (greased, greased)] {
        let mut talk = Talk::new(Trust::Wire);
        talk.client(&client.padded(0, &asks(NAME)));
        assert_eq!(talk.evidence(), None);
        talk.server(&server.server(0, &answer()));
        assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
    }
}

/// Cheat: the name that the server follows is in a packet without the fixed bit, the decoy in one with it; or the other way.
#[test]
fn a_decoy_with_another_fixed_bit_overlaps() {
    let greased = Attempt { protocol: V1_GREASED, first: FIRST_ID };
    for (first, second) in [(greased, ONE), (ONE, greased)] {
        let mut talk = Talk::new(Trust::Wire);
        talk.client(&first.padded(0, &asks(OTHER)));
        talk.client(&second.padded(1, &asks(NAME)));
        assert_eq!(talk.evidence(), Some(&hidden(Hidden::Overlap)));
    }
}

#[test]
fn a_hello_over_several_datagrams_and_packets() {
    let hello = post_quantum_hello(NAME);
    let (begin, end) = hello.split_at(700);
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(1, &crypto(700, end)));
    let coalesced =
        [ONE.client(FIRST_ID, 2, &[1; 20]), ONE.client(FIRST_ID, 3, &crypto(0, begin)), vec![0; 40]].concat();
    talk.client(&coalesced);
    talk.server(&ONE.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

#[test]
fn frames_octet_by_octet_in_reverse() {
    let hello = hello(&[server_name(NAME)]);
    let mut talk = Talk::new(Trust::Wire);
    let frames: Vec<u8> =
        hello.iter().enumerate().rev().flat_map(|(at, octet)| crypto(at, &[*octet])).collect();
    talk.client(&ONE.padded(0, &frames));
    talk.server(&ONE.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

#[test]
fn retry_begins_a_new_attempt() {
    let second = Attempt { protocol: V1, first: b"from-the-server" };
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(0, &asks(NAME)));
    talk.server(
        &[&[0xf0, 0, 0, 0, 1, 9][..], b"client-id", &[15], b"from-the-server", b"token", &[7; 16]].concat(),
    );
    talk.client(&second.padded(1, &asks(NAME)));
    talk.server(&second.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

#[test]
fn version_negotiation_begins_a_new_attempt() {
    let second = Attempt { protocol: V2, first: b"another-id" };
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&[&[0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8][..], FIRST_ID, &[0; 1180]].concat());
    talk.server(
        &[&[0x80, 0, 0, 0, 0, 9][..], b"client-id", &[8], FIRST_ID, &[0x6b, 0x33, 0x43, 0xcf]].concat(),
    );
    assert_eq!(talk.evidence(), None);
    talk.client(&second.padded(0, &asks(NAME)));
    talk.server(&second.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

#[test]
fn a_client_goes_on_with_the_servers_connection_id() {
    let hello = hello(&[server_name(NAME)]);
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(0, &crypto(0, &hello[..30])));
    // An acknowledgement without a handshake: the server has only a part.
    talk.server(&ONE.server(0, &[2, 0, 0, 0, 0]));
    assert_eq!(talk.evidence(), None);
    talk.client(&ONE.client(b"server", 1, &crypto(30, &hello[30..])));
    talk.server(&ONE.server(1, &answer()));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

/// Cheat: a decoy Initial that dies on its way; the true one has other keys, and the server answers under these.
#[test]
fn a_decoy_initial_hides_the_flow() {
    let second = Attempt { protocol: V1, first: b"second-id" };
    for (first, then) in [(NAME, OTHER), (OTHER, NAME)] {
        let mut talk = Talk::new(Trust::Wire);
        talk.client(&ONE.padded(0, &asks(first)));
        talk.client(&second.padded(0, &asks(then)));
        talk.server(&second.server(0, &answer()));
        assert_eq!(talk.evidence(), Some(&hidden(Hidden::ConflictingHosts)));
    }
}

/// Cheat: the same with an encrypted hello, whose outer name is the right one.
#[test]
fn an_encrypted_decoy_initial_hides_the_flow() {
    let outer = HostName::parse(NAME.as_bytes()).ok();
    let encrypted = crypto(0, &hello(&[server_name(NAME), (ECH, vec![1; 99])]));
    let second = Attempt { protocol: V1, first: b"second-id" };
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(0, &encrypted));
    assert_eq!(talk.evidence(), None);
    talk.client(&second.padded(0, &asks(OTHER)));
    talk.server(&second.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::ConflictingHosts)));
    // One that gets there is told.
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(0, &encrypted));
    talk.server(&ONE.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Ech { outer })));
}

/// Cheat: a decoy Initial, and nothing that the server answers to it.
#[test]
fn a_decoy_initial_alone_teaches_nothing() {
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(0, &asks(NAME)));
    let other = Attempt { protocol: V1, first: b"never-seen" };
    talk.server(&other.server(0, &answer()));
    talk.server(&[&[0x40][..], &[9; 60]].concat());
    talk.server(&ONE.client(FIRST_ID, 0, &answer()));
    assert_eq!(talk.evidence(), None);
    // A server that refuses has not accepted the name.
    talk.server(&ONE.server(0, &[0x1c, 0, 0, 0]));
    assert_eq!(talk.evidence(), None);
}

/// Cheat: a decoy under the same keys, at the same place of the handshake.
#[test]
fn a_decoy_under_the_same_keys_overlaps() {
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(0, &asks(NAME)));
    talk.client(&ONE.padded(1, &asks(OTHER)));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Overlap)));
}

/// Cheat: a decoy whose UDP checksum is wrong.
#[test]
fn wrong_checksums_teach_nothing() {
    let mut decoy = datagram(Direction::Uplink, &ONE.padded(0, &asks(NAME)));
    decoy[27] ^= 0x55;
    let mut talk = Talk::new(Trust::Wire);
    talk.up(&decoy);
    talk.server(&ONE.server(0, &answer()));
    assert_eq!(talk.evidence(), None);
    assert_eq!(talk.inspector.stats().get(Count::Checksum), 1);
    // IPv4 allows none at all.
    decoy[26..28].fill(0);
    talk.up(&decoy);
    talk.server(&ONE.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

/// After a `HelloRetryRequest`, the second hello comes behind the first, and the first decides.
#[test]
fn a_second_hello_does_not_decide() {
    let (first, second) = (hello(&[server_name(NAME)]), hello(&[server_name(OTHER)]));
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(0, &crypto(0, &first)));
    talk.client(&ONE.padded(1, &crypto(first.len(), &second)));
    talk.server(&ONE.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

#[test]
fn a_server_that_answers_what_was_not_seen_decides_nothing() {
    let hello = hello(&[server_name(NAME)]);
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(0, &crypto(0, &hello[..30])));
    talk.server(&ONE.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&undecided(Undecided::CopiesLost)));
}

#[test]
fn other_datagrams_are_not_recognised() {
    for payload in [&b"\x16\xfe\xff\x00"[..], b"\x40\x01\x02", b"\x00"] {
        let mut talk = Talk::new(Trust::Wire);
        talk.client(payload);
        assert_eq!(talk.evidence(), Some(&hidden(Hidden::NotRecognised)));
    }
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&ONE.padded(0, &[0x08, 0, 0]));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::NotRecognised)), "a STREAM frame in an Initial");
}

#[test]
fn attempts_are_bounded() {
    let mut talk = Talk::new(Trust::Wire);
    for number in 0..5u8 {
        let first = [number; 8];
        talk.client(&Attempt { protocol: V1, first: &first }.padded(0, &asks(NAME)));
    }
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::TooLong)));
}

#[test]
fn packets_that_no_key_opens_are_passed_over() {
    let mut bad = ONE.padded(0, &asks(NAME));
    bad[600] ^= 1;
    let mut talk = Talk::new(Trust::Wire);
    talk.client(&bad);
    assert_eq!(talk.evidence(), None);
    assert_eq!(talk.inspector.stats().get(Count::NotOpened), 1);
    talk.client(&ONE.padded(0, &asks(NAME)));
    talk.server(&ONE.server(0, &answer()));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

#[test]
fn in_captures_the_clients_side_is_enough() {
    let mut talk = Talk::new(Trust::Capture);
    talk.client(&ONE.padded(0, &asks(NAME)));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn frames_and_packets_change_no_finding(
        cuts in prop::collection::btree_set(1usize..1250, 0..12),
        order in prop::collection::vec(0usize..13, 0..20),
        in_packet in 1usize..6,
    ) {
        let hello = post_quantum_hello(NAME);
        let bounds: Vec<_> = [0].into_iter().chain(cuts).chain([hello.len()]).collect();
        let pieces: Vec<_> = bounds.windows(2).map(|pair| crypto(pair[0], &hello[pair[0]..pair[1]])).collect();
        let order: Vec<_> = order.into_iter().chain(0..pieces.len()).collect();
        let mut talk = Talk::new(Trust::Wire);
        for (number, places) in order.chunks(in_packet).enumerate() {
            let frames: Vec<u8> = places.iter().flat_map(|place| pieces[place % pieces.len()].clone()).collect();
            talk.client(&ONE.padded(u32::try_from(number).unwrap(), &frames));
        }
        talk.server(&ONE.server(0, &answer()));
        prop_assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
    }
}
