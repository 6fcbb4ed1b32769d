use proptest::prelude::*;

use super::super::Count;
use super::{
    FIRST, FLOW, Finding, HostName, ISN, NAME, OTHER, Talk, Trust, Undecided, Via, ack, at, data, data_v6,
    hidden, named, reset_with, syn, syn_ack, syn_with, undecided, urgent,
};
use crate::http2::PREFACE;
use crate::inspect::Hidden;
use crate::tls::samples::{ECH, hello, post_quantum_hello, records, server_name};

fn tls(name: &str) -> Vec<u8> {
    records(&hello(&[server_name(name), (43, vec![2, 3, 4])]), 1 << 14)
}

fn http(name: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n").into_bytes()
}

#[test]
fn a_name_counts_once_the_server_acknowledges_all_of_it() {
    let hello = tls(NAME);
    let mut talk = Talk::opened();
    talk.send(0, &hello);
    assert_eq!(talk.evidence(), None, "before the server has it");
    talk.acknowledge(hello.len() - 1);
    assert_eq!(talk.evidence(), None, "before the server has all of it");
    talk.acknowledge(hello.len());
    let found = Finding {
        flow: FLOW,
        first_payload_ns: Some(3),
        via: Some(Via::Tls),
        evidence: named(NAME, Via::Tls),
    };
    assert_eq!(talk.findings, [found]);
    assert_eq!(talk.inspector.stats().get(Count::NameTls), 1);
    assert_eq!(talk.inspector.held_octets(), 0);
}

#[test]
fn every_protocol_is_told_by_its_first_octets() {
    let authority = [&[0x82, 0x41, 15][..], NAME.as_bytes()].concat();
    let headers = [&[0, 0, 18, 1, 5, 0, 0, 0, 1][..], &authority].concat();
    let h2 = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0], &headers].concat();
    for (stream, via) in [(tls(NAME), Via::Tls), (http(NAME), Via::Http), (h2, Via::Http2)] {
        let mut talk = Talk::opened();
        for (offset, octet) in stream.iter().enumerate() {
            talk.send(offset, &[*octet]);
            talk.acknowledge(offset + 1);
        }
        assert_eq!(talk.evidence(), Some(&named(NAME, via)));
    }
}

#[test]
fn a_post_quantum_hello_octet_by_octet() {
    let stream = records(&post_quantum_hello(NAME), 1 << 14);
    assert!(stream.len() > 1200);
    let mut talk = Talk::opened();
    for (offset, octet) in stream.iter().enumerate() {
        talk.send(offset, &[*octet]);
        talk.acknowledge(offset + 1);
    }
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Tls)));
}

#[test]
fn other_octets_are_not_recognised_at_once() {
    let mut talk = Talk::opened();
    talk.send(0, b"\x00\x01\x02");
    assert_eq!(talk.findings[0].via, None);
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::NotRecognised)));
}

#[test]
fn encrypted_hello_tells_its_outer_name() {
    let hello = encrypted(OTHER);
    let mut talk = Talk::opened();
    talk.send(0, &hello);
    talk.acknowledge(hello.len() - 1);
    assert_eq!(talk.evidence(), None);
    talk.acknowledge(hello.len());
    let outer = HostName::parse(OTHER.as_bytes()).ok();
    assert_eq!(talk.findings[0].via, Some(Via::Tls));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Ech { outer })));
}

/// Without a name outside there is nothing to wait for.
#[test]
fn encrypted_hello_without_outer_name_is_hidden_at_once() {
    let mut talk = Talk::opened();
    talk.send(0, &records(&hello(&[(ECH, vec![1; 99])]), 1 << 14));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Ech { outer: None })));
}

fn encrypted(outer: &str) -> Vec<u8> {
    records(&hello(&[server_name(outer), (ECH, vec![1; 99])]), 1 << 14)
}

