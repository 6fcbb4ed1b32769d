//! Reading a frame's headers, one function a header.
//!
//! Link-layer encapsulations and the carrier's own tunnels are stepped over; what is told of a packet is its
//! innermost IP header. A tunnel that is not the carrier's is not looked into: it is the outer flow.

mod ether;
mod icmp;
mod ipv4;
mod ipv6;
mod mpls;
mod ppp;
pub mod trace;
mod transport;
pub mod tunnel;

use zerocopy::{FromZeros, TryFromBytes as _};

use crate::address::{Address, Family};
use crate::bytes::Bytes;
use crate::limits::TUNNELS_MAX;
use crate::packet::trace::{Layer, Trace};
use crate::packet::tunnel::Transports;
use crate::reason::Reason;

/// IP protocol numbers (IANA) that the data plane tells apart.
pub mod protocol {
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// IPv4 in IP (RFC 2003).
    pub const IPV4: u8 = 4;
    /// TCP (RFC 9293).
    pub const TCP: u8 = 6;
    /// UDP (RFC 768).
    pub const UDP: u8 = 17;
    /// IPv6 in IP (RFC 4213).
    pub const IPV6: u8 = 41;
    /// GRE (RFC 2784).
    pub const GRE: u8 = 47;
    /// ICMP for IPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
}

/// What stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub enum Start {
    /// An Ethernet header.
    Ethernet,
    /// An IP header of either version: its first four bits say.
    Ip,
    /// A PPP protocol field (RFC 1661), with the address and control fields of RFC 1662 in front or without.
    Ppp,
    /// What this Ether type says.
    EtherType(u16),
}

/// What may be wrong behind an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub enum Fault {
    /// Nothing.
    None = 0,
    /// Its extension headers are cut or too many.
    Extensions = 1,
    /// Its transport header is cut or wrong.
    Transport = 2,
}

impl Fault {
    /// The reason it is counted under.
    #[inline(always)]
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::None => None,
            Self::Extensions => Some(Reason::Extensions),
            Self::Transport => Some(Reason::MalformedTransport),
        }
    }

    /// Whether there is none.
    #[inline(always)]
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }
}

/// What an ICMP error quotes of the packet that it is about (RFC 792; RFC 4443, section 3), of the error's own family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
pub struct Quote {
    /// Whether there is one: of TCP or UDP, not a later fragment, with its ports. The rest means nothing if not.
    pub is_there: bool,
    /// IP protocol number.
    pub protocol: u8,
    /// Source port, in host byte order.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
}

