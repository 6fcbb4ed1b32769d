//! Capture files, written here by their formats' descriptions.

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;

/// What a test compares of a [`Record`].
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    at_ns: Option<i64>,
    link_type: u16,
    octets: Vec<u8>,
    wire_octets: usize,
}

fn taken(at_ns: Option<i64>, link_type: u16, octets: &[u8], wire_octets: usize) -> Taken {
    Taken { at_ns, link_type, octets: octets.to_vec(), wire_octets }
}

fn read_all(file: impl Read + Send) -> (Vec<Taken>, Result<(), CaptureError>) {
    let mut all = Vec::new();
    let result = read(file, &mut |record| {
        all.push(taken(record.at_ns, record.link_type, record.octets, record.wire_octets));
    });
    (all, result)
}

/// A pcap file in the byte order of `word`; records are (seconds, fraction, captured octets, wire length).
fn pcap(magic: u32, link_type: u32, records: &[(u32, u32, &[u8], u32)], word: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let version = if word(1)[0] == 1 { [2, 0, 4, 0] } else { [0, 2, 0, 4] };
    let mut file = [word(magic), version, word(0), word(0), word(65535), word(link_type)].concat();
    for (seconds, fraction, octets, wire) in records {
        let captured = u32::try_from(octets.len()).expect("a short record");
        file.extend([word(*seconds), word(*fraction), word(captured), word(*wire)].concat());
        file.extend(*octets);
    }
    file
}

/// A little-endian pcapng block.
fn block(block_type: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
    let length = u32::try_from(12 + body.len() + padding.len()).expect("a short block").to_le_bytes();
    [&block_type.to_le_bytes()[..], &length, body, &padding, &length].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat())
}

/// An interface, with an `if_tsresol` option if it is not 0.
fn interface(link_type: u16, snap_octets: u32, resolution: u8) -> Vec<u8> {
    let mut body = [&link_type.to_le_bytes()[..], &[0, 0], &snap_octets.to_le_bytes()].concat();
    if resolution != 0 {
        body.extend([9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0]);
    }
    block(1, &body)
}

fn enhanced(interface: u32, time: u64, octets: &[u8], wire_octets: u32) -> Vec<u8> {
    let captured = u32::try_from(octets.len()).expect("a short packet");
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits");
    let (high, low) = (half(time >> 32), half(time));
    let words = [interface, high, low, captured, wire_octets].map(u32::to_le_bytes).concat();
    block(6, &[&words, octets].concat())
}

#[test]
fn pcap_is_read_in_both_byte_orders_and_resolutions() {
    let records: [(u32, u32, &[u8], u32); 2] = [(1, 500, b"abc", 3), (2, 0, b"de", 1500)];
    for (magic, nanoseconds) in [(0xa1b2_c3d4, 500_000), (0xa1b2_3c4d, 500)] {
        for word in [u32::to_le_bytes, u32::to_be_bytes] {
            let (all, result) = read_all(&pcap(magic, 0x3000_0001, &records, word)[..]);
            result.expect("a good file");
            let first = taken(Some(1_000_000_000 + nanoseconds), 1, b"abc", 3);
            assert_eq!(all, [first, taken(Some(2_000_000_000), 1, b"de", 1500)]);
        }
    }
}

#[test]
fn pcapng_has_interfaces_of_its_own_in_each_section() {
    let file = [
        section(),
        interface(1, 0, 0),
        interface(113, 0, 9),
        enhanced(1, 7, b"abcde", 9),
        enhanced(0, 7, b"f", 1),
        // Only three of its four octets are the packet; the rest is padding.
        section(),
        interface(101, 3, 0),
        block(3, &[&1500_u32.to_le_bytes()[..], b"ghi\0"].concat()),
    ]
    .concat();
    let (all, result) = read_all(&file[..]);
    result.expect("a good file");
    let expected =
        [taken(Some(7), 113, b"abcde", 9), taken(Some(7_000), 1, b"f", 1), taken(None, 101, b"ghi", 1500)];
    assert_eq!(all, expected);
}

