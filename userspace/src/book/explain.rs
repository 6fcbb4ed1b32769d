//! Why an address was or was not free at a certain time.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;
use tollfree_core::plan::{Evidence, RuleClass};

use super::then::{ActivationThen, in_force};
use crate::diagnostic::Diagnostics;
use crate::ledger::{About, LedgerError, Past, PastHolding};
use crate::policy::{Hotline, Mode, Policy, PortRange, Site};

/// Holdings of other times that are told, on each side. Reason: the nearest ones say when to look; the ledger has them all.
const NEAR_MAX: usize = 3;

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The policy that was in force is not where the audit log keeps it.
    #[error("the policy {digest}, which was in force then, cannot be read from the audit log: {faults}")]
    Policy {
        /// Its digest.
        digest: String,
        /// What is wrong with it.
        faults: Diagnostics,
    },
}

/// What is known of an address at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The address.
    pub address: IpAddr,
    /// When, and what was in force then.
    #[serde(flatten)]
    pub activation: ActivationThen,
    /// What held for traffic there.
    pub result: Explained,
    /// What unrelated name had the address too, so that the name on the wire was required there.
    pub shared: Option<Shared>,
    /// Each rule that the address fell under then, with how it came to.
    pub rules: Vec<RuleReason>,
    /// When rules had the address at other times: the nearest before, and the nearest after.
    pub other_times: Vec<Held>,
}

/// What held for traffic to and from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Explained {
    /// Nothing that is kept speaks of the address.
    Unknown,
    /// Charged.
    Charged,
    /// Charged: it would be more, were the policy not only observed.
    Observed,
    /// Ahead of others, and charged.
    Priority,
    /// Free as media of calls to a hotline, else charged.
    InCalls,
    /// Free in flows that asked for a name of the rule, else charged.
    WithName,
    /// Free.
    Free,
}

/// Names that had an address and have nothing to do with each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// One that a rule covers.
    pub name: String,
    /// Another.
    pub other: String,
    /// From when on.
    pub from: Timestamp,
    /// Until just before this; `None`: still.
    pub to: Option<Timestamp>,
}

/// A rule that an address fell under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleReason {
    /// Its permanent number; `None`: it never had one.
    pub rule: Option<u32>,
    /// Its policy's id.
    pub policy: String,
    /// Its id in the policy.
    pub rule_id: String,
    /// What the order is that the policy carries out.
    pub legal_basis: String,
    /// What the rule gave there, were the policy in force.
    pub gives: Explained,
    /// Whether the policy was only observed: then nothing was given.
    pub observed: bool,
    /// Its class, as the policy has it.
    pub class: &'static str,
    /// What evidence it asked for.
    pub evidence: &'static str,
    /// To which remote ports it applied; empty: all.
    pub ports: Vec<String>,
    /// The network that it lists.
    pub network: Option<IpNet>,
    /// The names that had the address.
    pub names: Vec<Held>,
}

/// When, and from what answer, a rule had an address by a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The rule, as policy and rule id.
    pub rule: String,
    /// The name.
    pub name: String,
    /// The aliases that led from there to the address, in order.
    pub chain: Vec<String>,
    /// From when on.
    pub from: Timestamp,
    /// Until just before this; `None`: still.
    pub to: Option<Timestamp>,
    /// `resolver`: the gateway asked; `wire`: a subscriber did.
    pub source: &'static str,
    /// Who answered; `None`: not known.
    pub resolver: Option<IpAddr>,
    /// What validation said of the answer.
    pub validated: &'static str,
    /// How long the answer was good for, in seconds.
    pub ttl_seconds: u64,
    /// The epoch in which it began.
    pub epoch: u32,
}

/// Explains `address` at `at` from the state directory of a gateway of this id and region. Nothing is written; a
/// controller may run meanwhile.
///
/// # Errors
///
/// [`ExplainError`].
pub fn explain(
    state: &Path,
    gateway_id: &str,
    region: Option<&str>,
    address: IpAddr,
    at: Timestamp,
) -> Result<Explanation, ExplainError> {
    let past = Past::read(&state.join("ledger.sqlite"), About::Address(address))?;
    let mut told = Explanation::new(&past, address, at);
    for policy in in_force(state, told.activation.policy_digest.as_deref(), gateway_id, region, at)? {
        told.judge(&policy, &past);
    }
    told.conclude(&past);
    Ok(told)
}

