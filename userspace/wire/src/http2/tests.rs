#![allow(clippy::unwrap_used, reason = "a test may panic")]

use loona_hpack::Encoder;
use proptest::prelude::*;

use super::{PREFACE, STREAM_OCTETS_MAX, read};
use crate::inspect::{Hidden, HostName, Reading};

/// A frame: type, flags, stream, payload (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[0, 4, 0, 1, 0, 0])
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    Encoder::new().encode(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

fn request(fields: &[(&str, &str)]) -> Vec<u8> {
    [PREFACE, &settings(), &frame(1, 0x5, 1, &block(fields))].concat()
}

fn named(name: &str) -> Result<HostName, Hidden> {
    HostName::parse(name.as_bytes()).map_err(Hidden::from)
}

fn said(stream: &[u8]) -> Result<HostName, Hidden> {
    match read(stream) {
        Reading::Complete { said, .. } => said,
        Reading::Incomplete => panic!("not complete"),
    }
}

/// RFC 7541, appendix C.4.1: the first request with Huffman coding.
#[test]
fn the_request_of_rfc_7541() {
    let block = [
        0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
    ];
    let stream = [PREFACE, &settings(), &frame(1, 0x5, 1, &block)].concat();
    for octets in 0..stream.len() {
        assert_eq!(read(&stream[..octets]), Reading::Incomplete);
    }
    let more = [&stream[..], b"more"].concat();
    assert_eq!(read(&more), Reading::Complete { octets: stream.len(), said: named("www.example.com") });
}

#[test]
fn frames_before_the_request_are_passed_over() {
    let fields = block(&[(":method", "GET"), (":authority", "a.example:80"), ("x", "y")]);
    let stream = [
        PREFACE,
        &settings(),
        &frame(8, 0, 0, &[0, 1, 0, 0]),
        &frame(4, 1, 0, &[]),
        &frame(2, 0, 3, &[0; 5]),
        &frame(0xfa, 0, 0, b"unknown types are ignored"),
        &frame(1, 0x4, 1, &fields),
    ]
    .concat();
    assert_eq!(said(&stream), named("a.example"));
}

#[test]
fn a_block_may_be_padded_and_in_parts() {
    let fields = block(&[(":method", "GET"), (":authority", "a.example"), ("cookie", "long enough to cut")]);
    let (first, second) = fields.split_at(9);
    let padded = [&[3][..], &[0; 5], first, &[0; 3]].concat();
    let stream = [PREFACE, &settings(), &frame(1, 0x28, 1, &padded), &frame(9, 0x4, 1, second)].concat();
    assert_eq!(said(&stream), named("a.example"));
    let other = [PREFACE, &settings(), &frame(1, 0x20, 1, &padded[1..]), &frame(9, 0x4, 3, second)].concat();
    assert_eq!(said(&other), Err(Hidden::NotRecognised));
}

#[test]
fn names_that_do_not_count() {
    for (fields, why) in [
        (&[(":method", "GET")][..], Hidden::NoName),
        (&[(":authority", "192.0.2.1")], Hidden::NoName),
        (&[(":authority", "a.example"), (":authority", "a.example")], Hidden::ConflictingHosts),
        (&[(":authority", "a.example"), ("host", "b.example")], Hidden::ConflictingHosts),
        (&[("host", "a.example"), ("host", "b.example")], Hidden::ConflictingHosts),
        (&[(":method", "CONNECT"), (":authority", "a.example:443")], Hidden::Connect),
        (&[(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "a.example")], Hidden::Connect),
        (&[(":authority", "me@a.example")], Hidden::InvalidName),
    ] {
        assert_eq!(said(&request(fields)), Err(why), "{fields:?}");
    }
    assert_eq!(said(&request(&[(":authority", "a.example"), ("host", "A.example:80")])), named("a.example"));
    assert_eq!(said(&request(&[("host", "a.example")])), named("a.example"));
}

#[test]
fn faults_are_not_recognised() {
    let fields = block(&[(":authority", "a.example")]);
    for frames in [
        frame(1, 0x4, 1, &fields),
        [settings(), frame(0, 0, 1, b"data before a request")].concat(),
        [settings(), frame(9, 0x4, 1, &fields)].concat(),
        [settings(), frame(1, 0, 1, &fields), settings()].concat(),
        [settings(), frame(1, 0xc, 1, &[9, 1, 2])].concat(),
        [settings(), frame(1, 0x24, 1, &[1, 2])].concat(),
        [settings(), frame(1, 0x4, 1, &[0xff; 8])].concat(),
        [settings(), vec![0xff; 9]].concat(),
    ] {
        assert_eq!(said(&[PREFACE, &frames].concat()), Err(Hidden::NotRecognised), "{frames:?}");
    }
    assert_eq!(said(b"PRI * HTTP/2.1"), Err(Hidden::NotRecognised));
}

#[test]
fn what_does_not_end_is_too_long() {
    let pings = frame(6, 0, 0, &[0; 8]).repeat(STREAM_OCTETS_MAX / 17);
    assert_eq!(said(&[PREFACE, &settings(), &pings].concat()), Err(Hidden::TooLong));
    let part = vec![0; 9000];
    let parts = [frame(1, 0, 1, &part), frame(9, 0, 1, &part)].concat();
    assert_eq!(said(&[PREFACE, &settings(), &parts].concat()), Err(Hidden::TooLong));
}

/// An entry of the dynamic table, named again and again, makes much of little: nothing of it is kept.
#[test]
fn a_block_that_repeats_its_longest_field_is_read() {
    let mut fields = block(&[(":authority", "a.example"), ("x", &"y".repeat(3000))]);
    fields.resize(8000, 0x80 + 62);
    assert_eq!(said(&[PREFACE, &settings(), &frame(1, 0x4, 1, &fields)].concat()), named("a.example"));
}

proptest! {
    #[test]
    fn any_frames_make_no_panic(
        frames in prop::collection::vec((0u8..12, any::<u8>(), 0u32..4, prop::collection::vec(any::<u8>(), 0..60)), 0..6),
    ) {
        let frames = frames.iter().flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload));
        let stream: Vec<u8> = PREFACE.iter().copied().chain(settings()).chain(frames).collect();
        let _ = read(&stream);
    }

    #[test]
    fn any_block_makes_no_panic(block in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&[PREFACE, &settings(), &frame(1, 0x4, 1, &block)].concat());
    }
}
