//! Putting policies in force: stated in the audit log first, then in the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use tollfree_core::plan::RuleEntry;

use super::RunError;
use super::addresses::open;
use super::alarm::Alarm;
use super::engine::Engine;
use crate::audit::{
    Activation, ActivationCause, AddressStatement, Addresses, EvidenceStatement, Log, Refused, RuleStatement,
    Statement,
};
use crate::dataplane::{Cut, monotonic_ns};
use crate::diagnostic::Diagnostics;
use crate::ledger::CloseReason;
use crate::policy::{CompileInput, Plan, PolicySet, WireName, compile};
use crate::resolve::{Moment, NameTerms, Resolved, ResolverError};
use crate::status::RuleName;

/// How long after a failure a change by date is tried again. Reason: a full disk is not emptied sooner.
const RETRY_INTERVAL: SignedDuration = SignedDuration::from_secs(10);

/// How full counters are when they are renewed: three of four parts.
const RENEWAL_FULL_PARTS: (usize, usize) = (3, 4);
/// Which part of them may have grown in the last interval, at most; else a new epoch would soon be as full.
const RENEWAL_BUSY_PART: usize = 2;

/// Whether a table with `room` for counters is to be renewed, `used` of which are, `grown` of them in the last interval.
const fn is_renewal_due(used: usize, room: usize, grown: usize) -> bool {
    used >= room / RENEWAL_FULL_PARTS.1 * RENEWAL_FULL_PARTS.0 && grown <= used / RENEWAL_BUSY_PART
}

/// Names that policies list, those that have ended left out, with what is asked of them.
pub(super) fn names(policy: &PolicySet) -> BTreeMap<String, NameTerms> {
    policy.names_at(Timestamp::now())
}

/// A line for each fault.
pub(super) fn lines(faults: &Diagnostics) -> Vec<String> {
    faults.as_slice().iter().map(ToString::to_string).collect()
}

impl Engine {
    /// The first plan: where the kernel has the same policy in force, it goes on under its epoch; else a new one
    /// begins.
    pub(super) fn start_plan(&mut self, plan: Plan) -> Result<(), RunError> {
        self.follow_names();
        self.name_rules(&plan)?;
        let instance = self.parts.dataplane.instance();
        self.parts.ledger.settle_lost(instance, Timestamp::now(), &self.rating_groups)?;
        let epoch = self.parts.dataplane.control().epoch();
        // Maps that were made just now have no epoch yet.
        if epoch != 0 {
            // What was counted while no controller ran belongs to the epoch that was in force.
            let cut = self.parts.dataplane.cut()?;
            self.close_cut(&cut, CloseReason::Start)?;
            if self.is_in_force(epoch, &plan)? {
                return self.refresh(plan);
            }
        }
        self.activate(plan, ActivationCause::Start)
    }

    /// Whether the kernel holds this policy and these rules under `epoch`, and the audit log knows of it.
    fn is_in_force(&self, epoch: u32, plan: &Plan) -> Result<bool, RunError> {
        let digest = self.parts.ledger.policy_digest(epoch)?;
        let held = self.parts.dataplane.rules().into_iter().map(|entry| (entry.rule, entry.class));
        let wanted = plan.rules.iter().map(|rule| (rule.entry.rule, rule.entry.class));
        Ok(digest.as_deref() == Some(self.policy.digest.to_string().as_str())
            && self.parts.log.last_epoch() == Some(epoch)
            && held.eq(wanted))
    }

    /// The policy directory was read.
    pub(super) fn policy_loaded(&mut self, loaded: Result<PolicySet, Diagnostics>) {
        // Whatever waited is older than this.
        self.waiting_policy = None;
        let result = match loaded {
            Ok(policy) if policy.digest == self.policy.digest => {
                self.policy_faults.clear();
                Ok(())
            }
            Ok(policy) => self.put_in_force(policy),
            Err(faults) => self.refuse(&faults),
        };
        self.note(Alarm::Policy, result);
    }

    /// A policy could not be put in force: perhaps it can now.
    pub(super) fn retry_policy(&mut self) {
        if let Some((policy, _)) = self.waiting_policy.take() {
            let result = self.put_in_force(policy);
            self.note(Alarm::Policy, result);
        }
    }

    /// Begins an epoch anew where the counters are nearly full of subscribers who are gone: entries of the epoch that ends
    /// are recorded and taken out, and only those who go on come back.
    pub(super) fn renew_counters(&mut self) {
        let used = self.parts.dataplane.counters_used();
        let room = self.parts.config.limits.counters as usize;
        if !is_renewal_due(used, room, self.last_grown) {
            return;
        }
        let result =
            self.compile_current().and_then(|plan| self.activate(plan, ActivationCause::CountersRenewed));
        if !self.note(Alarm::Counters, result) {
            self.cover_names();
        }
    }

