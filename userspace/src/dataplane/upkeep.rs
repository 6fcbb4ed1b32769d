//! Keeping the tables of flows, verdicts and ceilings small, and ending what waits for too long.
//!
//! The kernel program alone writes flows; it takes one that has rested for too long for none. So userspace may take it
//! out, some time later: what could still be writing it has ended by then. If the same 5-tuple begins anew in just that
//! moment, the call that takes the old entry out gives back the new one, which is put in again.

use std::borrow::BorrowMut;
use std::collections::{BTreeMap, BTreeSet, HashMap as StdHashMap, HashSet};
use std::net::IpAddr;

use aya::Pod;
use aya::maps::{HashMap, IterableMap as _, Map, MapData, MapError};
use tollfree_core::address::SubscriberId;
use tollfree_core::flow::{FlowEntry, FlowKey, NO_RULE, Promise, SubscriberFlows, Verdict};
use tollfree_core::limits::{EVIDENCE_WAIT_NS, HEARD_NS, SIGNALLED_NS, UPKEEP_MARGIN_NS};
use tollfree_core::plan::RuleEntry;
use tollfree_core::quota::{QuotaEntry, QuotaKey};
use tollfree_core::reason::Reason;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::batch::{self, AT_ONCE, Values};
use super::counters::Bank;
use super::{Dataplane, DataplaneError, Verdicts, monotonic_ns};

/// What a sweep found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Flows that go on.
    pub open: u64,
    /// Those of them that await evidence.
    pub awaiting: u64,
    /// Flows that had ended, and were taken out.
    pub ended: u64,
    /// Flows of which no evidence came in time, or that were gone before it.
    pub undecided: u64,
    /// Flows whose verdict found no room: they go on waiting.
    pub waiting_for_room: u64,
    /// Who is past a ceiling, today.
    pub past_ceiling: Vec<PastCeiling>,
    /// The other ends of the flows that go on.
    pub remotes: HashSet<IpAddr>,
}

/// A subscriber who has used what a rule gives him in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastCeiling {
    /// Who.
    pub subscriber: SubscriberId,
    /// The rule's permanent number.
    pub rule: u32,
    /// What he used, what was charged for included.
    pub used_octets: u64,
    /// When the day ends, in nanoseconds of `CLOCK_MONOTONIC`.
    pub day_ends_ns: u64,
}

/// What evidence said of flows, apart from the rest.
#[derive(Debug)]
pub struct VerdictTable {
    map: HashMap<MapData, u64, Promise>,
}

impl VerdictTable {
    /// As [`Dataplane::decide_flow`].
    ///
    /// # Errors
    /// A full table: the flow goes on waiting.
    pub fn decide(&mut self, flow: u64, verdict: Verdict) -> Result<bool, DataplaneError> {
        decide(&mut self.map, flow, verdict)
    }

    /// What was said of a flow, as far as the kernel is still told.
    pub fn said(&self, flow: u64) -> Result<Option<Verdict>, DataplaneError> {
        match self.map.get(&flow, 0) {
            Ok(promise) => Ok(Some(promise.into())),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(DataplaneError::map("VERDICTS")(error)),
        }
    }
}

/// What is kept of a flow whose address turned out to be in no rule, and of a stream that turned out to be no free call's.
const OF_NOTHING: [Promise; 2] =
    [Promise::new(NO_RULE, Reason::NotListed as u32), Promise::new(NO_RULE, Reason::NoCall as u32)];

fn decide<T: BorrowMut<MapData>>(
    map: &mut HashMap<T, u64, Promise>,
    flow: u64,
    verdict: Verdict,
) -> Result<bool, DataplaneError> {
    match map.insert(flow, Promise::from(verdict), NO_EXIST) {
        Ok(()) => Ok(true),
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::EEXIST) => {
            Ok(false)
        }
        Err(error) => Err(DataplaneError::map("VERDICTS")(error)),
    }
}

