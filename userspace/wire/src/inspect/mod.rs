//! Names of flows that await evidence: which server a subscriber asks for, from copies of the flow's first packets.
//!
//! ```
//! use tollfree_wire::inspect::{Direction, Inspector, Limits};
//!
//! let mut inspector = Inspector::new(Limits::default());
//! let not_ip = [0; 4];
//! assert_eq!(inspector.take(1, 0, Direction::Uplink, &not_ip), None);
//! let findings = inspector.expire(Limits::AGE_NS);
//! assert_eq!(findings[0].flow, 1);
//! ```
//!
//! What could not have reached the server teaches nothing: a wrong checksum, payload in a SYN or RST, octets outside the
//! window. What may or may not have reached it (a low TTL, a header that only some servers refuse) is compared with what
//! else is sent at its place, and counts once the server acknowledges it. The first name of a flow decides.
//!
//! What this cannot see: a second request on a connection that is decided, and a second QUIC connection between the same
//! ports. Their server is still the rule's.

mod evidence;
mod limits;
mod name;
mod stats;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::collections::{BTreeSet, HashMap};

use crate::ip::{Carried, FragmentError, Fragments, Packet, Taken};
use crate::{http, http2, tls};

pub use crate::dns::Direction;
pub use evidence::{Evidence, Finding, Hidden, Reading, Undecided, Via};
pub use limits::Limits;
pub use name::{HostName, NameError};
pub use stats::{Count, Stats};

use limits::{DATAGRAM, DATAGRAMS};
use tcp::TcpFlow;
use udp::UdpFlow;

/// How much is believed of what was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Copies of live traffic: a name counts once the server has it.
    Wire,
    /// A capture, of which the server's side, the beginning or the end of packets may be missing, and whose checksums the
    /// sender's network card may have made later: the name that the client asks for.
    Capture,
}

/// A flow that was seen.
#[derive(Debug)]
struct Flow {
    /// When it is counted from: its first packet, or its decision.
    since_ns: u64,
    first_payload_ns: Option<u64>,
    packets: u32,
    /// `None` until there are any: few flows have some.
    fragments: Option<Box<Fragments>>,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Tcp(TcpFlow),
    Udp(UdpFlow),
    Decided,
}

impl Flow {
    const fn new(since_ns: u64) -> Self {
        Self { since_ns, first_payload_ns: None, packets: 0, fragments: None, state: State::New }
    }

    fn held_octets(&self) -> usize {
        let held = match &self.state {
            State::New | State::Decided => 0,
            State::Tcp(flow) => flow.held_octets(),
            State::Udp(flow) => flow.held_octets(),
        };
        held + self.fragments.as_ref().map_or(0, |fragments| fragments.held_octets())
    }

    /// Takes a packet.
    fn take(
        &mut self,
        at_ns: u64,
        direction: Direction,
        packet: &Packet<'_>,
        trust: Trust,
        stats: &mut Stats,
    ) -> Option<Evidence> {
        let is_strict = trust == Trust::Wire && direction == Direction::Uplink;
        if is_strict && !packet.is_sound {
            stats.add(Count::Checksum);
            return None;
        }
        if is_strict && packet.is_cut {
            return Some(Evidence::Undecided { why: Undecided::CopiesLost });
        }
        if packet.is_cut && packet.part.is_some() {
            // Its datagram never is whole.
            return None;
        }
        let whole = match packet.part.map(|part| self.fragments().take(packet.source, packet, part, at_ns)) {
            None => None,
            Some(Ok(Taken { datagram: None, .. })) => return None,
            Some(Ok(Taken { datagram, .. })) => datagram,
            Some(Err(error)) => return refused(direction, error),
        };
        let packet = Packet { payload: whole.as_deref().unwrap_or(packet.payload), ..*packet };
        let Some(carried) = packet.carried() else {
            stats.add(Count::Malformed);
            return None;
        };
        if is_strict && !packet.has_right_checksum(&carried) {
            stats.add(Count::Checksum);
            return None;
        }
        if direction == Direction::Uplink && has_payload(&carried) {
            self.first_payload_ns.get_or_insert(at_ns);
        }
        let evidence = self.state.take(direction, &carried, trust, stats)?;
        let is_name = matches!(evidence, Evidence::Name { .. });
        if is_name && trust == Trust::Wire && self.hides_uplink(direction, &packet) {
            return Some(Evidence::Undecided { why: Undecided::CopiesLost });
        }
        Some(evidence)
    }

