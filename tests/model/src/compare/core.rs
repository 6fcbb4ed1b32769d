//! The core's answer, in the model's terms.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use tollfree_core::address::{Address, Family};
use tollfree_core::counter::Usage;
use tollfree_core::decide::{Tables, decide};
use tollfree_core::flow::{FlowKey, Promise};
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::packet::{Fault, Packet, Start, parse};
use tollfree_core::reason::Reason;

use super::bytes::ArrivalBytes;
use crate::answer::{Answer, Flow};
use crate::arrival::{Arrival, Begin};
use crate::world::Grant;

/// How some tables are told what the controller knows, and asked what they counted.
#[derive(Debug)]
pub struct Controls<T> {
    /// Sets the clock, in nanoseconds.
    pub set_now: fn(&mut T, u64),
    /// Says what evidence said of the flow with a number.
    pub tell: fn(&mut T, u64, Promise),
    /// Ends the grant of a stream.
    pub revoke: fn(&mut T, &FlowKey),
    /// TCP payload that was sent again, by rule.
    pub sent_again: fn(&T) -> BTreeMap<u32, Usage>,
}

/// The core, over some tables.
pub struct Core<T, R> {
    tables: T,
    transports: R,
    sip_port: u16,
    controls: Controls<T>,
}

impl<T: Tables, R: Transports> Core<T, R> {
    /// Knows what `tables` and `transports` know, and SIP on `sip_port` of the proxies.
    pub const fn new(tables: T, transports: R, sip_port: u16, controls: Controls<T>) -> Self {
        Self { tables, transports, sip_port, controls }
    }

    /// Sets the clock, in nanoseconds.
    pub fn set_now(&mut self, now_ns: u64) {
        (self.controls.set_now)(&mut self.tables, now_ns);
    }

    /// Says what evidence came of the flow that awaits it under this number, for a rule.
    pub fn tell(&mut self, flow: u64, rule: u32, reason: Reason) {
        (self.controls.tell)(&mut self.tables, flow, Promise::new(rule, reason as u32));
    }

    /// Ends the grant of a call's stream.
    pub fn revoke(&mut self, grant: &Grant) {
        (self.controls.revoke)(&mut self.tables, &grant_key(grant));
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
            Err(reason) => {
                let sent_again = (self.controls.sent_again)(&self.tables);
                return Answer { sent_again, ..Answer::of_nobody(reason) };
            }
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
            awaits: (decision.flow != 0).then_some(decision.flow),
            sent_again: (self.controls.sent_again)(&self.tables),
        }
    }
}

/// The stream that a grant is for: of UDP.
pub fn grant_key(grant: &Grant) -> FlowKey {
    FlowKey {
        subscriber: grant.subscriber.0.into(),
        remote: grant.remote.0.into(),
        subscriber_port: grant.subscriber.1,
        remote_port: grant.remote.1,
        protocol: 17,
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
