//! What passing packets tell: addresses of names, and the names that flows ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::bytes::Frame;
use tollfree_core::event::CopyHead;
use tollfree_core::flow::{NO_RULE, Verdict};
use tollfree_core::interface::Role;
use tollfree_core::limits::HEARD_NS;
use tollfree_core::packet::{self, Packet, Start, protocol};
use tollfree_core::plan::{Evidence, Matcher};
use tollfree_core::reason::{Bucket, Reason};
use tollfree_wire::dns::{self, Direction, Listener};
use tollfree_wire::inspect::{self, Finding, Inspector};

use super::Shared;
use super::addresses::{open, proven};
use crate::book::{AddressBook, Lesson, Refused};
use crate::dataplane::{LivePlan, VerdictTable, monotonic_ns};
use crate::memory::MemoryTransports;
use crate::policy::{HiddenName, NameIndex, Plan, PlanRule, WireName};
use crate::recent::Recent;
use crate::resolve::{Moment, NameTerms};
use crate::status::EvidenceStatus;

/// How often flows are looked at that tell nothing any more, and status is told.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is looked whether addresses have been proven that flows wait for.
const PROOF_INTERVAL: Duration = Duration::from_millis(50);
/// How long a flow waits for its address to be proven. Reason: the kernel waits no longer with addresses of answers.
const PROOF_WAIT: Duration = Duration::from_nanos(HEARD_NS);
/// Addresses that are remembered as waiting for a proof. Reason: those of as many names as one second may ask for, and more.
const UNPROVEN_MAX: usize = 16_384;
/// Flows that are remembered, at most. Reason: as many as the inspector holds.
const FLOWS_MAX: usize = inspect::Limits::FLOWS;

/// What a plan in force says of names and rules.
#[derive(Debug, Default)]
pub(super) struct PlanNames {
    names: NameIndex,
    /// By permanent number; their order is that in which they are tried at an address.
    rules: BTreeMap<u32, PlanRule>,
}

impl PlanNames {
    /// Of the plan that is put in force.
    pub(super) fn of(plan: &Plan) -> Self {
        let rules = plan.rules.iter().map(|rule| (rule.entry.rule, rule.clone())).collect();
        Self { names: plan.names.clone(), rules }
    }

    /// Whether the rule's policy is only observed.
    pub(super) fn observes(&self, rule: u32) -> bool {
        self.rules.get(&rule).is_some_and(|rule| rule.observes)
    }

    fn covers(&self, name: &str, rule: u32) -> bool {
        let name = WireName::parse(name.as_bytes());
        name.host().is_some_and(|host| self.names.rules(host).contains(&rule))
    }
}

/// A flow that awaits its verdict.
#[derive(Clone, Debug)]
struct Waiting {
    /// [`NO_RULE`]: its address is to be proven first.
    rule: u32,
    remote: IpAddr,
    protocol: u8,
    port: u16,
    /// Strangers' names have its address too.
    shared: bool,
    since: Instant,
    /// When its first packet was copied.
    since_ns: u64,
    /// What was found out before its address was proven.
    found: Option<Finding>,
}

/// Reads copies of DNS and of flows that await evidence.
pub(super) struct EvidenceReader {
    parts: EvidenceParts,
    listener: Listener,
    inspector: Inspector,
    waiting: HashMap<u64, Waiting>,
    /// Addresses in answers that the gateway must prove itself, and until when it is waited with.
    unproven: Recent<IpAddr, Instant>,
    /// Flows to them.
    waiting_for_proof: BTreeSet<u64>,
    next_look: Instant,
    next_proof: Instant,
    status: EvidenceStatus,
}

/// What it works with.
pub(super) struct EvidenceParts {
    pub(super) shared: Arc<Shared>,
    pub(super) book: Arc<Mutex<AddressBook>>,
    pub(super) live: LivePlan,
    /// Names that are resolved.
    pub(super) names: watch::Sender<BTreeMap<String, NameTerms>>,
    pub(super) verdicts: VerdictTable,
    pub(super) transports: MemoryTransports,
}