/// Cheat: an encrypted hello that dies on its way, and another's name in its place.
#[test]
fn an_encrypted_decoy_overlaps_too() {
    for (first, second) in [(encrypted(NAME), tls(OTHER)), (tls(OTHER), encrypted(NAME))] {
        let mut talk = Talk::opened();
        talk.send(0, &first);
        talk.send(0, &second);
        talk.acknowledge(1000);
        assert_eq!(talk.evidence(), Some(&hidden(Hidden::Overlap)));
    }
}

#[test]
fn ipv6_too() {
    let mut talk = Talk::new(Trust::Capture);
    talk.up(&data_v6(9, &tls(NAME)));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Tls)));
}

/// Cheat: a decoy hello that dies on its way, and the true one at the same place.
#[test]
fn a_decoy_and_the_true_hello_overlap() {
    for (first, second) in [(NAME, OTHER), (OTHER, NAME)] {
        let mut talk = Talk::opened();
        talk.send(0, &tls(first));
        talk.send(0, &tls(second));
        assert_eq!(talk.evidence(), Some(&hidden(Hidden::Overlap)), "{first}");
        talk.acknowledge(1000);
        assert_eq!(talk.findings.len(), 1);
    }
}

/// Cheat: the same, but only some octets of the true hello overlap the decoy's, and they come before it.
#[test]
fn overlaps_are_seen_in_every_order() {
    let (decoy, real) = (tls(NAME), tls(OTHER));
    let mut talk = Talk::opened();
    talk.send(40, &real[40..]);
    talk.send(0, &decoy);
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Overlap)));
}

/// Cheat: a decoy whose checksum is wrong. No server takes it, so it teaches nothing, and the true hello does.
#[test]
fn wrong_checksums_teach_nothing() {
    for at in [10, 38] {
        let mut decoy = data(FIRST, &tls(NAME));
        decoy[at] ^= 0x55;
        let real = tls(OTHER);
        let mut talk = Talk::opened();
        talk.up(&decoy);
        talk.acknowledge(0);
        assert_eq!(talk.inspector.stats().get(Count::Checksum), 1);
        talk.send(0, &real);
        talk.acknowledge(real.len());
        assert_eq!(talk.evidence(), Some(&named(OTHER, Via::Tls)));
    }
}

/// Cheat: a decoy with a sequence number that the server does not expect.
#[test]
fn octets_outside_the_window_teach_nothing() {
    let real = http(OTHER);
    for away in [1 << 20, 1 << 30, 0u32.wrapping_sub(2000)] {
        let mut talk = Talk::opened();
        talk.up(&data(FIRST.wrapping_add(away), &http(NAME)));
        talk.send(0, &real);
        talk.acknowledge(real.len());
        assert_eq!(talk.evidence(), Some(&named(OTHER, Via::Http)), "{away}");
    }
}

/// Cheat: a name within the window but not where the stream has come to: it is acknowledged by nobody.
#[test]
fn octets_that_do_not_continue_the_stream_decide_nothing() {
    let mut talk = Talk::opened();
    talk.send(5, &tls(NAME));
    talk.acknowledge(0);
    assert_eq!(talk.evidence(), None);
}

/// Cheat: payload in SYN and RST.
#[test]
fn payload_in_syn_and_rst_is_passed_over() {
    let mut talk = Talk::new(Trust::Wire);
    talk.up(&syn_with(ISN, &tls(NAME)));
    talk.down(&syn_ack(FIRST));
    talk.up(&reset_with(FIRST, &tls(NAME)));
    talk.acknowledge(0);
    assert_eq!(talk.evidence(), None);
    assert_eq!(talk.inspector.stats().get(Count::ControlPayload), 2);
    let real = tls(OTHER);
    talk.send(0, &real);
    talk.acknowledge(real.len());
    assert_eq!(talk.evidence(), Some(&named(OTHER, Via::Tls)));
}

/// Cheat: the server takes the true request from the SYN (TCP Fast Open), and a decoy follows.
#[test]
fn a_server_that_took_payload_from_a_syn_hides_the_flow() {
    let real = http(OTHER);
    let mut talk = Talk::new(Trust::Wire);
    talk.up(&syn_with(ISN, &real));
    talk.down(&syn_ack(at(real.len())));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Handshake)));
}