#[test]
fn a_truncated_file_gives_what_comes_before() {
    let file = pcap(0xa1b2_c3d4, 1, &[(1, 0, b"abc", 3), (2, 0, b"def", 3)], u32::to_le_bytes);
    let (all, result) = read_all(&file[..file.len() - 1]);
    assert_eq!(all, [taken(Some(1_000_000_000), 1, b"abc", 3)]);
    assert!(matches!(result, Err(CaptureError::Truncated { offset: 43 })), "{result:?}");
}

#[test]
fn what_is_no_capture_or_contradicts_itself_is_refused() {
    for file in [&b""[..], b"#!/bin/sh", b"no capture, but longer than the headers of both formats"] {
        assert!(matches!(read_all(file).1, Err(CaptureError::NotCapture)));
    }
    let unknown = [section(), interface(1, 0, 0), enhanced(1, 0, b"a", 1)].concat();
    assert!(matches!(read_all(&unknown[..]).1, Err(CaptureError::Corrupt { .. })));
    let mut lengths = [section(), interface(1, 0, 0), enhanced(0, 0, b"a", 1)].concat();
    *lengths.last_mut().expect("octets") = 1;
    assert!(matches!(read_all(&lengths[..]).1, Err(CaptureError::Corrupt { .. })));
    let obsolete = [section(), interface(1, 0, 0), block(2, &[0; 20])].concat();
    assert!(matches!(read_all(&obsolete[..]).1, Err(CaptureError::ObsoleteBlock { .. })));
}

#[test]
fn a_record_larger_than_the_buffer_is_read_and_one_without_bound_is_not() {
    let large = vec![7; 1 << 20];
    let file = pcap(0xa1b2_c3d4, 1, &[(0, 0, &large, 1 << 20)], u32::to_le_bytes);
    let (all, result) = read_all(&file[..]);
    result.expect("a good file");
    assert_eq!(all[0].octets, large);
    let mut endless = pcap(0xa1b2_c3d4, 1, &[(0, 0, b"", 0)], u32::to_le_bytes);
    endless[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let (_, result) = read_all(endless.chain(io::repeat(0)));
    assert!(matches!(result, Err(CaptureError::RecordTooLong { offset: 24 })), "{result:?}");
}

/// Fails after a good file's first record.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Ok(0) => Err(io::Error::other("the disk is gone")),
            other => other,
        }
    }
}

#[test]
fn the_systems_reason_for_a_failed_read_is_told() {
    let (_, result) = read_all(Failing(&[]));
    let Err(error) = result else { panic!("a failed read was not told") };
    assert_eq!(error.to_string(), "cannot be read: the disk is gone");
}

proptest! {
    #[test]
    fn no_file_makes_it_panic_or_hang(
        start in 0_usize..3,
        octets in proptest::collection::vec(any::<u8>(), 0..400),
        flips in proptest::collection::vec((0_usize..200, any::<u8>()), 0..4),
    ) {
        let good = [section(), interface(1, 40, 9), enhanced(0, 1, b"abcdef", 9), enhanced(0, 2, b"ghi", 3)].concat();
        let legacy = pcap(0xa1b2_c3d4, 1, &[(1, 0, b"abc", 3), (2, 0, b"defg", 9)], u32::to_le_bytes);
        let mut file = [&b""[..], &legacy, &good][start].to_vec();
        for (place, octet) in flips {
            if let Some(there) = file.get_mut(place) {
                *there = octet;
            }
        }
        file.extend(octets);
        let length = file.len();
        let _ = read(&file[..], &mut |record| {
            assert!(record.octets.len() <= record.wire_octets);
            assert!(record.end_offset <= length as u64);
        });
    }

    #[test]
    fn no_link_header_makes_it_panic(link_type in 0_u16..300, octets in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(located) = locate(link_type, &octets) {
            prop_assert!(located.offset <= octets.len());
        }
    }
}
