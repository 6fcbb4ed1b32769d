//! The kernel's maps, read and emptied without the controller.
//!
//! Nothing runs between two frames, so both counter banks can be read as they are.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use aya::Pod;
use aya::maps::{HashMap, Map, MapData, PerCpuArray, PerCpuHashMap};
use tollfree::dataplane::InterfaceCounts;
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::flow::{FlowEntry, FlowKey, FragmentEntry, FragmentKey, GrantEntry};
use tollfree_core::interface::{InterfaceUsage, bucket_index, totals_index};
use tollfree_core::limits::BANKS;
use tollfree_core::reason::Bucket;

type Counters = PerCpuHashMap<MapData, CounterKey, Usage>;

/// Those that are read and written here, by their pins.
pub(crate) struct Maps {
    /// By bank.
    counters: [Counters; BANKS as usize],
    overflow: [Counters; BANKS as usize],
    totals: PerCpuArray<MapData, InterfaceUsage>,
    buckets: PerCpuArray<MapData, InterfaceUsage>,
    pub(crate) flows: HashMap<MapData, FlowKey, FlowEntry>,
    pub(crate) fragments: HashMap<MapData, FragmentKey, FragmentEntry>,
    grants: HashMap<MapData, FlowKey, GrantEntry>,
}

impl Maps {
    /// Those that are pinned in `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let pinned = |name: &str| {
            MapData::from_pin(directory.join(name)).with_context(|| format!("opening the pinned map {name}"))
        };
        let counters = |name| Ok::<_, anyhow::Error>(Counters::try_from(Map::PerCpuHashMap(pinned(name)?))?);
        Ok(Self {
            counters: [counters("COUNTERS_0")?, counters("COUNTERS_1")?],
            overflow: [counters("OVERFLOW_0")?, counters("OVERFLOW_1")?],
            totals: PerCpuArray::try_from(Map::PerCpuArray(pinned("INTERFACE_TOTALS")?))?,
            buckets: PerCpuArray::try_from(Map::PerCpuArray(pinned("INTERFACE_BUCKETS")?))?,
            flows: HashMap::try_from(Map::HashMap(pinned("FLOWS")?))?,
            fragments: HashMap::try_from(Map::LruHashMap(pinned("FRAGMENTS")?))?,
            grants: HashMap::try_from(Map::HashMap(pinned("GRANTS")?))?,
        })
    }

    /// Forgets every counter, flow, datagram and grant, and holds these grants.
    pub(crate) fn reset(&mut self, grants: &[(FlowKey, GrantEntry)]) -> Result<()> {
        for counters in self.counters.iter_mut().chain(&mut self.overflow) {
            for key in counters.keys().collect::<Result<Vec<_>, _>>()? {
                counters.remove(&key)?;
            }
        }
        empty(&mut self.flows)?;
        empty(&mut self.fragments)?;
        empty(&mut self.grants)?;
        for (key, entry) in grants {
            self.grants.insert(key, entry, 0)?;
        }
        Ok(())
    }

    /// One counter in the bank that is counted in.
    pub(crate) fn counter(&self, bank: u32, key: &CounterKey) -> Result<Option<Usage>> {
        match found(self.counters[bank as usize].get(key, 0))? {
            Some(values) => Ok(Some(values.iter().fold(Usage::default(), |sum, usage| sum + *usage))),
            None => Ok(None),
        }
    }

    /// Every counter, of both banks, with those that overflowed.
    pub(crate) fn counters(&self) -> Result<BTreeMap<CounterKey, Usage>> {
        let mut sums: BTreeMap<CounterKey, Usage> = BTreeMap::new();
        for counters in self.counters.iter().chain(&self.overflow) {
            for entry in counters {
                let (key, values) = entry?;
                let sum = sums.entry(key).or_default();
                values.iter().for_each(|usage| *sum += *usage);
            }
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
