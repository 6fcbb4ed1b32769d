//! Frames, header by header.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use anyhow::{Result, bail};
use etherparse::{
    EtherType, Ethernet2Header, IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpDscp,
    IpEcn, IpFragOffset, IpNumber, Ipv4Header, Ipv6Header, TcpHeader, TransportHeader, UdpHeader,
};

/// Addresses of the lab's NICs: locally administered.
const SOURCE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const DESTINATION_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Any value that no router makes zero on the way.
const HOP_LIMIT: u8 = 64;
const WINDOW_OCTETS: u16 = 65_535;

/// What lies behind the IP header.
#[derive(Clone, Debug)]
enum Upper {
    Tcp {
        syn: bool,
        rst: bool,
        fin: bool,
    },
    Udp,
    Echo,
    /// No header that is made here: the payload alone.
    Other(u8),
}

/// One IPv6 extension header.
#[derive(Clone, Debug)]
struct Extension {
    protocol: u8,
    /// The whole header; the first octet is replaced by the number of what follows.
    header: Vec<u8>,
}

/// Builds one Ethernet frame with an IP packet in it. All lengths and checksums are right: what a test wants wrong,
/// it makes wrong afterwards.
#[derive(Clone, Debug)]
pub struct FrameBuilder {
    source: SocketAddr,
    destination: SocketAddr,
    upper: Upper,
    vlan_types: Vec<u16>,
    traffic_class: u8,
    identification: u16,
    options: Vec<u8>,
    extensions: Vec<Extension>,
    fragment: Option<(u16, bool)>,
    payload: Vec<u8>,
    padding_octets: usize,
}

impl FrameBuilder {
    fn new(source: SocketAddr, destination: SocketAddr, upper: Upper) -> Self {
        Self {
            source,
            destination,
            upper,
            vlan_types: Vec::new(),
            traffic_class: 0,
            identification: 0,
            options: Vec::new(),
            extensions: Vec::new(),
            fragment: None,
            payload: Vec::new(),
            padding_octets: 0,
        }
    }

    /// A TCP segment (RFC 9293) without options; ACK is set unless SYN or RST is.
    pub fn tcp(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::new(source, destination, Upper::Tcp { syn: false, rst: false, fin: false })
    }

    /// A UDP datagram (RFC 768).
    pub fn udp(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::new(source, destination, Upper::Udp)
    }

    /// An echo request of the addresses' family (RFC 792, RFC 4443); ports are not used.
    pub fn echo(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::new(source, destination, Upper::Echo)
    }

    /// An IP packet of which only the payload follows; ports are not used.
    pub fn other(protocol: u8, source: SocketAddr, destination: SocketAddr) -> Self {
        Self::new(source, destination, Upper::Other(protocol))
    }

    /// Sets SYN, if it is TCP.
    #[must_use]
    pub fn syn(mut self) -> Self {
        if let Upper::Tcp { syn, .. } = &mut self.upper {
            *syn = true;
        }
        self
    }

    /// Sets RST, if it is TCP.
    #[must_use]
    pub fn rst(mut self) -> Self {
        if let Upper::Tcp { rst, .. } = &mut self.upper {
            *rst = true;
        }
        self
    }

    /// Sets FIN, if it is TCP.
    #[must_use]
    pub fn fin(mut self) -> Self {
        if let Upper::Tcp { fin, .. } = &mut self.upper {
            *fin = true;
        }
        self
    }

    /// Adds a VLAN tag (IEEE 802.1Q) of this tag protocol identifier, inside those added before.
    #[must_use]
    pub fn vlan(mut self, tag_protocol: u16) -> Self {
        self.vlan_types.push(tag_protocol);
        self
    }

    /// Sets the octet that holds the code point (RFC 2474) in its upper six bits and congestion (RFC 3168) in its
    /// lower two.
    #[must_use]
    pub fn traffic_class(mut self, octet: u8) -> Self {
        self.traffic_class = octet;
        self
    }

    /// Sets IPv4's identification.
    #[must_use]
    pub fn identification(mut self, identification: u16) -> Self {
        self.identification = identification;
        self
    }

    /// Sets IPv4's options: a multiple of four octets, at most 40 (RFC 791, section 3.1).
    #[must_use]
    pub fn options(mut self, options: &[u8]) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    /// Adds an IPv6 extension header, behind those added before; its first octet (Next Header) is filled in.
    #[must_use]
    pub fn extension(mut self, protocol: u8, header: &[u8]) -> Self {
        self.extensions.push(Extension { protocol, header: header.to_owned() });
        self
    }