/// Whether `at` is within a time that may be without end.
pub(crate) fn is_at(from: Timestamp, to: Option<Timestamp>, at: Timestamp) -> bool {
    from <= at && to.is_none_or(|to| at < to)
}

impl Explanation {
    fn new(past: &Past, address: IpAddr, at: Timestamp) -> Self {
        let sharing = past.sharings.iter().rfind(|one| is_at(one.from_at, one.to_at, at));
        Self {
            address,
            activation: ActivationThen::new(at, past.epoch_at(at)),
            result: Explained::Unknown,
            shared: sharing.map(|one| Shared {
                name: one.name.clone(),
                other: one.other.clone(),
                from: one.from_at,
                to: one.to_at,
            }),
            rules: Vec::new(),
            other_times: Vec::new(),
        }
    }

    /// Adds the rules of a policy that the address fell under.
    fn judge(&mut self, policy: &Policy, past: &Past) {
        for site in &policy.sites {
            let network = narrowest(&site.networks, self.address);
            let then = |held: &&PastHolding| {
                held.policy == policy.id
                    && held.rule_id == site.id
                    && is_at(held.from_at, held.to_at, self.activation.at)
            };
            let names: Vec<Held> = past.holdings.iter().filter(then).map(Held::from).collect();
            if network.is_some() || !names.is_empty() {
                let gives = gives(site, self.shared.is_some());
                self.rules.push(RuleReason::of_site(policy, site, past, gives, network, names));
            }
        }
        for hotline in &policy.hotlines {
            if let Some(network) = narrowest(&hotline.media_networks, self.address) {
                self.rules.push(RuleReason::of_hotline(policy, hotline, past, network));
            }
        }
    }

    /// What follows from all rules; without any, when there were some.
    fn conclude(&mut self, past: &Past) {
        let near = || {
            let before = past
                .holdings
                .iter()
                .rev()
                .filter(|held| held.to_at.is_some_and(|to| to <= self.activation.at));
            let after = past.holdings.iter().filter(|held| held.from_at > self.activation.at);
            before.take(NEAR_MAX).chain(after.take(NEAR_MAX)).map(Held::from).collect()
        };
        self.result = match self.rules.iter().map(RuleReason::given).max() {
            Some(best) => best,
            None if past.holdings.is_empty() => Explained::Unknown,
            None => Explained::Charged,
        };
        if self.rules.is_empty() {
            self.other_times = near();
        }
    }
}

fn narrowest(networks: &[IpNet], address: IpAddr) -> Option<IpNet> {
    let holding = networks.iter().filter(|network| network.contains(&address));
    holding.max_by_key(|network| network.prefix_len()).copied()
}

/// What a site gives at an address of its own, or at one that is shared.
pub(crate) fn gives(site: &Site, is_shared: bool) -> Explained {
    match (site.class.is_free(), is_shared || site.evidence == Evidence::NameAndAddress) {
        (false, _) => Explained::Priority,
        (true, true) => Explained::WithName,
        (true, false) => Explained::Free,
    }
}

impl RuleReason {
    /// What it gave in truth.
    const fn given(&self) -> Explained {
        if self.observed { Explained::Observed } else { self.gives }
    }

    fn of_site(
        policy: &Policy,
        site: &Site,
        past: &Past,
        gives: Explained,
        network: Option<IpNet>,
        names: Vec<Held>,
    ) -> Self {
        let all = site.ports == [PortRange::ALL];
        Self {
            rule: past.rule_number(&policy.id, &site.id),
            policy: policy.id.clone(),
            rule_id: site.id.clone(),
            legal_basis: policy.legal_basis.clone(),
            gives,
            observed: policy.mode == Mode::Observe,
            class: site.class.name(),
            evidence: site.evidence.name(),
            ports: if all { Vec::new() } else { site.ports.iter().map(ToString::to_string).collect() },
            network,
            names,
        }
    }

