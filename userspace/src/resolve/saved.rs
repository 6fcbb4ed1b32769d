//! What is remembered of a name across restarts.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

/// An address that a trusted resolver gave for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedAddress {
    /// The name, as the policy lists it.
    pub name: String,
    /// The address; its family is that of the query.
    pub address: IpAddr,
    /// When it was last in an answer.
    pub learned_at: Timestamp,
    /// How long that answer was good for, between the floor and the cap.
    pub ttl: Duration,
}
