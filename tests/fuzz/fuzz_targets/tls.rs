//! ClientHellos: no panic on any octets, and the same reading whatever the records that a handshake comes in.
//!
//! The first octet is how long a record is; the others are read as records, as handshake messages, and as handshake
//! messages in such records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollfree_wire::inspect::Reading;
use tollfree_wire::tls::{read_handshake, read_records};

/// Type and version of a handshake record.
const RECORD: [u8; 3] = [22, 3, 1];

fn in_records(messages: &[u8], octets: u8) -> Vec<u8> {
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).expect("an octet says how long it is");
        [&RECORD[..], &length.to_be_bytes(), part].concat()
    };
    messages.chunks(usize::from(octets.max(1))).flat_map(record).collect()
}

fuzz_target!(|input: &[u8]| {
    let Some((&octets, messages)) = input.split_first() else { return };
    let _ = read_records(messages);
    match (read_handshake(messages), read_records(&in_records(messages, octets))) {
        (Reading::Incomplete, Reading::Incomplete) => {}
        (Reading::Complete { said: whole, octets }, Reading::Complete { said: parted, .. }) => {
            assert_eq!(whole, parted);
            assert!(octets <= messages.len());
        }
        (whole, parted) => panic!("{whole:?}, but in records {parted:?}"),
    }
});