/// What the headers of a packet say. Ports are in host byte order, 0 where there are none.
///
/// Laid out alike by every compiler, so that what the kernel program parsed can be read out of its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(C)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each of which a header says")]
pub struct Packet {
    /// IPv4 or IPv6.
    pub family: Family,
    /// IP protocol number of the upper layer.
    pub protocol: u8,
    /// Differentiated services code point (RFC 2474).
    pub dscp: u8,
    /// Where the IP header begins in the frame, in octets.
    pub ip_offset: usize,
    /// Where the transport header begins.
    pub transport_offset: usize,
    /// Where the outermost IP header begins; `ip_offset` outside tunnels.
    pub outer_ip_offset: usize,
    /// IP version of the outermost header.
    pub outer_family: Family,
    /// Code point of the outermost header.
    pub outer_dscp: u8,
    /// Where the innermost checksum stands that covers this IP header from outside (a tunnel's UDP or GRE checksum);
    /// 0 where there is none.
    pub covering_checksum_offset: usize,
    /// IPv4: the total length. IPv6: the payload length and 40.
    pub volume_octets: u32,
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
    /// TCP's or UDP's.
    pub source_port: u16,
    /// TCP's or UDP's.
    pub destination_port: u16,
    /// What tells the fragments of one datagram from those of others.
    pub identification: u32,
    /// Where this fragment's payload belongs in the datagram's, in octets.
    pub fragment_octets: u16,
    /// Came out of GTP-U: a subscriber sent it or gets it, so whatever tunnel is in it is his own.
    pub user_plane: bool,
    /// Not the last fragment.
    pub more_fragments: bool,
    /// Not the first fragment of a datagram: carries no transport header.
    pub later_fragment: bool,
    /// The first fragment of a datagram, too short for its transport header.
    pub tiny_fragment: bool,
    /// A later fragment of a datagram between two ends of the carrier's tunnels: its volume is counted with the first.
    pub tunnel_fragment: bool,
    /// A TCP SYN or RST that carries payload.
    pub control_payload: bool,
    /// A TCP FIN.
    pub finishes: bool,
    /// A TCP RST.
    pub resets: bool,
    /// Sequence number of the first octet of a TCP segment's payload; a SYN's or FIN's own is not counted. Of what looks
    /// like RTP, its own (RFC 3550, section 5.1) under [`Packet::RTP_SEQUENCE`]; else 0.
    pub sequence: u32,
    /// Octets of a TCP segment's payload, as far as this packet holds it.
    pub payload_octets: u32,
    /// A UDP datagram whose payload looks like RTP or RTCP (RFC 3550; RFC 7983, section 7): version 2, and no shorter than
    /// the shortest of either.
    pub is_rtp: bool,
    /// A UDP datagram whose payload begins as a SIP MESSAGE does (RFC 3428).
    pub is_text: bool,
    /// The packet that an ICMP error is about.
    pub quote: Quote,
    /// Where the headers of this packet must end, in octets of the frame: with the first fragment that it is tunnelled in,
    /// whatever its own length says; `usize::MAX` if no tunnel around it is fragmented.
    held_end: usize,
    /// What is wrong behind the IP header: whose it is and how long is known, so it is charged.
    pub fault: Fault,
    /// Its sender may be opening a conversation: a TCP SYN without ACK (RFC 9293, section 3.5), or any other
    /// protocol's packet, which does not say.
    pub opens: bool,
}

impl Packet {
    /// Set in the sequence number of RTP, which has 16 bits.
    pub const RTP_SEQUENCE: u32 = 1 << 16;

    /// Begins with the IP header at `offset`; what is known of the tunnels around it stays. Field by field, because the
    /// compiler would fill the whole by a function that the kernel program cannot call.
    #[inline(always)]
    fn restart(&mut self, offset: usize) {
        self.ip_offset = offset;
        self.source_port = 0;
        self.destination_port = 0;
        self.identification = 0;
        self.fragment_octets = 0;
        self.more_fragments = false;
        self.later_fragment = false;
        self.tiny_fragment = false;
        self.tunnel_fragment = false;
        self.control_payload = false;
        self.finishes = false;
        self.resets = false;
        self.sequence = 0;
        self.payload_octets = 0;
        self.is_rtp = false;
        self.is_text = false;
        self.quote.is_there = false;
        self.fault = Fault::None;
        self.opens = true;
    }

    /// Where the IP packet ends, as its header says.
    #[inline(always)]
    const fn end(&self) -> usize {
        self.ip_offset + self.volume_octets as usize
    }

    /// Whether so many octets at `offset` are what headers may be read from.
    #[inline(always)]
    const fn holds(&self, offset: usize, octets: usize) -> bool {
        offset + octets <= self.held_end
    }

    /// Whether it is a fragment, the first one too.
    pub const fn is_fragment(&self) -> bool {
        self.later_fragment || self.more_fragments
    }
}

/// Where parsing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
struct Place {
    start: Start,
    offset: usize,
    /// Where the enclosing header says its payload ends.
    end: usize,
}

/// Which IP header follows a link layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
struct Network {
    family: Family,
    offset: usize,
    end: usize,
}

