//! Reading all counters as of one instant.
//!
//! There are two banks. Packets count into one; the other rests. A cut stores a control word that names the other
//! bank, waits until every packet that read the old word is done, and reads the bank that rests now. Nobody writes
//! it any more, and the other bank had rested until that very store: so the two together are the counters as of the
//! store, packets and octets of each, interfaces and buckets alike, to the last packet.

use std::collections::BTreeMap;

use aya::Pod;
use aya::maps::{IterableMap as _, PerCpuArray, PerCpuHashMap};
use tollfree_core::control::Control;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::interface::{InterfaceUsage, bucket_index, totals_index};
use tollfree_core::limits::BANKS;
use tollfree_core::reason::Bucket;
use zerocopy::FromBytes;

use super::batch::{self, AT_ONCE, Values};
use super::{Counters, Dataplane, DataplaneError, NicCounts, Pending, Verdicts};

/// What one interface counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounts {
    /// Everything that arrived, counted before it was looked at.
    pub seen: InterfaceUsage,
    /// The same, by [`Bucket`], counted when it had been decided.
    pub buckets: [InterfaceUsage; Bucket::COUNT as usize],
}

impl InterfaceCounts {
    /// The sum over all buckets.
    pub fn bucketed(&self) -> InterfaceUsage {
        let mut sum = InterfaceUsage::default();
        for bucket in self.buckets {
            sum += bucket;
        }
        sum
    }
}

/// One bank, as read at rest.
#[derive(Clone, Debug, Default)]
pub(super) struct Bank {
    counters: Counters,
    pending: Pending,
    /// By interface slot.
    interfaces: BTreeMap<u32, InterfaceCounts>,
}

impl Bank {
    /// Flows of which something is pending in it, by number.
    pub(super) fn pending_flows(&self) -> impl Iterator<Item = u64> + '_ {
        self.pending.keys().map(|key| key.flow)
    }
}

/// All counters as of one instant, since the maps were made.
#[derive(Clone, Debug)]
pub struct Cut {
    /// What was in force until then.
    pub control: Control,
    /// Every counter; what awaits evidence is not among them.
    pub counters: Counters,
    /// What awaits evidence, or did until it was decided, by flow.
    pub pending: Pending,
    /// Flows that had been decided before the cut, by number: what is pending of theirs never grows again.
    pub verdicts: Verdicts,
    /// Payload that was sent before, by rule; read with the cut, not as of it.
    pub sent_again: BTreeMap<u32, Usage>,
    /// Of all interfaces that were ever counted, those that are not attached any more too.
    pub total: InterfaceCounts,
    /// By interface name, those that are attached.
    pub interfaces: BTreeMap<String, InterfaceCut>,
}

/// One interface in a [`Cut`].
#[derive(Clone, Copy, Debug)]
pub struct InterfaceCut {
    /// What the programs counted.
    pub counts: InterfaceCounts,
    /// What the NIC counted since the program was attached, read just after the cut: equal only while traffic rests.
    pub nic: NicCounts,
}

impl Dataplane {
    /// Reads all counters as of now; what is in force stays in force.
    pub fn cut(&mut self) -> Result<Cut, DataplaneError> {
        self.cut_by(|dataplane, bank| {
            let now = dataplane.control.load();
            dataplane.control.store(Control::new(now.epoch(), now.slot(), bank));
            Ok(())
        })
    }

    /// Reads all counters as of the instant in which `flip` stores a control word with the bank that it is given.
    pub(super) fn cut_by(
        &mut self,
        flip: impl FnOnce(&Self, u32) -> Result<(), DataplaneError>,
    ) -> Result<Cut, DataplaneError> {
        // Before the store: whoever counts a flow as pending after this has read the word from before it, and is waited
        // for below. So what is pending of these flows is final in this cut.
        let verdicts = self.verdicts()?;
        let before = self.control.load();
        let bank = before.bank();
        flip(self, 1 - bank)?;
        self.grace.wait()?;
        self.banks[bank as usize] = self.read_bank(bank)?;
        let mut counters = self.banks[0].counters.clone();
        for (key, usage) in &self.banks[1].counters {
            *counters.entry(*key).or_default() += *usage;
        }
        let mut pending = self.banks[0].pending.clone();
        for (key, usage) in &self.banks[1].pending {
            *pending.entry(*key).or_default() += *usage;
        }
        let mut interfaces = BTreeMap::new();
        for attached in &self.attached {
            let nic_before =
                NicCounts { packets: attached.entry.nic_packets, octets: attached.entry.nic_octets };
            let nic = NicCounts::read(&attached.name)?.since(nic_before, &attached.name, attached.mode())?;
            interfaces
                .insert(attached.name.clone(), InterfaceCut { counts: self.interface(attached.slot), nic });
        }
        Ok(Cut {
            control: before,
            counters,
            pending,
            verdicts,
            sent_again: self.sent_again()?,
            total: self.total(),
            interfaces,
        })
    }

    fn interface(&self, slot: u32) -> InterfaceCounts {
        sum(self.banks.iter().filter_map(|bank| bank.interfaces.get(&slot)))
    }

