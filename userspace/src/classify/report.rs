//! The JSON form of what was found: one object per flow, then a summary.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use tollfree_core::reason::{Bucket, Reason};

use super::dns::DnsReport;
use super::encap::{ip, version};
use super::flow::{Flow, Judgement};
use super::names::NameReport;
use super::options::Subscribers;
use super::table::FlowTable;

/// What was found in one file.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) table: FlowTable,
    pub(super) summary: Summary,
    pub(super) messages: Vec<DnsReport>,
    pub(super) subscribers: Subscribers,
}

/// A whole file's counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "summary")]
pub struct Summary {
    /// The file, as it was named.
    pub file: String,
    /// Packets, whatever they are.
    pub packets: u64,
    /// Those that are on a flow.
    pub ip_packets: u64,
    /// Their innermost IP length, in octets.
    pub ip_bytes: u64,
    /// Packets that are no subscriber's, by reason. Without a policy: those that the core cannot read, or that are
    /// the carrier's own.
    #[serde(serialize_with = "by_reason")]
    pub unattributed: BTreeMap<Reason, u64>,
}

/// One flow. Pairs are what came from `src`, and from `dst`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename = "flow")]
pub struct FlowReport<'a> {
    /// IP version: 4 or 6.
    pub ipv: u8,
    /// IP protocol number.
    pub proto: u8,
    /// Who began it: the sender of the first TCP SYN without ACK, else of the first packet.
    pub src: IpAddr,
    /// Its port; null where the protocol has none, or no packet tells it.
    pub sport: Option<u16>,
    /// The other side.
    pub dst: IpAddr,
    /// Its port.
    pub dport: Option<u16>,
    /// Packets.
    pub packets: [u64; 2],
    /// Innermost IP length, in octets.
    pub ip_bytes: [u64; 2],
    /// What stood in front of the innermost IP header.
    pub encap: Vec<&'a str>,
    /// Packets that are fragments.
    pub frag_packets: u64,
    /// When the first packet was captured, in seconds since the Unix epoch; null: the file does not say.
    pub first: Option<f64>,
    /// When the last packet was captured.
    pub last: Option<f64>,
    /// Names that it asks for, as its first octets say.
    pub names: &'a [NameReport],
    /// Which side is the subscriber's, if subscribers were given by prefixes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriber: Option<Side>,
    /// What was decided, if there is a policy.
    #[serde(flatten)]
    pub verdict: Option<Verdict<'a>>,
}

/// A flow's subscriber: in JSON `"src"`, `"dst"` or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who began it; if both are subscribers, he too.
    Source,
    /// The other one.
    Destination,
    /// Nobody's flow.
    Neither,
}

impl Side {
    /// The word for it, if there is one.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Source => Some("src"),
            Self::Destination => Some("dst"),
            Self::Neither => None,
        }
    }
}

impl Serialize for Side {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

/// What a policy makes of a flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict<'a> {
    /// Bucket of the last packet.
    pub decision: &'static str,
    /// Policy of the last packet's rule; null where no rule is concerned.
    pub policy: Option<&'a str>,
    /// The rule's id within the policy.
    pub rule: Option<&'a str>,
    /// Reason of the last packet.
    pub reason: &'static str,
    /// Volume by bucket, in octets; `free` and `charged` always.
    pub volume: BTreeMap<&'static str, u64>,
}

fn by_reason<S: Serializer>(unattributed: &BTreeMap<Reason, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    // Always said: a file without anything but IP is worth knowing.
    let none = (!unattributed.contains_key(&Reason::NotIp)).then_some((&Reason::NotIp, &0));
    for (reason, packets) in none.into_iter().chain(unattributed) {
        map.serialize_entry(reason.name(), packets)?;
    }
    map.end()
}

impl Report {
    /// The file's counts.
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// All flows, in the order of their first packets.
    pub fn flows(&self) -> impl Iterator<Item = FlowReport<'_>> {
        self.table.flows().into_iter().map(|flow| self.flow(flow))
    }

    /// The messages of name servers that could be read, in the order of the packets that completed them.
    pub fn messages(&self) -> &[DnsReport] {
        &self.messages
    }

    fn flow<'a>(&'a self, flow: &'a Flow) -> FlowReport<'a> {
        let (src, dst) = (ip(&flow.source.address, flow.family), ip(&flow.destination.address, flow.family));
        FlowReport {
            ipv: version(flow.family),
            proto: flow.protocol,
            src,
            sport: flow.source.port,
            dst,
            dport: flow.destination.port,
            packets: flow.packets,
            ip_bytes: flow.octets,
            encap: self.table.stacks(flow).collect(),
            frag_packets: flow.fragments,
            first: flow.first_ns.map(seconds),
            last: flow.last_ns.map(seconds),
            names: &flow.names,
            subscriber: self.subscriber(&src, &dst),
            verdict: flow.judgement.as_ref().map(verdict),
        }
    }

    fn subscriber(&self, src: &IpAddr, dst: &IpAddr) -> Option<Side> {
        match &self.subscribers {
            Subscribers::Initiator => None,
            prefixes if prefixes.contain(src) => Some(Side::Source),
            prefixes if prefixes.contain(dst) => Some(Side::Destination),
            Subscribers::Prefixes(_) => Some(Side::Neither),
        }
    }

    /// Writes each flow, then each message of a name server, and then the summary, one JSON object a line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        for flow in self.flows() {
            write_line(out, &flow)?;
        }
        for message in &self.messages {
            write_line(out, message)?;
        }
        write_line(out, &self.summary)
    }
}

fn write_line<T: Serialize>(out: &mut dyn Write, object: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")
}

fn verdict(judgement: &Judgement) -> Verdict<'_> {
    let volume = |bucket: &Bucket| (bucket.name(), judgement.octets[*bucket as usize]);
    let shown = |bucket: &Bucket| {
        matches!(bucket, Bucket::Free | Bucket::Charged) || judgement.octets[*bucket as usize] != 0
    };
    Verdict {
        decision: judgement.reason.bucket().name(),
        policy: judgement.rule.as_ref().map(|key| key.policy.as_str()),
        rule: judgement.rule.as_ref().map(|key| key.rule.as_str()),
        reason: judgement.reason.name(),
        volume: Bucket::ALL.iter().filter(|bucket| shown(bucket)).map(volume).collect(),
    }
}

/// Seconds, rounded to the microsecond that captures commonly have.
#[allow(clippy::cast_precision_loss, reason = "microseconds since 1970 need 51 of the 53 bits for centuries")]
fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds.saturating_add(500).div_euclid(1000) as f64 / 1e6
}
