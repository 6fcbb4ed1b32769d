//! Records of pcap and pcapng files.

use std::io::Read;

use pcap_parser::traits::{PcapNGPacketBlock as _, PcapReaderIterator};
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

use super::clock::Clock;
use super::error::CaptureError;
use super::source::{ReadFault, Source};

/// What is read at once, in octets. Reason: as large as libpcap's largest snapshot length for networks, so that
/// it hardly ever grows.
const BUFFER_OCTETS: usize = 256 * 1024;

/// Longest record or block, in octets. Reason: twice the largest block that libpcap reads is a corrupt length, and not
/// worth the memory.
pub(super) const RECORD_OCTETS_MAX: usize = 32 * 1024 * 1024;

/// Type of the pcapng Packet Block, which Enhanced Packet Blocks replaced.
const PACKET_BLOCK: u32 = 2;

/// One captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was captured, in nanoseconds since the Unix epoch; `None`: the file does not say.
    pub at_ns: Option<i64>,
    /// Number in the link-layer header type registry (`LINKTYPE_`).
    pub link_type: u16,
    /// What was kept of it, from its link-layer header on.
    pub octets: &'a [u8],
    /// Its length on the wire, in octets; never less than `octets` has.
    pub wire_octets: usize,
    /// Where its record ends, in octets from the start of the file.
    pub end_offset: u64,
}

/// Gives each packet of a capture to `each`, in the order of the file.
///
/// # Errors
/// What is wrong with the file; all packets in front of that were given.
pub fn read<R: Read + Send>(source: R, each: &mut dyn FnMut(&Record<'_>)) -> Result<(), CaptureError> {
    let fault = ReadFault::default();
    let failed = |otherwise: CaptureError| fault.take().map_or(otherwise, CaptureError::from);
    let mut blocks = create_reader(BUFFER_OCTETS, Source::new(source, fault.clone()))
        .map_err(|_| failed(CaptureError::NotCapture))?;
    let mut section = Section::default();
    let mut offset = 0;
    loop {
        let step = match blocks.next() {
            Ok((octets, block)) => {
                let end_offset = offset + octets as u64;
                if let Some(record) = section.record(&block, offset, end_offset)? {
                    each(&record);
                }
                offset = end_offset;
                Step::Consume(octets)
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => Step::Refill,
            Err(PcapError::BufferTooSmall) => Step::Grow,
            Err(PcapError::UnexpectedEof) => return Err(CaptureError::Truncated { offset }),
            Err(_) => return Err(CaptureError::Corrupt { offset }),
        };
        match step {
            Step::Consume(octets) => blocks.consume(octets),
            Step::Refill => refill(blocks.as_mut(), offset).map_err(failed)?,
            Step::Grow => grow(blocks.as_mut(), offset)
                .and_then(|()| refill(blocks.as_mut(), offset))
                .map_err(failed)?,
        }
    }
}

enum Step {
    Consume(usize),
    Refill,
    Grow,
}

fn refill(blocks: &mut dyn PcapReaderIterator, offset: u64) -> Result<(), CaptureError> {
    let before = blocks.data().len();
    blocks.refill().map_err(|_| CaptureError::Corrupt { offset })?;
    // A full buffer takes no more, and would be asked for ever.
    if blocks.data().len() == before && !blocks.reader_exhausted() {
        return grow(blocks, offset);
    }
    Ok(())
}

fn grow(blocks: &mut dyn PcapReaderIterator, offset: u64) -> Result<(), CaptureError> {
    let wanted = (blocks.data().len().max(BUFFER_OCTETS) + 1).next_power_of_two();
    if wanted > RECORD_OCTETS_MAX {
        return Err(CaptureError::RecordTooLong { offset });
    }
    // Smaller than what the buffer has already: then it only needs to be filled.
    blocks.grow(wanted);
    Ok(())
}

/// What must be known of a pcapng section, or of a pcap file, to understand its packets.
#[derive(Debug, Default)]
struct Section {
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u16,
    /// Most octets kept of a packet; 0: all.
    snap_octets: u32,
    clock: Clock,
}

impl Section {
    /// Takes note of a block; the packet in it, if there is one.
    fn record<'a>(
        &mut self,
        block: &'a PcapBlockOwned<'a>,
        offset: u64,
        end_offset: u64,
    ) -> Result<Option<Record<'a>>, CaptureError> {
        let (interface, time, octets, wire_octets) = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let clock =
                    if header.is_nanosecond_precision() { Clock::NANOSECONDS } else { Clock::MICROSECONDS };
                self.describe(header.network.0, 0, clock);
                return Ok(None);
            }
            PcapBlockOwned::Legacy(packet) => {
                (0, Some((packet.ts_sec, packet.ts_usec.into())), packet.data, packet.origlen)
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let time = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                (packet.if_id, Some((0, time)), packet.packet_data(), packet.origlen)
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                (0, None, packet.packet_data(), packet.origlen)
            }
            PcapBlockOwned::NG(block) => return self.note(block, offset).map(|()| None),
        };
        let interface = self.interfaces.get(interface as usize).ok_or(CaptureError::Corrupt { offset })?;
        // Only a Simple Packet Block leaves it to the interface how much of its data is the packet.
        let kept = match (time, interface.snap_octets) {
            (Some(_), _) | (None, 0) => octets.len(),
            (None, snap_octets) => octets.len().min(snap_octets as usize),
        };
        Ok(Some(Record {
            at_ns: time.and_then(|(seconds, units)| interface.clock.nanoseconds(seconds, units)),
            link_type: interface.link_type,
            octets: &octets[..kept],
            wire_octets: kept.max(wire_octets as usize),
            end_offset,
        }))
    }

    /// Takes note of a pcapng block without a packet.
    fn note(&mut self, block: &Block<'_>, offset: u64) -> Result<(), CaptureError> {
        match block {
            Block::SectionHeader(_) => self.interfaces.clear(),
            Block::InterfaceDescription(interface) => {
                let clock = Clock::of_interface(interface.if_tsresol, interface.if_tsoffset);
                self.describe(interface.linktype.0, interface.snaplen, clock);
            }
            Block::Unknown(block) if block.block_type == PACKET_BLOCK => {
                return Err(CaptureError::ObsoleteBlock { offset });
            }
            _ => {}
        }
        Ok(())
    }

    fn describe(&mut self, link_type: i32, snap_octets: u32, clock: Clock) {
        // In a pcap header, the upper bits tell of a frame check sequence; it lies behind all that is read.
        let [_, _, high, low] = link_type.to_be_bytes();
        self.interfaces.push(Interface { link_type: u16::from_be_bytes([high, low]), snap_octets, clock });
    }
}
