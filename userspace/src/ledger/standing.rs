//! How accounts stand as of a cut that is not recorded yet.

use std::collections::BTreeMap;

use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::flow::Verdict;
use tollfree_core::reason::Bucket;

use super::books::{Books, Part, pending_account, settled_account};
use super::merge::merged;
use super::stored::plus;
use super::{Ledger, LedgerError};

/// An account without its epoch: subscriber, bucket, reason, rule.
pub type Place = (SubscriberId, u16, u16, u32);

/// What was counted since the kernel's maps were made, over all epochs.
pub type Standing = BTreeMap<Place, Usage>;

/// The place of an account.
pub(super) const fn place(key: &CounterKey) -> Place {
    (key.subscriber, key.bucket, key.reason, key.rule)
}

impl Ledger {
    /// How accounts stand as of a cut, and flows of which something is pending without a verdict. Nothing is recorded.
    /// `counters`, `pending` and `verdicts` as in [`IntervalClose`](super::IntervalClose).
    ///
    /// # Errors
    ///
    /// [`LedgerError::TooLarge`], or a fault of the file.
    pub fn standing(
        &mut self,
        instance: u64,
        counters: &BTreeMap<CounterKey, Usage>,
        pending: &BTreeMap<PendingKey, Usage>,
        verdicts: &BTreeMap<u64, Verdict>,
    ) -> Result<Standing, LedgerError> {
        if self.books.as_ref().is_none_or(|books| books.instance != instance) {
            self.books = Some(Books::load(&self.connection, instance)?);
        }
        self.books
            .as_ref()
            .map_or_else(|| Ok(Standing::new()), |books| books.standing(counters, pending, verdicts))
    }
}

impl Books {
    fn standing(
        &self,
        counters: &BTreeMap<CounterKey, Usage>,
        pending: &BTreeMap<PendingKey, Usage>,
        verdicts: &BTreeMap<u64, Verdict>,
    ) -> Result<Standing, LedgerError> {
        let mut standing = self.retired.clone();
        let mut add = |key: &CounterKey, usage| {
            let sum = standing.entry(place(key)).or_default();
            plus(*sum, usage).map(|added| *sum = added)
        };
        for (key, last, read) in merged(&self.counted, counters) {
            let last = last.copied().unwrap_or_default();
            // One that is lower was half taken out.
            let grown = read.filter(|read| read.since(&last).is_some());
            add(key, grown.copied().unwrap_or(last))?;
        }
        for (key, usage) in &self.received {
            add(key, *usage)?;
        }
        for (key, parts, read) in merged(&self.pending, pending) {
            let parts = parts.map_or(&[][..], Vec::as_slice);
            let (counted, held) = (sum(parts, |part| part.counted)?, sum(parts, |part| part.held)?);
            let grown = read.and_then(|read| read.since(&counted)).unwrap_or_default();
            let verdict =
                verdicts.get(&key.flow).filter(|verdict| verdict.reason.bucket() != Bucket::Pending);
            let account =
                verdict.map_or_else(|| pending_account(key), |verdict| settled_account(key, *verdict));
            add(&account, plus(held, grown)?)?;
        }
        standing.retain(|_, usage| *usage != Usage::default());
        Ok(standing)
    }

    /// Flows of which something is pending, by number.
    pub(super) fn unsettled(&self) -> Vec<u64> {
        let holds = |parts: &[Part]| parts.iter().any(|part| part.held != Usage::default());
        let mut flows: Vec<u64> =
            self.pending.iter().filter(|(_, parts)| holds(parts)).map(|(key, _)| key.flow).collect();
        flows.dedup();
        flows
    }
}

fn sum(parts: &[Part], of: impl Fn(&Part) -> Usage) -> Result<Usage, LedgerError> {
    parts.iter().try_fold(Usage::default(), |sum, part| plus(sum, of(part)))
}
