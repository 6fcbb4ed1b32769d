//! What is said in calls: a capture file of RTP packets, as `SIPp` plays them.

use std::fs;
use std::path::Path;

use anyhow::Result;
use etherparse::PacketBuilder;

/// The file's name.
pub(super) const FILE: &str = "clip.pcap";
/// How many packets a clip has: 400 ms.
pub(super) const PACKETS: u16 = 20;
/// A packet each 20 ms, of 8000 samples a second with an octet each (PCMA, RFC 3551, section 4.5.14).
const INTERVAL_MICROSECONDS: u32 = 20_000;
const SAMPLES: u16 = 160;
/// A-law's silence (G.711): its encoding of the smallest positive value.
const SILENCE: u8 = 0xd5;
/// Version 2 without anything else, and PCMA's payload type (RFC 3550, section 5.1; RFC 3551, section 6).
const RTP_FIRST: [u8; 2] = [0x80, 8];
/// The file's header in little endian: magic, version 2.4, zone, accuracy, snapshot length, Ethernet.
const FILE_HEADER: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, 1];

/// One RTP packet, from its header on.
pub(super) fn rtp(sequence: u16, octets: usize) -> Vec<u8> {
    let mut packet = RTP_FIRST.to_vec();
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * u32::from(SAMPLES)).to_be_bytes());
    packet.extend(1_u32.to_be_bytes());
    packet.resize(octets.max(packet.len()), SILENCE);
    packet
}

/// Writes the file into a directory.
pub(super) fn write(directory: &Path) -> Result<()> {
    let mut file: Vec<u8> = FILE_HEADER.iter().flat_map(|word| word.to_le_bytes()).collect();
    for sequence in 0..PACKETS {
        let payload = rtp(sequence, 12 + usize::from(SAMPLES));
        // SIPp puts its own addresses and ports in their places.
        let builder =
            PacketBuilder::ethernet2([0; 6], [0; 6]).ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(1, 2);
        let mut frame = Vec::new();
        builder.write(&mut frame, &payload)?;
        let octets = u32::try_from(frame.len())?;
        let microseconds = u32::from(sequence) * INTERVAL_MICROSECONDS;
        let record = [microseconds / 1_000_000, microseconds % 1_000_000, octets, octets];
        file.extend(record.iter().flat_map(|word| word.to_le_bytes()));
        file.extend(frame);
    }
    Ok(fs::write(directory.join(FILE), file)?)
}
