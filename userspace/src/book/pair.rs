//! One address of one name.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::answer::{Answer, Source};
use super::limits::{KEPT_MAX, USE_REPORT_MAX};

/// What the gateway's resolver found.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) answer: Answer,
    /// The resolver's schedule holds it.
    pub(super) is_current: bool,
}

/// What was heard on the wire.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) answer: Answer,
    pub(super) leaves_at: Instant,
}

/// What is known of the flows to an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    /// When flows were last read; `None`: never.
    pub(super) read_at: Option<Instant>,
    /// Whether there were any to the address.
    pub(super) is_used: bool,
}

/// One address of one name.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) listed: Option<Listed>,
    pub(super) heard: Option<Heard>,
    /// Until when it may be kept because flows use it.
    kept_until: Instant,
    /// Since when only flows keep it.
    pub(super) over_since: Option<Instant>,
    /// Under which rules it is in the ledger.
    pub(super) rules: BTreeSet<u32>,
}

impl Pair {
    pub(super) const fn new(now: Instant) -> Self {
        Self { listed: None, heard: None, kept_until: now, over_since: None, rules: BTreeSet::new() }
    }

    /// An answer that is good for `rest` more was taken up.
    pub(super) fn confirm(&mut self, now: Instant, rest: Duration) {
        self.kept_until = self.kept_until.max(now + rest.saturating_add(KEPT_MAX));
        self.over_since = None;
    }

    /// An answer of `age` is taken up after a restart.
    pub(super) fn restore(&mut self, now: Instant, ttl: Duration, age: Duration) {
        let kept = ttl.saturating_add(KEPT_MAX).saturating_sub(age);
        self.kept_until = self.kept_until.max(now + kept);
    }

    /// Whether an answer holds it, lifetime and grace included.
    pub(super) fn is_good(&self, now: Instant) -> bool {
        self.listed.as_ref().is_some_and(|listed| listed.is_current)
            || self.heard.as_ref().is_some_and(|heard| heard.leaves_at > now)
    }

    /// Whether it stays; notes since when only flows keep it. A flow that began just before is seen by whoever reads them
    /// next, so it stays until then.
    pub(super) fn stays(&mut self, now: Instant, flows: Use) -> bool {
        if self.is_good(now) {
            self.over_since = None;
            return true;
        }
        let over_since = *self.over_since.get_or_insert(now);
        if now >= self.kept_until {
            return false;
        }
        let known_at = flows.read_at.map_or(over_since, |read_at| read_at.max(over_since));
        let is_told = flows.read_at.is_some_and(|read_at| read_at >= over_since);
        now.saturating_duration_since(known_at) < USE_REPORT_MAX && (flows.is_used || !is_told)
    }

    /// The answer that it is known from: the resolver's own, if there is one that still holds it.
    pub(super) fn answer(&self) -> Option<(Source, &Answer)> {
        let listed = self.listed.as_ref().map(|listed| (Source::Resolver, &listed.answer));
        let heard = self.heard.as_ref().map(|heard| (Source::Wire, &heard.answer));
        match &self.listed {
            Some(current) if current.is_current => listed,
            _ => heard.or(listed),
        }
    }

    /// All answers, by source.
    pub(super) fn answers(&self) -> Vec<(Source, Answer)> {
        let listed = self.listed.as_ref().map(|listed| (Source::Resolver, listed.answer.clone()));
        let heard = self.heard.as_ref().map(|heard| (Source::Wire, heard.answer.clone()));
        listed.into_iter().chain(heard).collect()
    }
}
