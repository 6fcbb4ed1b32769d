//! Telling, in the kernel, whether a DNS message is about a name that rules list.
//!
//! Names are compared by a hash over their labels, from the last to the first, so that a name and all names above it are
//! found in one walk. Two names may have one hash: then a message is copied that need not be, and a moment's volume is
//! waited with; nothing becomes free by it.

use crate::address::{Address, SubscriberId};
use crate::bytes::Bytes;
use crate::limits::ANSWER_RECORDS_MAX;

/// Octets of a DNS header (RFC 1035, section 4.1.1).
const HEADER_OCTETS: usize = 12;
/// Where it says how many questions there are.
const QUESTIONS_OFFSET: usize = 4;
/// Where it says how many records the answer has.
const ANSWERS_OFFSET: usize = 6;
/// Octets of a question behind its name: type and class.
const QUESTION_OCTETS: u32 = 4;
/// Octets of a record in front of its data, whose owner is told by a pointer (RFC 1035, sections 4.1.3 and 4.1.4).
const RECORD_OCTETS: u32 = 12;
/// What a pointer's first octet has (RFC 1035, section 4.1.4).
const POINTER: u8 = 0xc0;
/// A record's class: the Internet's (RFC 1035, section 3.2.4).
const CLASS_IN: u16 = 1;
/// A record's type: an IPv4 address (RFC 1035, section 3.2.2), an IPv6 address (RFC 3596, section 2.1).
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
/// Octets of a UDP header.
const UDP_HEADER_OCTETS: usize = 8;
/// Octets of a name on the wire, its end included, at most (RFC 1035, section 3.1).
const NAME_OCTETS_MAX: usize = 255;
/// Octets of a label at most.
const LABEL_OCTETS_MAX: u8 = 63;
/// Labels looked at; a power of two. Reason: a name with more, such as a reverse one of IPv6, is taken for listed.
pub const LABELS_MAX: usize = 16;

/// FNV-1a, 64 bits.
const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_PRIME: u64 = 0x0000_0100_0000_01b3;
/// By how much labels are turned against each other.
const LABEL_TURN: u32 = 17;

/// What reading a name holds from one octet to the next: in the kernel in a map, so that the verifier follows each octet
/// once, whatever stood in front of it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Reading {
    /// Hashes of the labels read.
    labels: [u64; LABELS_MAX],
    /// Of the label that is being read.
    hash: u64,
    /// How many labels were read.
    count: u32,
    /// Octets of the label that are still to come.
    left: u32,
    /// Where in the frame the next record begins.
    at: u32,
    /// How many records are still to come.
    records: u32,
}

/// Where the DNS message of a UDP datagram begins whose header is at `transport_offset`.
pub const fn message_offset(transport_offset: usize) -> usize {
    transport_offset + UDP_HEADER_OCTETS
}

#[inline(always)]
const fn with_octet(hash: u64, octet: u8) -> u64 {
    (hash ^ octet.to_ascii_lowercase() as u64).wrapping_mul(HASH_PRIME)
}

#[inline(always)]
const fn with_label(hash: u64, label: u64) -> u64 {
    (hash.rotate_left(LABEL_TURN) ^ label).wrapping_mul(HASH_PRIME)
}

/// The hash of a name in text, without the dot at its end.
pub fn hash(name: &str) -> u64 {
    name.rsplit('.')
        .fold(HASH_START, |hash, label| with_label(hash, label.bytes().fold(HASH_START, with_octet)))
}

/// What the program that decides leaves for the one that reads names, on the same CPU.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Asked {
    /// Whose datagram it is.
    pub subscriber: SubscriberId,
    /// [`crate::interface::Role`] of the interface it arrived on.
    pub role: u32,
    /// Where its UDP header begins in the frame, in octets.
    pub transport_offset: u32,
    /// Room for reading.
    pub reading: Reading,
}

