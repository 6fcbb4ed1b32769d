//! The kernel's maps, read and emptied without the controller.
//!
//! Nothing runs between two frames, so both counter banks can be read as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::path::Path;

use anyhow::{Context as _, Result};
use aya::Pod;
use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, PerCpuHashMap};
use tollfree::dataplane::InterfaceCounts;
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::flow::{
    FlowEntry, FlowKey, FragmentEntry, FragmentKey, GrantEntry, Promise, SubscriberFlows,
};
use tollfree_core::interface::{InterfaceUsage, bucket_index, totals_index};
use tollfree_core::limits::BANKS;
use tollfree_core::places::signalled_place;
use tollfree_core::quota::{QuotaEntry, QuotaKey};
use tollfree_core::reason::Bucket;

use crate::answer::Place;
use crate::userspace::NEVER_ENDS_NS;

type Counters<K> = PerCpuHashMap<MapData, K, Usage>;

/// Those that are read and written here, by their pins.
pub(crate) struct Maps {
    /// By bank.
    counters: [Counters<CounterKey>; BANKS as usize],
    overflow: [Counters<CounterKey>; BANKS as usize],
    pending: [Counters<PendingKey>; BANKS as usize],
    sent_again: Counters<u32>,
    totals: PerCpuArray<MapData, InterfaceUsage>,
    buckets: PerCpuArray<MapData, InterfaceUsage>,
    pub(crate) flows: HashMap<MapData, FlowKey, FlowEntry>,
    pub(crate) fragments: HashMap<MapData, FragmentKey, FragmentEntry>,
    pub(crate) verdicts: HashMap<MapData, u64, Promise>,
    pub(crate) quotas: HashMap<MapData, QuotaKey, QuotaEntry>,
    pub(crate) subscriber_flows: HashMap<MapData, SubscriberId, SubscriberFlows>,
    grants: HashMap<MapData, FlowKey, GrantEntry>,
    heard: Array<MapData, u64>,
    /// Places of subscribers who signalled.
    signalled: BTreeSet<u32>,
}

impl Maps {
    /// Those that are pinned in `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let pinned = |name| pinned(directory, name);
        Ok(Self {
            counters: [counters(directory, "COUNTERS_0")?, counters(directory, "COUNTERS_1")?],
            overflow: [counters(directory, "OVERFLOW_0")?, counters(directory, "OVERFLOW_1")?],
            pending: [counters(directory, "PENDING_0")?, counters(directory, "PENDING_1")?],
            sent_again: counters(directory, "SENT_AGAIN")?,
            totals: PerCpuArray::try_from(Map::PerCpuArray(pinned("INTERFACE_TOTALS")?))?,
            buckets: PerCpuArray::try_from(Map::PerCpuArray(pinned("INTERFACE_BUCKETS")?))?,
            flows: HashMap::try_from(Map::HashMap(pinned("FLOWS")?))?,
            fragments: HashMap::try_from(Map::LruHashMap(pinned("FRAGMENTS")?))?,
            verdicts: HashMap::try_from(Map::HashMap(pinned("VERDICTS")?))?,
            quotas: HashMap::try_from(Map::HashMap(pinned("QUOTAS")?))?,
            subscriber_flows: HashMap::try_from(Map::HashMap(pinned("SUBSCRIBER_FLOWS")?))?,
            grants: HashMap::try_from(Map::HashMap(pinned("GRANTS")?))?,
            heard: Array::try_from(Map::Array(pinned("HEARD")?))?,
            signalled: BTreeSet::new(),
        })
    }

    /// Has the media of a subscriber who signals waited with for ever.
    pub(crate) fn signal(&mut self, subscriber: SubscriberId) -> Result<()> {
        let place = signalled_place(subscriber);
        self.signalled.insert(place);
        Ok(self.heard.set(place, NEVER_ENDS_NS, 0)?)
    }

    /// Forgets every counter, flow, verdict, ceiling, datagram, grant and who signalled, and holds these grants.
    pub(crate) fn reset(&mut self, grants: &[(FlowKey, GrantEntry)]) -> Result<()> {
        for counters in self.counters.iter_mut().chain(&mut self.overflow) {
            empty_counters(counters)?;
        }
        for pending in &mut self.pending {
            empty_counters(pending)?;
        }
        empty_counters(&mut self.sent_again)?;
        empty(&mut self.flows)?;
        empty(&mut self.verdicts)?;
        empty(&mut self.quotas)?;
        empty(&mut self.subscriber_flows)?;
        empty(&mut self.fragments)?;
        empty(&mut self.grants)?;
        for place in mem::take(&mut self.signalled) {
            self.heard.set(place, 0, 0)?;
        }
        for (key, entry) in grants {
            self.grants.insert(key, entry, 0)?;
        }
        Ok(())
    }

    /// One counter in the bank that is counted in.
    pub(crate) fn counter(&self, bank: u32, place: &Place) -> Result<Option<Usage>> {
        match place {
            Place::Counter(key) => usage(&self.counters[bank as usize], key),
            Place::Pending(key) => usage(&self.pending[bank as usize], key),
        }
    }

    /// Payload of a rule's flows that was sent before.
    pub(crate) fn sent_again_of(&self, rule: u32) -> Result<Usage> {
        Ok(usage(&self.sent_again, &rule)?.unwrap_or_default())
    }

    /// The same, by rule.
    pub(crate) fn sent_again(&self) -> Result<BTreeMap<u32, Usage>> {
        let mut sums = BTreeMap::new();
        add_all(&self.sent_again, |rule| rule, &mut sums)?;
        Ok(sums)
    }

    /// Every counter, of both banks, with those that overflowed.
    pub(crate) fn counters(&self) -> Result<BTreeMap<Place, Usage>> {
        let mut sums = BTreeMap::new();
        for counters in self.counters.iter().chain(&self.overflow) {
            add_all(counters, Place::Counter, &mut sums)?;
        }
        for pending in &self.pending {
            add_all(pending, Place::Pending, &mut sums)?;
        }
        Ok(sums)
    }

    /// What the interface in `slot` has counted since the maps were made.
    pub(crate) fn interface(&self, slot: u32) -> Result<InterfaceCounts> {
        let mut counts = InterfaceCounts::default();
        for bank in 0..BANKS {
            counts.seen += sum(&self.totals, totals_index(bank, slot))?;
            for bucket in Bucket::ALL {
                counts.buckets[bucket as usize] += sum(&self.buckets, bucket_index(bank, slot, bucket))?;
            }
        }
        Ok(counts)
    }
}

