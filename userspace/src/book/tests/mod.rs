//! The book as a whole, on a clock that is played.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tollfree_core::address::{Address, Family, SubscriberId};

use super::*;
use crate::resolve::{
    Dnssec, Hygiene, Moment, NameStatus, Refusal, Resolved, ResolverSettings, SavedAddress, Security,
};

mod bounds;
mod explained;
mod held;
mod model;
mod outage;
mod restart;
mod sharing;
mod wanted;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Of every site's answers, in seconds; within the floor of 30 s and the cap of 600 s.
const TTL: u64 = 300;
/// How long an address stays past its lifetime, in seconds.
const GRACE: u64 = 100;

fn settings() -> ResolverSettings {
    ResolverSettings {
        servers: Vec::new(),
        tls_ca: "/nonexistent".into(),
        timeout: Duration::from_secs(2),
        min_ttl: Duration::from_secs(30),
        max_ttl: Duration::from_mins(10),
        grace: Duration::from_secs(GRACE),
        stale: Duration::from_secs(1000),
        rate: 10_000,
        dnssec: Dnssec::Off,
        trust_anchor: None,
        hygiene: Hygiene {
            allow_private: false,
            own: vec![
                ("10.20.0.0/16".parse().expect("a network"), Refusal::Carrier),
                ("192.0.2.1/32".parse().expect("a network"), Refusal::Gateway),
            ],
        },
    }
}

/// Names below a suffix belong to rules; the suffix's first rule is that of its policy. Owners are the last two labels.
#[derive(Clone, Debug, Default)]
struct Rules {
    covered: Vec<(&'static str, u32)>,
    /// Rules of one policy.
    policies: Vec<Vec<u32>>,
    proven: bool,
}

impl Rules {
    fn of(rules: &[(&'static str, u32)]) -> Self {
        Self { covered: rules.to_vec(), ..Self::default() }
    }
}

fn owner(name: &str) -> Vec<&str> {
    name.rsplit('.').take(2).collect()
}

impl Coverage for Rules {
    fn rules(&self, name: &str) -> BTreeSet<u32> {
        let covers = |(suffix, _): &&(&str, u32)| {
            name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.covered.iter().filter(covers).map(|(_, rule)| *rule).collect()
    }

    fn is_one_policy(&self, rule: u32, other: u32) -> bool {
        rule == other || self.policies.iter().any(|rules| rules.contains(&rule) && rules.contains(&other))
    }

    fn is_one_owner(&self, name: &str, other: &str) -> bool {
        owner(name) == owner(other)
    }

    fn dnssec(&self, _: &str) -> Dnssec {
        if self.proven { Dnssec::Required } else { Dnssec::Off }
    }
}

const MOH: &[(&str, u32)] = &[("moh.vn", 1)];

fn address(last: u8) -> IpAddr {
    [203, 0, 113, last].into()
}

fn resolver() -> IpAddr {
    [192, 0, 2, 53].into()
}

fn subscriber(host: u8) -> SubscriberId {
    SubscriberId::of(&Address::from(IpAddr::from([10, 20, 0, host])), Family::V4)
}

/// A book that is played.
struct Play {
    start: Moment,
    book: AddressBook,
}

impl Play {
    fn new(rules: &[(&'static str, u32)]) -> Self {
        Self::with(&settings(), Rules::of(rules))
    }

    fn with(settings: &ResolverSettings, rules: Rules) -> Self {
        let start = Moment { monotonic: Instant::now(), wall: Timestamp::constant(1_580_515_200, 0) };
        let mut book = AddressBook::new(settings);
        book.set_coverage(Arc::new(rules), start);
        Self { start, book }
    }

    fn at(&self, second: u64) -> Moment {
        let since = Duration::from_secs(second);
        let wall = self.start.wall.checked_add(since).expect("a short test");
        Moment { monotonic: self.start.monotonic + since, wall }
    }

    fn lesson(&self, second: u64, name: &str, chain: &[&str], addresses: &[(IpAddr, u64)]) -> Lesson {
        Lesson {
            at: self.at(second),
            subscriber: subscriber(11),
            resolver: resolver(),
            name: name.to_owned(),
            chain: chain.iter().map(|alias| (*alias).to_owned()).collect(),
            addresses: addresses.iter().map(|(address, ttl)| (*address, Duration::from_secs(*ttl))).collect(),
        }
    }

    /// One subscriber's answer for `name`.
    fn hear(&mut self, second: u64, name: &str, last: &[u8]) -> Taught {
        self.hear_by(second, name, &[], last)
    }

    fn hear_by(&mut self, second: u64, name: &str, chain: &[&str], last: &[u8]) -> Taught {
        let addresses: Vec<_> = last.iter().map(|last| (address(*last), TTL)).collect();
        let lesson = self.lesson(second, name, chain, &addresses);
        self.book.learn(&lesson)
    }

    /// The resolver's state: names with last octets.
    fn resolve(&mut self, second: u64, state: &[(&str, &[u8])]) {
        let now = self.at(second);
        let resolved = self.resolved(second, state, Security::Unchecked);
        self.book.take_resolved(&Arc::new(resolved), now);
    }

    fn resolved(&self, second: u64, state: &[(&str, &[u8])], security: Security) -> Resolved {
        let saved = |(name, last): &(&str, &[u8])| -> Vec<SavedAddress> {
            let one = |last: &u8| SavedAddress {
                name: (*name).to_owned(),
                address: address(*last),
                learned_at: self.at(second).wall,
                ttl: Duration::from_secs(TTL),
                security,
                resolver: Some(resolver()),
                aliases: Arc::new([]),
            };
            last.iter().map(one).collect()
        };
        let mut saved: Vec<SavedAddress> = state.iter().flat_map(saved).collect();
        saved.sort_by(|one, other| (&one.name, one.address).cmp(&(&other.name, other.address)));
        Resolved { saved, ..Resolved::default() }
    }

    /// Flows to these addresses are open.
    fn read_flows(&mut self, second: u64, last: &[u8]) {
        let now = self.at(second);
        self.book.set_used(last.iter().map(|last| address(*last)).collect(), now);
    }

    /// The addresses of `name`.
    fn held(&mut self, second: u64, name: &str) -> Vec<IpAddr> {
        let now = self.at(second);
        self.book.expire(now);
        self.book.addresses().remove(name).unwrap_or_default().into_iter().collect()
    }

    fn changes(&mut self, second: u64) -> Vec<Change> {
        let now = self.at(second);
        self.book.expire(now);
        self.book.take_changes(now)
    }

    /// Whether each of these addresses is shared.
    fn shared<const N: usize>(&mut self, second: u64, last: [u8; N]) -> [bool; N] {
        self.changes(second);
        let in_force = self.book.in_force();
        last.map(|last| in_force.iter().any(|change| change.address == address(last) && change.shared))
    }
}

fn change(last: u8, rules: &[u32], shared: bool) -> Change {
    Change { address: address(last), rules: rules.iter().copied().collect(), shared }
}