    fn fragments(&mut self) -> &mut Fragments {
        self.fragments.get_or_insert_with(|| Box::new(Fragments::new(DATAGRAMS, DATAGRAM)))
    }

    /// Whether fragments from the subscriber wait for others: what they say is not known, but the server may know it.
    fn hides_uplink(&self, direction: Direction, packet: &Packet<'_>) -> bool {
        let subscriber = match direction {
            Direction::Uplink => packet.source,
            Direction::Downlink => packet.destination,
        };
        self.fragments.as_ref().is_some_and(|fragments| fragments.wait_from(subscriber))
    }
}

/// Whether there is payload that may say a name: in SYN and RST there is none.
fn has_payload(carried: &Carried<'_>) -> bool {
    match carried {
        Carried::Tcp(segment) => !segment.payload().is_empty() && !segment.syn() && !segment.rst(),
        Carried::Udp(datagram) => !datagram.payload().is_empty(),
    }
}

/// What fragments that make no datagram say of a flow. Of the server's, nothing.
const fn refused(direction: Direction, error: FragmentError) -> Option<Evidence> {
    let why = match (direction, error) {
        (Direction::Downlink, _) => return None,
        (Direction::Uplink, FragmentError::Conflict) => Hidden::Overlap,
        (Direction::Uplink, FragmentError::TooMuch) => Hidden::TooLong,
    };
    Some(Evidence::Hidden { why })
}

impl State {
    /// What the flow was recognised as.
    const fn via(&self) -> Option<Via> {
        match self {
            Self::New | Self::Decided => None,
            Self::Tcp(flow) => flow.via(),
            Self::Udp(flow) => flow.via(),
        }
    }

    fn take(
        &mut self,
        direction: Direction,
        carried: &Carried<'_>,
        trust: Trust,
        stats: &mut Stats,
    ) -> Option<Evidence> {
        if matches!(self, Self::New) {
            *self = match carried {
                Carried::Tcp(_) => Self::Tcp(TcpFlow::new(trust)),
                Carried::Udp(_) => Self::Udp(UdpFlow::new(trust)),
            };
        }
        match (self, carried, direction) {
            (Self::Tcp(flow), Carried::Tcp(segment), Direction::Uplink) => flow.uplink(segment, stats),
            (Self::Tcp(flow), Carried::Tcp(segment), Direction::Downlink) => flow.downlink(segment),
            (Self::Udp(flow), Carried::Udp(datagram), Direction::Uplink) => {
                flow.uplink(datagram.payload(), stats)
            }
            (Self::Udp(flow), Carried::Udp(datagram), Direction::Downlink) => {
                flow.downlink(datagram.payload())
            }
            _ => {
                stats.add(Count::Malformed);
                None
            }
        }
    }
}

/// Looks into flows until each is decided.
#[derive(Debug)]
pub struct Inspector {
    limits: Limits,
    trust: Trust,
    flows: HashMap<u64, Flow>,
    /// Flows that are not decided, by [`Flow::since_ns`]. Only they hold octets.
    waiting: BTreeSet<(u64, u64)>,
    /// Those that are, likewise.
    decided: BTreeSet<(u64, u64)>,
    held_octets: usize,
    /// Findings of flows that had to go, until they are asked for.
    evicted: Vec<Finding>,
    stats: Stats,
}

impl Inspector {
    /// For copies of live traffic.
    pub fn new(limits: Limits) -> Self {
        Self::with_trust(limits, Trust::Wire)
    }

