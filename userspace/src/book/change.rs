//! What comes out of the book.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use super::answer::{Answer, Source};

/// What the data plane is to hold of one address from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The address.
    pub address: IpAddr,
    /// Permanent numbers of the rules whose names have it; empty: what networks alone say.
    pub rules: BTreeSet<u32>,
    /// Unrelated names have it too: there, the name on the wire is required.
    pub shared: bool,
}

/// A rule's name has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The address.
    pub address: IpAddr,
    /// The name that has it.
    pub name: String,
    /// The rule that covers the name, by its permanent number.
    pub rule: u32,
    /// Since when the rule has it by that name.
    pub since: Timestamp,
    /// Who asked.
    pub source: Source,
    /// The answer that it was taken from.
    pub answer: Answer,
}

/// What is to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldingEvent {
    /// A rule has an address from now on.
    Opened(Holding),
    /// A rule has it no longer.
    Closed {
        /// The address.
        address: IpAddr,
        /// The name that had it.
        name: String,
        /// The rule.
        rule: u32,
        /// Since when.
        at: Timestamp,
    },
    /// An address is shared from now on.
    Shared {
        /// The address.
        address: IpAddr,
        /// A covered name that has it.
        name: String,
        /// A name that has nothing to do with that one, and has it too.
        other: String,
        /// Since when.
        at: Timestamp,
    },
    /// It is shared no longer.
    Unshared {
        /// The address.
        address: IpAddr,
        /// Since when.
        at: Timestamp,
    },
}