impl EvidenceReader {
    /// Has read nothing yet.
    pub(super) fn new(parts: EvidenceParts) -> Self {
        Self {
            parts,
            listener: Listener::new(dns::Limits::default()),
            inspector: Inspector::new(inspect::Limits::default()),
            waiting: HashMap::new(),
            unproven: Recent::new(UNPROVEN_MAX),
            waiting_for_proof: BTreeSet::new(),
            next_look: Instant::now(),
            next_proof: Instant::now(),
            status: EvidenceStatus::default(),
        }
    }

    /// A copy of signalling found its queue full.
    pub(super) fn count_dropped(&mut self) {
        self.status.dropped_signalling += 1;
    }

    /// Learns from DNS between a subscriber and a trusted resolver.
    pub(super) fn names(&mut self, head: &CopyHead, frame: &[u8]) {
        let Some((_, ip)) = inner(frame, &self.parts.transports) else { return };
        let lessons: Vec<_> = self.listener.take(head.at_ns, direction(head.role), ip).collect();
        for lesson in lessons {
            self.learn(lesson);
        }
    }

    /// What is learned is in the plan when this returns: copies that come after find it there. The engine states it in the
    /// audit log and the ledger when it looks at the book next.
    fn learn(&mut self, heard: dns::Lesson) {
        let now = Moment::now();
        let family = if heard.subscriber.is_ipv4() { Family::V4 } else { Family::V6 };
        let lesson = Lesson {
            at: now,
            subscriber: SubscriberId::of(&Address::from(heard.subscriber), family),
            resolver: heard.resolver,
            name: heard.name,
            chain: heard.chain,
            addresses: heard
                .addresses
                .into_iter()
                .map(|(address, ttl)| (address, Duration::from_secs(ttl.into())))
                .collect(),
        };
        // Held from before the lesson is judged: no other policy may come in between.
        let mut live = self.parts.live.hold();
        let (taught, changes) = {
            let mut book = open(&self.parts.book);
            (book.learn(&lesson), book.take_changes(now))
        };
        self.status.lessons += 1;
        for change in &changes {
            match live.set_address(change.address, &change.rules, change.shared) {
                Ok(()) => self.status.learned += 1,
                Err(error) => {
                    self.status.failures += 1;
                    tracing::error!("learning {}: {error}", change.address);
                }
            }
        }
        drop(live);
        if taught.is_wanted {
            self.parts.names.send_modify(|names| {
                names.entry(lesson.name).or_insert_with(proven);
            });
        }
        let unproven = taught.refused.iter().filter(|(_, refused)| *refused == Refused::Unproven);
        for (address, _) in unproven {
            self.unproven.insert(*address, now.monotonic + PROOF_WAIT);
        }
    }

    /// Looks into a packet of a flow that awaits evidence.
    pub(super) fn packet(&mut self, head: &CopyHead, frame: &[u8]) {
        let Some((packet, ip)) = inner(frame, &self.parts.transports) else {
            self.status.unread += 1;
            return;
        };
        if !self.waiting.contains_key(&head.flow) && !self.begin(head, &packet) {
            return;
        }
        if let Some(finding) = self.inspector.take(head.flow, head.at_ns, direction(head.role), ip) {
            self.found(&finding);
        }
    }