impl Sweep {
    fn end_waiting(&mut self, decided: &Result<bool, DataplaneError>) {
        match decided {
            Ok(is_new) => self.undecided += u64::from(*is_new),
            Err(_) => self.waiting_for_room += 1,
        }
    }
}

impl Dataplane {
    /// Says what evidence said of a flow; false if that was said before, which holds.
    ///
    /// # Errors
    /// A full table: the flow goes on waiting.
    pub fn decide_flow(&mut self, flow: u64, verdict: Verdict) -> Result<bool, DataplaneError> {
        let mut map: HashMap<_, u64, Promise> = self.typed_mut("VERDICTS")?;
        decide(&mut map, flow, verdict)
    }

    /// A second handle for verdicts: evidence is read beside accounting, not behind it.
    pub fn verdict_table(&self) -> Result<VerdictTable, DataplaneError> {
        let map = MapData::from_pin(self.pins.map("VERDICTS")).map_err(DataplaneError::map("VERDICTS"))?;
        let map = HashMap::try_from(Map::HashMap(map)).map_err(DataplaneError::map("VERDICTS"))?;
        Ok(VerdictTable { map })
    }

    /// What evidence said of flows, as far as the kernel is still told.
    pub(super) fn verdicts(&self) -> Result<Verdicts, DataplaneError> {
        let read: Vec<(u64, Promise)> = self.read_hash("VERDICTS")?;
        Ok(read.into_iter().map(|(flow, verdict)| (flow, verdict.into())).collect())
    }

    /// Takes out flows that have ended, decides those that waited for too long, and forgets days that are over.
    /// `unsettled`: flows of which the ledger holds something pending.
    pub fn sweep(&mut self, unsettled: &[u64]) -> Result<Sweep, DataplaneError> {
        // Before the flows: what is opened meanwhile then counts as open, if anything.
        let opened: Vec<(SubscriberId, SubscriberFlows)> = self.read_hash("SUBSCRIBER_FLOWS")?;
        let now_ns = monotonic_ns();
        let flows: Vec<(FlowKey, FlowEntry)> = self.read_hash("FLOWS")?;
        let mut sweep = Sweep::default();
        let mut open: StdHashMap<SubscriberId, u64> = StdHashMap::new();
        let mut waiting = HashSet::new();
        for (key, flow) in &flows {
            let rested_ns = now_ns.saturating_sub(flow.last_seen_ns);
            let awaits = flow.promise.verdict() == Reason::AwaitingEvidence as u32;
            if awaits {
                waiting.insert(flow.number);
                if now_ns.saturating_sub(flow.opened_ns) >= EVIDENCE_WAIT_NS {
                    let verdict = self.without_evidence(flow.promise.rule(), key.remote.to_ip());
                    sweep.end_waiting(&self.decide_flow(flow.number, verdict));
                }
            }
            // Such a flow is not looked for any more once its subscriber is not waited with.
            let is_of_nothing = OF_NOTHING.contains(&flow.promise)
                && now_ns.saturating_sub(flow.opened_ns) >= HEARD_NS.max(SIGNALLED_NS) + UPKEEP_MARGIN_NS;
            if (is_of_nothing || rested_ns >= flow.rest_ns(key.protocol) + UPKEEP_MARGIN_NS)
                && self.take_out("FLOWS", key, |now: &FlowEntry| now.number == flow.number)?
            {
                sweep.ended += 1;
                continue;
            }
            sweep.open += 1;
            sweep.remotes.insert(key.remote.to_ip());
            sweep.awaiting += u64::from(awaits);
            *open.entry(key.owner()).or_default() += 1;
        }
        self.forget_verdicts(&waiting, unsettled, &mut sweep)?;
        self.count_ended(&opened, &open)?;
        sweep.past_ceiling = self.sweep_quotas(now_ns)?;
        Ok(sweep)
    }

