//! The decision's tables: maps of one plan slot.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use aya_ebpf::maps::lpm_trie::Key;
use tollfree_core::address::{Address, Family};
use tollfree_core::counter::Usage;
use tollfree_core::decide::{FlowState, Tables};
use tollfree_core::flow::{FlowEntry, FlowKey, FragmentEntry, FragmentKey, GrantEntry};
use tollfree_core::interface::Role;
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::plan::{ClassEntry, Local, MatchSet, RuleEntry, match_set_index, rule_index};
use tollfree_core::stat::Stat;

use crate::maps;

/// The maps, of the plan in `slot`.
pub struct Maps {
    pub slot: u32,
}

impl Transports for Maps {
    #[inline(always)]
    fn kinds(&self, family: Family, source: &Address, destination: &Address) -> u32 {
        transport(source, family) & transport(destination, family)
    }
}

/// The kinds of tunnel of which an address is an end.
#[inline(always)]
fn transport(address: &Address, family: Family) -> u32 {
    let found = match family {
        Family::V4 => maps::TRANSPORTS_V4.get(Key::new(32, address.v4_word())),
        Family::V6 => maps::TRANSPORTS_V6.get(Key::new(128, address.words)),
    };
    found.copied().unwrap_or_default()
}

impl Tables for Maps {
    #[inline(always)]
    fn local(&self, address: &Address, family: Family) -> Local {
        let found = match family {
            Family::V4 => maps::LOCAL_V4.get(Key::new(32, address.v4_word())),
            Family::V6 => maps::LOCAL_V6.get(Key::new(128, address.words)),
        };
        Local::from_number(found.copied().unwrap_or_default())
    }

    #[inline(always)]
    fn class(&self, address: &Address, family: Family) -> ClassEntry {
        match family {
            Family::V4 => maps::class_v4(self.slot, address.v4_word()),
            Family::V6 => maps::class_v6(self.slot, address.words),
        }
    }

    #[inline(always)]
    fn match_set(&self, match_set: u32) -> Option<&MatchSet> {
        maps::MATCH_SETS.get(match_set_index(self.slot, match_set))
    }

    #[inline(always)]
    fn rule(&self, rule: u16) -> Option<RuleEntry> {
        maps::RULES.get(rule_index(self.slot, rule)).copied()
    }

    #[inline(always)]
    fn grant(&self, key: &FlowKey) -> Option<GrantEntry> {
        // SAFETY: userspace replaces whole entries, so a read sees an old one or a new one of equal meaning.
        // JUSTIFICATION: the map's API leaves that to its user.
        unsafe { maps::GRANTS.get(key) }.copied()
    }

    #[inline(always)]
    fn flow(&self, key: &FlowKey, role: Role, volume_octets: u32, now_ns: u64, may_open: bool) -> FlowState {
        if maps::count_flow(key, role, volume_octets, now_ns) {
            return FlowState::Open;
        }
        if !may_open {
            return FlowState::None;
        }
        let entry = FlowEntry { opened_ns: now_ns, last_seen_ns: now_ns, usage: Usage::default() };
        if maps::FLOWS.insert(key, entry, BPF_NOEXIST as u64).is_ok() {
            maps::stat(Stat::FlowOpened);
        }
        // Another CPU may have opened it in between: what counts is whether it is there now.
        if maps::count_flow(key, role, volume_octets, now_ns) {
            FlowState::Open
        } else {
            FlowState::TableFull
        }
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<FragmentEntry> {
        // SAFETY: an entry is replaced whole; one that is reused while it is read tells ports of another datagram of
        // this moment, which is charged or free like any packet of those ports. JUSTIFICATION: the map's API leaves
        // that to its user.
        unsafe { maps::FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn remember_fragment(&self, key: &FragmentKey, entry: &FragmentEntry) {
        // What cannot be remembered is charged.
        let _ = maps::FRAGMENTS.insert(key, entry, 0);
    }

    #[inline(always)]
    fn forget_fragment(&self, key: &FragmentKey) {
        // It may not have been there.
        let _ = maps::FRAGMENTS.remove(key);
    }

    #[inline(always)]
    fn now_ns(&self) -> u64 {
        // SAFETY: the helper takes no arguments. JUSTIFICATION: helpers are foreign functions.
        unsafe { bpf_ktime_get_coarse_ns() }
    }
}
