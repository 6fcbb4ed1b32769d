//! The address book in the engine: what it is told, and what follows from it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::RunError;
use super::activation::names;
use super::alarm::Alarm;
use super::coverage::PlanCoverage;
use super::engine::Engine;
use super::plan_names::PlanNames;
use crate::book::{AddressBook, Change, HoldingEvent};
use crate::ledger::LedgerError;
use crate::policy::Plan;
use crate::resolve::{Dnssec, Moment, NameTerms};

/// What is to be recorded of addresses and cannot be, at most. Reason: some tens of megabytes; past it, what is held is
/// recorded when the ledger can be written again, as of then.
const EVENTS_MAX: usize = 100_000;

/// What the engine knows of the book.
#[derive(Debug, Default)]
pub(super) struct Bookkeeping {
    /// What is to be recorded.
    events: Vec<HoldingEvent>,
    /// What is open in the ledger is what the book holds, but for `events`.
    pub(super) is_settled: bool,
    /// What the last plan was compiled with.
    pub(super) compiled: NameAddresses,
    /// The book's version that the audit log states.
    pub(super) stated: u64,
}

/// Every name's addresses, as the book had them at one moment.
#[derive(Debug, Default)]
pub(super) struct NameAddresses {
    pub(super) version: u64,
    pub(super) addresses: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Those of them that strangers' names have too.
    pub(super) shared: Vec<IpAddr>,
}

/// The book. Who held it when a thread ended badly left it whole: its methods do not break off between two changes that
/// belong together.
pub(super) fn open(book: &Mutex<AddressBook>) -> MutexGuard<'_, AddressBook> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is asked of a name that is followed because its answers must be proven.
pub(super) fn proven() -> NameTerms {
    let mut terms = NameTerms::default();
    terms.add(Some(Dnssec::Required), None);
    terms
}

impl Engine {
    /// The resolver has other addresses: same epoch, other tables.
    pub(super) fn addresses_changed(&mut self) {
        self.tell_resolved(Moment::now());
        self.change_addresses();
        self.keep_book();
    }

    /// The flows to these addresses are open.
    pub(super) fn addresses_used(&mut self, used: HashSet<IpAddr>) {
        let now = Moment::now();
        self.tell_resolved(now);
        open(&self.parts.book).set_used(used, now);
        self.change_addresses();
        self.keep_book();
        if open(&self.parts.book).forget_wanted(now) {
            self.follow_names();
        }
    }

    /// Has the resolver follow the names that policies list, and those that must be proven and subscribers ask for.
    pub(super) fn follow_names(&self) {
        let listed = names(&self.policy);
        let terms = self.policy.terms_at(Timestamp::now());
        let asked = |name: &str| name.parse().map_or_else(|_| proven(), |name| terms.of_name(&name));
        let book = &self.parts.book;
        // In there, because who reads answers adds a name to the book first, and then here.
        self.parts.names.send_modify(|followed| {
            *followed = listed;
            for name in open(book).wanted() {
                followed.entry(name.to_owned()).or_insert_with(|| asked(name));
            }
        });
    }

    /// Writes what changed of addresses into the plan in force, stated first. An address that cannot be changed keeps none
    /// of the others from it.
    pub(super) fn change_addresses(&mut self) {
        if open(&self.parts.book).version() != self.bookkeeping.stated {
            let result = self.state_addresses();
            self.note(Alarm::AddressStatements, result);
        }
        let live = self.parts.dataplane.live_plan();
        let mut live = live.hold();
        let changes = open(&self.parts.book).take_changes(Moment::now());
        let mut result = Ok(());
        for Change { address, rules, shared } in changes {
            if let Err(error) = live.set_address(address, &rules, shared) {
                result = Err(error.into());
            }
        }
        drop(live);
        self.note(Alarm::Addresses, result);
    }

    fn tell_resolved(&mut self, now: Moment) {
        let resolved = Arc::clone(&self.parts.resolved.borrow_and_update());
        open(&self.parts.book).take_resolved(&resolved, now);
    }

    /// Every name's addresses as the book has them now: the plan that is compiled next goes by them.
    pub(super) fn read_addresses(&mut self) {
        let book = open(&self.parts.book);
        self.bookkeeping.compiled = NameAddresses {
            version: book.version(),
            addresses: book.addresses(),
            shared: book.sharings().iter().map(|(address, ..)| *address).collect(),
        };
    }

    /// The plan that was compiled last is in force: its rules are what the book and the reader of names go by.
    pub(super) fn cover_names(&mut self) {
        self.covering(&self.plan)();
        self.change_addresses();
    }

    /// Makes the rules of `plan`, which was compiled from the policy at hand, what the book and the reader of names go by.
    pub(super) fn covering(&self, plan: &Plan) -> impl FnOnce() + use<> {
        let dnssec = self.parts.config.resolver.dnssec;
        let coverage = Arc::new(PlanCoverage::new(plan, &self.policy, dnssec));
        let names = Arc::new(PlanNames::of(plan));
        let (book, shared) = (Arc::clone(&self.parts.book), Arc::clone(&self.parts.shared));
        move || {
            shared.names.store(names);
            open(&book).set_coverage(coverage, Moment::now());
        }
    }

    /// Keeps what is to be remembered of addresses, and their answers for the next start.
    pub(super) fn keep_book(&mut self) {
        let result = self.record_holdings().map_err(RunError::from);
        self.note(Alarm::AddressIntervals, result);
        let unsaved = open(&self.parts.book).take_unsaved();
        let result = self.parts.ledger.save_answers(&unsaved).map_err(RunError::from);
        if !self.note(Alarm::SavedNames, result) {
            open(&self.parts.book).save_again(&unsaved);
        }
    }

    fn record_holdings(&mut self) -> Result<(), LedgerError> {
        let epoch = self.parts.dataplane.control().epoch();
        let keeping = &mut self.bookkeeping;
        let unsettled = {
            let mut book = open(&self.parts.book);
            keeping.events.extend(book.take_events());
            if keeping.events.len() > EVENTS_MAX {
                keeping.is_settled = false;
            }
            (!keeping.is_settled).then(|| (book.holdings(), book.sharings()))
        };
        let ledger = &mut self.parts.ledger;
        if let Some((held, shared)) = unsettled {
            keeping.events.clear();
            ledger.settle_holdings(epoch, Moment::now().wall, &held, &shared)?;
            keeping.is_settled = true;
        } else if !keeping.events.is_empty() {
            ledger.record_holdings(epoch, &keeping.events)?;
            keeping.events.clear();
        }
        Ok(())
    }
}
