//! Asking real sockets: a server that plays a script, and unbound.

use std::error::Error;
use std::time::Duration;

use super::answer::{Kind, Outcome, Question};
use super::dnssec::{Dnssec, Security};
use super::hygiene::Hygiene;
use super::settings::ResolverSettings;

mod follow;
mod many;
mod scripted;
mod scripts;
mod unbound;
mod zones;

type Outcomes = Result<(), Box<dyn Error>>;

/// No servers; lifetimes from 30 s to 10 min, 100 s of grace, 1000 s without answers.
pub(super) fn settings() -> ResolverSettings {
    ResolverSettings {
        servers: Vec::new(),
        tls_ca: "/nonexistent".into(),
        timeout: Duration::from_secs(2),
        min_ttl: Duration::from_secs(30),
        max_ttl: Duration::from_mins(10),
        grace: Duration::from_secs(100),
        stale: Duration::from_secs(1000),
        rate: 10_000,
        dnssec: Dnssec::Off,
        trust_anchor: None,
        hygiene: Hygiene::default(),
    }
}

fn question(name: &str, kind: Kind) -> Question {
    Question { name: name.to_owned(), kind }
}

/// Addresses `203.0.113.LAST` of an answer that was not validated.
fn found(last: &[u8], ttl: u64, aliases: &[&str]) -> Outcome {
    Outcome::Addresses {
        addresses: last.iter().map(|last| [203, 0, 113, *last].into()).collect(),
        ttl: Duration::from_secs(ttl),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        security: Security::Unchecked,
    }
}