/// Cheat: a decoy SYN that dies on its way moves the beginning, so that the decoy hello ends where the true stream begins.
#[test]
fn two_syns_with_different_numbers_hide_the_flow() {
    let decoy = tls(NAME);
    let mut talk = Talk::new(Trust::Wire);
    talk.up(&syn(ISN.wrapping_sub(u32::try_from(decoy.len()).unwrap())));
    talk.up(&syn(ISN));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Handshake)));

    let mut talk = Talk::new(Trust::Wire);
    talk.up(&syn(ISN.wrapping_sub(300)));
    talk.down(&syn_ack(FIRST));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Handshake)));
}

#[test]
fn a_syn_that_is_sent_again_changes_nothing() {
    let hello = tls(NAME);
    let mut talk = Talk::new(Trust::Wire);
    talk.up(&syn(ISN));
    talk.up(&syn(ISN));
    talk.down(&syn_ack(FIRST));
    talk.down(&syn_ack(FIRST));
    talk.send(0, &hello);
    talk.send(0, &hello);
    talk.acknowledge(hello.len());
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Tls)));
}

/// Cheat: a second hello in the same flow.
#[test]
fn the_first_hello_decides() {
    for (first, second) in [(NAME, OTHER), (OTHER, NAME)] {
        let (first_hello, second_hello) = (tls(first), tls(second));
        let mut talk = Talk::opened();
        talk.send(0, &first_hello);
        talk.send(first_hello.len(), &second_hello);
        talk.acknowledge(first_hello.len() + second_hello.len());
        talk.send(first_hello.len() + second_hello.len(), &second_hello);
        talk.acknowledge(first_hello.len() + 2 * second_hello.len());
        assert_eq!(talk.evidence(), Some(&named(first, Via::Tls)));
        assert_eq!(talk.inspector.stats().get(Count::Late), 2);
    }
}

/// Cheat: what a server takes out of the stream, a reader leaves in it.
#[test]
fn urgent_data_is_hidden() {
    let mut talk = Talk::opened();
    talk.up(&urgent(FIRST, &http(NAME)));
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Urgent)));
}

/// Cheat: the copy of the true hello is lost, and a decoy is sent once the server has that.
#[test]
fn what_the_server_has_and_was_not_seen_is_not_decided() {
    let hello = tls(NAME);
    let mut talk = Talk::opened();
    talk.acknowledge(hello.len());
    talk.send(0, &hello);
    assert_eq!(talk.evidence(), Some(&undecided(Undecided::CopiesLost)));
}

#[test]
fn a_flow_without_its_beginning_is_not_decided() {
    let mut talk = Talk::new(Trust::Wire);
    talk.send(0, &tls(NAME));
    assert_eq!(talk.evidence(), Some(&undecided(Undecided::CopiesLost)));
}

/// Cheat: within a connection to a stranger's site, a forged FIN or RST and a SYN make the gateway see a new flow. The
/// server, in the middle of the old one, acknowledges what looks like a hello in it, but has sent no SYN-ACK.
#[test]
fn a_syn_in_the_middle_of_a_connection_begins_nothing() {
    let hello = tls(NAME);
    let mut talk = Talk::new(Trust::Wire);
    talk.up(&syn(ISN));
    talk.down(&ack(FIRST));
    talk.send(0, &hello);
    talk.acknowledge(hello.len());
    assert_eq!(talk.evidence(), Some(&undecided(Undecided::CopiesLost)));
}

#[test]
fn the_syn_ack_alone_tells_the_beginning() {
    let hello = tls(NAME);
    let mut talk = Talk::new(Trust::Wire);
    talk.down(&syn_ack(FIRST));
    talk.send(0, &hello);
    talk.acknowledge(hello.len());
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Tls)));
}