    /// For copies that are believed as `trust` says.
    pub fn with_trust(limits: Limits, trust: Trust) -> Self {
        Self {
            limits,
            trust,
            flows: HashMap::new(),
            waiting: BTreeSet::new(),
            decided: BTreeSet::new(),
            held_octets: 0,
            evicted: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Takes one packet of the flow with this number: `ip` is the inner IP packet, without what carries it and without
    /// padding; `at_ns` is when it was copied, on a clock that does not go back. Packets come in the order in which they
    /// passed, both directions, the SYN included; some may be missing.
    ///
    /// Gives what was found out, once for a flow. Later packets of it change nothing.
    pub fn take(&mut self, flow: u64, at_ns: u64, direction: Direction, ip: &[u8]) -> Option<Finding> {
        self.stats.add(Count::Packets);
        let entry = self.flows.entry(flow).or_insert_with(|| {
            self.waiting.insert((at_ns, flow));
            Flow::new(at_ns)
        });
        if matches!(entry.state, State::Decided) {
            self.stats.add(Count::Late);
            return None;
        }
        entry.packets += 1;
        let held_before = entry.held_octets();
        let evidence = if entry.packets > self.limits.flow_packets {
            Some(Evidence::Undecided { why: Undecided::TooManyPackets })
        } else if let Some(packet) = Packet::read(ip) {
            entry.take(at_ns, direction, &packet, self.trust, &mut self.stats)
        } else {
            self.stats.add(Count::Malformed);
            None
        };
        self.held_octets = self.held_octets + entry.held_octets() - held_before;
        let finding = evidence.and_then(|evidence| self.decide(flow, at_ns, evidence));
        self.make_room(flow);
        finding
    }

    /// Forgets a flow that is over.
    pub fn forget(&mut self, flow: u64) {
        if let Some(known) = self.flows.remove(&flow) {
            self.waiting.remove(&(known.since_ns, flow));
            self.decided.remove(&(known.since_ns, flow));
            self.held_octets -= known.held_octets();
        }
    }

    /// Gives up flows that have taken too long, and gives the findings of those that had to go for want of room since the
    /// last time. Call it every second or so: flows that are decided are kept until then, so that packets of theirs that
    /// are still on their way begin nothing new.
    pub fn expire(&mut self, now_ns: u64) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.evicted);
        let age_ns = self.limits.age_ns;
        let is_over = |since_ns: u64| now_ns.saturating_sub(since_ns) >= age_ns;
        while let Some(&(since_ns, flow)) = self.decided.first()
            && is_over(since_ns)
        {
            self.forget(flow);
        }
        while let Some(&(since_ns, flow)) = self.waiting.first()
            && is_over(since_ns)
        {
            findings.extend(self.decide(flow, now_ns, Evidence::Undecided { why: Undecided::TooOld }));
        }
        findings
    }

    /// Flows at present, those included that are decided and not yet forgotten.
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    /// Octets of payload held at present.
    pub const fn held_octets(&self) -> usize {
        self.held_octets
    }

    /// What happened so far.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Settles a flow, unless it is: what is held of it goes, but for its number.
    fn decide(&mut self, flow: u64, at_ns: u64, evidence: Evidence) -> Option<Finding> {
        let known = self.flows.get_mut(&flow).filter(|known| !matches!(known.state, State::Decided))?;
        self.held_octets -= known.held_octets();
        let via = known.state.via();
        self.waiting.remove(&(known.since_ns, flow));
        self.decided.insert((at_ns, flow));
        known.since_ns = at_ns;
        known.state = State::Decided;
        known.fragments = None;
        self.stats.add(Count::of(&evidence));
        Some(Finding { flow, first_payload_ns: known.first_payload_ns, via, evidence })
    }

    /// Gives up the oldest flows until the limits are kept; never the one that is `present`. One that is decided makes no
    /// room for octets.
    fn make_room(&mut self, present: u64) {
        while self.held_octets > self.limits.octets {
            let Some((_, oldest)) = oldest(&self.waiting, present) else { break };
            self.evict(oldest);
        }
        while self.flows.len() > self.limits.flows {
            let oldest = [&self.waiting, &self.decided].map(|flows| oldest(flows, present));
            let Some((_, oldest)) = oldest.into_iter().flatten().min() else { return };
            self.evict(oldest);
        }
    }

    fn evict(&mut self, flow: u64) {
        let finding = self.decide(flow, 0, Evidence::Undecided { why: Undecided::Evicted });
        self.evicted.extend(finding);
        self.forget(flow);
    }
}

/// The oldest of flows by age but `present`.
fn oldest(flows: &BTreeSet<(u64, u64)>, present: u64) -> Option<(u64, u64)> {
    flows.iter().copied().find(|&(_, flow)| flow != present)
}
