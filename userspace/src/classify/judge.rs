//! What a policy makes of a captured packet, at the time at which it was captured.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::decide::{Decision, Tables, decide};
use tollfree_core::flow::{FlowCells, FlowKey, FragmentEntry, FragmentKey, GrantEntry, Promise, Words};
use tollfree_core::interface::Role;
use tollfree_core::plan::{ClassEntry, Local, MatchSet, RuleEntry};
use tollfree_core::quota::{QuotaCells, QuotaKey};
use tollfree_core::reason::{Bucket, Reason};
use tollfree_core::sought::Sought;

use super::encap::ip;
use super::flow::{Flow, Judgement};
use super::headers::Headers;
use super::options::{Options, Subscribers};
use crate::config::defaults::SIP_PORT;
use crate::dataplane::PlanTables;
use crate::memory::MemoryTables;
use crate::policy::{CompileError, CompileInput, PolicySet, RuleKey, compile};

/// Decides packets in the order of a capture.
pub(super) struct Judge<'a> {
    policies: &'a PolicySet,
    gateway_id: &'a str,
    region: Option<&'a str>,
    subscribers: &'a Subscribers,
    /// Numbers to compile with, given anew: captures are not billed.
    numbers: BTreeMap<RuleKey, u32>,
    keys: BTreeMap<u32, RuleKey>,
    /// The plan in force; `None` before the first packet.
    plan: Option<Plan>,
    /// Flows and fragments, which a new plan leaves as they are.
    state: MemoryTables,
    now_ns: i64,
}

struct Plan {
    tables: MemoryTables,
    /// When another plan comes into force.
    until: Option<Timestamp>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(policies: &'a PolicySet, options: &'a Options<'a>) -> Self {
        let numbers: BTreeMap<_, _> = policies.rule_keys().into_iter().zip(1..).collect();
        let keys = numbers.iter().map(|(key, number)| (*number, key.clone())).collect();
        let pools = match &options.subscribers {
            Subscribers::Initiator => &[][..],
            Subscribers::Prefixes(pools) => pools,
        };
        Self {
            policies,
            gateway_id: options.gateway_id,
            region: options.region,
            subscribers: &options.subscribers,
            numbers,
            keys,
            plan: None,
            state: MemoryTables::new(&PlanTables::default(), pools, usize::MAX),
            now_ns: 0,
        }
    }

    /// Decides a packet, and adds to what was decided of its `flow`.
    pub(super) fn decide(
        &mut self,
        headers: &Headers,
        at_ns: Option<i64>,
        flow: &mut Flow,
    ) -> Result<Reason, CompileError> {
        // Time does not go back, whatever the order in which the capturing machine wrote the packets.
        self.now_ns = self.now_ns.max(at_ns.unwrap_or_default());
        self.state.set_now(monotonic_ns(self.now_ns.into()));
        self.enforce()?;
        let (decision, octets) = match headers.refused {
            Some(reason) => (Decision::unattributed(reason), 0),
            None => self.ask(headers, flow),
        };
        let judgement = flow.judgement.get_or_insert(Judgement {
            reason: decision.reason,
            rule: None,
            octets: [0; Bucket::ALL.len()],
        });
        judgement.reason = decision.reason;
        judgement.rule = self.keys.get(&decision.rule).cloned();
        judgement.octets[decision.reason.bucket() as usize] += u64::from(octets);
        Ok(decision.reason)
    }

    fn ask(&self, headers: &Headers, flow: &Flow) -> (Decision, u32) {
        let packet = &headers.packet;
        let from_source = flow.is_from_source(&headers.sighting(0, None));
        let (role, subscriber) = match self.subscribers {
            Subscribers::Initiator => (from_source, Some(flow.source.address)),
            // Between two subscribers, it is the sender's uplink: the capture shows it once.
            Subscribers::Prefixes(_) => (self.subscribers.contain(&ip(&packet.source, packet.family)), None),
        };
        let role = if role { Role::Access } else { Role::Core };
        let tables =
            Moment { plan: self.plan.as_ref().map(|plan| &plan.tables), state: &self.state, subscriber };
        let decision = decide(&tables, role, SIP_PORT, packet);
        (decision, decision.volume_octets(packet))
    }

