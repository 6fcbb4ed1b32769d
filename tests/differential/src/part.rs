//! The frames of a capture, as an Ethernet interface would get them.

use std::fs::File;
use std::path::Path;

use tollfree::capture::{CaptureError, LinkFault, Located, Record, locate, read};
use tollfree_core::packet::Start;

/// Frames that are passed before both planes begin anew, with empty tables. Reason: half of the fragments that the kernel
/// remembers, so that it forgets none to make room, which this process never does; and a frame moves two counters at
/// most, for which there is room.
pub const FRAMES_MAX: usize = 32_768;

/// Octets of an Ethernet header: no frame is shorter.
pub const ETHERNET_OCTETS: usize = 14;

/// Addresses of a header that was not captured: locally administered, of nobody.
const SYNTHETIC_ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
/// Ether types (IEEE registration authority).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const PPP: u16 = 0x880b;
/// For experiments: what is not IP.
const EXPERIMENTAL: u16 = 0x88b5;

/// Where a frame's Ethernet header is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The capture has it.
    Captured,
    /// Put in front of what a capture of another link type has.
    Synthetic,
    /// The capture's link type is not read: its octets are taken for a frame as they are. What they mean does not matter to
    /// a comparison.
    Foreign,
}

/// One frame, as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// From the Ethernet header on; at least [`ETHERNET_OCTETS`].
    pub octets: Vec<u8>,
    /// Where its Ethernet header is from.
    pub header: Header,
    /// Whether the capture kept only its beginning: both planes get no more.
    pub is_snapped: bool,
    /// Whether it was longer than the kernel shows to the program: both planes get that much.
    pub is_cut: bool,
}

/// A record that cannot be a frame: shorter than an Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort;

impl Frame {
    /// The frame of `record`, with at most `octets_max` octets.
    ///
    /// # Errors
    /// [`TooShort`].
    pub fn new(number: u64, record: &Record<'_>, octets_max: usize) -> Result<Self, TooShort> {
        let (mut octets, header) = framed(record);
        if octets.len() < ETHERNET_OCTETS {
            return Err(TooShort);
        }
        let is_cut = octets.len() > octets_max;
        octets.truncate(octets_max);
        Ok(Self { number, octets, header, is_snapped: record.wire_octets > record.octets.len(), is_cut })
    }
}

fn framed(record: &Record<'_>) -> (Vec<u8>, Header) {
    let Record { link_type, octets, .. } = *record;
    let (ether_type, payload) = match locate(link_type, octets) {
        Ok(Located { start: Start::Ethernet, offset, .. }) => {
            return (octets[offset..].to_vec(), Header::Captured);
        }
        Ok(Located { start, offset, .. }) => (ether_type(start, &octets[offset..]), &octets[offset..]),
        Err(LinkFault::Unsupported) => return (octets.to_vec(), Header::Foreign),
        Err(LinkFault::NotIp | LinkFault::Short) => (EXPERIMENTAL, octets),
    };
    let frame = [&SYNTHETIC_ADDRESSES[..], &ether_type.to_be_bytes(), payload].concat();
    (frame, Header::Synthetic)
}

/// The Ether type that says what begins with `octets`.
fn ether_type(start: Start, octets: &[u8]) -> u16 {
    match start {
        Start::EtherType(ether_type) => ether_type,
        Start::Ppp => PPP,
        Start::Ethernet | Start::Ip => match octets.first().map(|first| first >> 4) {
            Some(4) => IPV4,
            Some(6) => IPV6,
            _ => EXPERIMENTAL,
        },
    }
}

/// What became of a capture's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Records that were too short to be frames.
    pub too_short: u64,
}

/// Gives the frames of the capture at `path` to `each`, part by part, [`FRAMES_MAX`] frames at most in each.
///
/// # Errors
/// What is wrong with the file; all frames in front of that were given.
pub fn parts(
    path: &Path,
    octets_max: usize,
    each: &mut dyn FnMut(&[Frame]),
) -> (Read, Result<(), CaptureError>) {
    let (mut number, mut too_short) = (0, 0);
    let mut frames = Vec::new();
    let result = File::open(path).map_err(CaptureError::from).and_then(|file| {
        read(file, &mut |record| {
            number += 1;
            match Frame::new(number, record, octets_max) {
                Ok(frame) => frames.push(frame),
                Err(TooShort) => too_short += 1,
            }
            if frames.len() == FRAMES_MAX {
                each(&frames);
                frames.clear();
            }
        })
    });
    if !frames.is_empty() {
        each(&frames);
    }
    (Read { too_short }, result)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A pcap file (draft-ietf-opsawg-pcap) of so many frames of 14 octets, numbered in the last two.
    fn capture(frames: u16) -> Vec<u8> {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1]);
        for number in 1..=frames {
            file.extend(words(&[0, 0, 14, 14]));
            file.extend([0; 12]);
            file.extend(number.to_be_bytes());
        }
        file
    }

    #[test]
    fn a_long_capture_is_given_in_parts_that_hold_every_frame_once() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&capture(40_000)).expect("a whole file");
        let (mut lengths, mut next) = (Vec::new(), 1_u64);
        let (read, result) = parts(file.path(), 1500, &mut |frames| {
            lengths.push(frames.len());
            for frame in frames {
                assert_eq!((frame.number, &frame.octets[12..]), (next, &next.to_be_bytes()[6..]));
                next += 1;
            }
        });
        result.expect("a whole capture");
        assert_eq!((lengths, read.too_short), (vec![FRAMES_MAX, 40_000 - FRAMES_MAX], 0));
    }

    fn frame(link_type: u16, octets: &[u8], octets_max: usize) -> Result<Frame, TooShort> {
        let record = Record { at_ns: None, link_type, octets, wire_octets: octets.len(), end_offset: 0 };
        Frame::new(7, &record, octets_max)
    }

    #[test]
    fn a_frame_of_ethernet_stays_as_it_is() {
        let octets: Vec<u8> = (0..60).collect();
        let expected = Frame {
            number: 7,
            octets: octets.clone(),
            header: Header::Captured,
            is_snapped: false,
            is_cut: false,
        };
        assert_eq!(frame(1, &octets, 60), Ok(expected));
        assert_eq!(frame(1, &octets[..13], 60), Err(TooShort));
    }

    #[test]
    fn a_longer_frame_is_cut() {
        let cut = frame(1, &[0; 61], 60).expect("a frame");
        assert!(cut.is_cut);
        assert_eq!(cut.octets.len(), 60);
    }

    #[test]
    fn other_link_types_get_a_header() {
        // Raw IP (101) of both versions, IPv6 (229), PPP (9), null (0) of a family that is no IP's.
        for (link_type, octets, ether_type) in [
            (101, &[0x45, 0][..], [8, 0]),
            (101, &[0x60, 0], [0x86, 0xdd]),
            (101, &[0xf0, 0], [0x88, 0xb5]),
            (229, &[0, 0], [0x86, 0xdd]),
            (9, &[0x00, 0x21], [0x88, 0x0b]),
            (0, &[7, 0, 0, 0], [0x88, 0xb5]),
        ] {
            let frame = frame(link_type, octets, 1500).expect("a frame");
            assert_eq!(frame.header, Header::Synthetic, "link type {link_type}");
            assert_eq!(frame.octets[12..14], ether_type, "link type {link_type}");
            assert_eq!(frame.octets[14..], *octets, "link type {link_type}");
        }
        let foreign = frame(147, &[1; 20], 1500).expect("a frame");
        assert_eq!((foreign.header, &foreign.octets[..]), (Header::Foreign, &[1; 20][..]));
    }
}
