//! What a cut changes in the accounts, worked out before anything is written.
//!
//! # Why nothing is counted twice or lost
//!
//! The kernel's entries only grow, and vanish only when the controller takes them out. It does so after a commit, and
//! takes out only what was recorded by that commit and can grow no more: counters of an epoch that is over, pending
//! entries of such an epoch, and pending entries of a flow that has its verdict. So of an entry that a cut finds:
//!
//! * *It is there and not lower than before*: what it grew by is recorded, once, because its new value is committed
//!   together with the record. After a crash between the commit and the removal the same value is found: it grew by
//!   nothing.
//! * *It is there and lower*: an entry lies in two banks, and a crash came after its removal from one of them. All of
//!   it was recorded; it grew by nothing. Only of an entry that may be removed: any other never goes back, and is refused.
//! * *It is absent, and may not be removed*: it has not changed.
//! * *It is absent, and may be removed*: it was removed from both banks, all of it was recorded, and no packet can make
//!   it again, because every packet of the old epoch, or from before the flow's verdict, was done when the cut began.
//!   Now, and not at the commit before the removal, its row is no longer needed to tell growth: the row is dropped, and
//!   its balance is kept in the instance's total of closed accounts. A crash before this point finds the row; after
//!   it, there is no entry to find.
//!
//! What a flow holds is not in question when its entry is removed: the row of a flow that holds something stays until a
//! verdict lets it be transferred, and as long as a row of a flow is there, the accounts it can be transferred to stay.

use std::collections::{BTreeMap, BTreeSet};

use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::flow::Verdict;
use tollfree_core::reason::Bucket;

use super::LedgerError;
use super::books::{Books, Part, pending_account, settled_account};
use super::interval::IntervalClose;
use super::key::{flow_name, key_name};
use super::merge::merged;
use super::standing::{Standing, place};
use super::stored::{plus, signed_usage};

/// A change of one account's balance, by what happened while its subscriber had one identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: CounterKey,
    pub(super) identity: i64,
    pub(super) previous: Usage,
    pub(super) balance: Usage,
}

/// What goes from a flow's pending account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) key: PendingKey,
    pub(super) identity: i64,
    pub(super) verdict: Verdict,
    pub(super) usage: Usage,
}

/// Everything that a cut changes: what is written, and what the books are then.
#[derive(Debug, Default)]
pub(super) struct Posting {
    /// In the order of accounts.
    pub(super) entries: Vec<Entry>,
    pub(super) transfers: Vec<Transfer>,
    /// Kernel counters that grew, and their value.
    pub(super) counted: Vec<(CounterKey, Usage)>,
    /// Accounts that something was transferred into, and all that ever was.
    pub(super) received: BTreeMap<CounterKey, Usage>,
    /// Flows that changed.
    pub(super) pending: Vec<(PendingKey, Vec<Part>)>,
    /// Pending accounts that changed, and what their flows hold.
    pub(super) held: BTreeMap<CounterKey, Usage>,
    /// Pending entries of the cut that hold nothing any more.
    pub(super) settled: Vec<PendingKey>,
    /// Flows whose row is dropped.
    pub(super) forgotten: Vec<PendingKey>,
    /// Accounts whose row is dropped.
    pub(super) closed: Vec<CounterKey>,
    /// Places of accounts that are closed now, with the balances of all that ever were.
    pub(super) retired: Standing,
    /// Packets in all balances.
    pub(super) packets: u128,
    /// Packets that counters grew by and that were left to the next close.
    pub(super) left_packets: u128,
    /// Rules of which more was sent again, and how much ever.
    pub(super) sent_again: BTreeMap<u32, Usage>,
}

/// What was added to an account and taken from it.
#[derive(Clone, Copy, Debug, Default)]
struct Turnover {
    added: Usage,
    taken: Usage,
}

/// Works out a posting; `who` gives the number of the identity that a subscriber has.
pub(super) struct Poster<'a, W> {
    books: &'a Books,
    close: &'a IntervalClose<'a>,
    who: W,
    turnovers: BTreeMap<(CounterKey, i64), Turnover>,
    posting: Posting,
}

impl<'a, W: FnMut(SubscriberId) -> Result<i64, LedgerError>> Poster<'a, W> {
    pub(super) fn new(books: &'a Books, close: &'a IntervalClose<'a>, who: W) -> Self {
        Self { books, close, who, turnovers: BTreeMap::new(), posting: Posting::default() }
    }

