//! The kernel program.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use aya::maps::{MapData, RingBuf};
use tollfree::dataplane::{InterfaceCounts, PlanTables};
use tollfree_benches::harness::{FIRST_EPOCH, KernelHarness};
use tollfree_core::counter::{PendingKey, Usage};
use tollfree_core::event::CopyHead;
use tollfree_core::flow::{FlowEntry, FlowKey, FragmentEntry, FragmentKey, Promise};
use tollfree_core::interface::{InterfaceUsage, Role};
use tollfree_core::settings::Settings;

use crate::answer::{Answer, Copied, Place, timeless, without_rest};
use crate::gateway::{self, Gateway};
use crate::maps::{Maps, found};
use crate::names::Names;
use crate::part::ETHERNET_OCTETS;
use crate::standing::Standing;
use crate::userspace::{DAY_ENDS_NS, Places};
use crate::variant::Variant;

/// Later than every packet: a flow or a datagram that was seen then never ages.
const NEVER_AGES_NS: u64 = u64::MAX;
/// Longer than any frame that the kernel could take. Reason: the most that an IP packet can have.
const FRAME_OCTETS_BOUND: usize = 65_536;

/// The programs of both roles, with what their maps held when a part began.
pub(crate) struct Kernel {
    harness: KernelHarness,
    maps: Maps,
    copies: RingBuf<MapData>,
    /// The CPU that all of this runs on.
    cpu: usize,
    epoch: u32,
    bank: u32,
    settings: [Settings; 2],
    /// Every counter as last read, with flows by number.
    counters: BTreeMap<Place, Usage>,
    /// Payload that was sent before, by rule, as last read.
    sent_again: BTreeMap<u32, Usage>,
    names: Names,
    /// By role's number, when the part began.
    interfaces: [InterfaceCounts; 2],
    stats: BTreeMap<&'static str, u64>,
}

impl Kernel {
    /// Loads the programs for `variant`; runs them on `cpu`, on which the caller's thread stays.
    pub(crate) fn open(variant: &Variant, cpu: usize) -> Result<Self> {
        let mut harness = KernelHarness::open(&gateway::settings(variant), &PlanTables::default())?;
        harness.dataplane().set_day_ends(DAY_ENDS_NS)?;
        Ok(Self {
            maps: Maps::open(harness.directory())?,
            copies: harness.dataplane().take_copies()?,
            cpu,
            epoch: FIRST_EPOCH,
            bank: 0,
            settings: [harness.settings(Role::Access)?, harness.settings(Role::Core)?],
            counters: BTreeMap::new(),
            sent_again: BTreeMap::new(),
            names: Names::default(),
            interfaces: [InterfaceCounts::default(); 2],
            stats: BTreeMap::new(),
            harness,
        })
    }

    /// What the programs were told, by role.
    pub(crate) const fn settings(&self) -> [Settings; 2] {
        self.settings
    }

    /// What counters are counted under now.
    pub(crate) const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The longest frame that the kernel shows to the program whole, in octets.
    pub(crate) fn frame_octets_max(&mut self) -> Result<usize> {
        let (mut fits, mut is_too_long) = (ETHERNET_OCTETS, FRAME_OCTETS_BOUND);
        while is_too_long - fits > 1 {
            let octets = usize::midpoint(fits, is_too_long);
            if self.takes(octets)? { fits = octets } else { is_too_long = octets }
        }
        Ok(fits)
    }

    fn takes(&mut self, octets: usize) -> Result<bool> {
        let slot = self.settings[Role::Access as usize].interface_slot;
        let before = self.maps.interface(slot)?.seen.frame_octets;
        if self.harness.run(Role::Access, &vec![0; octets], 1).is_err() {
            return Ok(false);
        }
        // A longer frame may be taken in pieces, of which the program is shown the first.
        Ok(self.maps.interface(slot)?.seen.frame_octets - before == octets as u64)
    }

