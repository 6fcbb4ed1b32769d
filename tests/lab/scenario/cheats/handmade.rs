//! TCP connections made by hand, from an address at which the attacker's own system answers nothing.

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, bail, ensure};
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::ATTACKER;
use crate::network::Network;
use crate::packet_socket::PacketSocket;
use crate::topology::{ONLY_INTERFACE, mac};

/// The address, in the attacker's /64: what it sends is his.
pub(super) const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x20, 0x12, 0, 0, 0, 0xc);
/// Hops that are left, of what is to arrive.
pub(super) const HOPS: u8 = 64;
/// Hops that are left, of what is to pass the gateway and go no further: the access router takes one, the gateway the other.
pub(super) const HOPS_TO_GATEWAY: u8 = 2;
/// What the server may send without an answer, in octets: more than a page.
const WINDOW: u16 = 65_535;
/// Where the connections' sequence numbers begin.
const FIRST_SEQUENCE: u32 = 0x1000_0000;
/// A segment crosses the lab within moments; in milliseconds.
const LIMIT_MILLISECONDS: u16 = 20_000;
/// Larger than any frame.
const FRAME_OCTETS_MAX: usize = 2048;

/// What a segment is, apart from its ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) flag: Flag,
    pub(super) hops: u8,
    /// Added to the sequence number.
    pub(super) ahead: u32,
    pub(super) has_right_checksum: bool,
    pub(super) payload: &'a [u8],
}

/// What a segment says besides ACK; a SYN has no ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    Syn,
    None,
    Rst,
}

impl Segment<'_> {
    /// One without payload, as it should be.
    pub(super) const fn plain(flag: Flag) -> Self {
        Segment { flag, hops: HOPS, ahead: 0, has_right_checksum: true, payload: &[] }
    }
}

/// A connection.
pub(super) struct Connection {
    socket: PacketSocket,
    server: (Ipv6Addr, u16),
    port: u16,
    /// The sequence number of what is sent next.
    next: u32,
    /// The sequence number that is expected of the server.
    expected: u32,
}

/// What came from the server.
struct Answer {
    is_syn: bool,
    is_fin: bool,
    sequence: u32,
    octets: usize,
}

impl Connection {
    /// Says nothing yet.
    pub(super) fn prepare(
        network: &Network,
        port: u16,
        (server, server_port): (IpAddr, u16),
    ) -> Result<Self> {
        let IpAddr::V6(server) = server else { bail!("{server} is not of IPv6") };
        let subscriber = &network.topology.subscribers[usize::from(ATTACKER)];
        let socket = PacketSocket::open(subscriber, ONLY_INTERFACE)?;
        Ok(Self { socket, server: (server, server_port), port, next: FIRST_SEQUENCE, expected: 0 })
    }

    /// Opens it, as clients do.
    pub(super) fn open(network: &Network, port: u16, server: (IpAddr, u16)) -> Result<Self> {
        let mut connection = Self::prepare(network, port, server)?;
        connection.send(Segment::plain(Flag::Syn))?;
        connection.next = connection.next.wrapping_add(1);
        let answer = connection.receive()?;
        ensure!(answer.is_syn, "the server does not answer a SYN with one");
        connection.expected = answer.sequence.wrapping_add(1);
        connection.send(Segment::plain(Flag::None))?;
        Ok(connection)
    }

    /// Sends a segment, whatever it is. The connection stays where it is.
    pub(super) fn send(&self, segment: Segment<'_>) -> Result<()> {
        let sequence = self.next.wrapping_add(segment.ahead);
        let builder = PacketBuilder::ethernet2(mac(ATTACKER, 1), mac(ATTACKER, 2))
            .ipv6(ADDRESS.octets(), self.server.0.octets(), segment.hops)
            .tcp(self.port, self.server.1, sequence, WINDOW);
        let builder = match segment.flag {
            Flag::Syn => builder.syn(),
            Flag::None => builder.ack(self.expected),
            Flag::Rst => builder.ack(self.expected).rst(),
        };
        let mut frame = Vec::new();
        builder.write(&mut frame, segment.payload)?;
        if !segment.has_right_checksum {
            /// Ethernet's header, IPv6's, and TCP's fields before its checksum, in octets.
            const CHECKSUM_AT: usize = 14 + 40 + 16;
            frame[CHECKSUM_AT] ^= 0xff;
        }
        self.socket.send(&frame)
    }

    /// Says something, as clients do.
    pub(super) fn say(&mut self, payload: &[u8]) -> Result<()> {
        self.send(Segment { payload, ..Segment::plain(Flag::None) })?;
        self.next = self.next.wrapping_add(u32::try_from(payload.len())?);
        Ok(())
    }

    /// Waits until the server has said all it has to; returns how many octets that were.
    pub(super) fn hear(&mut self) -> Result<usize> {
        let mut octets = 0;
        loop {
            let answer = self.receive()?;
            octets += answer.octets;
            let end = answer.octets + usize::from(answer.is_fin);
            self.expected = answer.sequence.wrapping_add(u32::try_from(end)?);
            if answer.is_fin {
                return Ok(octets);
            }
        }
    }

    /// Ends it, so that the server sends nothing again.
    pub(super) fn end(self) -> Result<()> {
        self.send(Segment::plain(Flag::Rst))
    }

    fn receive(&self) -> Result<Answer> {
        let mut frame = vec![0; FRAME_OCTETS_MAX];
        loop {
            let mut ready = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let count = poll(&mut ready, PollTimeout::from(LIMIT_MILLISECONDS)).context("cannot poll")?;
            ensure!(count > 0, "{} says nothing", self.server.0);
            let octets = self.socket.receive(&mut frame)?;
            if let Some(answer) = self.read(&frame[..octets]) {
                return Ok(answer);
            }
        }
    }

    /// What the frame has for this connection.
    fn read(&self, frame: &[u8]) -> Option<Answer> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Tcp(segment))) = (packet.net, packet.transport)
        else {
            return None;
        };
        let header = ip.header();
        let is_mine = header.source_addr() == self.server.0
            && header.destination_addr() == ADDRESS
            && segment.source_port() == self.server.1
            && segment.destination_port() == self.port;
        is_mine.then(|| Answer {
            is_syn: segment.syn(),
            is_fin: segment.fin(),
            sequence: segment.sequence_number(),
            octets: segment.payload().len(),
        })
    }
}