    /// # Errors
    ///
    /// [`LedgerError::WentBack`], [`LedgerError::TooLarge`], [`LedgerError::Unbalanced`], or what `who` failed with.
    pub(super) fn post(mut self) -> Result<Posting, LedgerError> {
        self.counters()?;
        self.flows()?;
        self.balances()?;
        if self.close.only.is_none() {
            self.sent_again()?;
            self.retire()?;
        }
        Ok(self.posting)
    }

    /// Whether entries of `epoch` can grow no more, and so may be removed.
    fn is_over(&self, epoch: u32) -> bool {
        epoch < self.close.epoch
    }

    fn is_asked(&self, subscriber: SubscriberId) -> bool {
        self.close.only.is_none_or(|only| only.contains(&subscriber))
    }

    fn counters(&mut self) -> Result<(), LedgerError> {
        for (key, last, read) in merged(&self.books.counted, self.close.cumulative) {
            let Some(read) = read else { continue };
            let last = last.copied().unwrap_or_default();
            let Some(grown) = read.since(&last) else {
                if self.is_over(key.epoch) {
                    continue;
                }
                let (recorded, read) = (Box::new(last), Box::new(*read));
                return Err(LedgerError::WentBack { key: key_name(key), recorded, read });
            };
            if grown == Usage::default() {
                continue;
            }
            // Checked here, so that no sum below can overflow.
            signed_usage(read)?;
            if self.is_asked(key.subscriber) {
                let identity = (self.who)(key.subscriber)?;
                self.add(*key, identity, grown)?;
                self.posting.counted.push((*key, *read));
            } else {
                self.posting.left_packets += u128::from(grown.packets());
            }
        }
        Ok(())
    }

    fn flows(&mut self) -> Result<(), LedgerError> {
        for (key, parts, read) in merged(&self.books.pending, self.close.pending) {
            self.flow(key, parts.map_or(&[], Vec::as_slice), read)?;
        }
        Ok(())
    }

    fn flow(&mut self, key: &PendingKey, before: &[Part], read: Option<&Usage>) -> Result<(), LedgerError> {
        let grown = self.flow_growth(key, before, read)?;
        if !self.is_asked(key.subscriber) {
            self.posting.left_packets += u128::from(grown.packets());
            return Ok(());
        }
        let mut parts = before.to_vec();
        if grown != Usage::default() {
            self.hold(key, &mut parts, grown)?;
        }
        let verdict =
            self.close.verdicts.get(&key.flow).filter(|verdict| verdict.reason.bucket() != Bucket::Pending);
        if let Some(verdict) = verdict {
            for part in parts.iter_mut().filter(|part| part.held != Usage::default()) {
                self.transfer(key, part, *verdict)?;
            }
        }
        // A flow that holds nothing, though it carried something, had its verdict before.
        let is_settled = holds_nothing(&parts) && (verdict.is_some() || !parts.is_empty());
        // Not by what this very close transfers: nobody has been told yet that the entry may be removed.
        let may_be_removed = self.is_over(key.epoch) || (!before.is_empty() && holds_nothing(before));
        match read {
            Some(_) if is_settled => self.posting.settled.push(*key),
            None if is_settled && may_be_removed && self.close.only.is_none() => {
                self.posting.forgotten.push(*key);
                return Ok(());
            }
            _ => {}
        }
        if parts != before {
            self.posting.pending.push((*key, parts));
        }
        Ok(())
    }

    fn flow_growth(
        &self,
        key: &PendingKey,
        before: &[Part],
        read: Option<&Usage>,
    ) -> Result<Usage, LedgerError> {
        let Some(read) = read else { return Ok(Usage::default()) };
        signed_usage(read)?;
        let mut counted = Usage::default();
        for part in before {
            counted = plus(counted, part.counted)?;
        }
        match read.since(&counted) {
            Some(grown) => Ok(grown),
            None if self.is_over(key.epoch) || holds_nothing(before) => Ok(Usage::default()),
            None => {
                let (recorded, read) = (Box::new(counted), Box::new(*read));
                Err(LedgerError::WentBack { key: flow_name(key), recorded, read })
            }
        }
    }

    /// Puts what a flow carried into its pending account.
    fn hold(&mut self, key: &PendingKey, parts: &mut Vec<Part>, grown: Usage) -> Result<(), LedgerError> {
        let identity = (self.who)(key.subscriber)?;
        if let Some(part) = parts.iter_mut().find(|part| part.identity == identity) {
            part.counted = plus(part.counted, grown)?;
            part.held = plus(part.held, grown)?;
        } else {
            parts.push(Part { identity, counted: grown, held: grown });
        }
        let account = pending_account(key);
        let held = plus(self.held(&account), grown)?;
        self.posting.held.insert(account, held);
        self.add(account, identity, grown)
    }