/// What parsing holds between one header and the next.
///
/// In the kernel it lies in a map, not on the stack, which is 512 octets; and [`Bytes::settle`] then makes the verifier
/// follow each header once, where it would follow every way in which parsing can have come to it.
/// All zero is a valid value, as maps are made. Begins with the [`Packet`].
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C)]
pub struct Work {
    packet: Packet,
    place: Place,
    network: Network,
}

impl Packet {
    /// The packet that parsing left in the octets of a [`Work`]; `None` if they are those of none.
    ///
    /// Of use only after [`parse_in`] has given one: in front of that, and after a frame that could not be read, it is a
    /// mixture.
    pub fn of_work(octets: &[u8; size_of::<Work>()]) -> Option<Self> {
        Self::try_read_from_prefix(octets).ok().map(|(packet, _)| packet)
    }
}

/// Reads the headers of a frame from `offset` on.
///
/// # Errors
/// The [`Reason`] under which a frame is counted that cannot be read.
pub fn parse<B: Bytes, T: Transports, L: Trace>(
    bytes: &B,
    start: Start,
    offset: usize,
    transports: &T,
    trace: &mut L,
) -> Result<Packet, Reason> {
    let mut work = Work::new_zeroed();
    parse_in(&mut work, bytes, start, offset, transports, trace).copied()
}

/// As [`parse`], in memory that the caller has; what was in it does not matter.
///
/// # Errors
/// As [`parse`].
#[inline(always)]
pub fn parse_in<'a, B: Bytes, T: Transports, L: Trace>(
    work: &'a mut Work,
    bytes: &B,
    start: Start,
    offset: usize,
    transports: &T,
    trace: &mut L,
) -> Result<&'a Packet, Reason> {
    work.place = Place { start, offset, end: bytes.frame_octets() };
    work.packet.covering_checksum_offset = 0;
    work.packet.user_plane = false;
    work.packet.held_end = usize::MAX;
    for depth in 0..=TUNNELS_MAX {
        bytes.settle(work);
        work.network = ether::parse(bytes, work.place, trace)?;
        bytes.settle(work);
        network(bytes, work.network, &mut work.packet)?;
        if depth == 0 {
            work.packet.outer_ip_offset = work.packet.ip_offset;
            work.packet.outer_family = work.packet.family;
            work.packet.outer_dscp = work.packet.dscp;
        }
        bytes.settle(work);
        match tunnel::enter(bytes, &mut work.packet, transports, trace)? {
            Some(place) => work.place = place,
            None => return Ok(&work.packet),
        }
    }
    Err(Reason::TunnelTooDeep)
}

/// Reads an IP header and the transport header behind it.
#[inline(always)]
fn network<B: Bytes>(bytes: &B, network: Network, packet: &mut Packet) -> Result<(), Reason> {
    packet.restart(network.offset);
    match network.family {
        Family::V4 => ipv4::parse(bytes, network.end, packet)?,
        Family::V6 => ipv6::parse(bytes, network.end, packet)?,
    }
    bytes.settle(packet);
    if packet.fault.is_none() && !packet.later_fragment {
        transport::parse(bytes, packet);
    }
    Ok(())
}

/// Tells of an IP header that is stepped over.
#[inline(always)]
fn trace_ip<L: Trace>(packet: &Packet, trace: &mut L) {
    trace.layer(Layer::Ip { family: packet.family, source: packet.source, destination: packet.destination });
}

/// The Internet checksum of what had `checksum`, after a 16-bit word changed (RFC 1624, equation 3).
#[inline(always)]
pub const fn checksum_after(checksum: u16, before: u16, after: u16) -> u16 {
    let (sum, carry) = (!checksum).overflowing_add(!before);
    // Cannot carry again: the sum of two words, with its carry, is at most 0xffff.
    let (sum, carry) = sum.wrapping_add(carry as u16).overflowing_add(after);
    !sum.wrapping_add(carry as u16)
}

#[cfg(test)]
mod tests;
