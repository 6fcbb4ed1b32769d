//! The kernel's maps, as a case finds and leaves them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use aya::Pod;
use aya::maps::{Array, HashMap, Map, MapData, PerCpuHashMap};
use tollfree::dataplane::monotonic_ns;
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{PendingKey, Usage};
use tollfree_core::flow::{FlowEntry, FlowKey, FragmentEntry, FragmentKey, Promise, SubscriberFlows};
use tollfree_core::places::{heard_place, remote_place, signalled_place, text_place};
use tollfree_core::quota::{QuotaEntry, QuotaKey};

use crate::event::Event;
use crate::world::{
    CALLER, NEVER_NS, PASSED_NS, QUOTAS_MAX, SITE, SOMEBODY_ELSE, STRANGER, STRANGER_V6, SUBSCRIBER,
    SUBSCRIBER_V6, at, tcp_flow,
};

/// Those that cases change, and those that are not in a cut.
pub(crate) struct KernelMaps {
    flows: HashMap<MapData, FlowKey, FlowEntry>,
    heard: Array<MapData, u64>,
    texts: Array<MapData, u64>,
    opened: HashMap<MapData, SubscriberId, SubscriberFlows>,
    ended: HashMap<MapData, SubscriberId, SubscriberFlows>,
    verdicts: HashMap<MapData, u64, Promise>,
    quotas: HashMap<MapData, QuotaKey, QuotaEntry>,
    fragments: HashMap<MapData, FragmentKey, FragmentEntry>,
    day_ends: Array<MapData, u64>,
    pending: [PerCpuHashMap<MapData, PendingKey, Usage>; 2],
    sent_again: PerCpuHashMap<MapData, u32, Usage>,
}

