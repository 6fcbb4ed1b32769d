//! What an answer on the wire teaches.

use std::net::IpAddr;
use std::time::Duration;

use tollfree_core::address::SubscriberId;

use crate::resolve::{Moment, Refusal};

/// An answer of a trusted resolver to a subscriber, matched with its question.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// When it was heard.
    pub at: Moment,
    /// Who asked.
    pub subscriber: SubscriberId,
    /// Who answered.
    pub resolver: IpAddr,
    /// What was asked for: lower case, no trailing dot.
    pub name: String,
    /// The aliases that the answer went through, in order, in the same form.
    pub chain: Vec<String>,
    /// What the name has, each with how long it has it: the shortest lifetime of the records that led there.
    pub addresses: Vec<(IpAddr, Duration)>,
}

/// Why an address of a lesson is not learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// As an answer to the gateway's own resolver would be.
    Address(Refusal),
    /// The rules ask for a proof, and nobody validates what is heard: the gateway asks itself.
    Unproven,
    /// The gateway's own resolver found this name's last answer to be forged.
    Bogus,
    /// The book holds as much as it may.
    Full,
    /// The subscriber's answers brought in as many new names lately as they may.
    TooManyNames,
}

impl Refused {
    /// The words in status and log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address(refusal) => refusal.name(),
            Self::Unproven => "unproven",
            Self::Bogus => "bogus",
            Self::Full => "book full",
            Self::TooManyNames => "too many names",
        }
    }
}

/// What came of a lesson.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taught {
    /// A rule covers the name.
    pub is_covered: bool,
    /// Addresses that the name has now and had not before.
    pub new: Vec<IpAddr>,
    /// What was not learned, and why.
    pub refused: Vec<(IpAddr, Refused)>,
    /// The name is one more of those that [`AddressBook::wanted`](super::AddressBook::wanted) has.
    pub is_wanted: bool,
}
