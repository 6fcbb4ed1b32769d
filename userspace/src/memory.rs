//! The decision's tables in this process's memory: for captures, mirror ports, benchmarks and tests.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::bytes::Frame;
use tollfree_core::counter::Usage;
use tollfree_core::decide::{Decision, Tables};
use tollfree_core::event::CopyKind;
use tollfree_core::flow::{
    FlowCells, FlowEntry, FlowKey, FragmentEntry, FragmentKey, GrantEntry, Promise, Words,
};
use tollfree_core::interface::Role;
use tollfree_core::limits::{
    EVIDENCE_WAIT_NS, FLOWS_PER_SUBSCRIBER_DEFAULT, HEARD_NS, SIGNALLED_NS, TEXT_INTERVAL_NS,
};
use tollfree_core::names::{self, Names, Reading};
use tollfree_core::packet::Packet;
use tollfree_core::packet::tunnel::Transports;
use tollfree_core::places::{heard_place, remote_place, signalled_place, text_place};
use tollfree_core::plan::{ClassEntry, Local, MatchSet, RuleEntry};
use tollfree_core::quota::{QuotaCells, QuotaEntry, QuotaKey};
use tollfree_core::reason::Reason;
use tollfree_core::sought::Sought;

use crate::dataplane::PlanTables;
use crate::recent::Recent;

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

/// One plan, its flows and its grants. What grows with traffic is bounded as in the kernel.
#[derive(Clone, Debug, Default)]
pub struct MemoryTables {
    locals: Prefixes<Local>,
    classes: Prefixes<ClassEntry>,
    match_sets: Vec<MatchSet>,
    rules: Vec<RuleEntry>,
    grants: HashMap<FlowKey, GrantEntry>,
    flows: RefCell<HashMap<FlowKey, Rc<FlowCells>>>,
    last_flow: Cell<u64>,
    subscriber_flows: RefCell<HashMap<SubscriberId, u32>>,
    verdicts: HashMap<u64, Promise>,
    heard: HashMap<u32, u64>,
    texts: RefCell<HashMap<u32, u64>>,
    names: HashSet<u64>,
    quotas: RefCell<HashMap<QuotaKey, Rc<QuotaCells>>>,
    sent_again: RefCell<BTreeMap<u32, Usage>>,
    fragments: RefCell<Recent<FragmentKey, FragmentEntry>>,
    flows_max: usize,
    flows_per_subscriber: u32,
    quotas_max: usize,
    day_ends_ns: u64,
    now_ns: u64,
}

impl MemoryTables {
    /// Holds `plan`, for the subscribers of `pools`, and at most `flows_max` flows.
    pub fn new(plan: &PlanTables, pools: &[IpNet], flows_max: usize) -> Self {
        let mut tables = Self {
            flows_max,
            flows_per_subscriber: FLOWS_PER_SUBSCRIBER_DEFAULT,
            quotas_max: flows_max,
            ..Self::default()
        };
        tables.set_pools(pools);
        tables.set_plan(plan);
        tables
    }

    /// Has the subscribers of `pools` in place of those before; addresses of the gateway's own are forgotten.
    pub fn set_pools(&mut self, pools: &[IpNet]) {
        self.locals = Prefixes::default();
        for pool in pools {
            self.locals.insert(*pool, Local::Subscriber);
        }
    }

    /// Puts `plan` in place of the one before; flows, fragments and grants stay.
    pub fn set_plan(&mut self, plan: &PlanTables) {
        self.match_sets.clone_from(&plan.match_sets);
        self.rules.clone_from(&plan.rules);
        self.classes = Prefixes::default();
        for (net, class) in &plan.classes {
            self.classes.insert(*net, *class);
        }
    }

    /// Remembers the first fragments of at most `max` datagrams from now on, and none from before.
    pub fn limit_fragments(&mut self, max: usize) {
        self.fragments = RefCell::new(Recent::new(max));
    }

    /// How many flows were ever opened.
    pub const fn flows_opened(&self) -> u64 {
        self.last_flow.get()
    }

    /// Flows that have awaited evidence for too long, by number.
    pub fn overdue_flows(&self) -> Vec<u64> {
        let is_overdue = |entry: &FlowEntry| {
            entry.promise.verdict() == Reason::AwaitingEvidence as u32
                && self.now_ns.saturating_sub(entry.opened_ns) >= EVIDENCE_WAIT_NS
        };
        let flows = self.flows.borrow();
        flows.values().map(|flow| flow.entry()).filter(is_overdue).map(|entry| entry.number).collect()
    }

