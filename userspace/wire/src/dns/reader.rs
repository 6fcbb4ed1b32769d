//! From packets to messages.

use std::net::SocketAddr;

use etherparse::IpNumber;

use super::PORT;
use super::connections::Connections;
use super::direction::Direction;
use super::limits::{FRAGMENTED, Limits};
use super::refusal::Refusal;
use crate::ip::{Carried, Fragments, Packet, Taken};

/// Whether packets with wrong checksums are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// No: no receiver takes them.
    Verified,
    /// Yes: captures made on the sending machine have them, because the network card completes them.
    Ignored,
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// With its length in front (RFC 7766).
    Tcp,
}

/// A message that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// How.
    pub transport: Transport,
    /// The message (RFC 1035, section 4), unread: [`decode`](super::decode) reads it.
    pub octets: &'a [u8],
}

/// Finds the messages in packets to and from port 53: puts fragments and TCP streams together.
#[derive(Debug)]
pub struct Reader {
    checksums: Checksums,
    fragments: Fragments,
    connections: Connections,
}

impl Reader {
    /// One that has seen nothing, and remembers as much as `limits` say.
    pub fn new(limits: Limits, checksums: Checksums) -> Self {
        Self {
            checksums,
            fragments: Fragments::new(limits.fragmented, FRAGMENTED),
            connections: Connections::new(limits.connections),
        }
    }

    /// Takes one packet, `ip` from its IP header on; without a direction, port 53 tells it. Gives each message that is
    /// complete with it, and each reason why something is not read.
    pub fn take(
        &mut self,
        at_ns: u64,
        direction: Option<Direction>,
        ip: &[u8],
        give: &mut dyn FnMut(Result<Letter<'_>, Refusal>),
    ) {
        if let Err(refusal) = self.read(at_ns, direction, ip, give) {
            give(Err(refusal));
        }
    }

    fn read(
        &mut self,
        at_ns: u64,
        direction: Option<Direction>,
        ip: &[u8],
        give: &mut dyn FnMut(Result<Letter<'_>, Refusal>),
    ) -> Result<(), Refusal> {
        let packet = Packet::read(ip).filter(|packet| !packet.is_cut).ok_or(Refusal::MalformedPacket)?;
        if self.verifies() && !packet.is_sound {
            return Err(Refusal::Checksum);
        }
        if ![IpNumber::UDP, IpNumber::TCP].contains(&packet.protocol) {
            return Err(Refusal::OtherProtocol);
        }
        let Some(part) = packet.part else { return self.datagram(at_ns, direction, &packet, give) };
        let subscriber = match direction {
            Some(Direction::Uplink) => packet.source,
            // Later fragments have no ports.
            Some(Direction::Downlink) | None => packet.destination,
        };
        let Taken { datagram, displaced } = self.fragments.take(subscriber, &packet, part, at_ns)?;
        if displaced {
            give(Err(Refusal::Full));
        }
        let Some(payload) = datagram else { return Ok(()) };
        self.datagram(at_ns, direction, &Packet { payload: &payload, ..packet }, give)
    }

    fn datagram(
        &mut self,
        at_ns: u64,
        direction: Option<Direction>,
        packet: &Packet<'_>,
        give: &mut dyn FnMut(Result<Letter<'_>, Refusal>),
    ) -> Result<(), Refusal> {
        let carried = packet.carried().ok_or(Refusal::MalformedPacket)?;
        let (source, destination) = packet.ends(&carried);
        let direction = sides(direction, source, destination)?;
        if self.verifies() && !packet.has_right_checksum(&carried) {
            return Err(Refusal::Checksum);
        }
        let tcp = match &carried {
            Carried::Tcp(tcp) => tcp,
            Carried::Udp(udp) => {
                let octets = udp.payload();
                give(Ok(Letter { source, destination, transport: Transport::Udp, octets }));
                return Ok(());
            }
        };
        let key = match direction {
            Direction::Uplink => (source, destination),
            Direction::Downlink => (destination, source),
        };
        self.connections.take(key, direction, tcp, at_ns, &mut |message| {
            give(message.map(|octets| Letter { source, destination, transport: Transport::Tcp, octets }));
        });
        Ok(())
    }

    fn verifies(&self) -> bool {
        self.checksums == Checksums::Verified
    }
}

/// Which way it goes: the resolver's end has the port of name servers.
fn sides(
    direction: Option<Direction>,
    source: SocketAddr,
    destination: SocketAddr,
) -> Result<Direction, Refusal> {
    let fits = |direction: &Direction| match direction {
        Direction::Uplink => destination.port() == PORT,
        Direction::Downlink => source.port() == PORT,
    };
    let candidates = direction.map_or([Direction::Uplink, Direction::Downlink], |direction| [direction; 2]);
    candidates.into_iter().find(fits).ok_or(Refusal::OtherPort)
}
