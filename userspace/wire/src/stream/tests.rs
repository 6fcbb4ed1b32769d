#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Assembly, AssemblyError, Limits, Put, Stream};

const LIMITS: Limits = Limits { octets: 64, pieces: 8 };

fn anchored(first: u32) -> Stream {
    let mut stream = Stream::new(LIMITS);
    stream.anchor(first);
    stream
}

#[test]
fn segments_in_every_order_make_the_same_stream() {
    let text = b"in all their orders";
    let pieces: Vec<_> = text.chunks(4).enumerate().collect();
    for order in orders(pieces.len()) {
        let mut stream = anchored(u32::MAX - 5);
        for index in order {
            let (number, piece) = pieces[index];
            stream.push((u32::MAX - 5).wrapping_add(u32::try_from(number).unwrap() * 4), piece).unwrap();
        }
        assert_eq!(stream.octets(), text);
        assert_eq!(stream.next_sequence(), Some(13));
    }
}

/// All permutations of `0..count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let inserted = |order: Vec<usize>| {
        (0..count).map(move |at| {
            let mut order = order.clone();
            order.insert(at, count - 1);
            order
        })
    };
    orders(count - 1).into_iter().flat_map(inserted).collect()
}

#[test]
fn the_same_again_is_nothing_new_and_different_content_is_a_conflict() {
    let mut stream = anchored(100);
    assert_eq!(stream.push(100, b"abcdef"), Ok(Put { new_octets: 6, cut_octets: 0 }));
    assert_eq!(stream.push(102, b"cd"), Ok(Put { new_octets: 0, cut_octets: 0 }));
    assert_eq!(stream.push(104, b"efgh"), Ok(Put { new_octets: 2, cut_octets: 0 }));
    assert_eq!(stream.push(103, b"dEfghij"), Err(AssemblyError::Conflict { offset: 4 }));
    assert_eq!(stream.octets(), b"abcdefgh", "a refused segment left something behind");
}

#[test]
fn a_conflict_behind_a_gap_is_seen_too() {
    let mut stream = anchored(0);
    stream.push(10, b"xyz").unwrap();
    assert_eq!(stream.push(0, b"0123456789x!z"), Err(AssemblyError::Conflict { offset: 11 }));
}

#[test]
fn octets_before_the_beginning_are_passed_over() {
    let mut stream = anchored(100);
    assert_eq!(stream.push(90, b"0123456789"), Ok(Put::default()));
    assert_eq!(stream.push(95, b"56789abc"), Ok(Put { new_octets: 3, cut_octets: 0 }));
    assert_eq!(stream.octets(), b"abc");
}

#[test]
fn what_lies_beyond_the_limit_is_cut_or_refused() {
    let mut stream = anchored(0);
    assert_eq!(stream.push(60, b"012345"), Ok(Put { new_octets: 4, cut_octets: 2 }));
    assert_eq!(stream.push(64, b"4"), Err(AssemblyError::Beyond { offset: 64, limit: 64 }));
    assert_eq!(stream.push(0, &[7; 60]).unwrap().new_octets, 60);
    assert!(stream.is_full());
    stream.consume(60);
    assert_eq!(stream.octets(), b"0123");
    assert_eq!(stream.push(64, b"45").unwrap().new_octets, 2);
    assert_eq!(stream.octets(), b"012345");
}

#[test]
fn gaps_are_bounded() {
    let mut stream = anchored(0);
    for number in 0..8 {
        stream.push(number * 2 + 1, b"x").unwrap();
    }
    assert_eq!(stream.push(40, b"x"), Err(AssemblyError::Pieces { limit: 8 }));
    stream.push(0, b"x").unwrap();
    stream.push(2, b"x").unwrap();
    stream.push(40, b"x").unwrap();
}

#[test]
fn without_an_anchor_the_lowest_sequence_number_begins_the_stream() {
    let mut stream = Stream::new(LIMITS);
    stream.push(3, b"def").unwrap();
    assert_eq!(stream.octets(), b"def");
    stream.push(u32::MAX, b"-abc").unwrap_or_else(|error| panic!("{error}"));
    stream.push(3, b"def").unwrap();
    assert_eq!(stream.octets(), b"-abcdef");
    assert_eq!(
        stream.push(0u32.wrapping_sub(100), b"far").unwrap_err().to_string(),
        "octet 99 is more than 64 octets away"
    );
}