    fn put_in_force(&mut self, policy: PolicySet) -> Result<(), RunError> {
        let plan = match self.compile(&policy) {
            Ok(plan) => plan,
            Err(error) => {
                if error.is_of_machine() {
                    self.try_again(policy);
                }
                return Err(error);
            }
        };
        let before = std::mem::replace(&mut self.policy, policy);
        if let Err(error) = self.activate(plan, ActivationCause::PolicyChanged) {
            let policy = std::mem::replace(&mut self.policy, before);
            self.cover_names();
            if error.is_of_machine() {
                self.try_again(policy);
            }
            return Err(error);
        }
        self.policy_faults.clear();
        self.follow_names();
        Ok(())
    }

    /// A faulty policy changes nothing, and the log says that it was refused.
    fn refuse(&mut self, faults: &Diagnostics) -> Result<(), RunError> {
        let lines = lines(faults);
        if lines == self.policy_faults {
            return Ok(());
        }
        tracing::error!("the policy directory is faulty; the policy in force stays\n{faults}");
        let statement = Statement::Refused(Refused {
            gateway: self.parts.config.gateway.id.clone(),
            at: Timestamp::now(),
            policy_digest: None,
            faults: u32::try_from(lines.len()).unwrap_or(u32::MAX),
        });
        self.policy_faults = lines;
        self.parts.log.append(&[statement])?;
        Ok(())
    }

    /// A rule began or ended.
    pub(super) fn rules_changed(&mut self) {
        let result =
            self.compile_current().and_then(|plan| self.activate(plan, ActivationCause::RuleStartedOrEnded));
        if !self.note(Alarm::Rules, result) {
            self.cover_names();
            let again = Timestamp::now().checked_add(RETRY_INTERVAL).unwrap_or(Timestamp::MAX);
            self.plan.next_change = Some(again);
        }
    }

    fn compile(&mut self, policy: &PolicySet) -> Result<Plan, RunError> {
        if self.parts.config.resolver.servers.is_empty() && !policy.terms_at(Timestamp::now()).is_empty() {
            return Err(ResolverError::NoServers.into());
        }
        let mut numbers = BTreeMap::new();
        for key in policy.rule_keys() {
            let number = self.parts.ledger.rule_number(&key.policy, &key.rule)?;
            numbers.insert(key, number);
        }
        // Before the addresses are read: what is learned from now on is put on top of them.
        self.parts.dataplane.live_plan().mark();
        self.read_addresses();
        let shared = self.bookkeeping.compiled.shared.clone();
        let addresses = self.bookkeeping.compiled.addresses.clone();
        let addresses = policy.addresses_in(&Resolved { addresses, ..Resolved::default() });
        let gateway = &self.parts.config.gateway;
        let now = Timestamp::now();
        let now_ns = monotonic_ns();
        Ok(compile(&CompileInput {
            policies: policy,
            numbers: &numbers,
            addresses: &addresses,
            shared: &shared,
            resolvers: &self.parts.config.resolver.trusted,
            proxies: &self.parts.config.signalling.proxies,
            gateway_id: &gateway.id,
            region: gateway.region.as_deref(),
            now,
            monotonic_ns: &|at| {
                let ahead = u64::try_from(at.duration_since(now).as_nanos()).unwrap_or(0);
                now_ns.saturating_add(ahead)
            },
        })?)
    }

    pub(super) fn compile_current(&mut self) -> Result<Plan, RunError> {
        let policy = self.policy.clone();
        self.compile(&policy)
    }

    /// States the activation in the audit log, then puts the plan in force, then closes the interval before it.
    fn activate(&mut self, plan: Plan, cause: ActivationCause) -> Result<(), RunError> {
        // What happened to addresses until now happened under the epoch that ends.
        if self.bookkeeping.is_settled {
            self.keep_book();
        }
        let stated = address_statements(&plan, &self.bookkeeping.compiled.addresses);
        let cover = self.covering(&plan);
        let parts = &mut self.parts;
        recover(&mut parts.log)?;
        let last =
            [Some(parts.dataplane.control().epoch()), parts.ledger.last_epoch()?, parts.log.last_epoch()];
        let epoch = last.into_iter().flatten().max().unwrap_or(0) + 1;
        let at = Timestamp::now();
        let digest = self.policy.digest;
        let files: Vec<_> =
            self.policy.files.iter().map(|file| (file.name.clone(), file.bytes.clone())).collect();
        parts.log.store_policy(digest, &files)?;
        let gateway = parts.config.gateway.id.clone();
        let activation = Activation {
            gateway: gateway.clone(),
            epoch,
            at,
            cause,
            policy_digest: digest,
            rules: plan.rules.iter().map(rule_statement).collect(),
        };
        let mut statements = activation.into_statements()?;
        // Each epoch states its addresses anew.
        statements.extend(Addresses::of_change(&gateway, epoch, at, &BTreeSet::new(), &stated)?);
        let indexes = parts.log.append(&statements)?;
        parts.ledger.record_epoch(epoch, &digest.to_string(), at, indexes.start)?;
        let book = std::sync::Arc::clone(&parts.book);
        // From the switch on, what is learned is learned by the plan that holds from there on.
        let cut = parts.dataplane.switch_plan(&plan, epoch, || {
            cover();
            open(&book).take_changes(Moment::now())
        })?;
        self.bookkeeping.stated = self.bookkeeping.compiled.version;
        // Its records carry the rating groups of the epoch that ends.
        self.close_before(&cut);
        self.in_force(plan)?;
        self.change_addresses();
        self.keep_book();
        tracing::info!(epoch, policy = %self.policy.digest, ?cause, rules = self.plan.rules.len(), "in force");
        Ok(())
    }

