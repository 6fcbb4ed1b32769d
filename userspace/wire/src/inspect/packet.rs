//! IP packets, as far as a server must accept them before it sees what they carry.

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{Ipv6ExtensionSlice, LaxIpSlice, TcpSlice, UdpSlice, ip_number};

/// Which part of a datagram a packet is (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) identification: u32,
    /// Where it belongs, in octets.
    pub(super) offset: usize,
    /// Whether there are parts behind it.
    pub(super) more: bool,
}

/// One IP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// What it carries, by IP protocol number.
    pub(super) protocol: u8,
    /// Whether the IPv4 header's checksum is right; IPv6 has none.
    pub(super) is_sound: bool,
    /// Whether there is less of it than its header says.
    pub(super) is_cut: bool,
    pub(super) fragment: Option<Fragment>,
    /// What it carries.
    pub(super) payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads IP headers; `None` if they are faulty.
    pub(super) fn read(octets: &'a [u8]) -> Option<Self> {
        let (slice, fault) = LaxIpSlice::from_slice(octets).ok()?;
        if fault.is_some() {
            return None;
        }
        let (is_sound, fragment) = match &slice {
            LaxIpSlice::Ipv4(v4) => {
                let header = v4.header();
                let fragment = header.is_fragmenting_payload().then(|| Fragment {
                    identification: u32::from(header.identification()),
                    offset: usize::from(header.fragments_offset().value()) * 8,
                    more: header.more_fragments(),
                });
                (header.to_header().calc_header_checksum() == header.header_checksum(), fragment)
            }
            LaxIpSlice::Ipv6(v6) => {
                let fragment = v6.extensions().clone().into_iter().find_map(|extension| match extension {
                    Ipv6ExtensionSlice::Fragment(header) if header.is_fragmenting_payload() => {
                        Some(Fragment {
                            identification: header.identification(),
                            offset: usize::from(header.fragment_offset().value()) * 8,
                            more: header.more_fragments(),
                        })
                    }
                    _ => None,
                });
                (true, fragment)
            }
        };
        let (source, destination) = (slice.source_addr(), slice.destination_addr());
        let payload = slice.payload();
        let (protocol, is_cut, payload) = (payload.ip_number.0, payload.incomplete, payload.payload);
        Some(Self { source, destination, protocol, is_sound, is_cut, fragment, payload })
    }

    /// What it carries, or `whole`, if that was put together from fragments.
    pub(super) fn carried<'b>(&self, whole: Option<&'b [u8]>) -> Option<Carried<'b>>
    where
        'a: 'b,
    {
        let octets = whole.unwrap_or(self.payload);
        match etherparse::IpNumber(self.protocol) {
            ip_number::TCP => Some(Carried::Tcp(TcpSlice::from_slice(octets).ok()?)),
            ip_number::UDP if self.is_cut => Some(Carried::Udp(UdpSlice::from_slice_lax(octets).ok()?)),
            ip_number::UDP => Some(Carried::Udp(UdpSlice::from_slice(octets).ok()?)),
            _ => None,
        }
    }

    /// Whether the transport's checksum is right (RFC 9293, section 3.1; RFC 768; RFC 8200, section 8.1).
    pub(super) fn has_right_checksum(&self, carried: &Carried<'_>) -> bool {
        let octets = match carried {
            Carried::Tcp(segment) => segment.slice(),
            Carried::Udp(datagram) if datagram.checksum() == 0 => return self.source.is_ipv4(),
            Carried::Udp(datagram) => datagram.slice(),
        };
        let Ok(length) = u32::try_from(octets.len()) else { return false };
        let mut sum = Sum16BitWords::new();
        sum = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                sum.add_4bytes(source.octets()).add_4bytes(destination.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                sum.add_16bytes(source.octets()).add_16bytes(destination.octets())
            }
            _ => return false,
        };
        sum = sum.add_2bytes([0, self.protocol]).add_4bytes(length.to_be_bytes()).add_slice(octets);
        sum.ones_complement() == 0
    }
}

/// What a packet carries.
#[derive(Clone, Debug)]
pub(super) enum Carried<'a> {
    Tcp(TcpSlice<'a>),
    Udp(UdpSlice<'a>),
}

impl Carried<'_> {
    /// Whether there is payload that may say a name: in SYN and RST there is none.
    pub(super) fn has_payload(&self) -> bool {
        match self {
            Self::Tcp(segment) => !segment.payload().is_empty() && !segment.syn() && !segment.rst(),
            Self::Udp(datagram) => !datagram.payload().is_empty(),
        }
    }
}