#[test]
fn an_anchor_that_comes_late_settles_the_beginning() {
    let mut stream = Stream::new(LIMITS);
    stream.push(100, b"abcdef").unwrap();
    stream.anchor(102);
    assert_eq!(stream.octets(), b"cdef");
    stream.anchor(100);
    assert_eq!(stream.octets(), b"", "two octets are missing now");
    stream.push(100, b"AB").unwrap();
    assert_eq!(stream.octets(), b"ABcdef");
    stream.anchor(100u32.wrapping_sub(1000));
    assert_eq!((stream.octets(), stream.held_octets()), (&b""[..], 0));
}

#[test]
fn consumed_octets_are_done_with() {
    let mut stream = anchored(0);
    stream.push(0, b"first").unwrap();
    stream.consume(100);
    assert_eq!((stream.octets(), stream.next_sequence()), (&b""[..], Some(5)));
    assert_eq!(stream.push(0, b"FIRSTsecond"), Ok(Put { new_octets: 6, cut_octets: 0 }));
    stream.anchor(77);
    assert_eq!(stream.octets(), b"second");
}

#[test]
fn a_gap_can_be_given_up() {
    let mut stream = anchored(0);
    stream.push(0, b"ab").unwrap();
    assert_eq!(stream.skip_gap(), 0);
    stream.push(7, b"hi").unwrap();
    stream.push(12, b"mn").unwrap();
    assert_eq!(stream.skip_gap(), 5);
    assert_eq!((stream.octets(), stream.first_sequence()), (&b"hi"[..], Some(7)));
    assert_eq!(stream.skip_gap(), 3);
    assert_eq!(stream.octets(), b"mn");
}

proptest! {
    /// Against octets in a map, put one by one.
    #[test]
    fn an_assembly_is_a_map_from_offset_to_octet(
        puts in prop::collection::vec((0usize..80, prop::collection::vec(0u8..2, 0..12)), 0..40),
    ) {
        let mut assembly = Assembly::new(LIMITS);
        let mut model = BTreeMap::new();
        for (offset, octets) in puts {
            let fitting = |(at, _): &(usize, u8)| *at < LIMITS.octets;
            let placed: Vec<_> = (offset..).zip(octets.iter().copied()).filter(fitting).collect();
            let conflict = placed.iter().find(|(at, octet)| model.get(at).is_some_and(|held| held != octet));
            let new = placed.iter().filter(|(at, _)| !model.contains_key(at)).count();
            match assembly.put(offset, &octets) {
                Ok(put) => {
                    prop_assert!(conflict.is_none());
                    prop_assert_eq!(put, Put { new_octets: new, cut_octets: octets.len() - placed.len() });
                    model.extend(placed);
                }
                Err(AssemblyError::Conflict { offset }) => prop_assert_eq!(offset, conflict.unwrap().0),
                Err(AssemblyError::Beyond { .. }) => prop_assert!(placed.is_empty() && !octets.is_empty()),
                Err(AssemblyError::Pieces { .. }) => prop_assert!(new == placed.len() && new > 0),
            }
            let contiguous: Vec<_> = (0..).map_while(|at| model.get(&at).copied()).collect();
            prop_assert_eq!(assembly.contiguous(), contiguous);
            for at in 0..LIMITS.octets {
                prop_assert_eq!(assembly.holds(&(at..at + 1)), model.contains_key(&at));
            }
        }
    }

    #[test]
    fn any_segments_make_no_panic(
        steps in prop::collection::vec((any::<u8>(), any::<u32>(), 0usize..100), 0..60),
        near in any::<bool>(),
    ) {
        let mut stream = Stream::new(LIMITS);
        for (what, number, octets) in steps {
            let sequence = if near { number % 128 } else { number };
            match what % 8 {
                0 => stream.anchor(sequence),
                1 => stream.consume(octets),
                2 => { stream.skip_gap(); }
                _ => { let _ = stream.push(sequence, &vec![what; octets]); }
            }
            prop_assert!(stream.held_octets() <= LIMITS.octets);
        }
    }
}
