//! Reading a frame's headers, one function a header.

mod ethernet;
mod ipv4;
mod ipv6;
mod transport;

use crate::address::{Address, Family};
use crate::bytes::Bytes;
use crate::reason::Reason;

/// IP protocol numbers (IANA) that the data plane tells apart.
pub mod protocol {
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// TCP (RFC 9293).
    pub const TCP: u8 = 6;
    /// UDP (RFC 768).
    pub const UDP: u8 = 17;
    /// ICMP for IPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
}

/// What the headers of a packet say. Ports are in host byte order, 0 where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Where the IP header begins in the frame, in octets.
    pub ip_offset: usize,
    /// Where the transport header begins.
    pub transport_offset: usize,
    /// IPv4: the total length. IPv6: the payload length and 40.
    pub volume_octets: u32,
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
    /// IP protocol number of the upper layer.
    pub protocol: u8,
    /// TCP's or UDP's.
    pub source_port: u16,
    /// TCP's or UDP's.
    pub destination_port: u16,
    /// Differentiated services code point (RFC 2474).
    pub dscp: u8,
    /// Not the first fragment of a datagram: carries no transport header.
    pub later_fragment: bool,
    /// A TCP SYN or RST that carries payload.
    pub control_payload: bool,
    /// Its sender may be opening a conversation: a TCP SYN without ACK (RFC 9293, section 3.5), or any other
    /// protocol's packet, which does not say.
    pub opens: bool,
}

/// Which IP header follows a link layer.
enum Network {
    V4(usize),
    V6(usize),
}

/// Reads the headers of an Ethernet frame.
///
/// # Errors
/// The [`Reason`] under which a frame is counted that cannot be read.
#[inline(always)]
pub fn parse<B: Bytes>(bytes: &B) -> Result<Packet, Reason> {
    let mut packet = match ethernet::parse(bytes)? {
        Network::V4(offset) => ipv4::parse(bytes, offset)?,
        Network::V6(offset) => ipv6::parse(bytes, offset)?,
    };
    if !packet.later_fragment {
        transport::parse(bytes, &mut packet)?;
    }
    Ok(packet)
}

/// The Internet checksum of a header in which one 16-bit word changed (RFC 1624, equation 3).
#[inline(always)]
pub const fn checksum_after(checksum: u16, before: u16, after: u16) -> u16 {
    let (sum, carry) = (!checksum).overflowing_add(!before);
    let (sum, carry) = sum.overflowing_add(after.wrapping_add(carry as u16));
    !sum.wrapping_add(carry as u16)
}