    fn held(&self, account: &CounterKey) -> Usage {
        let held = self.posting.held.get(account).or_else(|| self.books.held.get(account));
        held.copied().unwrap_or_default()
    }

    /// Moves all that a part of a flow holds to the account of its verdict.
    fn transfer(&mut self, key: &PendingKey, part: &mut Part, verdict: Verdict) -> Result<(), LedgerError> {
        let usage = std::mem::take(&mut part.held);
        let (from, to) = (pending_account(key), settled_account(key, verdict));
        let held =
            self.held(&from).since(&usage).ok_or_else(|| LedgerError::Unbalanced { key: key_name(&from) })?;
        self.posting.held.insert(from, held);
        let turnover = self.turnovers.entry((from, part.identity)).or_default();
        turnover.taken = plus(turnover.taken, usage)?;
        let received = self.posting.received.get(&to).or_else(|| self.books.received.get(&to));
        let received = plus(received.copied().unwrap_or_default(), usage)?;
        self.posting.received.insert(to, received);
        self.add(to, part.identity, usage)?;
        self.posting.transfers.push(Transfer { key: *key, identity: part.identity, verdict, usage });
        Ok(())
    }

    fn add(&mut self, key: CounterKey, identity: i64, usage: Usage) -> Result<(), LedgerError> {
        let turnover = self.turnovers.entry((key, identity)).or_default();
        turnover.added = plus(turnover.added, usage)?;
        Ok(())
    }

    /// Chains the turnovers of each account into changes of its balance. A record for each identity: what is
    /// transferred was the usage of who had the address when it was counted.
    fn balances(&mut self) -> Result<(), LedgerError> {
        let mut packets = self.books.packets;
        let mut last: Option<(CounterKey, Usage)> = None;
        for ((key, identity), Turnover { added, taken }) in &self.turnovers {
            let previous = match last {
                Some((account, balance)) if account == *key => balance,
                _ => self.books.balance(key)?,
            };
            let balance = plus(previous, *added)?
                .since(taken)
                .ok_or_else(|| LedgerError::Unbalanced { key: key_name(key) })?;
            last = Some((*key, balance));
            packets = packets + u128::from(balance.packets()) - u128::from(previous.packets());
            if balance != previous {
                self.posting.entries.push(Entry { key: *key, identity: *identity, previous, balance });
            }
        }
        self.posting.packets = packets;
        Ok(())
    }

    fn sent_again(&mut self) -> Result<(), LedgerError> {
        for (rule, read) in self.close.sent_again {
            let last = self.books.sent_again.get(rule).copied().unwrap_or_default();
            let Some(grown) = read.since(&last) else {
                let (recorded, read) = (Box::new(last), Box::new(*read));
                return Err(LedgerError::WentBack {
                    key: format!("what was sent again under rule {rule}"),
                    recorded,
                    read,
                });
            };
            if grown != Usage::default() {
                self.posting.sent_again.insert(*rule, *read);
            }
        }
        Ok(())
    }

    /// Closes the accounts that can change no more.
    fn retire(&mut self) -> Result<(), LedgerError> {
        let forgotten: BTreeSet<&PendingKey> = self.posting.forgotten.iter().collect();
        let known = self.books.pending.keys().chain(self.posting.pending.iter().map(|(key, _)| key));
        let open: BTreeSet<(SubscriberId, u32, u32)> = known
            .filter(|key| self.is_over(key.epoch) && !forgotten.contains(key))
            .map(|key| (key.subscriber, key.epoch, key.rule))
            .collect();
        let accounts = self.books.counted.keys().chain(self.books.received.keys());
        let closed: BTreeSet<CounterKey> = accounts
            .chain(self.posting.received.keys())
            .filter(|key| self.is_over(key.epoch) && !self.close.cumulative.contains_key(key))
            .filter(|key| !open.contains(&(key.subscriber, key.epoch, key.rule)))
            .copied()
            .collect();
        for key in &closed {
            // Only a transfer changes an account that is not in the cut.
            let counted = self.books.counted.get(key).copied().unwrap_or_default();
            let received = self.posting.received.get(key).or_else(|| self.books.received.get(key));
            let balance = plus(counted, received.copied().unwrap_or_default())?;
            let place = place(key);
            let known = self.posting.retired.get(&place).or_else(|| self.books.retired.get(&place));
            let sum = plus(known.copied().unwrap_or_default(), balance)?;
            self.posting.retired.insert(place, sum);
        }
        self.posting.closed = closed.into_iter().collect();
        Ok(())
    }
}

fn holds_nothing(parts: &[Part]) -> bool {
    parts.iter().all(|part| part.held == Usage::default())
}
