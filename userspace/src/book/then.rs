//! The policies that were in force at one time.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::explain::ExplainError;
use crate::audit::{Digest, policy_digest};
use crate::config::GatewayConfig;
use crate::ledger::{About, Past, PastEpoch};
use crate::policy::{self, Policy, PolicySet};

/// What was in force on a gateway at one time.
#[derive(Debug)]
pub struct PolicyThen {
    /// When, and by which activation.
    pub activation: ActivationThen,
    /// The policies for this gateway that were in force, in the order of their files.
    pub policies: Vec<Policy>,
    /// What the ledger remembers of what is asked about, with all rules' permanent numbers.
    pub past: Past,
}

/// A time, and the activation that was in force then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActivationThen {
    /// The time.
    pub at: Timestamp,
    /// The activation; `None`: there was none yet.
    pub epoch: Option<u32>,
    /// The digest of its policy.
    pub policy_digest: Option<String>,
    /// When it came into force.
    pub in_force_since: Option<Timestamp>,
}

impl ActivationThen {
    /// Of `epoch`, if there was one.
    pub(super) fn new(at: Timestamp, epoch: Option<&PastEpoch>) -> Self {
        Self {
            at,
            epoch: epoch.map(|epoch| epoch.epoch),
            policy_digest: epoch.map(|epoch| epoch.policy_digest.clone()),
            in_force_since: epoch.map(|epoch| epoch.activated_at),
        }
    }
}

impl fmt::Display for ActivationThen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Time     {}", self.at)?;
        match (&self.policy_digest, self.epoch, self.in_force_since) {
            (Some(digest), Some(epoch), Some(since)) => {
                writeln!(f, "Policy   {digest}\n         epoch {epoch}, in force since {since}")
            }
            _ => writeln!(f, "Policy   none was in force yet"),
        }
    }
}

impl PolicyThen {
    /// Reads, from a gateway's ledger and audit log, what was in force at `at`. Nothing is written; a controller may run
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`ExplainError`].
    pub fn read(gateway: &GatewayConfig, about: About<'_>, at: Timestamp) -> Result<Self, ExplainError> {
        let state = &gateway.state_dir;
        let past = Past::read(&state.join("ledger.sqlite"), about)?;
        let activation = ActivationThen::new(at, past.epoch_at(at));
        let digest = activation.policy_digest.as_deref();
        let policies = in_force(state, digest, &gateway.id, gateway.region.as_deref(), at)?;
        Ok(Self { activation, policies, past })
    }
}

/// The policies with this digest that are for this gateway and in force at `at`, from the audit log below `state`.
///
/// # Errors
///
/// [`ExplainError::Policy`].
pub(super) fn in_force(
    state: &Path,
    digest: Option<&str>,
    gateway_id: &str,
    region: Option<&str>,
    at: Timestamp,
) -> Result<Vec<Policy>, ExplainError> {
    let Some(digest) = digest else { return Ok(Vec::new()) };
    let mut policies = load(&state.join("audit/policies").join(digest), digest)?.policies;
    policies.retain(|policy| policy.applies_to(gateway_id, region) && policy.in_force_at(at));
    Ok(policies)
}

/// A policy without files is not stored: there is nothing in it.
fn load(kept: &Path, digest: &str) -> Result<PolicySet, ExplainError> {
    let empty = Digest(policy_digest::<&str, &[u8]>(&[]));
    if digest == empty.to_string() {
        return Ok(PolicySet { digest: empty, files: Vec::new(), policies: Vec::new() });
    }
    policy::load(kept).map_err(|faults| ExplainError::Policy { digest: digest.to_owned(), faults })
}