    fn total(&self) -> InterfaceCounts {
        sum(self.banks.iter().flat_map(|bank| bank.interfaces.values()))
    }

    /// Reads a bank, which must be at rest.
    pub(super) fn read_bank(&self, bank: u32) -> Result<Bank, DataplaneError> {
        let [own, overflow, pending] = bank_maps(bank);
        // Made of all at once, which is faster by far than one after the other.
        let mut counters: Counters = self.read_counters(own)?.into_iter().collect();
        for (key, usage) in self.read_counters(overflow)? {
            *counters.entry(key).or_default() += usage;
        }
        let pending = self.read_counters(pending)?.into_iter().collect();
        let mut interfaces = BTreeMap::new();
        for slot in 0..tollfree_core::limits::INTERFACES_MAX {
            let mut counts = InterfaceCounts {
                seen: self.sum("INTERFACE_TOTALS", totals_index(bank, slot))?,
                ..Default::default()
            };
            if counts.seen.packets == 0 {
                continue;
            }
            for bucket in Bucket::ALL {
                counts.buckets[bucket as usize] =
                    self.sum("INTERFACE_BUCKETS", bucket_index(bank, slot, bucket))?;
            }
            interfaces.insert(slot, counts);
        }
        Ok(Bank { counters, pending, interfaces })
    }

    /// Takes entries out that can never grow again, and whose content is recorded: counters of the cut whose epoch is
    /// over, and what is pending of `settled` flows or under an epoch that is over. From now on the verdicts of the cut may
    /// be forgotten. Says how many entries that were.
    ///
    /// An epoch is over once another is in force and every packet that read the old word is done; the cut has waited
    /// for that. Whoever is killed in between leaves some entries behind, which the next close takes out.
    pub fn retire(&mut self, cut: &Cut, settled: &[PendingKey]) -> Result<usize, DataplaneError> {
        self.recorded_verdicts = cut.verdicts.keys().copied().collect();
        let epoch = self.control.load().epoch();
        let keys: Vec<_> = cut.counters.keys().filter(|key| key.epoch < epoch).copied().collect();
        let mut flows: Vec<_> = cut.pending.keys().filter(|key| key.epoch < epoch).copied().collect();
        flows.extend(settled.iter().filter(|key| key.epoch == epoch));
        let mut entries = 0;
        for bank in 0..BANKS {
            let [own, overflow, pending] = bank_maps(bank);
            for name in [own, overflow] {
                let map: PerCpuHashMap<_, CounterKey, Usage> = self.typed(name)?;
                entries += batch::delete_all(map.map(), &keys).map_err(DataplaneError::map(name))?;
            }
            let map: PerCpuHashMap<_, PendingKey, Usage> = self.typed(pending)?;
            entries += batch::delete_all(map.map(), &flows).map_err(DataplaneError::map(pending))?;
        }
        for bank in &mut self.banks {
            bank.counters.retain(|key, _| key.epoch >= epoch);
            for key in &flows {
                bank.pending.remove(key);
            }
        }
        Ok(entries)
    }

    /// How many entries the fuller bank of counters has, as last read.
    pub fn counters_used(&self) -> usize {
        self.banks.iter().map(|bank| bank.counters.len()).max().unwrap_or_default()
    }

    /// Payload that was sent before, by rule.
    fn sent_again(&self) -> Result<BTreeMap<u32, Usage>, DataplaneError> {
        Ok(self.read_counters("SENT_AGAIN")?.into_iter().collect())
    }

    /// A map's counters, summed over CPUs; each key once.
    fn read_counters<K: Pod + FromBytes>(&self, name: &str) -> Result<Vec<(K, Usage)>, DataplaneError> {
        let map: PerCpuHashMap<_, K, Usage> = self.typed(name)?;
        let mut counters = Vec::new();
        batch::for_each(map.map(), AT_ONCE, |key, values: Values<'_, Usage>| {
            counters.push((key, values.fold(Usage::default(), |sum, usage| sum + usage)));
        })
        .map_err(DataplaneError::map(name))?;
        Ok(counters)
    }

    fn sum(&self, name: &str, index: u32) -> Result<InterfaceUsage, DataplaneError> {
        let map: PerCpuArray<_, InterfaceUsage> = self.typed(name)?;
        let values = map.get(&index, 0).map_err(DataplaneError::map(name))?;
        let mut sum = InterfaceUsage::default();
        values.iter().for_each(|usage| sum += *usage);
        Ok(sum)
    }
}

/// The maps of a bank: counters, overflow, pending.
const fn bank_maps(bank: u32) -> [&'static str; 3] {
    if bank == 0 {
        ["COUNTERS_0", "OVERFLOW_0", "PENDING_0"]
    } else {
        ["COUNTERS_1", "OVERFLOW_1", "PENDING_1"]
    }
}

fn sum<'a>(all: impl Iterator<Item = &'a InterfaceCounts>) -> InterfaceCounts {
    let mut sum = InterfaceCounts::default();
    for counts in all {
        sum.seen += counts.seen;
        for (sum, bucket) in sum.buckets.iter_mut().zip(counts.buckets) {
            *sum += bucket;
        }
    }
    sum
}