    /// Begins a part: forgets everything, and puts `gateway` in force under a new epoch.
    pub(crate) fn begin(&mut self, gateway: &Gateway) -> Result<()> {
        let dataplane = self.harness.dataplane();
        dataplane.set_locals(&gateway.pools)?;
        dataplane.set_transports(&gateway.transports)?;
        self.activate(&gateway.plan)?;
        self.stats = self.harness.dataplane().stats()?;
        self.maps.reset(&gateway.grants)?;
        self.counters.clear();
        self.sent_again.clear();
        self.names = Names::default();
        self.interfaces = self.interface_counts()?;
        Ok(())
    }

    /// Puts `plan` in force under a new epoch.
    pub(crate) fn activate(&mut self, plan: &PlanTables) -> Result<()> {
        self.epoch = self.epoch.checked_add(1).context("the epochs are used up")?;
        let dataplane = self.harness.dataplane();
        dataplane.activate(plan, self.epoch)?;
        self.bank = dataplane.control().bank();
        Ok(())
    }

    /// Says what evidence said of the flow with this name.
    pub(crate) fn decide_flow(&mut self, flow: u64, verdict: Promise) -> Result<()> {
        let number = self.names.number(flow).context("a flow that was never seen")?;
        Ok(self.maps.verdicts.insert(number, verdict, 0)?)
    }

    /// What the kernel program makes of a frame, looked for first where the userspace build says it must be.
    pub(crate) fn pass(&mut self, role: Role, frame: &[u8], places: &Places) -> Result<Answer> {
        let run = self.harness.run(role, frame, 1)?;
        if let Some(subscriber) = places.signalled {
            self.maps.signal(subscriber)?;
        }
        let parsed = if places.is_read { self.harness.parts(role).1.parsed(self.cpu)? } else { None };
        // In front of what it is counted for: that may be its first packet.
        let flow = match &places.flow {
            Some(key) => self.flow(key)?,
            None => None,
        };
        let fragment = match &places.fragment {
            Some(key) => self.fragment(key)?,
            None => None,
        };
        Ok(Answer {
            parsed: parsed.map(without_rest),
            counted: self.counted(places.counter)?,
            sent_again: self.sent_again(places.counter.rule())?,
            leaves_as: run.frame,
            copied: self.copied()?,
            flow,
            fragment: fragment.map(|entry| (entry.source_port, entry.destination_port)),
            verdict: run.verdict,
        })
    }

    /// What has moved: the `expected` counter by one packet, or else whatever did. Flows by name.
    fn counted(&mut self, expected: Place) -> Result<Vec<(Place, Usage)>> {
        let numbered = self.numbered(expected);
        let earlier = self.counters.get(&numbered).copied().unwrap_or_default();
        let later = self.maps.counter(self.bank, &numbered)?;
        if let Some(later) = later
            && let Some(moved) = later.since(&earlier)
            && moved.packets() == 1
        {
            self.counters.insert(numbered, later);
            return Ok(vec![(numbered.named(&self.names), moved)]);
        }
        let all = self.maps.counters()?;
        let mut moved = Vec::new();
        for (key, later) in &all {
            let earlier = self.counters.get(key).copied().unwrap_or_default();
            let since = later.since(&earlier).with_context(|| format!("{key:?} went back"))?;
            if since != Usage::default() {
                moved.push((key.named(&self.names), since));
            }
        }
        self.counters = all;
        Ok(moved)
    }

    /// The same, with the flow's number for its name.
    fn numbered(&self, place: Place) -> Place {
        match place {
            Place::Counter(_) => place,
            Place::Pending(key) => {
                let flow = self.names.number(key.flow).unwrap_or_default();
                Place::Pending(PendingKey { flow, ..key })
            }
        }
    }

    /// What a rule's flows have sent again since it was asked last.
    fn sent_again(&mut self, rule: u32) -> Result<Usage> {
        let later = self.maps.sent_again_of(rule)?;
        let earlier = self.sent_again.insert(rule, later).unwrap_or_default();
        later.since(&earlier).with_context(|| format!("what rule {rule} sent again went back"))
    }

