//! Initial packets to read.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use rustls::Side;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{self, Keys};

/// A version: its number, rustls's word for it, and the type bits of its Initial packets; and their fixed bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    pub(crate) number: u32,
    version: quic::Version,
    kind: u8,
    fixed: u8,
}

pub(crate) const V1: Protocol = Protocol { number: 1, version: quic::Version::V1, kind: 0, fixed: 0x40 };
pub(crate) const V2: Protocol =
    Protocol { number: 0x6b33_43cf, version: quic::Version::V2, kind: 1, fixed: 0x40 };
/// As V1, of a peer that has been told that the fixed bit may be anything (RFC 9287).
pub(crate) const V1_GREASED: Protocol = Protocol { fixed: 0, ..V1 };

/// A variable-length integer of two octets (RFC 9000, section 16).
pub(crate) fn varint(value: usize) -> [u8; 2] {
    (u16::try_from(value).unwrap() | 0x4000).to_be_bytes()
}

/// A CRYPTO frame (RFC 9000, section 19.6).
pub(crate) fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    [&[6][..], &varint(offset), &varint(data.len()), data].concat()
}

/// A packet's header without protection, with a packet number of four octets (RFC 9000, section 17.2.2).
fn header(protocol: Protocol, ids: [&[u8]; 2], token: &[u8], number: u32, payload_octets: usize) -> Vec<u8> {
    let [destination, source] = ids;
    let id = |id: &[u8]| [&[u8::try_from(id.len()).unwrap()], id].concat();
    [
        &[0x83 | protocol.fixed | protocol.kind << 4][..],
        &protocol.number.to_be_bytes(),
        &id(destination),
        &id(source),
        &varint(token.len()),
        token,
        &varint(4 + payload_octets + 16),
        &number.to_be_bytes(),
    ]
    .concat()
}

/// Protects a packet with the keys that follow from `key_id` (RFC 9001, sections 5.3 and 5.4).
pub(crate) fn protect(
    protocol: Protocol,
    side: Side,
    key_id: &[u8],
    mut header: Vec<u8>,
    number_octets: usize,
    payload: &[u8],
) -> Vec<u8> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    let keys = Keys::initial(protocol.version, suite, suite.quic.unwrap(), key_id, side).local;
    let mut payload = payload.to_vec();
    let number_at = header.len() - number_octets;
    let number = header[number_at..].iter().fold(0, |number, octet| number << 8 | u64::from(*octet));
    let tag = keys.packet.encrypt_in_place(number, &header, &mut payload).unwrap();
    payload.extend_from_slice(tag.as_ref());
    let (first, rest) = header.split_first_mut().unwrap();
    let sample = &payload[4 - number_octets..][..16];
    keys.header.encrypt_in_place(sample, first, &mut rest[number_at - 1..]).unwrap();
    [header, payload].concat()
}

/// One connection attempt, as its two ends see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) protocol: Protocol,
    /// The client's first Destination Connection ID, from which the keys follow.
    pub(crate) first: &'a [u8],
}

const CLIENT_ID: &[u8] = b"client-id";

impl Attempt<'_> {
    /// A client's Initial to `destination`, with these frames.
    pub(crate) fn client(&self, destination: &[u8], number: u32, frames: &[u8]) -> Vec<u8> {
        let header = header(self.protocol, [destination, CLIENT_ID], b"", number, frames.len());
        protect(self.protocol, Side::Client, self.first, header, 4, frames)
    }

    /// A client's Initial to the server's first connection ID, padded as a client must (RFC 9000, section 14.1).
    pub(crate) fn padded(&self, number: u32, frames: &[u8]) -> Vec<u8> {
        let mut frames = frames.to_vec();
        frames.resize(frames.len().max(1162), 0);
        self.client(self.first, number, &frames)
    }

    /// A server's Initial with these frames.
    pub(crate) fn server(&self, number: u32, frames: &[u8]) -> Vec<u8> {
        let header = header(self.protocol, [CLIENT_ID, b"server"], b"", number, frames.len());
        protect(self.protocol, Side::Server, self.first, header, 4, frames)
    }
}