    /// Makes an IPv4 packet a fragment at `offset` (in units of eight octets).
    #[must_use]
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        self.fragment = Some((offset, more));
        self
    }

    /// Sets the payload.
    #[must_use]
    pub fn payload(mut self, payload: &[u8]) -> Self {
        payload.clone_into(&mut self.payload);
        self
    }

    /// Sets a payload of so many octets.
    #[must_use]
    pub fn payload_octets(mut self, octets: usize) -> Self {
        self.payload = vec![0xa5; octets];
        self
    }

    /// Adds octets behind the packet, as Ethernet does to short frames.
    #[must_use]
    pub fn padding(mut self, octets: usize) -> Self {
        self.padding_octets = octets;
        self
    }

    /// The frame, without its check sequence.
    ///
    /// # Errors
    /// Addresses of two families; a payload, options or fragment offset that no header can describe.
    pub fn build(&self) -> Result<Vec<u8>> {
        let (ether_type, packet) = match (self.source, self.destination) {
            (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
                (EtherType::IPV4, self.build_v4(source, destination)?)
            }
            (SocketAddr::V6(source), SocketAddr::V6(destination)) => {
                (EtherType::IPV6, self.build_v6(source, destination)?)
            }
            _ => bail!("{} and {} are of two families", self.source, self.destination),
        };
        let mut types = self.vlan_types.iter().copied().chain([ether_type.0]);
        let outermost = types.next().map_or(ether_type, EtherType);
        let ethernet =
            Ethernet2Header { source: SOURCE_MAC, destination: DESTINATION_MAC, ether_type: outermost };
        let mut frame = ethernet.to_bytes().to_vec();
        for (vlan_id, inner) in (100_u16..).zip(types) {
            frame.extend(vlan_id.to_be_bytes());
            frame.extend(inner.to_be_bytes());
        }
        frame.extend(packet);
        frame.resize(frame.len() + self.padding_octets, 0);
        Ok(frame)
    }

    fn build_v4(&self, source: SocketAddrV4, destination: SocketAddrV4) -> Result<Vec<u8>> {
        let (offset, more_fragments) = self.fragment.unwrap_or_default();
        let mut header = Ipv4Header {
            dscp: IpDscp::try_new(self.traffic_class >> 2)?,
            ecn: IpEcn::try_new(self.traffic_class & 3)?,
            identification: self.identification,
            dont_fragment: false,
            more_fragments,
            fragment_offset: IpFragOffset::try_new(offset)?,
            time_to_live: HOP_LIMIT,
            source: source.ip().octets(),
            destination: destination.ip().octets(),
            ..Ipv4Header::default()
        };
        header.options = self.options.as_slice().try_into()?;
        let mut transport = self.transport(true)?;
        if let Some(transport) = &mut transport {
            transport.update_checksum_ipv4(&header, &self.payload)?;
        }
        let upper = self.upper_octets(transport.as_ref())?;
        header.protocol = self.protocol(IpNumber::ICMP);
        header.set_payload_len(upper.len())?;
        header.header_checksum = header.calc_header_checksum();
        let mut packet = header.to_bytes().to_vec();
        packet.extend(upper);
        Ok(packet)
    }

    fn build_v6(&self, source: SocketAddrV6, destination: SocketAddrV6) -> Result<Vec<u8>> {
        let mut header = Ipv6Header {
            traffic_class: self.traffic_class,
            hop_limit: HOP_LIMIT,
            source: source.ip().octets(),
            destination: destination.ip().octets(),
            ..Ipv6Header::default()
        };
        let mut transport = self.transport(false)?;
        if let Some(transport) = &mut transport {
            transport.update_checksum_ipv6(&header, &self.payload)?;
        }
        let last = self.protocol(IpNumber::IPV6_ICMP).0;
        let mut protocols = self.extensions.iter().map(|extension| extension.protocol).chain([last]);
        header.next_header = IpNumber(protocols.next().unwrap_or(last));
        let mut rest = Vec::new();
        for (extension, next_header) in self.extensions.iter().zip(protocols) {
            rest.push(next_header);
            rest.extend(extension.header.iter().skip(1));
        }
        rest.extend(self.upper_octets(transport.as_ref())?);
        header.set_payload_length(rest.len())?;
        let mut packet = header.to_bytes().to_vec();
        packet.extend(rest);
        Ok(packet)
    }

    fn protocol(&self, echo: IpNumber) -> IpNumber {
        match self.upper {
            Upper::Tcp { .. } => IpNumber::TCP,
            Upper::Udp => IpNumber::UDP,
            Upper::Echo => echo,
            Upper::Other(protocol) => IpNumber(protocol),
        }
    }

    /// The upper layer's header, its checksum still to be filled in.
    fn transport(&self, is_v4: bool) -> Result<Option<TransportHeader>> {
        let (source, destination) = (self.source.port(), self.destination.port());
        let echo = IcmpEchoHeader { id: 1, seq: 1 };
        Ok(Some(match self.upper {
            Upper::Tcp { syn, rst, fin } => {
                let mut tcp = TcpHeader::new(source, destination, 1, WINDOW_OCTETS);
                (tcp.syn, tcp.rst, tcp.fin, tcp.ack) = (syn, rst, fin, !syn && !rst);
                TransportHeader::Tcp(tcp)
            }
            Upper::Udp => TransportHeader::Udp(UdpHeader {
                source_port: source,
                destination_port: destination,
                length: u16::try_from(UdpHeader::LEN + self.payload.len())?,
                checksum: 0,
            }),
            Upper::Echo if is_v4 => TransportHeader::Icmpv4(Icmpv4Header::new(Icmpv4Type::EchoRequest(echo))),
            Upper::Echo => TransportHeader::Icmpv6(Icmpv6Header::new(Icmpv6Type::EchoRequest(echo))),
            Upper::Other(_) => return Ok(None),
        }))
    }

    fn upper_octets(&self, transport: Option<&TransportHeader>) -> Result<Vec<u8>> {
        let mut octets = Vec::new();
        if let Some(transport) = transport {
            transport.write(&mut octets)?;
        }
        octets.extend(&self.payload);
        Ok(octets)
    }
}

