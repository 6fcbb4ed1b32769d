//! Names that a capture's flows ask for.

use std::collections::HashMap;

use serde::Serialize;
use tollfree_wire::inspect::{Direction, Evidence, Finding, Hidden, Inspector, Limits, Trust, Via};

use super::flow::Sighting;
use super::headers::Headers;
use crate::capture::Record;

/// What a capture's flows may take: their number is bounded by the file, as their entries in the table are; the memory for
/// requests that are not complete is four times a gateway's, for there is no other traffic to care for.
const LIMITS: Limits = Limits {
    flows: usize::MAX,
    octets: 4 * Limits::OCTETS,
    flow_packets: Limits::FLOW_PACKETS,
    age_ns: u64::MAX,
};

/// A name that a flow asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NameReport {
    /// The name, in lower case; null where the client asks for none.
    pub name: Option<String>,
    /// Where it stood: `tls`, `quic` or `http`.
    pub via: &'static str,
    /// Whether it is the outer name of an Encrypted Client Hello, behind which another may be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ech: bool,
}

/// Names by flow.
#[derive(Debug)]
pub(super) struct Names {
    inspector: Inspector,
    /// By the flow's place in the table.
    found: HashMap<usize, Vec<NameReport>>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { inspector: Inspector::with_trust(LIMITS, Trust::Capture), found: HashMap::new() }
    }

    /// Takes a packet of the flow at `place`. Who is the client is not known yet, so each side is heard as one.
    pub(super) fn take(&mut self, place: usize, record: &Record<'_>, headers: &Headers, sighting: &Sighting) {
        let Some(octets) = record.octets.get(headers.packet.ip_offset..) else { return };
        let volume = usize::try_from(headers.packet.volume_octets).unwrap_or(usize::MAX);
        let ip = &octets[..octets.len().min(volume)];
        let number = 2 * place as u64 + u64::from(sighting.is_from_lower());
        let Some(finding) = self.inspector.take(number, 0, Direction::Uplink, ip) else { return };
        if let Some(name) = report(finding) {
            self.found.entry(place).or_default().push(name);
        }
    }

    /// The names that were found, by the flow's place in the table.
    pub(super) fn into_found(self) -> HashMap<usize, Vec<NameReport>> {
        self.found
    }
}

/// What a finding says of a name: also of one that does not count.
fn report(finding: Finding) -> Option<NameReport> {
    let (name, ech) = match finding.evidence {
        Evidence::Name { name, .. } => (Some(name), false),
        Evidence::Hidden { why: Hidden::Ech { outer } } => (outer, true),
        Evidence::Hidden { why: Hidden::NoName } if matches!(finding.via, Some(Via::Tls | Via::Quic)) => {
            (None, false)
        }
        Evidence::Hidden { .. } | Evidence::Undecided { .. } => return None,
    };
    let via = match finding.via? {
        Via::Tls => "tls",
        Via::Quic => "quic",
        Via::Http | Via::Http2 => "http",
    };
    Some(NameReport { name: name.map(|name| name.to_string()), via, ech })
}
