//! The core's tables as lists that are searched from end to end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use ipnet::IpNet;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::counter::Usage;
use tollfree_core::decide::Tables;
use tollfree_core::flow::{
    FlowCells, FlowEntry, FlowKey, FragmentEntry, FragmentKey, GrantEntry, Promise, Words,
};
use tollfree_core::interface::Role;
use tollfree_core::packet::tunnel::{Transports, TunnelKind};
use tollfree_core::plan::{ClassEntry, Local, MatchSet, Matcher, RuleEntry};
use tollfree_core::quota::{QuotaCells, QuotaEntry, QuotaKey};

use super::core::{Controls, Core, grant_key, ip};
use crate::world::{Grant, Ports, World, contains};

/// A [`World`], as the core looks it up. Without the controller's compiler: for where only the core is in question.
pub struct ListTables {
    world: World,
    now_ns: u64,
    classes: Vec<(IpNet, ClassEntry)>,
    match_sets: Vec<MatchSet>,
    grants: Vec<(FlowKey, GrantEntry)>,
    flows: RefCell<Vec<(FlowKey, Rc<FlowCells>)>>,
    opened: Cell<u64>,
    verdicts: Vec<(u64, Promise)>,
    sent_again: RefCell<BTreeMap<u32, Usage>>,
    quotas: RefCell<Vec<(QuotaKey, Rc<QuotaCells>)>>,
    fragments: RefCell<Vec<(FragmentKey, FragmentEntry)>>,
}

impl ListTables {
    /// Has seen nothing yet.
    pub fn new(world: &World) -> Self {
        let mut tables = Self {
            world: world.clone(),
            now_ns: 0,
            classes: Vec::new(),
            match_sets: Vec::new(),
            grants: world.grants.iter().filter_map(|grant| granted(world, grant)).collect(),
            flows: RefCell::default(),
            opened: Cell::default(),
            verdicts: Vec::new(),
            sent_again: RefCell::default(),
            quotas: RefCell::default(),
            fragments: RefCell::default(),
        };
        let listed = world.rules.iter().flat_map(|rule| &rule.networks).chain(&world.media).copied();
        let proxies = world.proxies.iter().map(|proxy| IpNet::from(*proxy));
        for network in listed.chain(proxies) {
            tables.list(network);
        }
        tables
    }

    /// The core over a world.
    pub fn core(world: &World) -> Core<Self, World> {
        let controls = Controls {
            set_now: |tables: &mut Self, now_ns| tables.now_ns = now_ns,
            tell: |tables, flow, verdict| tables.verdicts.push((flow, verdict)),
            revoke: |tables, key| tables.grants.retain(|(other, _)| other != key),
            sent_again: |tables| tables.sent_again.borrow().clone(),
        };
        Core::new(Self::new(world), world.clone(), world.sip_port, controls)
    }

    /// What is said of all addresses of a network: by itself and by those around it.
    fn list(&mut self, network: IpNet) {
        let around = |others: &[IpNet]| others.iter().any(|other| other.contains(&network));
        let matchers = self.matchers(network);
        let is_proxy = self.world.proxies.iter().any(|proxy| network == IpNet::from(*proxy));
        let flags = [
            (ClassEntry::CANDIDATE, !matchers.is_empty()),
            (ClassEntry::SIGNALLING, is_proxy),
            (ClassEntry::MEDIA, around(&self.world.media)),
        ];
        let flags = flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag).sum();
        let mut set = MatchSet::EMPTY;
        for (place, matcher) in set.matchers.iter_mut().zip(matchers) {
            *place = matcher;
        }
        self.classes.push((network, ClassEntry { flags, match_set: number(self.match_sets.len()) }));
        self.match_sets.push(set);
    }

    /// In the order in which they are tried: the longest prefix first, then the lower number.
    fn matchers(&self, network: IpNet) -> Vec<Matcher> {
        let mut found = Vec::new();
        for (index, rule) in self.world.rules.iter().enumerate() {
            for around in rule.networks.iter().filter(|around| around.contains(&network)) {
                found.push((u8::MAX - around.prefix_len(), rule.number, index));
            }
        }
        found.sort_unstable();
        found.iter().flat_map(|(_, _, index)| self.matchers_of(*index)).collect()
    }

    fn matchers_of(&self, index: usize) -> Vec<Matcher> {
        let rule_index = u16::try_from(index).unwrap_or(u16::MAX);
        let ports = self.world.rules.get(index).map_or(&[][..], |rule| &rule.ports);
        if ports.is_empty() {
            let protocols = Matcher::TCP | Matcher::UDP;
            return vec![Matcher { first_port: 0, last_port: u16::MAX, rule_index, protocols }];
        }
        let matcher = |ports: &Ports| Matcher {
            first_port: ports.first,
            last_port: ports.last,
            rule_index,
            protocols: if ports.protocol == 6 { Matcher::TCP } else { Matcher::UDP },
        };
        ports.iter().map(matcher).collect()
    }
}

/// What the controller writes for a grant; `None`: of no rule.
fn granted(world: &World, grant: &Grant) -> Option<(FlowKey, GrantEntry)> {
    let rule = world.rules.iter().find(|rule| rule.number == grant.rule)?;
    let entry = GrantEntry::new(grant.rule, rule.class, grant.ends_ns);
    Some((grant_key(grant), entry))
}

/// Numbers of this file are small.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl Words for ListTables {
    fn load(&self, word: &AtomicU64) -> u64 {
        word.load(Relaxed)
    }

    fn store(&self, word: &AtomicU64, value: u64) {
        word.store(value, Relaxed);
    }

    fn add(&self, word: &AtomicU64, value: u64) {
        word.fetch_add(value, Relaxed);
    }
}

