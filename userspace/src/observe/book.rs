//! The policies, and the plan that they make of the moment.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tollfree_core::plan::Local;

use super::error::ObserveError;
use super::settings::Settings;
use crate::dataplane::{PlanTables, monotonic_ns};
use crate::policy::{CompileError, CompileInput, Plan, PolicySet, RuleKey, compile};
use crate::resolve::{self, Moment, NameTerms, Resolved, Resolver, ResolverSettings, Scheduler};
use crate::status::{NameStatus, RuleName, RuleStatus};

/// How long after a failure a change by date is tried again. Reason: policies do not fit together any sooner.
const RETRY_INTERVAL: SignedDuration = SignedDuration::from_secs(10);

/// Policies, their names' addresses, and the plan in force.
pub(super) struct Book {
    policies: PolicySet,
    gateway_id: String,
    region: Option<String>,
    proxies: Vec<IpAddr>,
    resolvers: Vec<IpAddr>,
    /// Numbers to compile with, given anew: the ledger of a gateway has the permanent ones.
    numbers: BTreeMap<RuleKey, u32>,
    names: Names,
    plan: Plan,
    rule_names: BTreeMap<u32, RuleName>,
}

impl Book {
    /// Reads nothing more: what `settings` holds is what decides. Must be called within a tokio runtime.
    pub(super) fn open(settings: &Settings) -> Result<Self, ObserveError> {
        let numbers = settings.policies.provisional_numbers();
        let rule_names = numbers.iter().map(|(key, number)| {
            let name = RuleName { policy: key.policy.clone(), rule_id: key.rule.clone(), rating_group: 0 };
            (*number, name)
        });
        Ok(Self {
            policies: settings.policies.clone(),
            gateway_id: settings.gateway_id.clone(),
            region: settings.region.clone(),
            proxies: settings.proxies.clone(),
            resolvers: settings.resolver.trusted.clone(),
            rule_names: rule_names.collect(),
            numbers,
            names: Names::follow(settings)?,
            plan: Plan::default(),
        })
    }

    /// Makes the plan of now.
    pub(super) fn compile(&mut self) -> Result<PlanTables, CompileError> {
        let now = Timestamp::now();
        let now_ns = monotonic_ns();
        self.names.wanted.send_replace(self.policies.names_at(now));
        let compiled = compile(&CompileInput {
            addresses: &self.policies.addresses_in(&self.names.resolved.borrow_and_update()),
            resolvers: &self.resolvers,
            proxies: &self.proxies,
            gateway_id: &self.gateway_id,
            region: self.region.as_deref(),
            monotonic_ns: &|at| {
                let ahead = u64::try_from(at.duration_since(now).as_nanos()).unwrap_or(0);
                now_ns.saturating_add(ahead)
            },
            ..CompileInput::new(&self.policies, &self.numbers, now)
        });
        self.plan = match compiled {
            Ok(plan) => plan,
            Err(error) => {
                self.plan.next_change = now.checked_add(RETRY_INTERVAL).ok();
                return Err(error);
            }
        };
        for rule in &self.plan.rules {
            if let Some(name) = self.rule_names.get_mut(&rule.entry.rule) {
                name.rating_group = rule.rating_group;
            }
        }
        Ok(PlanTables::from(&self.plan))
    }

    /// How long until a rule begins or ends; `None`: none will.
    pub(super) fn until_change(&self) -> Option<Duration> {
        let ahead = self.plan.next_change?.duration_since(Timestamp::now());
        Some(Duration::try_from(ahead).unwrap_or(Duration::ZERO))
    }

    /// Waits until a name has other addresses.
    pub(super) fn addresses_changed(&mut self) -> impl Future<Output = ()> + use<'_> {
        let resolved = &mut self.names.resolved;
        // The sender is kept, so there is no other end.
        async move { drop(resolved.changed().await) }
    }

    /// Whether names are listed that nobody resolves.
    pub(super) fn lacks_resolver(&self) -> bool {
        !self.names.has_resolver && !self.names.wanted.borrow().is_empty()
    }

    pub(super) fn digest(&self) -> String {
        self.policies.digest.to_string()
    }

    pub(super) fn rules(&self) -> Vec<RuleStatus> {
        self.plan.rules.iter().map(RuleStatus::from).collect()
    }

    pub(super) fn rule_name(&self, rule: u32) -> RuleName {
        self.rule_names.get(&rule).cloned().unwrap_or_default()
    }

    pub(super) fn names(&self) -> Vec<NameStatus> {
        self.names.resolved.borrow().status.iter().map(NameStatus::from).collect()
    }
}

/// Names, and the task that keeps them resolved.
struct Names {
    wanted: watch::Sender<BTreeMap<String, NameTerms>>,
    resolved: watch::Receiver<Arc<Resolved>>,
    has_resolver: bool,
    _answers: watch::Sender<Arc<Resolved>>,
}

impl Names {
    fn follow(settings: &Settings) -> Result<Self, ObserveError> {
        let wanted = watch::Sender::new(BTreeMap::new());
        let (answers, resolved) = watch::channel(Arc::default());
        let pools = settings.pools.iter().map(|pool| (pool, &Local::Subscriber));
        let how = ResolverSettings::new(&settings.resolver, pools);
        let has_resolver = !how.servers.is_empty();
        if has_resolver {
            let lookup = Arc::new(Resolver::new(&how)?);
            let mut scheduler = Scheduler::new(&how, Vec::new());
            scheduler.set_names(&settings.policies.names_at(Timestamp::now()), Moment::now());
            let task =
                resolve::run(lookup, scheduler, wanted.subscribe(), answers.clone(), std::future::pending());
            tokio::spawn(task);
        }
        Ok(Self { wanted, resolved, has_resolver, _answers: answers })
    }
}