    /// An activation ends the interval before it; before the first there was none.
    fn close_before(&mut self, cut: &Cut) {
        if cut.control.epoch() != 0 {
            let closed = self.close_cut(cut, CloseReason::Activation);
            // Not recorded now, it is with the next interval; the activation holds all the same.
            self.note(Alarm::Ledger, closed);
        }
    }

    /// Puts a plan of the same policy in force under the same epoch, its addresses stated first.
    fn refresh(&mut self, plan: Plan) -> Result<(), RunError> {
        let stated = address_statements(&plan, &self.bookkeeping.compiled.addresses);
        self.state(&stated)?;
        self.parts.dataplane.refresh_plan(&plan)?;
        self.in_force(plan)?;
        self.cover_names();
        self.keep_book();
        Ok(())
    }

    /// Says in the audit log how the addresses of names differ from what it said last.
    pub(super) fn state_addresses(&mut self) -> Result<(), RunError> {
        self.read_addresses();
        let stated = address_statements(&self.plan, &self.bookkeeping.compiled.addresses);
        self.state(&stated)
    }

    fn state(&mut self, stated: &BTreeSet<AddressStatement>) -> Result<(), RunError> {
        let parts = &mut self.parts;
        let epoch = parts.dataplane.control().epoch();
        recover(&mut parts.log)?;
        let before = parts.log.addresses().cloned().unwrap_or_default();
        let gateway = &parts.config.gateway.id;
        let statements = Addresses::of_change(gateway, epoch, Timestamp::now(), &before, stated)?;
        if !statements.is_empty() {
            parts.log.append(&statements)?;
        }
        self.bookkeeping.stated = self.bookkeeping.compiled.version;
        Ok(())
    }

    /// What follows from a plan that is in force now.
    fn in_force(&mut self, plan: Plan) -> Result<(), RunError> {
        self.name_rules(&plan)?;
        let listed = plan.names.filter_names().map(|(name, _)| name.as_str());
        self.parts.dataplane.set_names(listed)?;
        self.parts.shared.hotlines.store(std::sync::Arc::new(plan.hotlines.clone()));
        self.plan = plan;
        Ok(())
    }

    /// Learns what rules' numbers stand for, those of earlier epochs too.
    fn name_rules(&mut self, plan: &Plan) -> Result<(), RunError> {
        for rule in self.parts.ledger.rules()? {
            self.rule_names.entry(rule.number).or_insert_with(|| RuleName {
                policy: rule.policy,
                rule_id: rule.rule,
                rating_group: 0,
            });
        }
        for rule in &plan.rules {
            if let Some(name) = self.rule_names.get_mut(&rule.entry.rule) {
                name.rating_group = rule.rating_group;
            }
            self.rating_groups.insert(rule.entry.rule, rule.rating_group);
        }
        Ok(())
    }
}

/// After an append that failed, what it said may be in the log or not.
fn recover(log: &mut Log) -> Result<(), RunError> {
    if log.size().is_none() {
        log.recover()?;
    }
    Ok(())
}

fn rule_statement(rule: &crate::policy::PlanRule) -> RuleStatement {
    RuleStatement {
        rule: rule.entry.rule,
        policy: rule.key.policy.clone(),
        id: rule.key.rule.clone(),
        class: rule.class.into(),
        evidence: EvidenceStatement::of(rule.evidence),
        daily_ceiling_octets: (rule.entry.ceiling_octets != RuleEntry::NO_CEILING)
            .then_some(rule.entry.ceiling_octets),
        rating_group: rule.rating_group,
        valid_from: rule.valid_from,
        valid_until: rule.valid_until,
    }
}

/// Which addresses the plan's names have, and under which rules each is free.
fn address_statements(
    plan: &Plan,
    addresses: &BTreeMap<String, BTreeSet<IpAddr>>,
) -> BTreeSet<AddressStatement> {
    let mut rules: BTreeMap<(&str, IpAddr), BTreeSet<u32>> = BTreeMap::new();
    for (name, addresses) in addresses {
        let host = WireName::parse(name.as_bytes()).into_host();
        let covering = host.map(|host| plan.names.rules(&host)).unwrap_or_default();
        for address in addresses.iter().filter(|_| !covering.is_empty()) {
            rules.entry((name.as_str(), *address)).or_default().extend(&covering);
        }
    }
    rules
        .into_iter()
        .map(|((name, address), rules)| AddressStatement {
            rules: rules.into_iter().collect(),
            name: name.to_owned(),
            address,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_renewed_once_three_of_four_are_used_and_most_of_them_rest() {
        for (used, grown, is_due) in [
            (0, 0, false),
            (767, 0, false),
            (768, 0, true),
            (768, 384, true),
            (768, 385, false),
            (1024, 1024, false),
        ] {
            assert_eq!(is_renewal_due(used, 1024, grown), is_due, "{used} used, {grown} grown");
        }
    }
}
