//! Where an address is known from.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::resolve::{SavedAddress, Security};

/// Who asked the question that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The gateway itself.
    Resolver,
    /// A subscriber; the answer was heard on the wire.
    Wire,
}

/// Text that names no [`Source`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no source of an address; known are resolver, wire")]
pub struct SourceError {
    /// The text.
    pub word: String,
}

impl Source {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Resolver, Self::Wire];

    /// The word in the ledger and in explanations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolver => "resolver",
            Self::Wire => "wire",
        }
    }
}

impl std::str::FromStr for Source {
    type Err = SourceError;

    fn from_str(word: &str) -> Result<Self, SourceError> {
        let known = Self::ALL.into_iter().find(|source| source.name() == word);
        known.ok_or_else(|| SourceError { word: word.to_owned() })
    }
}

/// The last answer of one source that said that a name has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it came.
    pub learned_at: Timestamp,
    /// How long it is good for, between the floor and the cap.
    pub ttl: Duration,
    /// What validation said of it.
    pub security: Security,
    /// Who gave it; `None`: not known, because an earlier version kept it.
    pub resolver: Option<IpAddr>,
    /// The aliases that it went through, in order.
    pub chain: Arc<[String]>,
}

impl From<&SavedAddress> for Answer {
    fn from(saved: &SavedAddress) -> Self {
        Self {
            learned_at: saved.learned_at,
            ttl: saved.ttl,
            security: saved.security,
            resolver: saved.resolver,
            chain: Arc::clone(&saved.aliases),
        }
    }
}

/// What is to be kept of one name's address for the next start: all answers in place of those that were kept before;
/// without any, the address is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedAnswers {
    /// The name.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// At most one of each source, by source.
    pub answers: Vec<(Source, Answer)>,
}

impl SavedAnswers {
    /// What the scheduler takes up again: the resolver's own answer.
    pub fn of_resolver(&self) -> Option<SavedAddress> {
        let (_, answer) = self.answers.iter().find(|(source, _)| *source == Source::Resolver)?;
        Some(SavedAddress {
            name: self.name.clone(),
            address: self.address,
            learned_at: answer.learned_at,
            ttl: answer.ttl,
            security: answer.security,
            resolver: answer.resolver,
            aliases: Arc::clone(&answer.chain),
        })
    }
}
