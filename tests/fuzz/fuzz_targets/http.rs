//! Requests of HTTP/1 and HTTP/2: no panic on any octets, and no other name when more octets come.
//!
//! The first octet says how much of the stream comes first. The rest is read as it is, and behind HTTP/2's preface.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollfree_wire::inspect::Reading;
use tollfree_wire::{http, http2};

/// The client's preface, and empty SETTINGS.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn check(read: fn(&[u8]) -> Reading, stream: &[u8], first: usize) {
    let begun = read(&stream[..first.min(stream.len())]);
    let Reading::Complete { octets, said } = read(stream) else {
        assert_eq!(begun, Reading::Incomplete, "complete, and with more octets not");
        return;
    };
    assert!(octets <= stream.len());
    match begun {
        Reading::Complete { said: Ok(name), .. } => {
            assert_eq!(Ok(name), said, "another name with more octets")
        }
        // A fault may be told by its first octet, or once it is whole.
        Reading::Complete { said: Err(_), .. } => assert!(said.is_err(), "a name behind a fault"),
        Reading::Incomplete => {}
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, stream)) = input.split_first() else { return };
    check(http::read, stream, usize::from(first));
    check(http2::read, stream, usize::from(first));
    check(http2::read, &[PREFACE, stream].concat(), PREFACE.len() + usize::from(first));
});
