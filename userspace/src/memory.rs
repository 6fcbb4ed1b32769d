//! The decision's tables in this process's memory: for captures, benchmarks and tests.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;
use tollfree_core::address::{Address, Family};
use tollfree_core::decide::{FlowState, Tables};
use tollfree_core::flow::{FlowEntry, FlowKey, FragmentEntry, FragmentKey, GrantEntry};
use tollfree_core::interface::Role;
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::plan::{ClassEntry, Local, MatchSet, RuleEntry};

use crate::dataplane::PlanTables;

/// A value for each prefix of either family.
#[derive(Clone, Debug, Default)]
struct Prefixes<T> {
    v4: PrefixMap<Ipv4Net, T>,
    v6: PrefixMap<Ipv6Net, T>,
}

impl<T: Copy> Prefixes<T> {
    fn insert(&mut self, net: IpNet, value: T) {
        match net {
            IpNet::V4(net) => self.v4.insert(net, value),
            IpNet::V6(net) => self.v6.insert(net, value),
        };
    }

    /// Of the longest prefix that covers the address.
    fn get(&self, address: &Address, family: Family) -> Option<T> {
        match family {
            Family::V4 => {
                let net = Ipv4Net::from(Ipv4Addr::from(address.v4_word().to_ne_bytes()));
                self.v4.get_lpm(&net).map(|(_, value)| *value)
            }
            Family::V6 => {
                let net = Ipv6Net::from(Ipv6Addr::from(address.octets()));
                self.v6.get_lpm(&net).map(|(_, value)| *value)
            }
        }
    }
}

/// Ends of the carrier's tunnels.
#[derive(Clone, Debug, Default)]
pub struct MemoryTransports {
    kinds: Prefixes<u32>,
}

impl MemoryTransports {
    /// Holds these prefixes, each with the kinds of tunnel that end in it, as [`TunnelKind::bit`]s. A prefix inside
    /// another has the other's kinds too.
    ///
    /// [`TunnelKind::bit`]: tollfree_core::packet::tunnel::TunnelKind::bit
    pub fn new(prefixes: &BTreeMap<IpNet, u32>) -> Self {
        let mut transports = Self::default();
        for (net, kinds) in inherited(prefixes) {
            transports.kinds.insert(net, kinds);
        }
        transports
    }

    fn of(&self, address: &Address, family: Family) -> u32 {
        self.kinds.get(address, family).unwrap_or_default()
    }
}

impl Transports for MemoryTransports {
    fn kinds(&self, family: Family, source: &Address, destination: &Address) -> u32 {
        self.of(source, family) & self.of(destination, family)
    }
}

/// The prefixes, each with the kinds of those that cover it: a lookup finds the longest alone.
pub fn inherited(prefixes: &BTreeMap<IpNet, u32>) -> BTreeMap<IpNet, u32> {
    prefixes
        .keys()
        .map(|net| {
            let covering = prefixes.iter().filter(|(other, _)| other.contains(net));
            (*net, covering.fold(0, |kinds, (_, more)| kinds | more))
        })
        .collect()
}

/// One plan, its flows and its grants.
#[derive(Clone, Debug, Default)]
pub struct MemoryTables {
    locals: Prefixes<Local>,
    classes: Prefixes<ClassEntry>,
    match_sets: Vec<MatchSet>,
    rules: Vec<RuleEntry>,
    grants: HashMap<FlowKey, GrantEntry>,
    flows: RefCell<HashMap<FlowKey, FlowEntry>>,
    fragments: RefCell<HashMap<FragmentKey, FragmentEntry>>,
    flows_max: usize,
    now_ns: u64,
}

impl MemoryTables {
    /// Holds `plan`, for the subscribers of `pools`, and at most `flows_max` flows.
    pub fn new(plan: &PlanTables, pools: &[IpNet], flows_max: usize) -> Self {
        let mut tables = Self {
            match_sets: plan.match_sets.clone(),
            rules: plan.rules.clone(),
            flows_max,
            ..Self::default()
        };
        for pool in pools {
            tables.locals.insert(*pool, Local::Subscriber);
        }
        for (net, class) in &plan.classes {
            tables.classes.insert(*net, *class);
        }
        tables
    }

    /// Makes `address` the gateway's own.
    pub fn add_own(&mut self, address: IpNet) {
        self.locals.insert(address, Local::Own);
    }

    /// Makes a media stream free.
    pub fn grant(&mut self, key: FlowKey, entry: GrantEntry) {
        self.grants.insert(key, entry);
    }

    /// Sets the clock, in nanoseconds.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Every open flow.
    pub fn flows(&self) -> BTreeMap<FlowKey, FlowEntry> {
        self.flows.borrow().iter().map(|(key, entry)| (*key, *entry)).collect()
    }

    /// Every datagram whose first fragment is remembered.
    pub fn fragments(&self) -> BTreeMap<FragmentKey, FragmentEntry> {
        self.fragments.borrow().iter().map(|(key, entry)| (*key, *entry)).collect()
    }

    /// What a flow carried, if it is open.
    pub fn flow_entry(&self, key: &FlowKey) -> Option<FlowEntry> {
        self.flows.borrow().get(key).copied()
    }
}

impl Tables for MemoryTables {
    fn local(&self, address: &Address, family: Family) -> Local {
        self.locals.get(address, family).unwrap_or(Local::Foreign)
    }

    fn class(&self, address: &Address, family: Family) -> ClassEntry {
        self.classes.get(address, family).unwrap_or_default()
    }

    fn match_set(&self, match_set: u32) -> Option<&MatchSet> {
        self.match_sets.get(match_set as usize)
    }

    fn rule(&self, rule_index: u16) -> Option<RuleEntry> {
        self.rules.get(usize::from(rule_index)).copied()
    }

    fn grant(&self, key: &FlowKey) -> Option<GrantEntry> {
        self.grants.get(key).copied()
    }

    fn flow(&self, key: &FlowKey, role: Role, volume_octets: u32, now_ns: u64, may_open: bool) -> FlowState {
        let mut flows = self.flows.borrow_mut();
        if !flows.contains_key(key) {
            if !may_open {
                return FlowState::None;
            }
            if flows.len() >= self.flows_max {
                return FlowState::TableFull;
            }
            flows.insert(*key, FlowEntry { opened_ns: now_ns, ..FlowEntry::default() });
        }
        if let Some(flow) = flows.get_mut(key) {
            flow.last_seen_ns = now_ns;
            match role {
                Role::Access => {
                    flow.usage.uplink_packets += 1;
                    flow.usage.uplink_octets += u64::from(volume_octets);
                }
                Role::Core => {
                    flow.usage.downlink_packets += 1;
                    flow.usage.downlink_octets += u64::from(volume_octets);
                }
            }
        }
        FlowState::Open
    }

    fn fragment(&self, key: &FragmentKey) -> Option<FragmentEntry> {
        self.fragments.borrow().get(key).copied()
    }

    fn remember_fragment(&self, key: &FragmentKey, entry: &FragmentEntry) {
        self.fragments.borrow_mut().insert(*key, *entry);
    }

    fn forget_fragment(&self, key: &FragmentKey) {
        self.fragments.borrow_mut().remove(key);
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }
}
