//! The kernel program.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use aya::maps::{MapData, RingBuf};
use tollfree::dataplane::{InterfaceCounts, PlanTables};
use tollfree_benches::harness::{FIRST_EPOCH, KernelHarness};
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::event::Copy;
use tollfree_core::flow::{FragmentEntry, FragmentKey};
use tollfree_core::interface::{InterfaceUsage, Role};
use tollfree_core::settings::Settings;
use zerocopy::FromBytes as _;

use crate::answer::{Answer, Copied};
use crate::gateway::{self, Gateway};
use crate::maps::{Maps, found};
use crate::part::ETHERNET_OCTETS;
use crate::standing::Standing;
use crate::userspace::Places;
use crate::variant::Variant;

/// Later than every packet: a datagram that was seen then never ages.
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
    /// Every counter as last read.
    counters: BTreeMap<CounterKey, Usage>,
    /// By role's number, when the part began.
    interfaces: [InterfaceCounts; 2],
    stats: BTreeMap<&'static str, u64>,
}

impl Kernel {
    /// Loads the programs for `variant`; runs them on `cpu`, on which the caller's thread stays.
    pub(crate) fn open(variant: &Variant, cpu: usize) -> Result<Self> {
        let mut harness = KernelHarness::open(&gateway::settings(variant), &PlanTables::default())?;
        Ok(Self {
            maps: Maps::open(harness.directory())?,
            copies: harness.dataplane().take_copies()?,
            cpu,
            epoch: FIRST_EPOCH,
            bank: 0,
            settings: [harness.settings(Role::Access)?, harness.settings(Role::Core)?],
            counters: BTreeMap::new(),
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
        self.epoch = self.epoch.checked_add(1).context("the epochs are used up")?;
        let dataplane = self.harness.dataplane();
        dataplane.set_locals(&gateway.pools)?;
        dataplane.set_transports(&gateway.transports)?;
        dataplane.activate(&gateway.plan, self.epoch)?;
        self.bank = dataplane.control().bank();
        self.stats = dataplane.stats()?;
        self.maps.reset(&gateway.grants)?;
        self.counters.clear();
        self.interfaces = self.interface_counts()?;
        Ok(())
    }

    /// What the kernel program makes of a frame, looked for first where the userspace build says it must be.
    pub(crate) fn pass(&mut self, role: Role, frame: &[u8], places: &Places) -> Result<Answer> {
        let run = self.harness.run(role, frame, 1)?;
        let parsed = if places.is_read { self.harness.parts(role).1.parsed(self.cpu)? } else { None };
        let flow = match &places.flow {
            Some(key) => found(self.maps.flows.get(key, 0))?,
            None => None,
        };
        let fragment = match &places.fragment {
            Some(key) => self.fragment(key)?,
            None => None,
        };
        Ok(Answer {
            parsed,
            counted: self.counted(&places.counter)?,
            leaves_as: run.frame,
            copied: self.copied()?,
            flow: flow.map(|flow| flow.usage),
            fragment: fragment.map(|entry| (entry.source_port, entry.destination_port)),
            verdict: run.verdict,
        })
    }

    /// What has moved: the `expected` counter by one packet, or else whatever did.
    fn counted(&mut self, expected: &CounterKey) -> Result<Vec<(CounterKey, Usage)>> {
        let earlier = self.counters.get(expected).copied().unwrap_or_default();
        let later = self.maps.counter(self.bank, expected)?;
        if let Some(later) = later
            && let Some(moved) = later.since(&earlier)
            && moved.packets() == 1
        {
            self.counters.insert(*expected, later);
            return Ok(vec![(*expected, moved)]);
        }
        let all = self.maps.counters()?;
        let mut moved = Vec::new();
        for (key, later) in &all {
            let earlier = self.counters.get(key).copied().unwrap_or_default();
            let since = later.since(&earlier).with_context(|| format!("{key:?} went back"))?;
            if since != Usage::default() {
                moved.push((*key, since));
            }
        }
        self.counters = all;
        Ok(moved)
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
        let copy = Copy::read_from_bytes(&item).ok().context("a copy of another length")?;
        drop(item);
        ensure!(self.copies.next().is_none(), "one frame was copied twice");
        let Copy { role, epoch, frame_octets, copied_octets, .. } = copy;
        let octets = copy.frame.get(..copied_octets as usize).context("a copy longer than its room")?;
        Ok(Some(Copied { role, epoch, frame_octets, octets: octets.to_vec() }))
    }

    /// All that the maps hold now.
    pub(crate) fn standing(&self) -> Result<Standing> {
        let mut standing = Standing { counters: self.maps.counters()?, ..Standing::default() };
        for entry in &self.maps.flows {
            let (key, entry) = entry?;
            standing.flows.insert(key, entry.usage);
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