    /// Makes `address` the gateway's own.
    pub fn add_own(&mut self, address: IpNet) {
        self.locals.insert(address, Local::Own);
    }

    /// Makes a media stream free.
    pub fn grant(&mut self, key: FlowKey, entry: GrantEntry) {
        self.grants.insert(key, entry);
    }

    /// Ends a media stream's grant; what was opened under it stays open.
    pub fn revoke(&mut self, key: &FlowKey) {
        self.grants.remove(key);
    }

    /// Sets the clock, in nanoseconds.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Bounds the flows of one subscriber.
    pub fn set_flows_per_subscriber(&mut self, max: u32) {
        self.flows_per_subscriber = max;
    }

    /// Bounds how many subscribers and rules a daily ceiling is kept for.
    pub fn set_quotas_max(&mut self, max: usize) {
        self.quotas_max = max;
    }

    /// Says when some day ends, in nanoseconds.
    pub fn set_day_ends(&mut self, day_ends_ns: u64) {
        self.day_ends_ns = day_ends_ns;
    }

    /// Says what evidence said of a flow.
    pub fn decide_flow(&mut self, flow: u64, verdict: Promise) {
        self.verdicts.insert(flow, verdict);
    }

    /// A subscriber may know addresses until then that are in no rule yet, in nanoseconds; those whose time is over are
    /// forgotten.
    pub fn hear(&mut self, subscriber: SubscriberId, until_ns: u64) {
        self.mark(heard_place(subscriber), until_ns);
    }

    /// Until then the controller may be reading signalling of the subscriber's, in nanoseconds.
    pub fn signal(&mut self, subscriber: SubscriberId, until_ns: u64) {
        self.mark(signalled_place(subscriber), until_ns);
    }

    fn mark(&mut self, place: u32, until_ns: u64) {
        let now_ns = self.now_ns;
        self.heard.retain(|_, until_ns| *until_ns > now_ns);
        self.heard.insert(place, until_ns);
    }

    /// Holds the names that rules list, and those below which they list all.
    pub fn set_names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.names = names.into_iter().map(names::hash).collect();
    }

    /// Does with a packet that was decided what the kernel's programs do about names and signalling: a subscriber who is
    /// answered is waited with, and so is whoever connects to what he is told, and the media of whoever signals. Says what it
    /// is copied for.
    pub fn listen(&mut self, octets: &[u8], role: Role, packet: &Packet, decision: &Decision) -> CopyKind {
        let frame = Frame::message(octets);
        let offset = names::message_offset(packet.transport_offset);
        let mut reading = Reading::default();
        if decision.copy == CopyKind::Signalling {
            self.signal(decision.subscriber, self.now_ns + SIGNALLED_NS);
        }
        let is_read = decision.copy == CopyKind::NamesListed
            && names::is_listed(&frame, offset, &mut reading, &Listed(&self.names));
        if role == Role::Core && (is_read || decision.copy == CopyKind::Names) {
            self.hear(decision.subscriber, self.now_ns + HEARD_NS);
        }
        if role == Role::Core && is_read {
            let until_ns = self.now_ns + HEARD_NS;
            names::each_address(&frame, offset, &mut reading, |remote| {
                self.mark(remote_place(remote), until_ns);
            });
        }
        if decision.copy == CopyKind::NamesListed { CopyKind::Names } else { decision.copy }
    }

    /// Every flow, over or not.
    pub fn flows(&self) -> BTreeMap<FlowKey, FlowEntry> {
        self.flows.borrow().iter().map(|(key, flow)| (*key, flow.entry())).collect()
    }

    /// Every datagram whose first fragment is remembered.
    pub fn fragments(&self) -> BTreeMap<FragmentKey, FragmentEntry> {
        self.fragments.borrow().iter().map(|(key, entry)| (*key, *entry)).collect()
    }

    /// What is known of a flow, over or not.
    pub fn flow_entry(&self, key: &FlowKey) -> Option<FlowEntry> {
        self.flows.borrow().get(key).map(|flow| flow.entry())
    }

    /// Payload that was sent before, by rule.
    pub fn sent_again(&self) -> BTreeMap<u32, Usage> {
        self.sent_again.borrow().clone()
    }

    /// Forgets flows that have rested for long enough, with what evidence said of them, and days that are over, as the controller does in the kernel.
    pub fn forget_idle_flows(&mut self) {
        let now_ns = self.now_ns;
        let owners = self.subscriber_flows.get_mut();
        let verdicts = &mut self.verdicts;
        self.flows.get_mut().retain(|key, flow| {
            let FlowEntry { number, last_seen_ns, .. } = flow.entry();
            let is_over = now_ns.saturating_sub(last_seen_ns) >= flow.entry().rest_ns(key.protocol);
            if is_over {
                verdicts.remove(&number);
                if let Some(open) = owners.get_mut(&key.owner()) {
                    *open = open.saturating_sub(1);
                }
            }
            !is_over
        });
        owners.retain(|_, open| *open > 0);
        self.quotas.get_mut().retain(|_, quota| quota.entry().day_ends_ns > now_ns);
    }
}

