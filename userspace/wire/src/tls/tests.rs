#![allow(clippy::unwrap_used, reason = "a test may panic")]

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use rustls::version::{TLS12, TLS13};

use super::samples::{
    ECH, Extension, KEY_SHARE, SERVER_NAME, hello, message, post_quantum_hello, records, rustls_client,
    server_name, server_names,
};
use super::{hello::HELLO_OCTETS_MAX, read_handshake, read_records};
use crate::inspect::{Hidden, HostName, Reading};

const NAME: &str = "ncov.moh.gov.vn";

/// RFC 8448, section 3: the client's first record.
const RFC_8448: &str = "\
    16030100c4010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece700000613011303\
    1302010000910000000b0009000006736572766572ff01000100000a00140012001d00170018001901000101010201030104\
    00230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003\
    020304000d0020001e040305030603020308040805080604010501060102010402050206020202002d00020101001c000240\
    01";

fn named(name: &str) -> Result<HostName, Hidden> {
    HostName::parse(name.as_bytes()).map_err(Hidden::from)
}

fn said(reading: Reading) -> Result<HostName, Hidden> {
    match reading {
        Reading::Complete { said, .. } => said,
        Reading::Incomplete => panic!("not complete"),
    }
}

fn said_of(extensions: &[Extension]) -> Result<HostName, Hidden> {
    said(read_records(&records(&hello(extensions), 1 << 14)))
}

#[test]
fn the_hello_of_rfc_8448() {
    let record = HEXLOWER.decode(RFC_8448.as_bytes()).unwrap();
    assert_eq!(record.len(), 201);
    assert_eq!(read_records(&record), Reading::Complete { octets: 201, said: named("server") });
    for octets in 0..record.len() {
        assert_eq!(read_records(&record[..octets]), Reading::Incomplete);
    }
}

#[test]
fn hellos_of_rustls() {
    for versions in [&[&TLS12][..], &[&TLS13], &[&TLS12, &TLS13]] {
        let octets = rustls_client(NAME, versions);
        assert_eq!(read_records(&octets), Reading::Complete { octets: octets.len(), said: named(NAME) });
    }
    assert_eq!(said(read_records(&rustls_client("192.0.2.1", &[&TLS13]))), Err(Hidden::NoName));
}

#[test]
fn one_message_over_records_of_every_length() {
    let hello = post_quantum_hello(NAME);
    assert!(hello.len() > 1200);
    for most in 1..=300 {
        let stream = records(&hello, most);
        assert_eq!(read_records(&stream), Reading::Complete { octets: stream.len(), said: named(NAME) });
        assert_eq!(read_records(&stream[..stream.len() - 1]), Reading::Incomplete);
    }
}

#[test]
fn what_follows_the_hello_says_nothing() {
    let (first, second) = (hello(&[server_name(NAME)]), hello(&[server_name("other.example")]));
    let both = [&first[..], &second].concat();
    assert_eq!(said(read_records(&records(&both, 1 << 14))), named(NAME));
    assert_eq!(read_handshake(&both), Reading::Complete { octets: first.len(), said: named(NAME) });
    let records = [records(&first, 100), vec![0xff; 40]].concat();
    assert_eq!(read_records(&records), Reading::Complete { octets: records.len() - 40, said: named(NAME) });
}

#[test]
fn without_a_name_there_is_none() {
    assert_eq!(said_of(&[]), Err(Hidden::NoName));
    assert_eq!(said_of(&[(KEY_SHARE, vec![1; 36])]), Err(Hidden::NoName));
    assert_eq!(said_of(&[server_name("192.0.2.1")]), Err(Hidden::NoName));
    // TLS 1.2 without extensions at all: the hello ends with the compression methods.
    let mut bare = hello(&[]);
    bare.truncate(bare.len() - 2);
    bare[3] -= 2;
    assert_eq!(said(read_handshake(&bare)), Err(Hidden::NoName));
}

#[test]
fn encrypted_hellos_are_hidden_behind_their_outer_name() {
    let outer = named("cloudflare-ech.com").ok();
    assert_eq!(
        said_of(&[server_name("cloudflare-ech.com"), (ECH, vec![0; 200])]),
        Err(Hidden::Ech { outer: outer.clone() })
    );
    assert_eq!(
        said_of(&[(ECH, vec![0; 200]), server_name("cloudflare-ech.com")]),
        Err(Hidden::Ech { outer })
    );
    assert_eq!(said_of(&[(ECH, vec![0; 200])]), Err(Hidden::Ech { outer: None }));
    assert_eq!(said_of(&[(0xffce, vec![0; 300])]), Err(Hidden::Ech { outer: None }));
    assert_eq!(said_of(&[server_name(NAME), (0xffce, vec![0; 300])]), Err(Hidden::Ech { outer: None }));
}