    /// Begins with a flow; false if there is nothing to look for in it.
    fn begin(&mut self, head: &CopyHead, packet: &Packet) -> bool {
        if self.waiting.len() >= FLOWS_MAX {
            self.status.full += 1;
            return false;
        }
        let is_uplink = Role::from_number(head.role) == Role::Access;
        let (remote, port) = if is_uplink {
            (packet.destination.to_ip(), packet.destination_port)
        } else {
            (packet.source.to_ip(), packet.source_port)
        };
        let (rules, shared) = open(&self.parts.book).told(remote);
        let mut waiting = Waiting {
            rule: head.rule,
            remote,
            protocol: packet.protocol,
            port,
            shared,
            since: Instant::now(),
            since_ns: head.at_ns,
            found: None,
        };
        if head.rule == NO_RULE {
            match self.claim(&rules, &waiting) {
                Claim::Decided(verdict) => {
                    self.decide(head.flow, Some(head.at_ns), verdict);
                    return false;
                }
                Claim::AsksForName(rule) => waiting.rule = rule,
                Claim::None if self.is_unproven(remote) => drop(self.waiting_for_proof.insert(head.flow)),
                Claim::None => {
                    self.decide(head.flow, None, Verdict { rule: NO_RULE, reason: Reason::NotListed });
                    return false;
                }
            }
        }
        self.waiting.insert(head.flow, waiting);
        true
    }

    /// Whether an answer has the address that the gateway may be proving now.
    fn is_unproven(&self, address: IpAddr) -> bool {
        self.unproven.get(&address).is_some_and(|until| Instant::now() < *until)
    }

    /// What the rules whose names its address has say of a flow that was opened under none.
    fn claim(&self, rules: &BTreeSet<u32>, flow: &Waiting) -> Claim {
        let names = self.parts.shared.names.load_full();
        let Some(claiming) = claiming(&names, rules, flow.protocol, flow.port) else { return Claim::None };
        let rule = claiming.entry.rule;
        if claiming.evidence == Evidence::Address && !flow.shared {
            let reason = if claiming.observes { Reason::Observed } else { Reason::Address };
            Claim::Decided(Verdict { rule, reason })
        } else {
            Claim::AsksForName(rule)
        }
    }

    /// Decides flows whose addresses have been proven, or for which that has been waited for long enough.
    fn look_for_proofs(&mut self) {
        let now = Instant::now();
        if self.waiting_for_proof.is_empty() || now < self.next_proof {
            return;
        }
        self.next_proof = now + PROOF_INTERVAL;
        for flow in std::mem::take(&mut self.waiting_for_proof) {
            let Some(mut waiting) = self.waiting.remove(&flow) else { continue };
            let rules;
            (rules, waiting.shared) = open(&self.parts.book).told(waiting.remote);
            match self.claim(&rules, &waiting) {
                Claim::Decided(verdict) => self.decide(flow, Some(waiting.since_ns), verdict),
                Claim::AsksForName(rule) => {
                    waiting.rule = rule;
                    let found = waiting.found.take();
                    self.waiting.insert(flow, waiting);
                    if let Some(finding) = found {
                        self.found(&finding);
                    }
                }
                Claim::None if now.duration_since(waiting.since) < PROOF_WAIT => {
                    self.waiting.insert(flow, waiting);
                    self.waiting_for_proof.insert(flow);
                }
                Claim::None => self.decide(flow, None, Verdict { rule: NO_RULE, reason: Reason::NotListed }),
            }
        }
    }

    /// What was found out about a flow becomes its verdict.
    fn found(&mut self, finding: &Finding) {
        let Some(mut waiting) = self.waiting.remove(&finding.flow) else { return };
        if waiting.rule == NO_RULE {
            waiting.found = Some(finding.clone());
            self.waiting.insert(finding.flow, waiting);
            return;
        }
        let reason = self.judge(&waiting, &finding.evidence);
        self.decide(finding.flow, finding.first_payload_ns, Verdict { rule: waiting.rule, reason });
    }

