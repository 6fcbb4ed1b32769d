//! What a policy makes of a captured packet, at the time at which it was captured.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tollfree_core::decide::{Decision, decide};
use tollfree_core::interface::Role;
use tollfree_core::reason::{Bucket, Reason};

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
    /// When another plan comes into force.
    plan_until: Timestamp,
    /// The plan in force, and flows and fragments, which a new plan leaves as they are. No calls are followed in captures, so
    /// there are no grants.
    tables: MemoryTables,
    now_ns: i64,
}

impl<'a> Judge<'a> {
    pub(super) fn new(policies: &'a PolicySet, options: &'a Options<'a>) -> Self {
        let numbers = policies.provisional_numbers();
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
            plan_until: Timestamp::MIN,
            tables: MemoryTables::new(&PlanTables::default(), pools, usize::MAX),
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
        self.tables.set_now(monotonic_ns(self.now_ns.into()));
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

    fn ask(&mut self, headers: &Headers, flow: &Flow) -> (Decision, u32) {
        let packet = &headers.packet;
        let is_uplink = match self.subscribers {
            Subscribers::Initiator => {
                self.tables.set_pools(&[ip(&flow.source.address, packet.family).into()]);
                flow.is_from_source(&headers.sighting(0, None))
            }
            // Between two subscribers, it is the sender's uplink: the capture shows it once.
            Subscribers::Prefixes(_) => self.subscribers.contain(&ip(&packet.source, packet.family)),
        };
        let role = if is_uplink { Role::Access } else { Role::Core };
        let decision = decide(&self.tables, role, SIP_PORT, packet);
        (decision, decision.volume_octets(packet))
    }

    /// Puts the plan of the moment into force.
    fn enforce(&mut self) -> Result<(), CompileError> {
        let now = Timestamp::from_nanosecond(self.now_ns.into()).unwrap_or_default();
        if now < self.plan_until {
            return Ok(());
        }
        let plan = compile(&CompileInput {
            gateway_id: self.gateway_id,
            region: self.region,
            monotonic_ns: &|instant| monotonic_ns(instant.as_nanosecond()),
            ..CompileInput::new(self.policies, &self.numbers, now)
        })?;
        self.tables.set_plan(&PlanTables::from(&plan));
        self.plan_until = plan.next_change.unwrap_or(Timestamp::MAX);
        Ok(())
    }
}

/// The capture's own clock, which stands for `CLOCK_MONOTONIC`.
fn monotonic_ns(unix_ns: i128) -> u64 {
    u64::try_from(unix_ns.max(0)).unwrap_or(u64::MAX)
}