impl Tables for ListTables {
    type Flow<'a> = Rc<FlowCells>;
    type Quota<'a> = Rc<QuotaCells>;

    fn local(&self, address: &Address, family: Family) -> Local {
        let ip = ip(address, family);
        if contains(&self.world.own, ip) {
            Local::Own
        } else if contains(&self.world.pools, ip) {
            Local::Subscriber
        } else {
            Local::Foreign
        }
    }

    fn class(&self, address: &Address, family: Family) -> ClassEntry {
        let ip = ip(address, family);
        let holding = self.classes.iter().filter(|(network, _)| network.contains(&ip));
        holding.max_by_key(|(network, _)| network.prefix_len()).map(|(_, class)| *class).unwrap_or_default()
    }

    fn match_set(&self, match_set: u32) -> Option<&MatchSet> {
        self.match_sets.get(usize::try_from(match_set).ok()?)
    }

    fn rule(&self, rule_index: u16) -> Option<RuleEntry> {
        let rule = self.world.rules.get(usize::from(rule_index))?;
        Some(RuleEntry {
            valid_until_ns: rule.ends_ns.unwrap_or(u64::MAX),
            ceiling_octets: rule.ceiling_octets.unwrap_or(RuleEntry::NO_CEILING),
            evidence: rule.evidence as u32,
            ..RuleEntry::new(rule.number, rule.class)
        })
    }

    fn place_of(&self, match_set: u32, bit: u16, remote_port: u16, rule: u32) -> Option<u16> {
        let is_it = |place: &u16| self.rule(*place).is_some_and(|entry| entry.rule == rule);
        let set = self.match_set(match_set)?.matchers.iter();
        set.take_while(|matcher| **matcher != Matcher::END)
            .filter(|matcher| matcher.protocols & bit != 0)
            .filter(|matcher| (matcher.first_port..=matcher.last_port).contains(&remote_port))
            .map(|matcher| matcher.rule_index)
            .find(is_it)
    }

    fn grant(&self, key: &FlowKey) -> Option<GrantEntry> {
        self.grants.iter().find(|(other, _)| other == key).map(|(_, entry)| *entry)
    }

    fn flow(&self, key: &FlowKey) -> Option<Rc<FlowCells>> {
        self.flows.borrow().iter().find(|(other, _)| other == key).map(|(_, flow)| Rc::clone(flow))
    }

    fn open_flow(&self, key: &FlowKey, now_ns: u64, promise: Promise, replaces: bool) {
        self.opened.set(self.opened.get() + 1);
        let entry = FlowEntry::opened(self.opened.get(), now_ns, promise);
        let mut flows = self.flows.borrow_mut();
        if replaces {
            flows.retain(|(other, _)| other != key);
        }
        if flows.len() < self.world.flows_max {
            flows.push((*key, Rc::new(entry.into())));
        }
    }

    fn admit_flow(&self, subscriber: SubscriberId) -> bool {
        let flows = self.flows.borrow();
        let own = flows.iter().filter(|(key, _)| key.owner() == subscriber);
        number(own.count()) < self.world.flows_per_subscriber
    }

    fn verdict(&self, flow: u64) -> Option<Promise> {
        let told = self.verdicts.iter().find(|(other, _)| *other == flow);
        told.map(|(_, verdict)| *verdict)
    }

    fn heard_until_ns(&self, _subscriber: SubscriberId, _remote: &Address) -> u64 {
        // The model knows of no names.
        0
    }

    fn signalled_until_ns(&self, _subscriber: SubscriberId) -> u64 {
        // Nor of calls that are still being read.
        0
    }

    fn begin_text(&self, _subscriber: SubscriberId) -> Option<u64> {
        None
    }

    fn count_sent_again(&self, number: u32, role: Role, octets: u32) {
        *self.sent_again.borrow_mut().entry(number).or_default() += Usage::of(role, octets);
    }

    fn quota(&self, key: &QuotaKey) -> Option<Rc<QuotaCells>> {
        let mut quotas = self.quotas.borrow_mut();
        if let Some((_, quota)) = quotas.iter().find(|(other, _)| other == key) {
            return Some(Rc::clone(quota));
        }
        if quotas.len() >= self.world.quotas_max {
            return None;
        }
        let quota = Rc::new(QuotaEntry::default().into());
        quotas.push((*key, Rc::clone(&quota)));
        Some(quota)
    }

    fn day_ends_ns(&self) -> u64 {
        self.world.day_ends_ns
    }

    fn fragment(&self, key: &FragmentKey) -> Option<FragmentEntry> {
        self.fragments.borrow().iter().find(|(other, _)| other == key).map(|(_, entry)| *entry)
    }

    fn remember_fragment(&self, key: &FragmentKey, entry: &FragmentEntry) {
        self.forget_fragment(key);
        self.fragments.borrow_mut().push((*key, *entry));
    }

    fn forget_fragment(&self, key: &FragmentKey) {
        self.fragments.borrow_mut().retain(|(other, _)| other != key);
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }
}

impl Transports for World {
    fn kinds(&self, family: Family, source: &Address, destination: &Address) -> u32 {
        let (source, destination) = (ip(source, family), ip(destination, family));
        let own = |kind: &TunnelKind| self.is_transport(*kind, source, destination);
        TunnelKind::ALL.into_iter().filter(own).map(TunnelKind::bit).sum()
    }
}
