//! Flows that an inspector looks into: no panic on any packets, no name without the server's answer, one finding each.
//!
//! The input is packets, each behind an octet that says what it is and two that say how long. Mutation alone finds neither
//! checksums nor keys, so the target makes them: payloads are put into datagrams and segments, frames into Initial packets.
#![no_main]

use std::collections::BTreeSet;

use etherparse::PacketBuilder;
use libfuzzer_sys::fuzz_target;
use rustls::Side;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{Keys, Version};
use tollfree_wire::inspect::{Direction, Evidence, Inspector, Limits, Trust};
use tollfree_wire::quic::{Packets, crypto_frames};

/// What one packet of an input begins with: what it is, and its octets in two octets.
const FRONT_OCTETS: usize = 3;
/// Bits of the first octet: downlink; of which of two flows; and, in the bits from [`KIND`] on, what the octets are.
const DOWNLINK: u8 = 1;
const OTHER_FLOW: u8 = 2;
const KIND: u32 = 2;

const CLIENT: ([u8; 4], u16) = ([10, 20, 0, 11], 40_000);
const SERVER: ([u8; 4], u16) = ([192, 0, 2, 53], 443);
/// The client's first Destination Connection ID, and another.
const IDS: [&[u8]; 2] = [b"first-id", b"second-id"];
/// Enough flows and octets for an input, few enough to be exceeded.
const LIMITS: Limits = Limits { flows: 2, octets: 20_000, flow_packets: 60, age_ns: 1000 };

/// An Initial packet with these frames, cut to what a datagram may be.
fn initial(direction: Direction, id: &[u8], frames: &[u8]) -> Option<Vec<u8>> {
    let mut payload = frames[..frames.len().min(1200)].to_vec();
    payload.resize(payload.len().max(20), 0);
    let suite = TLS13_AES_128_GCM_SHA256.tls13()?;
    let side = if direction == Direction::Uplink { Side::Client } else { Side::Server };
    let keys = Keys::initial(Version::V1, suite, suite.quic?, id, side).local;
    let length = u16::try_from(1 + payload.len() + 16).ok()? | 0x4000;
    let id_octets = u8::try_from(id.len()).ok()?;
    let mut header = [&[0xc0, 0, 0, 0, 1, id_octets][..], id, &[0, 0], &length.to_be_bytes(), &[7]].concat();
    let tag = keys.packet.encrypt_in_place(7, &header, &mut payload).ok()?;
    payload.extend_from_slice(tag.as_ref());
    let (first, rest) = header.split_first_mut()?;
    let number_at = rest.len() - 1;
    keys.header.encrypt_in_place(&payload[3..19], first, &mut rest[number_at..]).ok()?;
    Some([header, payload].concat())
}

/// A packet with right checksums; `kind` says of what.
fn packet(direction: Direction, kind: u8, octets: &[u8]) -> Option<Vec<u8>> {
    let (from, to) = if direction == Direction::Uplink { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let ip = PacketBuilder::ipv4(from.0, to.0, 60);
    let mut written = Vec::new();
    match kind % 8 {
        0 => return Some(octets.to_vec()),
        1 => ip.udp(from.1, to.1).write(&mut written, octets).ok()?,
        kind @ (2 | 3) => {
            let datagram = initial(direction, IDS[usize::from(kind - 2)], octets)?;
            ip.udp(from.1, to.1).write(&mut written, &datagram).ok()?;
        }
        4 => ip.tcp(from.1, to.1, 1000, 9).syn().write(&mut written, octets).ok()?,
        5 => ip.tcp(from.1, to.1, 5000, 9).syn().ack(1001).write(&mut written, b"").ok()?,
        kind => {
            // Where in the stream, or how much is acknowledged, the first two octets say.
            let (at, payload) = octets.split_first_chunk()?;
            let at = 1001 + u32::from(u16::from_be_bytes(*at));
            let segment = if direction == Direction::Uplink {
                ip.tcp(from.1, to.1, if kind == 6 { 1001 } else { at }, 9).ack(5001)
            } else {
                ip.tcp(from.1, to.1, 5001, 9).ack(at)
            };
            segment.write(&mut written, payload).ok()?;
        }
    }
    Some(written)
}

fuzz_target!(|input: &[u8]| {
    let _ = crypto_frames(input);
    let _ = Packets::new(input).count();
    for trust in [Trust::Wire, Trust::Capture] {
        let mut inspector = Inspector::with_trust(LIMITS, trust);
        let (mut rest, mut now_ns, mut found, mut answered) = (input, 0, BTreeSet::new(), BTreeSet::new());
        while let Some((front, behind)) = rest.split_first_chunk::<FRONT_OCTETS>() {
            let [kind, octets @ ..] = *front;
            let (octets, next) = behind.split_at(usize::from(u16::from_be_bytes(octets)).min(behind.len()));
            rest = next;
            now_ns += 1;
            let direction = if kind & DOWNLINK == 0 { Direction::Uplink } else { Direction::Downlink };
            let flow = u64::from(kind & OTHER_FLOW);
            let Some(ip) = packet(direction, kind >> KIND, octets) else { continue };
            if direction == Direction::Downlink {
                answered.insert(flow);
            }
            let Some(finding) = inspector.take(flow, now_ns, direction, &ip) else { continue };
            assert!(found.insert(finding.flow), "found twice");
            let is_name = matches!(finding.evidence, Evidence::Name { .. });
            assert!(
                !is_name || trust == Trust::Capture || answered.contains(&flow),
                "a name without an answer"
            );
        }
        assert!(inspector.flows() <= LIMITS.flows);
        for finding in inspector.expire(now_ns + 2000) {
            assert!(!matches!(finding.evidence, Evidence::Name { .. }), "a name from the clock");
        }
        inspector.expire(now_ns + 4000);
        assert_eq!((inspector.flows(), inspector.held_octets()), (0, 0));
    }
});