    /// A flow by its name. Makes it never age.
    fn flow(&mut self, key: &FlowKey) -> Result<Option<FlowEntry>> {
        let Some(entry) = found(self.maps.flows.get(key, 0))? else { return Ok(None) };
        if entry.last_seen_ns != NEVER_AGES_NS {
            self.maps.flows.insert(key, FlowEntry { last_seen_ns: NEVER_AGES_NS, ..entry }, 0)?;
        }
        Ok(Some(timeless(entry, self.names.see(entry.number))))
    }

    /// What is remembered of a datagram. Makes it never age.
    fn fragment(&mut self, key: &FragmentKey) -> Result<Option<FragmentEntry>> {
        let entry = found(self.maps.fragments.get(key, 0))?;
        if let Some(entry) = entry
            && entry.seen_ns != NEVER_AGES_NS
        {
            self.maps.fragments.insert(key, FragmentEntry { seen_ns: NEVER_AGES_NS, ..entry }, 0)?;
        }
        Ok(entry)
    }

    /// The copy that was sent, if one was.
    fn copied(&mut self) -> Result<Option<Copied>> {
        let Some(item) = self.copies.next() else { return Ok(None) };
        let (head, octets) = CopyHead::read(&item).context("a copy of another length")?;
        let octets = octets.to_vec();
        drop(item);
        ensure!(self.copies.next().is_none(), "one frame was copied twice");
        // The flow may be seen for the first time.
        let flow = if head.flow == 0 { 0 } else { self.names.see(head.flow) };
        Ok(Some(Copied { head: CopyHead { flow, at_ns: 0, ..head }, octets }))
    }

    /// All that the maps hold now.
    pub(crate) fn standing(&self) -> Result<Standing> {
        let mut standing = Standing { sent_again: self.maps.sent_again()?, ..Standing::default() };
        for (place, usage) in self.maps.counters()? {
            *standing.counters.entry(place.named(&self.names)).or_default() += usage;
        }
        for entry in &self.maps.flows {
            let (key, entry) = entry?;
            standing.flows.insert(key, timeless(entry, self.names.of(entry.number)));
        }
        for entry in &self.maps.quotas {
            let (key, entry) = entry?;
            standing.quotas.insert(key, entry);
        }
        for entry in &self.maps.subscriber_flows {
            let (subscriber, flows) = entry?;
            // Who was refused his first flow has an entry too.
            if flows.opened != 0 {
                standing.subscriber_flows.insert(subscriber, flows.opened);
            }
        }
        for entry in &self.maps.fragments {
            let (key, entry) = entry?;
            standing.fragments.insert(key, (entry.source_port, entry.destination_port));
        }
        for (place, (later, earlier)) in
            standing.interfaces.iter_mut().zip(self.interface_counts()?.iter().zip(&self.interfaces))
        {
            *place = since(later, earlier);
        }
        Ok(standing)
    }

    /// Events since the part began.
    pub(crate) fn stats(&mut self) -> Result<BTreeMap<&'static str, u64>> {
        let stats = self.harness.dataplane().stats()?;
        Ok(stats.into_iter().map(|(name, now)| (name, now - self.stats[name])).collect())
    }

    fn interface_counts(&self) -> Result<[InterfaceCounts; 2]> {
        let [access, core] = self.settings.map(|settings| self.maps.interface(settings.interface_slot));
        Ok([access?, core?])
    }
}

/// Counters only grow.
fn since(later: &InterfaceCounts, earlier: &InterfaceCounts) -> InterfaceCounts {
    let usage = |later: InterfaceUsage, earlier: InterfaceUsage| InterfaceUsage {
        packets: later.packets.wrapping_sub(earlier.packets),
        frame_octets: later.frame_octets.wrapping_sub(earlier.frame_octets),
        octets: later.octets.wrapping_sub(earlier.octets),
    };
    let mut buckets = later.buckets;
    for (bucket, earlier) in buckets.iter_mut().zip(earlier.buckets) {
        *bucket = usage(*bucket, earlier);
    }
    InterfaceCounts { seen: usage(later.seen, earlier.seen), buckets }
}