    fn judge(&self, waiting: &Waiting, evidence: &inspect::Evidence) -> Reason {
        let names = self.parts.shared.names.load();
        let Some(rule) = names.rules.get(&waiting.rule) else { return Reason::Undecided };
        let without_name = |reason| {
            // Where strangers' names have the address too, the name is required, whatever the rule says.
            let may_hide = rule.hidden_name == HiddenName::Free && !waiting.shared;
            if may_hide { Reason::HiddenNameFree } else { reason }
        };
        let reason = match evidence {
            inspect::Evidence::Name { name, .. } => {
                let name = name.as_str();
                let is_own = names.covers(name, waiting.rule)
                    && (open(&self.parts.book).has(name, waiting.remote)
                        || rule.networks.iter().any(|network| network.contains(&waiting.remote)));
                if is_own { Reason::NameAndAddress } else { Reason::OtherName }
            }
            inspect::Evidence::Hidden { .. } => without_name(Reason::HiddenName),
            inspect::Evidence::Undecided { .. } => without_name(Reason::Undecided),
        };
        if rule.observes && reason.bucket() == Bucket::Free { Reason::Observed } else { reason }
    }

    fn decide(&mut self, flow: u64, since_ns: Option<u64>, verdict: Verdict) {
        match self.parts.verdicts.decide(flow, verdict) {
            Ok(_) => {
                let latency = since_ns.map(|since_ns| monotonic_ns().saturating_sub(since_ns));
                self.status.decided(verdict.reason, latency.map(Duration::from_nanos));
            }
            Err(error) => {
                self.status.failures += 1;
                tracing::error!("a flow's verdict: {error}");
            }
        }
    }

    /// Gives up flows that have taken too long, and tells status how it stands.
    pub(super) fn look_around(&mut self) {
        self.look_for_proofs();
        let now = Instant::now();
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_INTERVAL;
        for finding in self.inspector.expire(monotonic_ns()) {
            self.found(&finding);
        }
        // The inspector tells of each flow once; what it never heard of goes with the kernel's own bound.
        let age = Duration::from_nanos(2 * inspect::Limits::AGE_NS);
        self.waiting.retain(|_, waiting| now.duration_since(waiting.since) < age);
        let stats = self.listener.stats();
        self.status.questions = stats.questions;
        self.status.refused = stats
            .refusals()
            .filter(|(_, count)| *count > 0)
            .map(|(refusal, count)| (refusal.to_string(), count))
            .collect();
        self.status.waiting = self.waiting.len() as u64;
        self.parts.shared.evidence.store(Arc::new(self.status.clone()));
    }
}

/// What rules say of a flow that was opened under none.
enum Claim {
    /// None has its address and port.
    None,
    /// The address is enough, or never will be.
    Decided(Verdict),
    /// This one asks for a name.
    AsksForName(u32),
}

/// The first of the rules whose names an address has that claims a port there.
fn claiming<'a>(
    names: &'a PlanNames,
    rules: &BTreeSet<u32>,
    protocol: u8,
    port: u16,
) -> Option<&'a PlanRule> {
    let bit = if protocol == protocol::TCP { Matcher::TCP } else { Matcher::UDP };
    let claims = |rule: &&PlanRule| {
        rule.ports
            .iter()
            .any(|range| range.protocols & bit != 0 && (range.first..=range.last).contains(&port))
    };
    rules.iter().filter_map(|rule| names.rules.get(rule)).find(claims).filter(|rule| rule.class.is_free())
}

fn direction(role: u32) -> Direction {
    match Role::from_number(role) {
        Role::Access => Direction::Uplink,
        Role::Core => Direction::Downlink,
    }
}

/// The innermost packet of a frame: what its headers say, and its octets from the IP header to its end, as far as they were
/// copied.
fn inner<'a>(frame: &'a [u8], transports: &MemoryTransports) -> Option<(Packet, &'a [u8])> {
    let packet = packet::parse(&Frame::new(frame), Start::Ethernet, 0, transports, &mut ()).ok()?;
    let end = (packet.ip_offset + packet.volume_octets as usize).min(frame.len());
    let ip = frame.get(packet.ip_offset..end)?;
    Some((packet, ip))
}
