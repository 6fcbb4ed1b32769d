//! Messages of name servers in a capture, in the corpus's notation.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::op::{Edns, Message, MessageType, Query};
use hickory_resolver::proto::rr::{Name, RData, Record as ResourceRecord};
use serde::Serialize;
use tollfree_core::packet::protocol;
use tollfree_wire::Bound;
use tollfree_wire::dns::limits::{CONNECTIONS_MAX, FRAGMENTED_MAX, QUESTION_LIFETIME_NS};
use tollfree_wire::dns::{self, Checksums, Letter, Limits, Reader, Transport};

use super::headers::Headers;
use crate::capture::Record;

/// A capture may be one subscriber's: he has all the room.
const LIMITS: Limits =
    Limits { questions: bound(1), fragmented: bound(FRAGMENTED_MAX), connections: bound(CONNECTIONS_MAX) };

const fn bound(total: usize) -> Bound {
    Bound { total, per_subscriber: total, lifetime_ns: QUESTION_LIFETIME_NS }
}

/// One message to or from port 53.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "dns")]
pub struct DnsReport {
    /// The packet that completed it, by its number in the file, from 1.
    pub frame: u64,
    /// Who sent it.
    pub src: IpAddr,
    /// His port.
    pub sport: u16,
    /// To whom.
    pub dst: IpAddr,
    /// To which port.
    pub dport: u16,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// What an answer repeats of its question.
    pub id: u16,
    /// Whether it is an answer.
    pub response: bool,
    /// 0: a query (RFC 1035, section 4.1.1).
    pub opcode: u8,
    /// 0: no error; null in a question.
    pub rcode: Option<u16>,
    /// Authoritative.
    pub aa: bool,
    /// Truncated.
    pub tc: bool,
    /// What is asked.
    pub questions: Vec<DnsQuestion>,
    /// What answers it.
    pub answers: Vec<DnsRecord>,
    /// Who knows.
    pub authority: Vec<DnsRecord>,
    /// What else may help, without EDNS.
    pub additional: Vec<DnsRecord>,
    /// EDNS (RFC 6891).
    pub edns: Option<DnsEdns>,
}

/// One question. Names are as they were sent, without the trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DnsQuestion {
    /// About which name.
    pub name: String,
    /// Which type of record.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One resource record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DnsRecord {
    /// Whose it is.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How long it lives, in seconds.
    pub ttl: u32,
    /// The address or the name that it gives, if it is of a type that gives one.
    pub data: Option<String>,
}

/// What EDNS says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DnsEdns {
    /// Octets that the sender takes over UDP.
    pub udp_size: u16,
    /// Whether DNSSEC is wanted.
    #[serde(rename = "do")]
    pub wants_dnssec: bool,
    /// Options, by their codes.
    pub options: Vec<u16>,
}

/// Collects the messages of a capture, which bounds them: each took a packet at least.
#[derive(Debug)]
pub(super) struct Messages {
    reader: Reader,
    found: Vec<DnsReport>,
}

impl Messages {
    pub(super) fn new() -> Self {
        Self { reader: Reader::new(LIMITS, Checksums::Ignored), found: Vec::new() }
    }

    /// Reads packet `frame`.
    pub(super) fn take(&mut self, frame: u64, record: &Record<'_>, headers: &Headers) {
        let packet = &headers.packet;
        if !may_have_message(headers) {
            return;
        }
        let Some(ip) = record.octets.get(packet.ip_offset..) else { return };
        let at_ns = record.at_ns.and_then(|at_ns| u64::try_from(at_ns).ok()).unwrap_or_default();
        let found = &mut self.found;
        self.reader.take(at_ns, None, ip, &mut |letter| {
            found.extend(letter.ok().and_then(|letter| report(frame, &letter)));
        });
    }

    pub(super) fn into_found(self) -> Vec<DnsReport> {
        self.found
    }
}

/// Whether a packet is to or from port 53; later fragments may be.
fn may_have_message(headers: &Headers) -> bool {
    let packet = &headers.packet;
    let is_of_port = headers
        .ports
        .map_or(packet.later_fragment, |(source, destination)| [source, destination].contains(&dns::PORT));
    is_of_port && [protocol::TCP, protocol::UDP].contains(&packet.protocol)
}

fn report(frame: u64, letter: &Letter<'_>) -> Option<DnsReport> {
    let message = dns::decode(letter.octets).ok()?;
    let [(src, sport), (dst, dport)] = [letter.source, letter.destination].map(end);
    let response = message.message_type == MessageType::Response;
    Some(DnsReport {
        frame,
        src,
        sport,
        dst,
        dport,
        transport: match letter.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        },
        id: message.id,
        response,
        opcode: message.op_code.into(),
        rcode: response.then(|| message.response_code.into()),
        aa: message.authoritative,
        tc: message.truncation,
        questions: message.queries.iter().map(question).collect(),
        answers: records(&message.answers),
        authority: records(&message.authorities),
        additional: records(&message.additionals),
        edns: edns(&message),
    })
}

const fn end(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip(), address.port())
}

fn question(query: &Query) -> DnsQuestion {
    DnsQuestion { name: dns::as_sent(query.name()), kind: query.query_type().to_string() }
}

fn records(records: &[ResourceRecord]) -> Vec<DnsRecord> {
    let record = |record: &ResourceRecord| DnsRecord {
        name: dns::as_sent(&record.name),
        kind: record.record_type().to_string(),
        ttl: record.ttl,
        data: data(&record.data),
    };
    records.iter().map(record).collect()
}

fn data(data: &RData) -> Option<String> {
    let name = |name: &Name| Some(dns::as_sent(name));
    match data {
        RData::A(address) => Some(address.to_string()),
        RData::AAAA(address) => Some(address.to_string()),
        RData::CNAME(target) => name(target),
        RData::NS(server) => name(server),
        RData::PTR(target) => name(target),
        _ => None,
    }
}

fn edns(message: &Message) -> Option<DnsEdns> {
    let edns: &Edns = message.edns.as_ref()?;
    Some(DnsEdns {
        udp_size: edns.max_payload(),
        wants_dnssec: edns.flags().dnssec_ok,
        options: edns.options().as_ref().iter().map(|(code, _)| u16::from(*code)).collect(),
    })
}
