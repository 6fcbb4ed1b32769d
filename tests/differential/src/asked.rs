//! Listening to what the decision looks up and changes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use tollfree::memory::MemoryTables;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::counter::Usage;
use tollfree_core::decide::Tables;
use tollfree_core::flow::{
    FlowCells, FlowEntry, FlowKey, FragmentEntry, FragmentKey, GrantEntry, Promise, Words,
};
use tollfree_core::interface::Role;
use tollfree_core::plan::{ClassEntry, Local, MatchSet, RuleEntry};
use tollfree_core::quota::{QuotaCells, QuotaKey};

/// The tables, and what one decision asked of them.
pub(crate) struct Asked<'a> {
    tables: &'a MemoryTables,
    flow: Cell<Option<FlowKey>>,
    opened: Cell<bool>,
    counted: Cell<Option<SubscriberId>>,
    sent_again: Cell<Usage>,
    quota: RefCell<Option<(QuotaKey, Rc<QuotaCells>)>>,
    fragment: Cell<Option<FragmentKey>>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(tables: &'a MemoryTables) -> Self {
        Self {
            tables,
            flow: Cell::default(),
            opened: Cell::default(),
            counted: Cell::default(),
            sent_again: Cell::default(),
            quota: RefCell::default(),
            fragment: Cell::default(),
        }
    }

    /// The flow it asked for, and what that has now.
    pub(crate) fn flow(&self) -> Option<(FlowKey, Option<FlowEntry>)> {
        self.flow.get().map(|key| (key, self.tables.flow_entry(&key)))
    }

    /// Whether it opened a flow.
    pub(crate) const fn has_opened(&self) -> bool {
        self.opened.get()
    }

    /// Whose one more flow is.
    pub(crate) const fn counted(&self) -> Option<SubscriberId> {
        self.counted.get()
    }

    /// Payload that it found to be sent before.
    pub(crate) const fn sent_again(&self) -> Usage {
        self.sent_again.get()
    }

    /// What it counted towards a ceiling.
    pub(crate) fn quota(&self) -> Option<(QuotaKey, Rc<QuotaCells>)> {
        self.quota.borrow().clone()
    }

    /// The datagram it asked for, and what is remembered of it now.
    pub(crate) fn fragment(&self) -> Option<(FragmentKey, Option<FragmentEntry>)> {
        self.fragment.get().map(|key| (key, self.tables.fragment(&key)))
    }
}

impl Words for Asked<'_> {
    fn load(&self, word: &AtomicU64) -> u64 {
        self.tables.load(word)
    }

    fn store(&self, word: &AtomicU64, value: u64) {
        self.tables.store(word, value);
    }

    fn add(&self, word: &AtomicU64, value: u64) {
        self.tables.add(word, value);
    }
}

impl Tables for Asked<'_> {
    type Flow<'a>
        = Rc<FlowCells>
    where
        Self: 'a;
    type Quota<'a>
        = Rc<QuotaCells>
    where
        Self: 'a;

    fn local(&self, address: &Address, family: Family) -> Local {
        self.tables.local(address, family)
    }

    fn class(&self, address: &Address, family: Family) -> ClassEntry {
        self.tables.class(address, family)
    }

    fn match_set(&self, match_set: u32) -> Option<&MatchSet> {
        self.tables.match_set(match_set)
    }

    fn rule(&self, rule_index: u16) -> Option<RuleEntry> {
        self.tables.rule(rule_index)
    }

    fn place_of(&self, match_set: u32, bit: u16, remote_port: u16, rule: u32) -> Option<u16> {
        self.tables.place_of(match_set, bit, remote_port, rule)
    }

    fn grant(&self, key: &FlowKey) -> Option<GrantEntry> {
        self.tables.grant(key)
    }

    fn flow(&self, key: &FlowKey) -> Option<Rc<FlowCells>> {
        self.flow.set(Some(*key));
        self.tables.flow(key)
    }

    fn open_flow(&self, key: &FlowKey, now_ns: u64, promise: Promise, replaces: bool) {
        let before = self.tables.flow_entry(key).map(|flow| flow.number);
        self.tables.open_flow(key, now_ns, promise, replaces);
        let after = self.tables.flow_entry(key).map(|flow| flow.number);
        self.opened.set(after.is_some() && after != before);
        if before.is_none() && after.is_some() {
            self.counted.set(Some(key.owner()));
        }
    }

    fn admit_flow(&self, subscriber: SubscriberId) -> bool {
        self.tables.admit_flow(subscriber)
    }

    fn verdict(&self, flow: u64) -> Option<Promise> {
        self.tables.verdict(flow)
    }

    fn heard_until_ns(&self, subscriber: SubscriberId, remote: &Address) -> u64 {
        self.tables.heard_until_ns(subscriber, remote)
    }

    fn signalled_until_ns(&self, subscriber: SubscriberId) -> u64 {
        self.tables.signalled_until_ns(subscriber)
    }

    fn begin_text(&self, subscriber: SubscriberId) -> Option<u64> {
        self.tables.begin_text(subscriber)
    }

    fn count_sent_again(&self, rule: u32, from: Role, octets: u32) {
        self.sent_again.set(self.sent_again.get() + Usage::of(from, octets));
        self.tables.count_sent_again(rule, from, octets);
    }

    fn quota(&self, key: &QuotaKey) -> Option<Rc<QuotaCells>> {
        let quota = self.tables.quota(key)?;
        self.quota.replace(Some((*key, Rc::clone(&quota))));
        Some(quota)
    }

    fn day_ends_ns(&self) -> u64 {
        self.tables.day_ends_ns()
    }

    fn fragment(&self, key: &FragmentKey) -> Option<FragmentEntry> {
        self.fragment.set(Some(*key));
        self.tables.fragment(key)
    }

    fn remember_fragment(&self, key: &FragmentKey, entry: &FragmentEntry) {
        self.fragment.set(Some(*key));
        self.tables.remember_fragment(key, entry);
    }

    fn forget_fragment(&self, key: &FragmentKey) {
        self.fragment.set(Some(*key));
        self.tables.forget_fragment(key);
    }

    fn now_ns(&self) -> u64 {
        self.tables.now_ns()
    }
}
