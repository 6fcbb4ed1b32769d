#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fragments;
mod limits;
mod quic;
mod tcp;

use etherparse::{IpFragOffset, Ipv4Header, PacketBuilder, PacketBuilderStep, TcpHeader, ip_number};

use super::{Direction, Evidence, Finding, Hidden, HostName, Inspector, Limits, Trust, Undecided, Via};

pub(super) const NAME: &str = "ncov.moh.gov.vn";
pub(super) const OTHER: &str = "stranger.example";

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [203, 0, 113, 7];
const CLIENT_PORT: u16 = 50_000;
const SERVER_PORT: u16 = 443;
/// What a server's packets leave of their time to live, and what a subscriber's have.
const TTL: u8 = 64;

pub(super) fn named(name: &str, via: Via) -> Evidence {
    Evidence::Name { name: HostName::parse(name.as_bytes()).unwrap(), via }
}

pub(super) const fn hidden(why: Hidden) -> Evidence {
    Evidence::Hidden { why }
}

pub(super) const fn undecided(why: Undecided) -> Evidence {
    Evidence::Undecided { why }
}

/// One flow's packets, given to an inspector one after another.
pub(super) struct Talk {
    pub(super) inspector: Inspector,
    now_ns: u64,
    /// All that was found out.
    pub(super) findings: Vec<Finding>,
}

pub(super) const FLOW: u64 = 7;
/// The client's initial sequence number: the first octet is the last before the numbers begin anew.
pub(super) const ISN: u32 = u32::MAX - 1;
pub(super) const FIRST: u32 = ISN.wrapping_add(1);
const SERVER_ISN: u32 = 77_000;

impl Talk {
    pub(super) fn new(trust: Trust) -> Self {
        Self { inspector: Inspector::with_trust(Limits::default(), trust), now_ns: 0, findings: Vec::new() }
    }

    /// A flow whose handshake has passed.
    pub(super) fn opened() -> Self {
        let mut talk = Self::new(Trust::Wire);
        talk.up(&syn(ISN));
        talk.down(&syn_ack(FIRST));
        talk
    }

    pub(super) fn take(&mut self, direction: Direction, ip: &[u8]) {
        self.now_ns += 1;
        self.findings.extend(self.inspector.take(FLOW, self.now_ns, direction, ip));
    }

    pub(super) fn up(&mut self, ip: &[u8]) {
        self.take(Direction::Uplink, ip);
    }

    pub(super) fn down(&mut self, ip: &[u8]) {
        self.take(Direction::Downlink, ip);
    }

    /// The payload of a segment at this place in the stream.
    pub(super) fn send(&mut self, offset: usize, payload: &[u8]) {
        self.up(&data(at(offset), payload));
    }

    /// The server's acknowledgement of so many octets.
    pub(super) fn acknowledge(&mut self, octets: usize) {
        self.down(&ack(at(octets)));
    }

    pub(super) fn evidence(&self) -> Option<&Evidence> {
        assert!(self.findings.len() < 2, "{:?}", self.findings);
        self.findings.first().map(|finding| &finding.evidence)
    }
}

/// The sequence number of the octet at this place in the stream.
pub(super) fn at(offset: usize) -> u32 {
    FIRST.wrapping_add(u32::try_from(offset).unwrap())
}

fn up_header(sequence: u32) -> PacketBuilderStep<TcpHeader> {
    PacketBuilder::ipv4(CLIENT, SERVER, TTL).tcp(CLIENT_PORT, SERVER_PORT, sequence, 65_000)
}

fn down_header() -> PacketBuilderStep<TcpHeader> {
    PacketBuilder::ipv4(SERVER, CLIENT, TTL).tcp(SERVER_PORT, CLIENT_PORT, SERVER_ISN + 1, 65_000)
}

pub(super) fn written(builder: PacketBuilderStep<TcpHeader>, payload: &[u8]) -> Vec<u8> {
    let mut ip = Vec::new();
    builder.write(&mut ip, payload).unwrap();
    ip
}

pub(super) fn syn(sequence: u32) -> Vec<u8> {
    written(up_header(sequence).syn(), b"")
}

pub(super) fn syn_with(sequence: u32, payload: &[u8]) -> Vec<u8> {
    written(up_header(sequence).syn(), payload)
}

pub(super) fn syn_ack(acknowledged: u32) -> Vec<u8> {
    written(down_header().syn().ack(acknowledged), b"")
}

pub(super) fn data(sequence: u32, payload: &[u8]) -> Vec<u8> {
    written(up_header(sequence).ack(SERVER_ISN + 1), payload)
}

pub(super) fn urgent(sequence: u32, payload: &[u8]) -> Vec<u8> {
    written(up_header(sequence).ack(SERVER_ISN + 1).urg(1), payload)
}

pub(super) fn reset_with(sequence: u32, payload: &[u8]) -> Vec<u8> {
    written(up_header(sequence).rst(), payload)
}

pub(super) fn ack(acknowledged: u32) -> Vec<u8> {
    written(down_header().ack(acknowledged), b"")
}

/// A segment over IPv6.
pub(super) fn data_v6(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let builder =
        PacketBuilder::ipv6([0x20; 16], [0x21; 16], TTL).tcp(CLIENT_PORT, SERVER_PORT, sequence, 65_000);
    written(builder.ack(1), payload)
}

pub(super) fn datagram(direction: Direction, payload: &[u8]) -> Vec<u8> {
    let builder = match direction {
        Direction::Uplink => PacketBuilder::ipv4(CLIENT, SERVER, TTL).udp(CLIENT_PORT, SERVER_PORT),
        Direction::Downlink => PacketBuilder::ipv4(SERVER, CLIENT, TTL).udp(SERVER_PORT, CLIENT_PORT),
    };
    let mut ip = Vec::new();
    builder.write(&mut ip, payload).unwrap();
    ip
}

/// The fragments of an IPv4 packet, each with so many octets at most.
pub(super) fn fragments(ip: &[u8], octets: usize) -> Vec<Vec<u8>> {
    let (header, payload) = Ipv4Header::from_slice(ip).unwrap();
    assert_eq!(octets % 8, 0);
    let part = |(number, part): (usize, &[u8])| {
        let mut header = header.clone();
        header.identification = 99;
        header.dont_fragment = false;
        header.fragment_offset = IpFragOffset::try_new(u16::try_from(number * octets / 8).unwrap()).unwrap();
        header.more_fragments = (number + 1) * octets < payload.len();
        header.total_len = u16::try_from(20 + part.len()).unwrap();
        header.header_checksum = header.calc_header_checksum();
        assert!(matches!(header.protocol, ip_number::TCP | ip_number::UDP));
        let mut ip = Vec::new();
        header.write(&mut ip).unwrap();
        ip.extend_from_slice(part);
        ip
    };
    payload.chunks(octets).enumerate().map(part).collect()
}