/// The names that rules list, by their hashes; a wildcard by the name below which it lists all.
pub trait Names {
    /// Whether there is one with this hash.
    fn has(&self, hash: u64) -> bool;
}

/// Whether the first question of the DNS message at `offset` is about a name in `names`, or one below. What cannot be read
/// is about none.
#[inline(always)]
pub fn is_listed<B: Bytes, N: Names>(bytes: &B, offset: usize, reading: &mut Reading, names: &N) -> bool {
    match bytes.load::<2>(offset + QUESTIONS_OFFSET) {
        Some([0, 0]) | None => return false,
        Some(_) => {}
    }
    if !read_labels(bytes, offset + HEADER_OCTETS, reading) {
        return false;
    }
    if reading.count as usize > LABELS_MAX {
        return true;
    }
    reading.hash = HASH_START;
    for _ in 0..LABELS_MAX {
        bytes.settle(reading);
        if reading.count == 0 {
            return false;
        }
        reading.count -= 1;
        reading.hash = with_label(reading.hash, reading.labels[reading.count as usize & (LABELS_MAX - 1)]);
        if names.has(reading.hash) {
            return true;
        }
    }
    false
}

/// Calls `found` with the addresses in the answer of the DNS message at `offset`, of which [`is_listed`] has just read the
/// question into `reading`: up to the first record that names its owner otherwise than by a pointer, or cannot be read.
#[inline(always)]
pub fn each_address<B: Bytes>(
    bytes: &B,
    offset: usize,
    reading: &mut Reading,
    mut found: impl FnMut(&Address),
) {
    let Some([0, 1]) = bytes.load::<2>(offset + QUESTIONS_OFFSET) else { return };
    let Some(records) = bytes.load::<2>(offset + ANSWERS_OFFSET) else { return };
    reading.records = u32::from(u16::from_be_bytes(records));
    reading.at += QUESTION_OCTETS;
    for _ in 0..ANSWER_RECORDS_MAX {
        bytes.settle(reading);
        if reading.records == 0 {
            return;
        }
        reading.records -= 1;
        let Some(octets) = read_record(bytes, reading.at as usize, &mut found) else { return };
        reading.at += octets;
    }
}

/// Reads the record at `offset`; says how many octets it has.
#[inline(always)]
fn read_record<B: Bytes>(bytes: &B, offset: usize, found: &mut impl FnMut(&Address)) -> Option<u32> {
    let [owner, _, kind @ .., _, _, _, _, high, low] = bytes.load::<{ RECORD_OCTETS as usize }>(offset)?;
    if owner & POINTER != POINTER {
        return None;
    }
    let [kind_high, kind_low, class_high, class_low] = kind;
    let data_octets = u16::from_be_bytes([high, low]);
    let data = offset + RECORD_OCTETS as usize;
    if u16::from_be_bytes([class_high, class_low]) == CLASS_IN {
        match (u16::from_be_bytes([kind_high, kind_low]), data_octets) {
            (TYPE_A, 4) => {
                let [word] = bytes.load_words(data)?;
                found(&Address::v4(word));
            }
            (TYPE_AAAA, 16) => found(&Address::v6(bytes.load_words(data)?)),
            _ => {}
        }
    }
    Some(RECORD_OCTETS + u32::from(data_octets))
}

/// Hashes the labels of the name at `offset`, and keeps where it ends; false: it does not end, or points elsewhere.
#[inline(always)]
fn read_labels<B: Bytes>(bytes: &B, offset: usize, reading: &mut Reading) -> bool {
    (reading.count, reading.left, reading.hash) = (0, 0, HASH_START);
    for place in 0..NAME_OCTETS_MAX {
        bytes.settle(reading);
        let Some([octet]) = bytes.load::<1>(offset + place) else { return false };
        if reading.left > 0 {
            reading.hash = with_octet(reading.hash, octet);
            reading.left -= 1;
            continue;
        }
        if place > 0 {
            reading.labels[reading.count as usize & (LABELS_MAX - 1)] = reading.hash;
            reading.count += 1;
        }
        if octet == 0 {
            reading.at = end(offset + place);
            return true;
        }
        if octet > LABEL_OCTETS_MAX {
            return false;
        }
        reading.left = u32::from(octet);
        reading.hash = HASH_START;
    }
    false
}