fn sum(map: &PerCpuArray<MapData, InterfaceUsage>, index: u32) -> Result<InterfaceUsage> {
    let mut sum = InterfaceUsage::default();
    map.get(&index, 0)?.iter().for_each(|usage| sum += *usage);
    Ok(sum)
}

fn pinned(directory: &Path, name: &str) -> Result<MapData> {
    MapData::from_pin(directory.join(name)).with_context(|| format!("opening the pinned map {name}"))
}

fn counters<K: Pod>(directory: &Path, name: &str) -> Result<Counters<K>> {
    Ok(Counters::try_from(Map::PerCpuHashMap(pinned(directory, name)?))?)
}

/// Over all CPUs.
fn usage<K: Pod>(counters: &Counters<K>, key: &K) -> Result<Option<Usage>> {
    let values = found(counters.get(key, 0))?;
    Ok(values.map(|values| values.iter().fold(Usage::default(), |sum, usage| sum + *usage)))
}

/// Adds all that `counters` hold to `sums`, under what `name` makes of their keys.
fn add_all<K: Pod, N: Ord>(
    counters: &Counters<K>,
    name: impl Fn(K) -> N,
    sums: &mut BTreeMap<N, Usage>,
) -> Result<()> {
    for entry in counters {
        let (key, values) = entry?;
        let sum = sums.entry(name(key)).or_default();
        values.iter().for_each(|usage| *sum += *usage);
    }
    Ok(())
}

fn empty_counters<K: Pod>(counters: &mut Counters<K>) -> Result<()> {
    for key in counters.keys().collect::<Result<Vec<_>, _>>()? {
        counters.remove(&key)?;
    }
    Ok(())
}

fn empty<K: Pod, V: Pod>(map: &mut HashMap<MapData, K, V>) -> Result<()> {
    for key in map.keys().collect::<Result<Vec<_>, _>>()? {
        map.remove(&key)?;
    }
    Ok(())
}

/// `None` where there is no such key.
pub(crate) fn found<T>(result: Result<T, aya::maps::MapError>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(aya::maps::MapError::KeyNotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
