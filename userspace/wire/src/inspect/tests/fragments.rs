use super::{
    Direction, FIRST, NAME, OTHER, Talk, Trust, Undecided, Via, data, datagram, fragments, hidden, named,
    undecided,
};
use crate::inspect::Hidden;
use crate::quic::samples::{Attempt, V1, crypto};
use crate::tls::samples::{hello, records, server_name};

fn tls(name: &str) -> Vec<u8> {
    records(&hello(&[server_name(name)]), 1 << 14)
}

#[test]
fn a_hello_in_fragments_of_every_order() {
    let hello = tls(NAME);
    let parts = fragments(&data(FIRST, &hello), 32);
    assert!(parts.len() > 2);
    for first in 0..parts.len() {
        let mut talk = Talk::opened();
        talk.up(&parts[first]);
        for (_, part) in parts.iter().enumerate().filter(|(place, _)| *place != first).rev() {
            talk.up(part);
        }
        talk.acknowledge(hello.len());
        assert_eq!(talk.evidence(), Some(&named(NAME, Via::Tls)));
    }
}

#[test]
fn a_datagram_in_fragments() {
    let attempt = Attempt { protocol: V1, first: b"first-id" };
    let mut talk = Talk::new(Trust::Wire);
    for part in fragments(
        &datagram(Direction::Uplink, &attempt.padded(0, &crypto(0, &hello(&[server_name(NAME)])))),
        600,
    ) {
        talk.up(&part);
    }
    talk.down(&datagram(Direction::Downlink, &attempt.server(0, &crypto(0, b"answer"))));
    assert_eq!(talk.evidence(), Some(&named(NAME, Via::Quic)));
}

/// Cheat: the true hello in fragments, a decoy whole.
#[test]
fn what_waits_in_fragments_hides_what_came_whole() {
    let (decoy, real) = (tls(NAME), tls(OTHER));
    let parts = fragments(&data(FIRST, &real), 32);
    let mut talk = Talk::opened();
    talk.send(0, &decoy);
    talk.up(&parts[0]);
    talk.acknowledge(decoy.len());
    assert_eq!(talk.evidence(), Some(&undecided(Undecided::CopiesLost)));

    let mut talk = Talk::opened();
    talk.send(0, &decoy);
    for part in &parts {
        talk.up(part);
    }
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Overlap)));
}

/// Cheat: fragments that overlap with different content.
#[test]
fn overlapping_fragments_are_hidden() {
    let (decoy, real) = (fragments(&data(FIRST, &tls(NAME)), 32), fragments(&data(FIRST, &tls(OTHER)), 32));
    let mut talk = Talk::opened();
    talk.up(&decoy[2]);
    talk.up(&real[2]);
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Overlap)));
    // Two ends.
    let mut talk = Talk::opened();
    talk.up(decoy.last().unwrap());
    let mut longer = fragments(&data(FIRST, &[&tls(NAME)[..], &[0; 64]].concat()), 32);
    talk.up(&longer.pop().unwrap());
    assert_eq!(talk.evidence(), Some(&hidden(Hidden::Overlap)));
}

/// A capture whose packets are cut shows neither a name nor a contradiction.
#[test]
fn fragments_that_are_cut_say_nothing() {
    let parts = fragments(&data(FIRST, &tls(NAME)), 32);
    let mut talk = Talk::new(Trust::Capture);
    for part in &parts {
        talk.up(&part[..part.len() - 4]);
    }
    assert_eq!(talk.evidence(), None);
}
