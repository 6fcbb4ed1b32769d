//! The userspace build.

use std::collections::BTreeMap;

use tollfree::dataplane::NEIGHBOURS;
use tollfree::memory::{MemoryTables, MemoryTransports};
use tollfree_core::bytes::Frame;
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::decide::{Decision, decide};
use tollfree_core::flow::{FlowKey, FragmentEntry, FragmentKey};
use tollfree_core::interface::{InterfaceUsage, Role};
use tollfree_core::limits::COPY_OCTETS_MAX;
use tollfree_core::packet::{Packet, Start, parse};
use tollfree_core::settings::Settings;
use tollfree_core::stat::Stat;
use tollfree_core::tag::{self, Tagged};
use zerocopy::IntoBytes as _;

use crate::answer::{Answer, Copied};
use crate::asked::Asked;
use crate::gateway::Gateway;
use crate::standing::Standing;
use crate::variant::Variant;

/// The clock, which stands still: later than what has passed.
const NOW_NS: u64 = 1_000_000_000;
/// Linux's action for what goes on.
const XDP_PASS: u32 = 2;

/// Where to look in the kernel for what this process knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// The headers could be read.
    pub(crate) is_read: bool,
    /// The counter that should move.
    pub(crate) counter: CounterKey,
    /// The flow that was asked for.
    pub(crate) flow: Option<FlowKey>,
    /// The datagram that was asked for.
    pub(crate) fragment: Option<FragmentKey>,
}

/// The core over tables in memory, with what it has counted.
pub(crate) struct Userspace {
    tables: MemoryTables,
    transports: MemoryTransports,
    settings: [Settings; 2],
    epoch: u32,
    standing: Standing,
}

impl Userspace {
    /// Has seen nothing; `settings` are those of the programs by role, `epoch` what they count under.
    pub(crate) fn new(gateway: &Gateway, variant: &Variant, settings: [Settings; 2], epoch: u32) -> Self {
        let mut tables = MemoryTables::new(&gateway.plan, &gateway.pools, variant.flows_max as usize);
        tables.set_now(NOW_NS);
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
            standing: Standing { stats, ..Standing::default() },
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
        let (flow, fragment) = (asked.flow(), asked.fragment());
        let parsed = read.ok();
        let (leaves_as, tagged) = tagged(frame, &settings, parsed.as_ref(), &decision);
        let moved = self.count(role, frame, &decision, volume_octets);
        self.count_event(Stat::ForgedDscp, tagged == Tagged::Cleared);
        self.count_event(Stat::CopySent, decision.copy);
        let answer = Answer {
            parsed,
            counted: vec![moved],
            leaves_as,
            copied: decision.copy.then(|| copied(role, self.epoch, frame)),
            flow: flow.and_then(|(_, entry)| entry).map(|entry| entry.usage),
            fragment: fragment
                .and_then(|(_, entry)| entry)
                .map(|entry| (entry.source_port, entry.destination_port)),
            verdict: XDP_PASS,
        };
        let places = Places {
            is_read: answer.parsed.is_some(),
            counter: moved.0,
            flow: flow.map(|(key, _)| key),
            fragment: fragment.map(|(key, _)| key),
        };
        (answer, places)
    }

    /// Counts as the kernel program does: the subscriber's counter, and the interface's total and bucket.
    fn count(
        &mut self,
        role: Role,
        frame: &[u8],
        decision: &Decision,
        volume_octets: u32,
    ) -> (CounterKey, Usage) {
        let Decision { subscriber, rule, reason, .. } = *decision;
        let key = CounterKey::new(subscriber, self.epoch, rule, reason.bucket(), reason);
        let octets = u64::from(volume_octets);
        let usage = match role {
            Role::Access => Usage { uplink_packets: 1, uplink_octets: octets, ..Usage::default() },
            Role::Core => Usage { downlink_packets: 1, downlink_octets: octets, ..Usage::default() },
        };
        *self.standing.counters.entry(key).or_default() += usage;
        let interface = &mut self.standing.interfaces[role as usize];
        let arrived = InterfaceUsage { packets: 1, frame_octets: frame.len() as u64, octets: 0 };
        interface.seen += arrived;
        interface.buckets[reason.bucket() as usize] += InterfaceUsage { octets, ..arrived };
        (key, usage)
    }

    fn count_event(&mut self, stat: Stat, happened: bool) {
        *self.standing.stats.entry(stat.name()).or_default() += u64::from(happened);
    }

    /// All that it holds now.
    pub(crate) fn standing(&self) -> Standing {
        let flows: BTreeMap<_, _> =
            self.tables.flows().into_iter().map(|(key, entry)| (key, entry.usage)).collect();
        let ports = |entry: FragmentEntry| (entry.source_port, entry.destination_port);
        let fragments = self.tables.fragments().into_iter().map(|(key, entry)| (key, ports(entry))).collect();
        let mut standing = Standing { flows, fragments, ..self.standing.clone() };
        // No flow is closed in between.
        standing.stats.insert(Stat::FlowOpened.name(), standing.flows.len() as u64);
        standing
    }
}

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

fn copied(role: Role, epoch: u32, frame: &[u8]) -> Copied {
    let octets = frame[..frame.len().min(COPY_OCTETS_MAX)].to_vec();
    Copied { role: role as u32, epoch, frame_octets: u32::try_from(frame.len()).unwrap_or(u32::MAX), octets }
}