#[cfg(test)]
mod tests {
    use etherparse::SlicedPacket;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("a socket address")
    }

    /// Every frame reads back, by a parser that knows nothing of Tollfree, as what it was asked to be.
    #[test]
    fn frames_read_back() {
        let frame = FrameBuilder::tcp(at("10.20.0.11:40000"), at("203.0.113.10:443"))
            .vlan(0x88a8)
            .vlan(0x8100)
            .traffic_class(0x29)
            .options(&[1, 1, 1, 0])
            .payload_octets(5);
        let frame = frame.build().expect("a frame");
        assert_eq!(frame.len(), 14 + 4 + 4 + 24 + 20 + 5);
        let packet = SlicedPacket::from_ethernet(&frame).expect("a packet");
        assert_eq!(packet.vlan_ids().len(), 2);
        let Some(etherparse::NetSlice::Ipv4(ip)) = packet.net else { panic!("not IPv4") };
        assert_eq!(ip.header().dcp().value(), 10);
        assert_eq!(ip.header().ecn().value(), 1);
        assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
        let Some(etherparse::TransportSlice::Tcp(tcp)) = packet.transport else { panic!("not TCP") };
        assert_eq!((tcp.source_port(), tcp.destination_port(), tcp.payload().len()), (40000, 443, 5));
    }

    #[test]
    fn extension_headers_are_chained() {
        let frame = FrameBuilder::udp(at("[2001:db8:20::1]:5004"), at("[2001:db8:6000::1]:8801"))
            .extension(0, &[0, 0, 1, 4, 0, 0, 0, 0])
            .extension(60, &[0, 0, 1, 4, 0, 0, 0, 0])
            .payload_octets(3);
        let frame = frame.build().expect("a frame");
        assert_eq!(frame.len(), 14 + 40 + 8 + 8 + 8 + 3);
        // Next Header: of the IPv6 header, of hop-by-hop, of the destination options.
        assert_eq!((frame[14 + 6], frame[54], frame[62]), (0, 60, 17));
        let packet = SlicedPacket::from_ethernet(&frame).expect("a packet");
        let Some(etherparse::TransportSlice::Udp(udp)) = packet.transport else { panic!("not UDP") };
        assert_eq!((udp.source_port(), udp.destination_port()), (5004, 8801));
    }

    #[test]
    fn two_families_are_refused() {
        let mixed = FrameBuilder::udp(at("10.20.0.11:1"), at("[2001:db8::1]:1"));
        assert!(mixed.build().is_err());
    }
}