    fn of_hotline(policy: &Policy, hotline: &Hotline, past: &Past, network: IpNet) -> Self {
        Self {
            rule: past.rule_number(&policy.id, &hotline.id),
            policy: policy.id.clone(),
            rule_id: hotline.id.clone(),
            legal_basis: policy.legal_basis.clone(),
            gives: Explained::InCalls,
            observed: policy.mode == Mode::Observe,
            class: RuleClass::Free.name(),
            evidence: "call",
            ports: Vec::new(),
            network: Some(network),
            names: Vec::new(),
        }
    }
}

impl From<&PastHolding> for Held {
    fn from(held: &PastHolding) -> Self {
        Self {
            rule: format!("{}/{}", held.policy, held.rule_id),
            name: held.name.clone(),
            chain: held.chain.clone(),
            from: held.from_at,
            to: held.to_at,
            source: held.source.name(),
            resolver: held.resolver,
            validated: held.security.name(),
            ttl_seconds: held.ttl_seconds,
            epoch: held.epoch,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_head(f, self)?;
        self.rules.iter().try_for_each(|rule| write_rule(f, rule))?;
        if !self.other_times.is_empty() {
            writeln!(f, "\nAt other times:")?;
        }
        self.other_times.iter().try_for_each(|held| write_held(f, held))
    }
}

fn write_head(f: &mut fmt::Formatter<'_>, told: &Explanation) -> fmt::Result {
    writeln!(f, "Address  {}", told.address)?;
    write!(f, "{}", told.activation)?;
    writeln!(f, "Result   {}", told.result.sentence())?;
    let Some(shared) = &told.shared else { return Ok(()) };
    let Shared { name, other, .. } = shared;
    writeln!(
        f,
        "Shared   {name} and {other} had it {}: there, the name is required",
        times(shared.from, shared.to)
    )
}

fn write_rule(f: &mut fmt::Formatter<'_>, rule: &RuleReason) -> fmt::Result {
    let number = rule.rule.map_or_else(|| "without a number".to_owned(), |number| number.to_string());
    let (gives, observed) = (rule.gives.sentence(), if rule.observed { ", only observed" } else { "" });
    writeln!(f, "\nRule {number}: {}/{}, {gives}{observed}", rule.policy, rule.rule_id)?;
    writeln!(f, "  basis     {}", rule.legal_basis)?;
    writeln!(f, "  class     {}, evidence {}", rule.class, rule.evidence)?;
    if !rule.ports.is_empty() {
        writeln!(f, "  ports     {}", rule.ports.join(", "))?;
    }
    if let Some(network) = rule.network {
        writeln!(f, "  network   {network}, which the policy lists")?;
    }
    rule.names.iter().try_for_each(|held| write_held(f, held))
}

fn write_held(f: &mut fmt::Formatter<'_>, held: &Held) -> fmt::Result {
    let path: Vec<&str> = std::iter::once(&held.name).chain(&held.chain).map(String::as_str).collect();
    writeln!(f, "  name      {}", path.join(" → "))?;
    writeln!(f, "            {}, by {}, since epoch {}", times(held.from, held.to), held.rule, held.epoch)?;
    let by = held
        .resolver
        .map_or_else(|| "a resolver that is not known".to_owned(), |resolver| resolver.to_string());
    let whom = if held.source == "wire" { "a subscriber" } else { "the gateway" };
    let (ttl, validated) = (held.ttl_seconds, held.validated);
    writeln!(f, "            answer of {by} to {whom}, good for {ttl} s, validation: {validated}")
}

/// From when until when.
pub(crate) fn times(from: Timestamp, to: Option<Timestamp>) -> String {
    to.map_or_else(|| format!("from {from} on"), |to| format!("from {from} until {to}"))
}

impl Explained {
    /// For people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unknown => "nothing is known of it: charged",
            Self::Charged => "charged: no rule in force had it",
            Self::Observed => "charged: the policy is only observed",
            Self::Priority => "charged, ahead of others",
            Self::InCalls => "free as media of a call to the hotline, else charged",
            Self::WithName => "free where the subscriber asked for a name of the rule, else charged",
            Self::Free => "free",
        }
    }
}
