//! One record's headers, read by the shared core.

use tollfree_core::address::{Address, Family};
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::packet::{self, Fault, Packet, protocol};
use tollfree_core::reason::Reason;

use super::encap::Stack;
use super::flow::{Endpoint, Sighting};
use super::fragment::{Datagram, Part};
use crate::capture::{CapturedFrame, LinkFault, Record, locate};

/// SCTP (RFC 9260) and UDP-Lite (RFC 3828), which begin with two ports as TCP and UDP do. The data plane does not tell
/// them from other protocols; flows do.
const OTHERS_WITH_PORTS: [u8; 2] = [132, 136];

/// Why there is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// As the core says.
    Reason(Reason),
    /// The capture's link type is not read.
    LinkType,
}

/// A packet's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Headers {
    /// The innermost IP packet; where the core refused a tunnel's inside, the packet in front of that.
    pub(super) packet: Packet,
    /// Why the core refused it, and so counts it as nobody's.
    pub(super) refused: Option<Reason>,
    /// Source and destination port; `None` where no header tells them.
    pub(super) ports: Option<(u16, u16)>,
    /// The datagram that carries the tunnel, if this is its first fragment.
    pub(super) tunnel: Option<Datagram>,
}

/// No tunnel is looked into.
struct NoTunnels;

impl Transports for NoTunnels {
    fn kinds(&self, _family: Family, _source: &Address, _destination: &Address) -> u32 {
        0
    }
}

/// Reads a record's headers; leaves in `stack` what stands in front of the packet's own IP header.
pub(super) fn read<T: Transports>(
    record: &Record<'_>,
    tunnels: &T,
    stack: &mut Stack,
) -> Result<Headers, Unread> {
    let located = locate(record.link_type, record.octets).map_err(|fault| match fault {
        LinkFault::Unsupported => Unread::LinkType,
        LinkFault::NotIp => Unread::Reason(Reason::NotIp),
        LinkFault::Short => Unread::Reason(Reason::MalformedEthernet),
    })?;
    let frame = CapturedFrame::new(record.octets, record.wire_octets);
    let begin = |stack: &mut Stack| {
        stack.clear();
        located.layer.into_iter().for_each(|layer| stack.push(format_args!("{layer}")));
    };
    begin(stack);
    let (packet, refused) = match packet::parse(&frame, located.start, located.offset, tunnels, stack) {
        Ok(packet) => (packet, None),
        Err(reason) => {
            begin(stack);
            let outer = packet::parse(&frame, located.start, located.offset, &NoTunnels, stack);
            (outer.map_err(Unread::Reason)?, Some(reason))
        }
    };
    let mut tunnel = None;
    if packet.outer_ip_offset != packet.ip_offset {
        let outer = packet::parse(&frame, located.start, located.offset, &NoTunnels, &mut ());
        tunnel = outer.ok().and_then(|outer| match part(&outer) {
            Part::First(datagram) => Some(datagram),
            Part::Whole | Part::Later(_) => None,
        });
    }
    Ok(Headers { packet, refused, ports: ports(&frame, &packet), tunnel })
}

/// Which part of its datagram a packet is.
fn part(packet: &Packet) -> Part {
    let datagram = Datagram {
        source: packet.source,
        destination: packet.destination,
        identification: packet.identification,
        // A fragment header tells what follows it, which need not be the transport (RFC 8200, section 4.5).
        protocol: (packet.family == Family::V4).then_some(packet.protocol),
    };
    match (packet.later_fragment, packet.more_fragments) {
        (true, _) => Part::Later(datagram),
        (false, true) => Part::First(datagram),
        (false, false) => Part::Whole,
    }
}

fn ports(frame: &CapturedFrame<'_>, packet: &Packet) -> Option<(u16, u16)> {
    if packet.later_fragment || packet.fault == Fault::Extensions {
        return None;
    }
    let told = (packet.source_port, packet.destination_port);
    match packet.protocol {
        // Of a header that is cut, the core tells the ports if they are there.
        protocol::TCP | protocol::UDP if packet.fault.is_none() && !packet.tiny_fragment => Some(told),
        protocol::TCP | protocol::UDP => Some(told).filter(|told| *told != (0, 0)),
        other if OTHERS_WITH_PORTS.contains(&other) => {
            let [a, b, c, d] = frame.octets_at(packet.transport_offset)?;
            Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        _ => None,
    }
}

impl Headers {
    /// What flows need to know of it; `frame` is its number in the file, from 1.
    pub(super) fn sighting(&self, frame: u64, at_ns: Option<i64>) -> Sighting {
        let packet = &self.packet;
        Sighting {
            frame,
            at_ns,
            family: packet.family,
            protocol: packet.protocol,
            source: Endpoint { address: packet.source, port: self.ports.map(|(source, _)| source) },
            destination: Endpoint {
                address: packet.destination,
                port: self.ports.map(|(_, destination)| destination),
            },
            octets: packet.volume_octets,
            part: part(packet),
            opens: packet.protocol == protocol::TCP && packet.opens && !packet.later_fragment,
        }
    }
}