#[test]
fn what_two_readers_may_understand_differently_is_hidden() {
    let name = NAME.as_bytes();
    let trailing = |extension: Extension| (SERVER_NAME, [extension.1, vec![0]].concat());
    for (extensions, why) in [
        (vec![server_name(NAME), server_name("other.example")], Hidden::ConflictingHosts),
        (vec![server_name(NAME), server_name(NAME)], Hidden::ConflictingHosts),
        (vec![server_names(&[(0, name), (0, b"other.example")])], Hidden::ConflictingHosts),
        (vec![server_names(&[(1, name)])], Hidden::NotRecognised),
        (vec![server_names(&[])], Hidden::NotRecognised),
        (vec![(SERVER_NAME, Vec::new())], Hidden::NotRecognised),
        (vec![trailing(server_name(NAME))], Hidden::NotRecognised),
        (vec![(SERVER_NAME, vec![0, 9, 0, 0, 6, b'a'])], Hidden::NotRecognised),
        (vec![(KEY_SHARE, vec![1]), server_name(NAME), (KEY_SHARE, vec![2])], Hidden::NotRecognised),
        (vec![server_name("not a name")], Hidden::InvalidName),
        (vec![server_name("a\0.example")], Hidden::InvalidName),
    ] {
        assert_eq!(said_of(&extensions), Err(why), "{extensions:?}");
    }
}

#[test]
fn octets_behind_the_extensions_are_refused() {
    let mut body = hello(&[server_name(NAME)])[4..].to_vec();
    body.push(0);
    assert_eq!(said(read_handshake(&message(1, &body))), Err(Hidden::NotRecognised));
    // The last extension claims more than there is.
    let end = body.len() - 1;
    assert_eq!(said(read_handshake(&message(1, &body[..end - 1]))), Err(Hidden::NotRecognised));
}

#[test]
fn other_records_and_messages_are_not_recognised() {
    let hello = hello(&[server_name(NAME)]);
    let good = records(&hello, 1 << 14);
    for (at, octet) in [(0, 23), (0, 20), (1, 2), (5, 2), (5, 14)] {
        let mut bad = good.clone();
        bad[at] = octet;
        assert_eq!(said(read_records(&bad)), Err(Hidden::NotRecognised), "{octet} at {at}");
    }
    assert_eq!(said(read_records(&[22, 3, 1, 0, 0])), Err(Hidden::NotRecognised));
    assert_eq!(said(read_records(&[22, 3, 1, 0x40, 1])), Err(Hidden::NotRecognised));
    // An alert between two parts of the hello.
    let parted =
        [&records(&hello[..20], 20)[..], &[21, 3, 1, 0, 2, 1, 0], &records(&hello[20..], 100)].concat();
    assert_eq!(said(read_records(&parted)), Err(Hidden::NotRecognised));
}

#[test]
fn a_hello_that_claims_too_much_is_not_waited_for() {
    let too_long = message(1, &vec![0; HELLO_OCTETS_MAX + 1]);
    assert_eq!(said(read_handshake(&too_long[..4])), Err(Hidden::TooLong));
    let longest = hello(&[(21, vec![0; 15_000]), server_name(NAME)]);
    assert_eq!(said(read_records(&records(&longest, 1 << 14))), named(NAME));
}

proptest! {
    #[test]
    fn any_octets_make_no_panic(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = (read_records(&octets), read_handshake(&octets));
    }

    #[test]
    fn a_changed_hello_makes_no_panic(at in 0usize..1400, octet: u8, most in 1usize..2000) {
        let mut hello = post_quantum_hello(NAME);
        let at = at % hello.len();
        hello[at] = octet;
        let _ = read_records(&records(&hello, most));
    }

    /// However the stream grows, what was read once is read again.
    #[test]
    fn more_octets_change_no_reading(octets in 0usize..1700, most in 1usize..600) {
        let stream = records(&post_quantum_hello(NAME), most);
        let whole = read_records(&stream);
        match read_records(&stream[..octets.min(stream.len())]) {
            Reading::Incomplete => {}
            reading @ Reading::Complete { .. } => prop_assert_eq!(reading, whole),
        }
    }
}