struct Listed<'a>(&'a HashSet<u64>);

impl Names for Listed<'_> {
    fn has(&self, hash: u64) -> bool {
        self.0.contains(&hash)
    }
}

impl Words for MemoryTables {
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

impl Tables for MemoryTables {
    type Flow<'a> = Rc<FlowCells>;
    type Quota<'a> = Rc<QuotaCells>;

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

    fn place_of(&self, match_set: u32, bit: u16, remote_port: u16, rule: u32) -> Option<u16> {
        let sought = Sought::new();
        sought.begin(0, rule, bit, remote_port);
        let number_at = |place| self.rule(place).map(|entry| entry.rule);
        let place = sought.place_in(self.match_set(match_set)?, number_at);
        u16::try_from(place.checked_sub(1)?).ok()
    }

    fn grant(&self, key: &FlowKey) -> Option<GrantEntry> {
        self.grants.get(key).copied()
    }

    fn flow(&self, key: &FlowKey) -> Option<Rc<FlowCells>> {
        self.flows.borrow().get(key).cloned()
    }

    fn open_flow(&self, key: &FlowKey, now_ns: u64, promise: Promise, replaces: bool) {
        self.last_flow.set(self.last_flow.get() + 1);
        let entry = FlowEntry::opened(self.last_flow.get(), now_ns, promise);
        let mut flows = self.flows.borrow_mut();
        if !replaces && flows.len() >= self.flows_max {
            return;
        }
        if flows.insert(*key, Rc::new(entry.into())).is_none() {
            *self.subscriber_flows.borrow_mut().entry(key.owner()).or_default() += 1;
        }
    }

    fn admit_flow(&self, subscriber: SubscriberId) -> bool {
        let open = self.subscriber_flows.borrow().get(&subscriber).copied().unwrap_or_default();
        open < self.flows_per_subscriber
    }

    fn verdict(&self, flow: u64) -> Option<Promise> {
        self.verdicts.get(&flow).copied()
    }

    fn heard_until_ns(&self, subscriber: SubscriberId, remote: &Address) -> u64 {
        let marked = |place: u32| self.heard.get(&place).copied().unwrap_or_default();
        marked(heard_place(subscriber)).max(marked(remote_place(remote)))
    }

    fn signalled_until_ns(&self, subscriber: SubscriberId) -> u64 {
        self.heard.get(&signalled_place(subscriber)).copied().unwrap_or_default()
    }

    fn begin_text(&self, subscriber: SubscriberId) -> Option<u64> {
        let mut texts = self.texts.borrow_mut();
        texts.retain(|_, last_ns| self.now_ns < last_ns.saturating_add(TEXT_INTERVAL_NS));
        if texts.contains_key(&text_place(subscriber)) {
            return None;
        }
        texts.insert(text_place(subscriber), self.now_ns);
        self.last_flow.set(self.last_flow.get() + 1);
        Some(self.last_flow.get())
    }

    fn count_sent_again(&self, number: u32, role: Role, octets: u32) {
        let mut rules = self.sent_again.borrow_mut();
        let usage = rules.entry(number).or_default();
        *usage += Usage::of(role, octets);
    }

    fn quota(&self, key: &QuotaKey) -> Option<Rc<QuotaCells>> {
        let mut quotas = self.quotas.borrow_mut();
        if let Some(quota) = quotas.get(key) {
            return Some(Rc::clone(quota));
        }
        if quotas.len() >= self.quotas_max {
            return None;
        }
        let quota = Rc::new(QuotaEntry::default().into());
        quotas.insert(*key, Rc::clone(&quota));
        Some(quota)
    }

    fn day_ends_ns(&self) -> u64 {
        self.day_ends_ns
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