    /// Puts the plan of the moment into force.
    fn enforce(&mut self) -> Result<(), CompileError> {
        let now = Timestamp::from_nanosecond(self.now_ns.into()).unwrap_or_default();
        if self.plan.as_ref().is_some_and(|plan| plan.until.is_none_or(|until| now < until)) {
            return Ok(());
        }
        let plan = compile(&CompileInput {
            policies: self.policies,
            numbers: &self.numbers,
            addresses: &BTreeMap::new(),
            shared: &[],
            resolvers: &[],
            proxies: &[],
            gateway_id: self.gateway_id,
            region: self.region,
            now,
            monotonic_ns: &|instant| monotonic_ns(instant.as_nanosecond()),
        })?;
        let tables = MemoryTables::new(&PlanTables::from(&plan), &[], 0);
        self.plan = Some(Plan { tables, until: plan.next_change });
        Ok(())
    }
}

/// The capture's own clock, which stands for `CLOCK_MONOTONIC`.
fn monotonic_ns(unix_ns: i128) -> u64 {
    u64::try_from(unix_ns.max(0)).unwrap_or(u64::MAX)
}

/// One plan over the state of all.
struct Moment<'a> {
    plan: Option<&'a MemoryTables>,
    state: &'a MemoryTables,
    /// The only subscriber there is; `None`: those of the pools.
    subscriber: Option<Address>,
}

impl Words for Moment<'_> {
    fn load(&self, word: &AtomicU64) -> u64 {
        self.state.load(word)
    }

    fn store(&self, word: &AtomicU64, value: u64) {
        self.state.store(word, value);
    }

    fn add(&self, word: &AtomicU64, value: u64) {
        self.state.add(word, value);
    }
}

impl Tables for Moment<'_> {
    type Flow<'a>
        = Rc<FlowCells>
    where
        Self: 'a;
    type Quota<'a>
        = Rc<QuotaCells>
    where
        Self: 'a;

    fn local(&self, address: &Address, family: Family) -> Local {
        match self.subscriber {
            None => self.state.local(address, family),
            Some(subscriber) if subscriber == *address => Local::Subscriber,
            Some(_) => Local::Foreign,
        }
    }

    fn class(&self, address: &Address, family: Family) -> ClassEntry {
        self.plan.map(|plan| plan.class(address, family)).unwrap_or_default()
    }

    fn match_set(&self, match_set: u32) -> Option<&MatchSet> {
        self.plan?.match_set(match_set)
    }

    fn rule(&self, rule_index: u16) -> Option<RuleEntry> {
        self.plan?.rule(rule_index)
    }

    fn place_of(&self, match_set: u32, bit: u16, remote_port: u16, rule: u32) -> Option<u16> {
        let place = Sought::new().place_of(self, match_set, bit, remote_port, rule);
        u16::try_from(place.checked_sub(1)?).ok()
    }

    /// No calls are followed in captures.
    fn grant(&self, _key: &FlowKey) -> Option<GrantEntry> {
        None
    }

    fn flow(&self, key: &FlowKey) -> Option<Rc<FlowCells>> {
        self.state.flow(key)
    }

    fn open_flow(&self, key: &FlowKey, now_ns: u64, promise: Promise, replaces: bool) {
        self.state.open_flow(key, now_ns, promise, replaces);
    }

    fn admit_flow(&self, subscriber: SubscriberId) -> bool {
        self.state.admit_flow(subscriber)
    }

    fn verdict(&self, flow: u64) -> Option<Promise> {
        self.state.verdict(flow)
    }

    fn heard_until_ns(&self, subscriber: SubscriberId) -> u64 {
        self.state.heard_until_ns(subscriber)
    }

    fn count_sent_again(&self, number: u32, role: Role, octets: u32) {
        self.state.count_sent_again(number, role, octets);
    }

    fn quota(&self, key: &QuotaKey) -> Option<Rc<QuotaCells>> {
        self.state.quota(key)
    }

    fn day_ends_ns(&self) -> u64 {
        self.state.day_ends_ns()
    }

    fn fragment(&self, key: &FragmentKey) -> Option<FragmentEntry> {
        self.state.fragment(key)
    }

    fn remember_fragment(&self, key: &FragmentKey, entry: &FragmentEntry) {
        self.state.remember_fragment(key, entry);
    }

    fn forget_fragment(&self, key: &FragmentKey) {
        self.state.forget_fragment(key);
    }

    fn now_ns(&self) -> u64 {
        self.state.now_ns()
    }
}