#[test]
fn a_copy_that_is_cut_is_not_decided() {
    let mut talk = Talk::opened();
    let packet = data(FIRST, &tls(NAME));
    talk.up(&packet[..packet.len() - 1]);
    assert_eq!(talk.evidence(), Some(&undecided(Undecided::CopiesLost)));
    // Of a server's packet, the header is enough.
    let (hello, mut talk) = (tls(NAME), Talk::opened());
    talk.send(0, &hello);
    let answer = super::written(super::down_header().ack(at(hello.len())), &[9; 1400]);
    talk.down(&answer[..100]);
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Tls)));
}

#[test]
fn a_hello_over_the_limit_is_too_long() {
    let mut talk = Talk::opened();
    for number in 0..30 {
        talk.send(number * 1000, &[if number == 0 { b'G' } else { b'a' }; 1000]);
    }
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::TooLong)));
}

#[test]
fn in_captures_the_clients_side_is_enough() {
    let hello = tls(NAME);
    let (begin, end) = hello.split_at(20);
    let mut talk = Talk::new(Trust::Capture);
    talk.send(0, begin);
    talk.send(20, end);
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Tls)));
    // Checksums that a network card was to fill in, and a second connection between the same ports.
    let mut packet = data(900, &hello);
    packet[36] ^= 0xff;
    let mut talk = Talk::new(Trust::Capture);
    talk.up(&syn(ISN));
    talk.up(&syn(899));
    talk.down(&ack(900));
    talk.up(&packet);
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Tls)));
}

/// What is found of a stream in these segments, in this order, with an acknowledgement of all at the end.
fn found(stream: &[u8], cuts: &[usize], order: &[usize]) -> Option<super::Evidence> {
    let bounds: Vec<_> = [0].into_iter().chain(cuts.iter().copied()).chain([stream.len()]).collect();
    let pieces: Vec<_> = bounds.windows(2).map(|pair| (pair[0], &stream[pair[0]..pair[1]])).collect();
    let mut talk = Talk::opened();
    for place in order {
        let (offset, piece) = pieces[*place % pieces.len()];
        talk.send(offset, piece);
    }
    talk.acknowledge(stream.len());
    talk.evidence().cloned()
}

#[test]
fn every_order_of_a_few_segments() {
    let stream = tls(NAME);
    let cuts = [3, 20, 70];
    for first in 0..4 {
        for second in 0..4 {
            for third in 0..4 {
                let order = [first, second, third, 0, 1, 2, 3];
                assert_eq!(found(&stream, &cuts, &order), Some(named(NAME, Via::Tls)), "{order:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn segments_change_no_finding(
        which in 0usize..4,
        cuts in prop::collection::btree_set(1usize..1300, 0..20),
        order in prop::collection::vec(0usize..21, 0..30),
    ) {
        let both = [http(NAME), http(OTHER)].concat();
        let stream = [tls(NAME), http(OTHER), records(&post_quantum_hello(NAME), 500), both][which].clone();
        let expected = named([NAME, OTHER, NAME, NAME][which], [Via::Tls, Via::Http, Via::Tls, Via::Http][which]);
        let cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < stream.len()).collect();
        let order: Vec<_> = order.into_iter().chain(0..=cuts.len()).collect();
        prop_assert_eq!(found(&stream, &cuts, &order), Some(expected));
    }

    /// Whatever is sent besides, a name that is found is one that every octet the server may have says.
    #[test]
    fn no_decoy_makes_a_name(
        decoys in prop::collection::vec((0usize..120, 1usize..60, any::<bool>()), 1..6),
    ) {
        let (decoy, real) = (http("aaaa.example"), http("bbbb.example"));
        let mut talk = Talk::opened();
        for (offset, octets, is_real) in decoys {
            let stream = if is_real { &real } else { &decoy };
            let offset = offset.min(stream.len() - 1);
            talk.send(offset, &stream[offset..stream.len().min(offset + octets)]);
        }
        talk.send(0, &real);
        talk.acknowledge(real.len());
        let evidence = talk.evidence().cloned();
        let allowed = [Some(named("bbbb.example", Via::Http)), Some(hidden(Hidden::Overlap))];
        prop_assert!(allowed.contains(&evidence), "{:?}", evidence);
    }
}
