//! The userspace build.

use std::collections::BTreeMap;
use std::rc::Rc;

use tollfree::dataplane::{NEIGHBOURS, PlanTables};
use tollfree::memory::{MemoryTables, MemoryTransports};
use tollfree_core::address::SubscriberId;
use tollfree_core::bytes::Frame;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::decide::{Decision, decide};
use tollfree_core::event::{CopyHead, CopyKind};
use tollfree_core::flow::{FlowEntry, FlowKey, FragmentEntry, FragmentKey, Promise};
use tollfree_core::interface::{InterfaceUsage, Role};
use tollfree_core::limits::COPY_OCTETS_MAX;
use tollfree_core::packet::{Packet, Start, parse};
use tollfree_core::quota::{QuotaCells, QuotaKey};
use tollfree_core::settings::Settings;
use tollfree_core::stat::Stat;
use tollfree_core::tag::{self, Tagged};
use zerocopy::IntoBytes as _;

use crate::answer::{Answer, Copied, Place, timeless, without_rest};
use crate::asked::Asked;
use crate::gateway::Gateway;
use crate::names::Names;
use crate::standing::Standing;
use crate::variant::Variant;

/// The clock, which stands still: later than what has passed.
const NOW_NS: u64 = 1_000_000_000;
/// When the day ends, in both planes: never.
pub(crate) const DAY_ENDS_NS: u64 = u64::MAX;
/// Until when the media of who signalled is waited with, in both planes.
pub(crate) const NEVER_ENDS_NS: u64 = u64::MAX;
/// Linux's action for what goes on.
const XDP_PASS: u32 = 2;

/// Where to look in the kernel for what this process knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// The headers could be read.
    pub(crate) is_read: bool,
    /// The counter that should move, with its flow by name.
    pub(crate) counter: Place,
    /// The flow that was asked for.
    pub(crate) flow: Option<FlowKey>,
    /// The datagram that was asked for.
    pub(crate) fragment: Option<FragmentKey>,
    /// Whose media is waited with from this frame on.
    pub(crate) signalled: Option<SubscriberId>,
}

/// The core over tables in memory, with what it has counted.
pub(crate) struct Userspace {
    tables: MemoryTables,
    transports: MemoryTransports,
    settings: [Settings; 2],
    epoch: u32,
    names: Names,
    quotas: BTreeMap<QuotaKey, Rc<QuotaCells>>,
    standing: Standing,
}

impl Userspace {
    /// Has seen nothing; `settings` are those of the programs by role, `epoch` what they count under.
    pub(crate) fn new(gateway: &Gateway, variant: &Variant, settings: [Settings; 2], epoch: u32) -> Self {
        let mut tables = MemoryTables::new(&gateway.plan, &gateway.pools, variant.flows_max as usize);
        tables.set_now(NOW_NS);
        tables.set_day_ends(DAY_ENDS_NS);
        tables.set_flows_per_subscriber(variant.flows_per_subscriber);
        for net in NEIGHBOURS.iter().filter_map(|net| net.parse().ok()) {
            tables.add_own(net);
        }
        for (key, entry) in &gateway.grants {
            tables.grant(*key, *entry);
        }
        let stats = Stat::ALL.iter().map(|stat| (stat.name(), 0)).collect();
        Self {
            tables,
            transports: MemoryTransports::new(&gateway.transports),
            settings,
            epoch,
            names: Names::default(),
            quotas: BTreeMap::new(),
            standing: Standing { stats, ..Standing::default() },
        }
    }

    /// Puts `plan` in force, and counts under `epoch`.
    pub(crate) fn activate(&mut self, plan: &PlanTables, epoch: u32) {
        self.tables.set_plan(plan);
        self.epoch = epoch;
    }

    /// Says what evidence said of the flow with this name.
    pub(crate) fn decide_flow(&mut self, flow: u64, verdict: Promise) {
        if let Some(number) = self.names.number(flow) {
            self.tables.decide_flow(number, verdict);
        }
    }

