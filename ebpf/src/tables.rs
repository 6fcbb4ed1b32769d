//! The decision's tables: maps of one plan slot.

use core::sync::atomic::AtomicU64;

use aya_ebpf::bindings::{BPF_ANY, BPF_NOEXIST};
use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use aya_ebpf::maps::lpm_trie::Key;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::decide::Tables;
use tollfree_core::flow::{FlowCells, FlowKey, FragmentEntry, FragmentKey, GrantEntry, Promise, Words};
use tollfree_core::interface::Role;
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::plan::{ClassEntry, Local, MatchSet, RuleEntry, match_set_index, rule_index};
use tollfree_core::quota::{QuotaCells, QuotaKey};
use tollfree_core::stat::Stat;

use crate::{class, maps, rules, scratch};

/// The maps, of the plan in `slot`.
pub struct Maps {
    pub slot: u32,
    pub flows_per_subscriber: u32,
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

impl Words for Maps {
    #[inline(always)]
    fn load(&self, word: &AtomicU64) -> u64 {
        // SAFETY: a word that lives, aligned; loads of eight octets are whole on every machine that runs this.
        // JUSTIFICATION: the compiler cannot select an atomic load for this target.
        unsafe { word.as_ptr().read_volatile() }
    }

    #[inline(always)]
    fn store(&self, word: &AtomicU64, value: u64) {
        // SAFETY: as in `load`. JUSTIFICATION: likewise.
        unsafe { word.as_ptr().write_volatile(value) };
    }

    #[inline(always)]
    fn add(&self, word: &AtomicU64, value: u64) {
        // SAFETY: cells lie in map values, aligned. JUSTIFICATION: see there.
        unsafe { maps::add_atomically(word.as_ptr(), value) };
    }
}

impl Tables for Maps {
    type Flow<'a> = &'static FlowCells;
    type Quota<'a> = &'static QuotaCells;

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
        class::class(self.slot, address, family)
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
    fn place_of(&self, match_set: u32, bit: u16, remote_port: u16, rule: u32) -> Option<u16> {
        rules::place_of(self.slot, match_set, bit, remote_port, rule)
    }

    #[inline(always)]
    fn grant(&self, key: &FlowKey) -> Option<GrantEntry> {
        // SAFETY: userspace replaces whole entries, so a read sees an old one or a new one of equal meaning.
        // JUSTIFICATION: the map's API leaves that to its user.
        unsafe { maps::GRANTS.get(key) }.copied()
    }

    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<&'static FlowCells> {
        maps::flow(key)
    }

    #[inline(always)]
    fn open_flow(&self, key: &FlowKey, now_ns: u64, promise: Promise, replaces: bool) {
        let Some(entry) = scratch::flow() else { return };
        entry.begin(maps::flow_number(), now_ns, promise);
        let flags = if replaces { BPF_ANY } else { BPF_NOEXIST };
        if maps::FLOWS.insert(key, entry, flags as u64).is_ok() {
            maps::stat(Stat::FlowOpened);
            if !replaces {
                maps::count_flow(&key.owner());
            }
        }
    }

    #[inline(always)]
    fn admit_flow(&self, subscriber: SubscriberId) -> bool {
        maps::admit_flow(&subscriber, self.flows_per_subscriber)
    }

    #[inline(always)]
    fn verdict(&self, flow: u64) -> Option<Promise> {
        // SAFETY: eight octets, which userspace writes once. JUSTIFICATION: the map's API leaves that to its user.
        unsafe { maps::VERDICTS.get(flow) }.copied()
    }

    #[inline(always)]
    fn heard_until_ns(&self, subscriber: SubscriberId, remote: &Address) -> u64 {
        maps::heard_until_ns(subscriber, remote)
    }

    #[inline(always)]
    fn signalled_until_ns(&self, subscriber: SubscriberId) -> u64 {
        maps::signalled_until_ns(subscriber)
    }

    #[inline(always)]
    fn begin_text(&self, subscriber: SubscriberId) -> Option<u64> {
        maps::begin_text(subscriber, self.now_ns())
    }

    #[inline(always)]
    fn count_sent_again(&self, rule: u32, role: Role, octets: u32) {
        maps::count_sent_again(rule, role, octets);
    }

    #[inline(always)]
    fn quota(&self, key: &QuotaKey) -> Option<&'static QuotaCells> {
        maps::quota(key)
    }

    #[inline(always)]
    fn day_ends_ns(&self) -> u64 {
        maps::day_ends_ns()
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
