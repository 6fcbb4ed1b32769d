//! From a frame to the innermost packet inside the carrier's own transport, or to why there is none.

mod datagram;
mod icmp;
mod ipv4;
mod ipv6;
mod link;
mod packet;
mod transport;
mod tunnel;
mod view;

use std::net::IpAddr;

use tollfree_core::packet::tunnel::TunnelKind;
use tollfree_core::reason::Reason;

pub use packet::{Fragment, Innermost, Quote, Segment};

use crate::arrival::{Arrival, Begin};
use crate::world::World;
use datagram::Datagram;
use tunnel::Inside;
use view::View;

/// Tunnels of the carrier that are looked into, one inside the other.
const TUNNELS: usize = 3;

/// Reads a frame.
///
/// # Errors
/// The reason why it has no packet that could be anyone's.
pub fn read(world: &World, arrival: &Arrival) -> Result<Innermost, Reason> {
    let view = View::new(&arrival.octets, arrival.wire_octets);
    let context = Context { world, tunnels: Vec::new() };
    match arrival.begin {
        Begin::Ethernet => link::ethernet(&context, view),
        Begin::Ip => by_version(&context, view),
        Begin::Ppp => link::ppp(&context, view),
    }
}

/// What has been stepped over so far.
#[derive(Clone)]
struct Context<'a> {
    world: &'a World,
    tunnels: Vec<TunnelKind>,
}

/// An IP packet of whichever version its first four bits say (RFC 791, section 3.1; RFC 8200, section 3).
fn by_version(context: &Context<'_>, view: View<'_>) -> Result<Innermost, Reason> {
    match view.header(1).map(|header| view::u8_at(header, 0) >> 4) {
        Some(4) => ipv4(context, view),
        Some(6) => ipv6(context, view),
        _ => Err(Reason::NotIp),
    }
}

fn ipv4(context: &Context<'_>, view: View<'_>) -> Result<Innermost, Reason> {
    let datagram = ipv4::read(view)?;
    inside(context, &datagram)
}

fn ipv6(context: &Context<'_>, view: View<'_>) -> Result<Innermost, Reason> {
    let datagram = ipv6::read(view)?;
    inside(context, &datagram)
}

/// The packet inside, if the datagram is a tunnel of the carrier's own; else the datagram itself.
fn inside(context: &Context<'_>, datagram: &Datagram<'_>) -> Result<Innermost, Reason> {
    let own = |kind: TunnelKind| context.world.is_transport(kind, datagram.source, datagram.destination);
    let packet = packet::innermost(context, datagram);
    // What comes out of GTP-U is a subscriber's: a tunnel in it is his own, whatever addresses he wrote.
    if datagram.fault.is_some() || context.tunnels.contains(&TunnelKind::Gtpu) {
        return Ok(packet);
    }
    if datagram.is_later_fragment() {
        // Its ports are in the first fragment: which UDP tunnel it belongs to is not known, only that it may.
        if tunnel::kinds_of(datagram.protocol).into_iter().any(own) {
            return Ok(Innermost { is_tunnel_fragment: true, ..packet });
        }
        return Ok(packet);
    }
    // So may a first one that does not hold them.
    let is_tiny = matches!(packet.fragment, Some(Fragment::Tiny(_)));
    if is_tiny && tunnel::kinds_of(datagram.protocol).into_iter().any(own) {
        return Err(Reason::MalformedTunnel);
    }
    let Some(kind) = tunnel::kind(datagram).filter(|kind| own(*kind)) else {
        return Ok(packet);
    };
    let opened = tunnel::open(kind, datagram)?;
    if context.tunnels.len() == TUNNELS {
        return Err(Reason::TunnelTooDeep);
    }
    let mut deeper = context.clone();
    deeper.tunnels.push(kind);
    match opened {
        Inside::Ethernet(view) => link::ethernet(&deeper, view),
        Inside::Ip(view) => by_version(&deeper, view),
        Inside::EtherType(kind, view) => link::ether_type(&deeper, kind, view),
    }
}

/// An IPv4 address from the octets of a header.
fn ipv4_address(octets: &[u8]) -> IpAddr {
    IpAddr::from(octets.first_chunk::<4>().copied().unwrap_or_default())
}

/// An IPv6 address from the octets of a header.
fn ipv6_address(octets: &[u8]) -> IpAddr {
    IpAddr::from(octets.first_chunk::<16>().copied().unwrap_or_default())
}
