//! Listening to what the decision looks up.

use std::cell::Cell;

use tollfree::memory::MemoryTables;
use tollfree_core::address::{Address, Family};
use tollfree_core::decide::{FlowState, Tables};
use tollfree_core::flow::{FlowEntry, FlowKey, FragmentEntry, FragmentKey, GrantEntry};
use tollfree_core::interface::Role;
use tollfree_core::plan::{ClassEntry, Local, MatchSet, RuleEntry};

/// The tables, and which flow and which datagram one decision asked them for.
pub(crate) struct Asked<'a> {
    tables: &'a MemoryTables,
    flow: Cell<Option<FlowKey>>,
    fragment: Cell<Option<FragmentKey>>,
}

impl<'a> Asked<'a> {
    pub(crate) const fn new(tables: &'a MemoryTables) -> Self {
        Self { tables, flow: Cell::new(None), fragment: Cell::new(None) }
    }

    /// The flow it asked for, and what that has now.
    pub(crate) fn flow(&self) -> Option<(FlowKey, Option<FlowEntry>)> {
        self.flow.get().map(|key| (key, self.tables.flow_entry(&key)))
    }

    /// The datagram it asked for, and what is remembered of it now.
    pub(crate) fn fragment(&self) -> Option<(FragmentKey, Option<FragmentEntry>)> {
        self.fragment.get().map(|key| (key, self.tables.fragment(&key)))
    }
}

impl Tables for Asked<'_> {
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

    fn grant(&self, key: &FlowKey) -> Option<GrantEntry> {
        self.tables.grant(key)
    }

    fn flow(&self, key: &FlowKey, role: Role, volume_octets: u32, now_ns: u64, may_open: bool) -> FlowState {
        self.flow.set(Some(*key));
        self.tables.flow(key, role, volume_octets, now_ns, may_open)
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