impl KernelMaps {
    /// Those that are pinned here.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let pinned = |name: &str| MapData::from_pin(directory.join(name)).with_context(|| name.to_owned());
        Ok(Self {
            flows: HashMap::try_from(Map::HashMap(pinned("FLOWS")?))?,
            heard: Array::try_from(Map::Array(pinned("HEARD")?))?,
            texts: Array::try_from(Map::Array(pinned("TEXTS")?))?,
            opened: HashMap::try_from(Map::HashMap(pinned("SUBSCRIBER_FLOWS")?))?,
            ended: HashMap::try_from(Map::HashMap(pinned("SUBSCRIBER_FLOWS_ENDED")?))?,
            verdicts: HashMap::try_from(Map::HashMap(pinned("VERDICTS")?))?,
            quotas: HashMap::try_from(Map::HashMap(pinned("QUOTAS")?))?,
            fragments: HashMap::try_from(Map::LruHashMap(pinned("FRAGMENTS")?))?,
            day_ends: Array::try_from(Map::Array(pinned("DAY_ENDS")?))?,
            pending: [
                PerCpuHashMap::try_from(Map::PerCpuHashMap(pinned("PENDING_0")?))?,
                PerCpuHashMap::try_from(Map::PerCpuHashMap(pinned("PENDING_1")?))?,
            ],
            sent_again: PerCpuHashMap::try_from(Map::PerCpuHashMap(pinned("SENT_AGAIN")?))?,
        })
    }

    /// Each case begins with nothing but counters, in a day that does not end.
    pub(crate) fn forget(&mut self) -> Result<()> {
        clear(&mut self.flows)?;
        clear(&mut self.opened)?;
        clear(&mut self.ended)?;
        clear(&mut self.verdicts)?;
        clear(&mut self.quotas)?;
        clear(&mut self.fragments)?;
        for subscriber in [SUBSCRIBER, SUBSCRIBER_V6, SOMEBODY_ELSE, CALLER] {
            let owner = tcp_flow(subscriber, SITE).owner();
            self.heard.set(heard_place(owner), 0, 0)?;
            self.heard.set(signalled_place(owner), 0, 0)?;
            self.texts.set(text_place(owner), 0, 0)?;
        }
        for stranger in [STRANGER, STRANGER_V6] {
            self.heard.set(remote_place(&at(stranger).ip().into()), 0, 0)?;
        }
        self.set_day_ends(NEVER_NS)
    }

    /// Some day's end, in nanoseconds.
    pub(crate) fn set_day_ends(&mut self, ends_ns: u64) -> Result<()> {
        Ok(self.day_ends.set(0, ends_ns, 0)?)
    }

    /// What is not a frame.
    pub(crate) fn apply(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Frame(..) => {}
            Event::Rest(ns) => {
                for (key, mut flow) in entries(&self.flows)? {
                    flow.last_seen_ns = flow.last_seen_ns.checked_sub(*ns).context("too long a rest")?;
                    self.flows.insert(key, flow, 0)?;
                }
            }
            Event::Told(verdict) => {
                for flow in entries(&self.flows)?.values() {
                    self.verdicts.insert(flow.number, verdict, 0)?;
                }
            }
            Event::Heard(subscriber, until_ns) => {
                self.heard.set(heard_place(*subscriber), *until_ns, 0)?;
            }
            Event::Signalled(subscriber, until_ns) => {
                self.heard.set(signalled_place(*subscriber), *until_ns, 0)?;
            }
            Event::Promised(key, promise) => {
                let flow = self.flows.get(key, 0)?;
                self.flows.insert(key, FlowEntry { promise: *promise, ..flow }, 0)?;
            }
            Event::Swept => self.sweep()?,
            Event::NextDay => {
                for (key, quota) in entries(&self.quotas)? {
                    self.quotas.insert(key, QuotaEntry { day_ends_ns: PASSED_NS, ..quota }, 0)?;
                }
            }
            Event::QuotasFull => {
                let mut numbers =
                    (1..).map(|rule| QuotaKey { subscriber: SubscriberId::NONE, rule, reserved: 0 });
                for key in numbers.by_ref().take(usize::from(QUOTAS_MAX) - entries(&self.quotas)?.len()) {
                    self.quotas.insert(key, QuotaEntry::default(), 0)?;
                }
            }
        }
        Ok(())
    }

    /// As the controller does it.
    fn sweep(&mut self) -> Result<()> {
        let now_ns = monotonic_ns();
        for (key, flow) in entries(&self.flows)? {
            if now_ns.saturating_sub(flow.last_seen_ns) >= flow.rest_ns(key.protocol) {
                self.flows.remove(&key)?;
                let before = self.ended.get(&key.owner(), 0).map_or(0, |ended| ended.opened);
                self.ended.insert(key.owner(), SubscriberFlows { opened: before + 1 }, 0)?;
            }
        }
        Ok(())
    }

    /// What is known of a flow.
    pub(crate) fn flow(&self, key: &FlowKey) -> Result<Option<FlowEntry>> {
        Ok(entries(&self.flows)?.get(key).copied())
    }

    /// What a subscriber used of rules.
    pub(crate) fn flow_numbers(&self) -> Result<BTreeSet<u64>> {
        Ok(entries(&self.flows)?.values().map(|flow| flow.number).collect())
    }

    /// What was used of ceilings.
    pub(crate) fn quotas(&self) -> Result<BTreeMap<QuotaKey, QuotaEntry>> {
        entries(&self.quotas)
    }

    /// What awaits evidence, by flow: both banks, all CPUs.
    pub(crate) fn pending(&self) -> Result<BTreeMap<PendingKey, Usage>> {
        let mut sums = BTreeMap::new();
        for bank in &self.pending {
            add(&mut sums, bank)?;
        }
        Ok(sums)
    }

    /// What was sent again, by rule.
    pub(crate) fn sent_again(&self) -> Result<BTreeMap<u32, Usage>> {
        let mut sums = BTreeMap::new();
        add(&mut sums, &self.sent_again)?;
        Ok(sums)
    }
}

fn entries<K: Pod + Ord, V: Pod>(map: &HashMap<MapData, K, V>) -> Result<BTreeMap<K, V>> {
    Ok(map.iter().collect::<Result<_, _>>()?)
}

fn clear<K: Pod + Ord + Hash, V: Pod>(map: &mut HashMap<MapData, K, V>) -> Result<()> {
    for key in map.keys().collect::<Result<Vec<_>, _>>()? {
        map.remove(&key)?;
    }
    ensure!(entries(map)?.is_empty(), "something is left");
    Ok(())
}

fn add<K: Pod + Ord>(sums: &mut BTreeMap<K, Usage>, map: &PerCpuHashMap<MapData, K, Usage>) -> Result<()> {
    for entry in map {
        let (key, usages) = entry?;
        let sum = sums.entry(key).or_default();
        for usage in usages.iter() {
            *sum += *usage;
        }
    }
    Ok(())
}
