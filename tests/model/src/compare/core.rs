//! The core's answer, in the model's terms.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use tollfree_core::address::{Address, Family};
use tollfree_core::decide::{Tables, decide};
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::packet::{Fault, Packet, Start, parse};

use super::bytes::ArrivalBytes;
use crate::answer::{Answer, Flow};
use crate::arrival::{Arrival, Begin};

/// The core, over some tables.
pub struct Core<T, R> {
    tables: T,
    transports: R,
    sip_port: u16,
    set_now: fn(&mut T, u64),
}

impl<T: Tables, R: Transports> Core<T, R> {
    /// Knows what `tables` and `transports` know, and SIP on `sip_port` of the proxies; `set_now` sets the tables' clock,
    /// in nanoseconds.
    pub const fn new(tables: T, transports: R, sip_port: u16, set_now: fn(&mut T, u64)) -> Self {
        Self { tables, transports, sip_port, set_now }
    }

    /// Sets the clock, in nanoseconds.
    pub fn set_now(&mut self, now_ns: u64) {
        (self.set_now)(&mut self.tables, now_ns);
    }

    /// What the core says of a packet that arrives now.
    pub fn answer(&self, arrival: &Arrival) -> Answer {
        let start = match arrival.begin {
            Begin::Ethernet => Start::Ethernet,
            Begin::Ip => Start::Ip,
            Begin::Ppp => Start::Ppp,
        };
        let packet = match parse(&ArrivalBytes::new(arrival), start, 0, &self.transports, &mut ()) {
            Ok(packet) => packet,
            Err(reason) => return Answer::of_nobody(reason),
        };
        let decision = decide(&self.tables, arrival.role, self.sip_port, &packet);
        Answer {
            reason: decision.reason,
            bucket: decision.reason.bucket(),
            rule: decision.rule,
            tag: decision.tag,
            volume: usize::try_from(decision.volume_octets(&packet)).unwrap_or(usize::MAX),
            subscriber: decision.subscriber.prefix().and_then(|(ip, length)| IpNet::new(ip, length).ok()),
            flow: Some(flow(&packet)),
        }
    }
}

fn flow(packet: &Packet) -> Flow {
    // Where something is wrong with a header, what was read of it does not matter.
    let known = packet.fault.is_none();
    let port = |port| if known { port } else { 0 };
    Flow {
        source: ip(&packet.source, packet.family),
        destination: ip(&packet.destination, packet.family),
        protocol: if packet.fault == Fault::Extensions { 0 } else { packet.protocol },
        source_port: port(packet.source_port),
        destination_port: port(packet.destination_port),
    }
}

/// An IPv4-mapped address of an IPv6 packet is an IPv6 address.
pub(super) fn ip(address: &Address, family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from(address.v4_word().to_ne_bytes()).into(),
        Family::V6 => Ipv6Addr::from(address.octets()).into(),
    }
}