/// What follows the octet at `offset`, which is within a frame.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "no frame has 2^32 octets")]
const fn end(offset: usize) -> u32 {
    offset as u32 + 1
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::net::IpAddr;
    use std::collections::BTreeSet;
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::bytes::Frame;
    use crate::limits::MESSAGE_OFFSET_MAX;

    struct Listed(BTreeSet<u64>);

    impl Names for Listed {
        fn has(&self, hash: u64) -> bool {
            self.0.contains(&hash)
        }
    }

    fn question(name: &str) -> Vec<u8> {
        let mut message = std::vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).expect("a short label"));
            message.extend(label.bytes());
        }
        message.extend([0, 0, 1, 0, 1]);
        message
    }

    fn asks(message: &[u8], listed: &[&str]) -> bool {
        let names = Listed(listed.iter().map(|name| hash(name)).collect());
        is_listed(&Frame::new(message), 0, &mut Reading::default(), &names)
    }

    #[test]
    fn a_name_and_all_below_it_are_listed_whatever_their_case() {
        let listed = ["moh.gov.vn", "a.example"];
        for name in ["moh.gov.vn", "MoH.gOv.VN", "x.moh.gov.vn", "a.b.c.moh.gov.vn", "a.example"] {
            assert!(asks(&question(name), &listed), "{name}");
        }
        for name in ["gov.vn", "xmoh.gov.vn", "moh.gov.vn.evil.example", "example", "b.example", "vn"] {
            assert!(!asks(&question(name), &listed), "{name}");
        }
    }

    #[test]
    fn what_has_no_question_or_no_end_is_not_listed() {
        let mut none = question("moh.gov.vn");
        none[5] = 0;
        assert!(!asks(&none, &["moh.gov.vn"]));
        let whole = question("moh.gov.vn");
        for octets in 0..whole.len() - 5 {
            assert!(!asks(&whole[..octets], &["moh.gov.vn"]), "{octets} octets");
        }
        let mut pointer = question("moh.gov.vn");
        pointer[12] = 0xc0;
        assert!(!asks(&pointer, &["moh.gov.vn"]));
    }

    #[test]
    fn a_name_of_very_many_labels_is_taken_for_listed() {
        let many: Vec<_> = std::iter::repeat_n("a", 17).collect();
        assert!(asks(&question(&many.join(".")), &[]));
        let most: Vec<_> = std::iter::repeat_n("a", 16).collect();
        assert!(!asks(&question(&most.join(".")), &[]));
    }

    /// A record (RFC 1035, section 4.1.3) whose owner is the question's name.
    fn record(kind: u16, class: u16, data: &[u8]) -> Vec<u8> {
        let mut record = std::vec![0xc0, 12];
        record.extend(kind.to_be_bytes());
        record.extend(class.to_be_bytes());
        record.extend([0, 0, 0, 60]);
        record.extend(u16::try_from(data.len()).expect("short data").to_be_bytes());
        record.extend(data);
        record
    }

    /// The answer to a question about `moh.gov.vn`.
    fn answer(records: &[Vec<u8>]) -> Vec<u8> {
        let mut message = question("moh.gov.vn");
        message[6..8].copy_from_slice(&u16::try_from(records.len()).expect("few records").to_be_bytes());
        message.extend(records.concat());
        message
    }

    fn told(message: &[u8]) -> Vec<IpAddr> {
        let (frame, mut reading) = (Frame::message(message), Reading::default());
        let names = Listed([hash("moh.gov.vn")].into());
        let mut addresses = Vec::new();
        if is_listed(&frame, 0, &mut reading, &names) {
            each_address(&frame, 0, &mut reading, |address| addresses.push(address.to_ip()));
        }
        addresses
    }

    const V4: [u8; 4] = [203, 0, 113, 7];
    const V6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

    #[test]
    fn an_answers_addresses_are_those_of_its_records_behind_whatever_others() {
        let alias = record(5, 1, &[3, b'w', b'w', b'w', 0xc0, 12]);
        let records = [alias, record(1, 1, &V4), record(16, 1, b"\x04text"), record(28, 1, &V6)];
        assert_eq!(told(&answer(&records)), [IpAddr::from(V4), V6.into()]);
    }

    #[test]
    fn what_is_no_address_of_the_internet_tells_none() {
        let records = [record(1, 3, &V4), record(1, 1, &V6), record(28, 1, &V4), record(65, 1, &V6)];
        assert!(told(&answer(&records)).is_empty());
    }

    #[test]
    fn nothing_is_told_past_an_owner_that_is_spelled_out_past_the_last_record_or_past_the_end() {
        let mut spelled = record(1, 1, &V4);
        spelled.splice(..2, [1, b'a', 0]);
        assert_eq!(told(&answer(&[record(1, 1, &V4), spelled, record(28, 1, &V6)])), [IpAddr::from(V4)]);
        let mut fewer = answer(&[record(1, 1, &V4), record(28, 1, &V6)]);
        fewer[7] = 1;
        assert_eq!(told(&fewer), [IpAddr::from(V4)]);
        let whole = answer(&[record(1, 1, &V4), record(28, 1, &V6)]);
        for octets in whole.len() - 28..whole.len() {
            assert_eq!(told(&whole[..octets]), [IpAddr::from(V4)], "{octets} octets");
        }
    }

    #[test]
    fn messages_of_no_one_question_tell_nothing() {
        let mut two = answer(&[record(1, 1, &V4)]);
        two[5] = 2;
        assert!(told(&two).is_empty());
    }

    proptest! {
        /// As many as there are within the bounds, in their order.
        #[test]
        fn the_addresses_of_any_records_are_told(
            records in prop::collection::vec(
                (
                    prop::sample::select(&[1_u16, 28, 5, 46][..]),
                    prop_oneof![Just(V4.to_vec()), Just(V6.to_vec()), prop::collection::vec(any::<u8>(), 0..90)],
                ),
                0..40,
            ),
        ) {
            let mut begins_at = question("moh.gov.vn").len();
            let mut expected: Vec<IpAddr> = Vec::new();
            for (kind, data) in records.iter().take(32) {
                if begins_at + 12 > MESSAGE_OFFSET_MAX {
                    break;
                }
                match (*kind, <[u8; 4]>::try_from(&data[..]), <[u8; 16]>::try_from(&data[..])) {
                    (1, Ok(octets), _) => expected.push(octets.into()),
                    (28, _, Ok(octets)) => expected.push(octets.into()),
                    _ => {}
                }
                begins_at += 12 + data.len();
            }
            let octets: Vec<_> = records.iter().map(|(kind, data)| record(*kind, 1, data)).collect();
            prop_assert_eq!(told(&answer(&octets)), expected);
        }

        /// As by comparing text.
        #[test]
        fn agrees_with_text(name in "[a-c]{1,2}(\\.[a-c]{1,2}){0,5}", listed in "[a-c]{1,2}(\\.[a-c]{1,2}){0,3}") {
            let dotted = std::format!(".{name}");
            let below: String = std::format!(".{listed}");
            prop_assert_eq!(asks(&question(&name), &[&listed]), dotted.ends_with(&below));
        }

        #[test]
        fn any_octets_are_read_without_a_panic(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            asks(&octets, &["moh.gov.vn"]);
            let mut message = question("moh.gov.vn");
            message[6..8].fill(0xff);
            message.extend(octets);
            told(&message);
        }
    }
}