    /// What this process makes of a frame, and where in the kernel the same must be found.
    pub(crate) fn pass(&mut self, role: Role, frame: &[u8]) -> (Answer, Places) {
        let settings = self.settings[role as usize];
        let asked = Asked::new(&self.tables);
        let read = parse(&Frame::new(frame), Start::Ethernet, 0, &self.transports, &mut ());
        let (decision, volume_octets) = match &read {
            Ok(packet) => {
                #[allow(clippy::cast_possible_truncation, reason = "a port has sixteen bits")]
                let decision = decide(&asked, role, settings.sip_port as u16, packet);
                (decision, decision.volume_octets(packet))
            }
            Err(reason) => (Decision::unattributed(*reason), 0),
        };
        let (flow, fragment, sent_again) = (asked.flow(), asked.fragment(), asked.sent_again());
        let changes = (asked.has_opened(), asked.counted(), asked.quota());
        let flow_key = flow.map(|(key, _)| key);
        let named = |entry: FlowEntry| timeless(entry, self.names.see(entry.number));
        let flow = flow.and_then(|(_, entry)| entry).map(named);
        let parsed = read.ok().map(without_rest);
        let (leaves_as, tagged) = tagged(frame, &settings, parsed.as_ref(), &decision);
        let moved = self.count(role, frame, &decision, volume_octets);
        self.count_event(Stat::ForgedDscp, tagged == Tagged::Cleared);
        let signalled = (decision.copy == CopyKind::Signalling).then_some(decision.subscriber);
        if let Some(subscriber) = signalled {
            self.tables.signal(subscriber, NEVER_ENDS_NS);
        }
        let is_copied = decision.copy != CopyKind::None;
        self.count_event(Stat::CopySent, is_copied);
        self.keep(changes);
        let answer = Answer {
            parsed,
            counted: vec![moved],
            sent_again,
            leaves_as,
            copied: is_copied.then(|| {
                let name = if decision.flow == 0 { 0 } else { self.names.of(decision.flow) };
                copied(role, self.epoch, frame, &decision, name)
            }),
            flow,
            fragment: fragment
                .and_then(|(_, entry)| entry)
                .map(|entry| (entry.source_port, entry.destination_port)),
            verdict: XDP_PASS,
        };
        let places = Places {
            is_read: answer.parsed.is_some(),
            counter: moved.0,
            flow: flow_key,
            fragment: fragment.map(|(key, _)| key),
            signalled,
        };
        (answer, places)
    }

    /// Counts as the kernel program does: the subscriber's counter, and the interface's total and bucket.
    fn count(&mut self, role: Role, frame: &[u8], decision: &Decision, volume_octets: u32) -> (Place, Usage) {
        let Decision { subscriber, rule, reason, flow, .. } = *decision;
        let epoch = self.epoch;
        let place = if flow == 0 {
            Place::Counter(CounterKey::new(subscriber, epoch, rule, reason.bucket(), reason))
        } else {
            Place::Pending(PendingKey { flow: self.names.of(flow), subscriber, epoch, rule })
        };
        let octets = u64::from(volume_octets);
        let usage = Usage::of(role, volume_octets);
        *self.standing.counters.entry(place).or_default() += usage;
        let interface = &mut self.standing.interfaces[role as usize];
        let arrived = InterfaceUsage { packets: 1, frame_octets: frame.len() as u64, octets: 0 };
        interface.seen += arrived;
        interface.buckets[reason.bucket() as usize] += InterfaceUsage { octets, ..arrived };
        (place, usage)
    }

    /// Keeps what a decision changed beside the counters: whether it opened a flow, whose one more flow is, and what
    /// it counted towards a ceiling.
    fn keep(&mut self, (opened, owner, quota): Changes) {
        self.count_event(Stat::FlowOpened, opened);
        if let Some(subscriber) = owner {
            *self.standing.subscriber_flows.entry(subscriber).or_default() += 1;
        }
        self.quotas.extend(quota);
    }

    fn count_event(&mut self, stat: Stat, happened: bool) {
        *self.standing.stats.entry(stat.name()).or_default() += u64::from(happened);
    }

    /// All that it holds now.
    pub(crate) fn standing(&self) -> Standing {
        let named = |entry: FlowEntry| timeless(entry, self.names.of(entry.number));
        let flows = self.tables.flows().into_iter().map(|(key, entry)| (key, named(entry))).collect();
        let quotas = self.quotas.iter().map(|(key, quota)| (*key, quota.entry())).collect();
        let ports = |entry: FragmentEntry| (entry.source_port, entry.destination_port);
        let fragments = self.tables.fragments().into_iter().map(|(key, entry)| (key, ports(entry))).collect();
        let sent_again = self.tables.sent_again();
        Standing { sent_again, quotas, flows, fragments, ..self.standing.clone() }
    }
}

/// See [`Userspace::keep`].
type Changes = (bool, Option<SubscriberId>, Option<(QuotaKey, Rc<QuotaCells>)>);

/// How a frame leaves: metadata in front, as a program's output has it.
fn tagged(
    frame: &[u8],
    settings: &Settings,
    packet: Option<&Packet>,
    decision: &Decision,
) -> (Vec<u8>, Tagged) {
    let mut octets = frame.to_vec();
    let Some(packet) = packet else { return (octets, Tagged::No) };
    let tagged = tag::apply(&mut octets[..], settings, packet, decision);
    if let Tagged::WithMetadata(metadata) = tagged {
        octets.splice(..0, metadata.as_bytes().iter().copied());
    }
    (octets, tagged)
}

/// What the kernel program copies of a frame; `flow` by name.
fn copied(role: Role, epoch: u32, frame: &[u8], decision: &Decision, flow: u64) -> Copied {
    let octets = frame[..frame.len().min(COPY_OCTETS_MAX)].to_vec();
    let counted = |octets: usize| u32::try_from(octets).unwrap_or(u32::MAX);
    let head = CopyHead {
        at_ns: 0,
        flow,
        role: role as u32,
        kind: decision.copy as u32,
        epoch,
        rule: decision.rule,
        frame_octets: counted(frame.len()),
        copied_octets: counted(octets.len()),
    };
    Copied { head, octets }
}
