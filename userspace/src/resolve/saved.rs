//! What is remembered of a name across restarts.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::dnssec::Security;

/// An address that a trusted resolver gave for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedAddress {
    /// The name, as the policy lists it, or as a subscriber asked for it: lower case, no trailing dot.
    pub name: String,
    /// The address; its family is that of the query.
    pub address: IpAddr,
    /// When it was last in an answer.
    pub learned_at: Timestamp,
    /// How long that answer was good for, between the floor and the cap.
    pub ttl: Duration,
    /// What validation said of that answer.
    pub security: Security,
    /// Who gave it; `None`: not known, because an earlier version kept it.
    pub resolver: Option<IpAddr>,
    /// The aliases that it went through, in order; empty if the name has the address itself.
    pub aliases: Arc<[String]>,
}