    /// What becomes of a flow of which no evidence came: as if it had hidden its name, where its rule frees those. Where
    /// strangers' names have the address too, the name is required.
    fn without_evidence(&self, rule: u32, remote: IpAddr) -> Verdict {
        let entry = self.rules().into_iter().find(|entry| entry.rule == rule && rule != NO_RULE);
        let entry = entry.filter(|_| !self.live.is_shared(remote));
        let reason = match entry {
            Some(entry) if entry.has(RuleEntry::HIDDEN_FREE) && entry.has(RuleEntry::OBSERVED) => {
                Reason::Observed
            }
            Some(entry) if entry.has(RuleEntry::HIDDEN_FREE) => Reason::UndecidedFree,
            _ => Reason::Undecided,
        };
        Verdict { rule, reason }
    }

    /// Ends all flows of such subscribers; says how many.
    pub fn end_flows(&mut self, of: impl Fn(SubscriberId) -> bool) -> Result<usize, DataplaneError> {
        let flows: Vec<(FlowKey, FlowEntry)> = self.read_hash("FLOWS")?;
        let theirs: Vec<FlowKey> =
            flows.into_iter().map(|(key, _)| key).filter(|key| of(key.owner())).collect();
        let map: HashMap<_, FlowKey, FlowEntry> = self.typed("FLOWS")?;
        batch::delete_all(map.map(), &theirs).map_err(DataplaneError::map("FLOWS"))
    }

    /// Forgets verdicts that nobody needs any more: of flows that do not wait, of which nothing is pending, and whose
    /// transfer is recorded. What is pending of flows that are gone, or of texts, is undecided if it was so at the last sweep
    /// too: whoever reads copies may be about to say something of it.
    fn forget_verdicts(
        &mut self,
        waiting: &HashSet<u64>,
        unsettled: &[u64],
        sweep: &mut Sweep,
    ) -> Result<(), DataplaneError> {
        let in_kernel = self.banks.iter().flat_map(Bank::pending_flows);
        let pending: HashSet<u64> = in_kernel.chain(unsettled.iter().copied()).collect();
        let verdicts = self.verdicts()?;
        let orphans: BTreeSet<u64> = pending
            .iter()
            .filter(|flow| !waiting.contains(flow) && !verdicts.contains_key(flow))
            .copied()
            .collect();
        let before = std::mem::replace(&mut self.orphans, orphans.clone());
        for flow in orphans.intersection(&before).copied() {
            let verdict = Verdict { rule: NO_RULE, reason: Reason::Undecided };
            sweep.end_waiting(&self.decide_flow(flow, verdict));
        }
        let done: Vec<u64> = verdicts
            .keys()
            .filter(|flow| !waiting.contains(flow) && !pending.contains(flow))
            .filter(|flow| self.recorded_verdicts.contains(flow))
            .copied()
            .collect();
        if !done.is_empty() {
            // A packet that saw the flow waiting, just before it kept its verdict, may be about to look for it.
            self.grace.wait()?;
            let map: HashMap<_, u64, Promise> = self.typed("VERDICTS")?;
            batch::delete_all(map.map(), &done).map_err(DataplaneError::map("VERDICTS"))?;
        }
        Ok(())
    }

