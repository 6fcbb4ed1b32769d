//! One IP packet's headers.

use std::net::{IpAddr, SocketAddr};

use etherparse::checksum::Sum16BitWords;
use etherparse::{
    IpNumber, Ipv4HeaderSlice, Ipv6ExtensionSlice, LaxIpSlice, LaxIpv6Slice, TcpSlice, UdpSlice,
};

/// Which part of its datagram a packet is (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What the datagram's fragments have in common; 16 bits of it with IPv4.
    pub identification: u32,
    /// Where in the datagram its payload belongs, in octets.
    pub offset: usize,
    /// Whether fragments follow it.
    pub has_more: bool,
}

/// An IP packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// What the payload is, or of a fragment, what the datagram is.
    pub protocol: IpNumber,
    /// Whether the IPv4 header's checksum is right, and its length at least the header's own; IPv6 has neither.
    pub is_sound: bool,
    /// Whether there is less of it than its header says.
    pub is_cut: bool,
    /// `None`: it is a whole datagram.
    pub part: Option<Part>,
    /// What follows the headers, the extension headers included.
    pub payload: &'a [u8],
}

/// What a packet carries.
#[derive(Clone, Debug)]
pub enum Carried<'a> {
    /// A TCP segment.
    Tcp(TcpSlice<'a>),
    /// A UDP datagram, of the length that its own header says.
    Udp(UdpSlice<'a>),
}

impl<'a> Packet<'a> {
    /// Reads the headers of an IP packet; what follows its end is passed over. `None` if they are faulty.
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let (slice, fault) = LaxIpSlice::from_slice(octets).ok()?;
        if fault.is_some() {
            return None;
        }
        let (is_sound, part) = match &slice {
            LaxIpSlice::Ipv4(v4) => (is_sound(&v4.header()), part_of_v4(&v4.header())),
            LaxIpSlice::Ipv6(v6) => (true, part_of_v6(v6)),
        };
        Some(Self {
            source: slice.source_addr(),
            destination: slice.destination_addr(),
            protocol: slice.payload().ip_number,
            is_sound,
            is_cut: slice.payload().incomplete,
            part,
            payload: slice.payload().payload,
        })
    }

    /// Reads what it carries, if that is TCP or UDP, and whole but for what [`Packet::is_cut`] says.
    pub fn carried(&self) -> Option<Carried<'a>> {
        match self.protocol {
            IpNumber::TCP => TcpSlice::from_slice(self.payload).ok().map(Carried::Tcp),
            IpNumber::UDP if self.is_cut => UdpSlice::from_slice_lax(self.payload).ok().map(Carried::Udp),
            IpNumber::UDP => UdpSlice::from_slice(self.payload).ok().map(Carried::Udp),
            _ => None,
        }
    }

    /// Sender and receiver of what it carries.
    pub fn ends(&self, carried: &Carried<'_>) -> (SocketAddr, SocketAddr) {
        let (source, destination) = match carried {
            Carried::Tcp(segment) => (segment.source_port(), segment.destination_port()),
            Carried::Udp(datagram) => (datagram.source_port(), datagram.destination_port()),
        };
        (SocketAddr::new(self.source, source), SocketAddr::new(self.destination, destination))
    }

    /// Whether the transport's checksum is right (RFC 9293, section 3.1; RFC 768). With IPv4, UDP may do without one; with
    /// IPv6 it may not (RFC 8200, section 8.1).
    pub fn has_right_checksum(&self, carried: &Carried<'_>) -> bool {
        let octets = match carried {
            Carried::Tcp(segment) => segment.slice(),
            Carried::Udp(datagram) if datagram.checksum() == 0 => return self.source.is_ipv4(),
            Carried::Udp(datagram) => datagram.slice(),
        };
        // Neither protocol's datagram is longer: IP's own length has 16 bits.
        let Ok(length) = u16::try_from(octets.len()) else { return false };
        let mut sum = Sum16BitWords::new();
        for address in [self.source, self.destination] {
            sum = match address {
                IpAddr::V4(v4) => sum.add_4bytes(v4.octets()),
                IpAddr::V6(v6) => sum.add_16bytes(v6.octets()),
            };
        }
        let sum = sum.add_2bytes([0, self.protocol.0]).add_2bytes(length.to_be_bytes()).add_slice(octets);
        sum.ones_complement() == 0
    }
}

fn is_sound(header: &Ipv4HeaderSlice<'_>) -> bool {
    let sum = Sum16BitWords::new().add_slice(header.slice()).ones_complement();
    sum == 0 && usize::from(header.total_len()) >= header.slice().len()
}

fn part_of_v4(header: &Ipv4HeaderSlice<'_>) -> Option<Part> {
    header.is_fragmenting_payload().then(|| Part {
        identification: header.identification().into(),
        offset: header.fragments_offset().byte_offset().into(),
        has_more: header.more_fragments(),
    })
}

fn part_of_v6(packet: &LaxIpv6Slice<'_>) -> Option<Part> {
    packet.extensions().clone().into_iter().find_map(|extension| match extension {
        Ipv6ExtensionSlice::Fragment(fragment) if fragment.is_fragmenting_payload() => Some(Part {
            identification: fragment.identification(),
            offset: fragment.fragment_offset().byte_offset().into(),
            has_more: fragment.more_fragments(),
        }),
        _ => None,
    })
}
