//! Messages and packets, written by hand as the specifications draw them.

use std::net::{IpAddr, SocketAddr};

use etherparse::{PacketBuilder, PacketBuilderStep};

use crate::dns::{Direction, Lesson, Limits, Listener, Refusal};

pub(super) const SUBSCRIBER: &str = "10.20.0.11:40000";
pub(super) const RESOLVER: &str = "192.0.2.53:53";
/// QR, RD and RA (RFC 1035, section 4.1.1).
pub(super) const ANSWER: u16 = 0x8180;
/// RD.
pub(super) const QUESTION: u16 = 0x0100;
pub(super) const A: u16 = 1;
pub(super) const CNAME: u16 = 5;
pub(super) const NULL: u16 = 10;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const HTTPS: u16 = 65;
pub(super) const IN: u16 = 1;
pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A name as labels, without compression (RFC 1035, section 3.1).
pub(super) fn name(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}

/// A resource record (RFC 1035, section 4.1.3).
pub(super) fn record(owner: &[u8], kind: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut octets = owner.to_vec();
    octets.extend(kind.to_be_bytes());
    octets.extend(class.to_be_bytes());
    octets.extend(ttl.to_be_bytes());
    octets.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    octets.extend(data);
    octets
}

pub(super) fn a(owner: &str, ttl: u32, address: [u8; 4]) -> Vec<u8> {
    record(&name(owner), A, IN, ttl, &address)
}

pub(super) fn cname(owner: &str, ttl: u32, target: &str) -> Vec<u8> {
    record(&name(owner), CNAME, IN, ttl, &name(target))
}

/// A message (RFC 1035, section 4.1): questions as name and type, then answers; nothing else.
pub(super) fn message(id: u16, flags: u16, questions: &[(&str, u16)], answers: &[Vec<u8>]) -> Vec<u8> {
    let counts = [questions.len(), answers.len(), 0, 0].map(|count| u16::try_from(count).unwrap());
    let mut octets: Vec<u8> = [id, flags].into_iter().chain(counts).flat_map(u16::to_be_bytes).collect();
    for (asked, kind) in questions {
        octets.extend(name(asked));
        octets.extend(kind.to_be_bytes());
        octets.extend(IN.to_be_bytes());
    }
    octets.extend(answers.concat());
    octets
}

pub(super) fn ip(source: SocketAddr, destination: SocketAddr) -> PacketBuilderStep<etherparse::IpHeaders> {
    let headers = match (source.ip(), destination.ip()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => etherparse::IpHeaders::Ipv4(
            etherparse::Ipv4Header {
                source: a.octets(),
                destination: b.octets(),
                time_to_live: 60,
                ..Default::default()
            },
            etherparse::Ipv4Extensions::default(),
        ),
        (IpAddr::V6(a), IpAddr::V6(b)) => etherparse::IpHeaders::Ipv6(
            etherparse::Ipv6Header {
                source: a.octets(),
                destination: b.octets(),
                hop_limit: 60,
                ..Default::default()
            },
            etherparse::Ipv6Extensions::default(),
        ),
        _ => unreachable!("both of one family"),
    };
    PacketBuilder::ip(headers)
}

/// One datagram, whole.
pub(super) fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let builder = ip(source, destination).udp(source.port(), destination.port());
    let mut packet = Vec::new();
    builder.write(&mut packet, payload).unwrap();
    packet
}

/// A listener, and what is said to it.
pub(super) struct Room {
    pub(super) listener: Listener,
    pub(super) now_ns: u64,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { listener: Listener::new(Limits::default()), now_ns: 0 }
    }

    pub(super) fn packet(&mut self, direction: Direction, packet: &[u8]) -> Vec<Lesson> {
        self.listener.take(self.now_ns, direction, packet).collect()
    }

    /// The subscriber asks over UDP.
    pub(super) fn ask(&mut self, id: u16, asked: &str, kind: u16) {
        let packet = udp(socket(SUBSCRIBER), socket(RESOLVER), &message(id, QUESTION, &[(asked, kind)], &[]));
        assert_eq!(self.packet(Direction::Uplink, &packet), []);
    }

    /// The resolver sends `octets` over UDP.
    pub(super) fn answer(&mut self, octets: &[u8]) -> Vec<Lesson> {
        self.packet(Direction::Downlink, &udp(socket(RESOLVER), socket(SUBSCRIBER), octets))
    }

    /// The resolver sends `octets`, and that teaches nothing, for this one reason.
    pub(super) fn refuses(&mut self, octets: &[u8], refusal: Refusal) {
        let packet = udp(socket(RESOLVER), socket(SUBSCRIBER), octets);
        self.refuses_packet(Direction::Downlink, &packet, refusal);
    }

    pub(super) fn refuses_packet(&mut self, direction: Direction, packet: &[u8], refusal: Refusal) {
        let before: Vec<_> = self.listener.stats().refusals().collect();
        assert_eq!(self.packet(direction, packet), []);
        let counted = before.into_iter().zip(self.listener.stats().refusals());
        for ((reason, before), (_, after)) in counted {
            assert_eq!(after - before, u64::from(reason == refusal), "{reason} instead of {refusal}");
        }
    }
}