    /// Tells the kernel how many of each subscriber's flows have ended. Where the table is half full, subscribers without
    /// flows are forgotten.
    fn count_ended(
        &mut self,
        opened: &[(SubscriberId, SubscriberFlows)],
        open: &StdHashMap<SubscriberId, u64>,
    ) -> Result<(), DataplaneError> {
        let told: Vec<(SubscriberId, SubscriberFlows)> = self.read_hash("SUBSCRIBER_FLOWS_ENDED")?;
        let told: StdHashMap<_, _> = told.into_iter().collect();
        let mut map: HashMap<_, SubscriberId, SubscriberFlows> = self.typed_mut("SUBSCRIBER_FLOWS_ENDED")?;
        let mut gone = Vec::new();
        for (subscriber, SubscriberFlows { opened }) in opened {
            let left = open.get(subscriber).copied().unwrap_or_default();
            let ended = SubscriberFlows { opened: opened.saturating_sub(left) };
            if told.get(subscriber) != Some(&ended) {
                map.insert(subscriber, ended, 0).map_err(DataplaneError::map("SUBSCRIBER_FLOWS_ENDED"))?;
            }
            if left == 0 {
                gone.push(*subscriber);
            }
        }
        let room = map.map().info().map_err(DataplaneError::map("SUBSCRIBER_FLOWS_ENDED"))?.max_entries();
        if opened.len() > room as usize / 2 {
            // In this order: in between, a bound is too wide, not too narrow.
            for name in ["SUBSCRIBER_FLOWS", "SUBSCRIBER_FLOWS_ENDED"] {
                let map: HashMap<_, SubscriberId, SubscriberFlows> = self.typed(name)?;
                batch::delete_all(map.map(), &gone).map_err(DataplaneError::map(name))?;
            }
        }
        Ok(())
    }

    /// Forgets what was used on days that are over; says who is past a ceiling today.
    fn sweep_quotas(&mut self, now_ns: u64) -> Result<Vec<PastCeiling>, DataplaneError> {
        let ceilings: BTreeMap<u32, u64> = self
            .rules()
            .iter()
            .filter(|rule| rule.ceiling_octets != RuleEntry::NO_CEILING)
            .map(|rule| (rule.rule, rule.ceiling_octets))
            .collect();
        let mut past = Vec::new();
        let read: Vec<(QuotaKey, QuotaEntry)> = self.read_hash("QUOTAS")?;
        for (key, QuotaEntry { used_octets, day_ends_ns }) in read {
            if now_ns >= day_ends_ns.saturating_add(UPKEEP_MARGIN_NS) {
                self.take_out("QUOTAS", &key, |now: &QuotaEntry| now.day_ends_ns == day_ends_ns)?;
            } else if ceilings.get(&key.rule).is_some_and(|ceiling| used_octets > *ceiling) {
                past.push(PastCeiling {
                    subscriber: key.subscriber,
                    rule: key.rule,
                    used_octets,
                    day_ends_ns,
                });
            }
        }
        Ok(past)
    }

    /// Takes an entry out, if it is still the one that was meant; else it is put in again, unless there is a newer one.
    fn take_out<K, V>(
        &mut self,
        name: &str,
        key: &K,
        is_meant: impl Fn(&V) -> bool,
    ) -> Result<bool, DataplaneError>
    where
        K: Pod + IntoBytes + Immutable,
        V: Pod + FromBytes + IntoBytes,
    {
        let mut map: HashMap<_, K, V> = self.typed_mut(name)?;
        let Some(taken) = batch::take(map.map(), key).map_err(DataplaneError::map(name))? else {
            return Ok(false);
        };
        if is_meant(&taken) {
            return Ok(true);
        }
        // Refused where the kernel has put in a newer one meanwhile, which is as good.
        let _ = map.insert(key, taken, NO_EXIST);
        Ok(false)
    }

    /// All entries of a hash map.
    pub(super) fn read_hash<K: Pod + FromBytes, V: Pod + FromBytes>(
        &self,
        name: &str,
    ) -> Result<Vec<(K, V)>, DataplaneError> {
        let map: HashMap<_, K, V> = self.typed(name)?;
        let mut entries = Vec::new();
        batch::for_each(map.map(), AT_ONCE, |key, mut values: Values<'_, V>| {
            if let Some(value) = values.next() {
                entries.push((key, value));
            }
        })
        .map_err(DataplaneError::map(name))?;
        Ok(entries)
    }
}

/// `BPF_NOEXIST` (linux/bpf.h).
const NO_EXIST: u64 = 1;
