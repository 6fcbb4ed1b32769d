//! What is known of one question, and how long it stays.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tollfree_core::address::Family;

use super::answer::{Answered, Kind, Outcome, Question, ServiceHints};
use super::dnssec::{Dnssec, Security};
use super::hygiene::{Hygiene, Refusal};
use super::moment::Moment;
use super::saved::SavedAddress;
use super::settings::ResolverSettings;
use super::status::NameStatus;
use super::terms::NameTerms;

/// Addresses kept of one name in one family. Reason: no listed site needs more at once, and a hijacked name
/// must not fill the plan.
pub const ADDRESSES_MAX: usize = 64;

/// Addresses that one name may have anew in [`CHANGE_WINDOW`], in one family. Reason: a site that moves, or answers with
/// another of its addresses each time, needs no more; a name that changes faster hides what is behind it.
pub const NEW_ADDRESSES_MAX: usize = 64;

/// See [`NEW_ADDRESSES_MAX`]. Reason: at the shortest time to live by default, one new address each time is within it.
pub const CHANGE_WINDOW: Duration = Duration::from_mins(5);

/// Shortest wait until a name is asked for its HTTPS records again, whatever came of it. Reason: nothing becomes free by
/// them, and many resolvers know no such type.
pub const HINTS_INTERVAL_MIN: Duration = Duration::from_mins(5);

/// Wait after the first failure. Reason: a lost packet or a restarting server is over by then.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// Longest wait between failures. Reason: once a server is back, a name should be fresh within a minute.
const RETRY_MAX: Duration = Duration::from_mins(1);

/// Which parts of its lifetime an answer is asked for ahead of its end: at least, and at most. Reason: the next answer
/// is there before the end, even if the question waits for its turn; between the two, names that were asked for
/// together drift apart.
const LEAD: (f64, f64) = (0.05, 0.15);

/// Longest time ahead that is planned for. Reason: keeps sums of instants from overflowing, whatever is
/// configured.
const AHEAD_MAX: Duration = Duration::from_hours(24 * 365);

/// An address in use.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) learned_at: Timestamp,
    pub(super) ttl: Duration,
    /// Of the answer that held it, as all that follows.
    pub(super) security: Security,
    pub(super) resolver: Option<IpAddr>,
    pub(super) aliases: Arc<[String]>,
    expires_at: Instant,
    leaves_at: Instant,
    /// When it leaves if no answer comes in the meantime.
    outlasts_at: Instant,
}

/// The last good answer.
#[derive(Clone, Debug)]
struct Good {
    learned_at: Timestamp,
    ttl: Duration,
    expires_at: Instant,
    aliases: Arc<[String]>,
    security: Security,
    resolver: Option<IpAddr>,
}

/// One question's state.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) held: BTreeMap<IpAddr, Held>,
    /// When to ask; `None` while an answer is awaited.
    pub(super) ask_at: Option<Instant>,
    good: Option<Good>,
    /// Addresses may have been kept past their grace, because no answer could be had.
    is_outlasting: bool,
    failures: u32,
    last_error: Option<String>,
    security: Option<Security>,
    /// When addresses came anew within [`CHANGE_WINDOW`].
    arrivals: VecDeque<Instant>,
    refused: BTreeMap<IpAddr, Refusal>,
    refused_total: u64,
    service: Option<ServiceHints>,
}

impl Slot {
    /// Nothing is known, and it is asked for at `ask_at`.
    pub(super) fn new(ask_at: Instant) -> Self {
        Self {
            held: BTreeMap::new(),
            ask_at: Some(ask_at),
            good: None,
            is_outlasting: false,
            failures: 0,
            last_error: None,
            security: None,
            arrivals: VecDeque::new(),
            refused: BTreeMap::new(),
            refused_total: 0,
            service: None,
        }
    }

    /// Takes up an address from before a restart, as if no server had answered since. One that would have left by now is
    /// not taken up, nor one that may not be used any longer, nor one whose answer was not validated as is asked for
    /// now. One that seems to come from the future, because the clock was set, counts as learned now.
    pub(super) fn restore(
        &mut self,
        saved: &SavedAddress,
        settings: &ResolverSettings,
        dnssec: Dnssec,
        now: Moment,
    ) {
        let age = Duration::try_from(now.wall.duration_since(saved.learned_at)).unwrap_or(Duration::ZERO);
        let ttl = saved.ttl.min(settings.max_ttl);
        let leaves_in = ttl.saturating_add(settings.grace.max(settings.stale)).saturating_sub(age);
        let has_room = self.held.len() < ADDRESSES_MAX;
        let is_trusted =
            saved.security.outlasts_restart(dnssec) && settings.hygiene.check(saved.address).is_ok();
        if leaves_in.is_zero() || !has_room || !is_trusted {
            return;
        }
        self.is_outlasting = true;
        let learned_at = saved.learned_at;
        let expires_at = after(now.monotonic, ttl.saturating_sub(age));
        let leaves_at = after(now.monotonic, leaves_in);
        let SavedAddress { security, resolver, aliases, .. } = saved.clone();
        let good = Good { learned_at, ttl, expires_at, aliases, security, resolver };
        self.held.insert(saved.address, good.held(leaves_at, leaves_at));
        if self.good.as_ref().is_none_or(|good| good.learned_at < learned_at) {
            self.good = Some(good);
        }
    }

    /// Takes an outcome, and plans the next question. `random` is any number: it spreads questions.
    pub(super) fn answered(
        &mut self,
        question: &Question,
        answered: Answered,
        settings: &ResolverSettings,
        dnssec: Dnssec,
        now: Moment,
        random: u32,
    ) {
        let lasting = self.take(question, answered, settings, dnssec, now);
        let mut wait = self.plan(lasting, random);
        if question.kind == Kind::Https {
            wait = wait.max(HINTS_INTERVAL_MIN);
        }
        self.ask_at = Some(after(now.monotonic, wait));
        self.expire(now.monotonic);
    }

    /// For how long the outcome is good, or what is wrong with it.
    fn take(
        &mut self,
        question: &Question,
        answered: Answered,
        settings: &ResolverSettings,
        dnssec: Dnssec,
        now: Moment,
    ) -> Result<Duration, String> {
        let Answered { outcome, resolver } = answered;
        match &outcome {
            Outcome::Addresses { security, .. } => self.security = Some(*security),
            Outcome::Bogus { .. } => self.security = Some(Security::Bogus),
            _ => {}
        }
        match outcome {
            Outcome::Failed { error } | Outcome::Bogus { error } => {
                self.outlast(dnssec);
                Err(error)
            }
            Outcome::Addresses { security, .. } if !security.suffices(dnssec) => {
                self.outlast(dnssec);
                Err(format!("the answer is {}, and dnssec is {}", security.name(), dnssec.name()))
            }
            Outcome::Addresses { addresses, ttl, aliases, security } => {
                self.recover(settings.grace, now.monotonic);
                let ttl = settings.bounded(ttl);
                let expires_at = after(now.monotonic, ttl);
                let aliases = aliases.into();
                let good = Good { learned_at: now.wall, ttl, expires_at, aliases, security, resolver };
                self.learn(&addresses, good, settings, now)
            }
            Outcome::Service { hints, ttl } => {
                self.service = Some(hints);
                Ok(settings.bounded(ttl))
            }
            Outcome::Empty { exists, ttl } => {
                self.recover(settings.grace, now.monotonic);
                self.service = None;
                self.empty(question, exists, settings.bounded(ttl.unwrap_or_default()))
            }
        }
    }

    fn empty(&self, question: &Question, exists: bool, ttl: Duration) -> Result<Duration, String> {
        if !exists {
            return Err("there is no such name".to_owned());
        }
        if self.held.is_empty() {
            // A site without IPv6 has nothing wrong with it.
            return Ok(ttl);
        }
        Err(format!("there is no {} record any longer", question.kind.name()))
    }

    /// No answer can be had: what is held stays for longer (RFC 8767). Where a proof is required, only what was proven
    /// does.
    fn outlast(&mut self, dnssec: Dnssec) {
        self.is_outlasting = true;
        for held in self.held.values_mut().filter(|held| held.security.suffices(dnssec)) {
            held.leaves_at = held.leaves_at.max(held.outlasts_at);
        }
    }

    /// There are answers again: what they do not confirm stays for its grace, from now on at the earliest, since they
    /// may come back one after the other.
    fn recover(&mut self, grace: Duration, now: Instant) {
        if !std::mem::take(&mut self.is_outlasting) {
            return;
        }
        for held in self.held.values_mut() {
            held.leaves_at = held.leaves_at.min(after(held.expires_at.max(now), grace));
        }
    }

    /// Whether `address` may be held; those that are held already keep their place.
    fn check(&self, address: IpAddr, hygiene: &Hygiene) -> Result<(), Refusal> {
        hygiene.check(address)?;
        if self.held.contains_key(&address) {
            Ok(())
        } else if self.held.len() >= ADDRESSES_MAX {
            Err(Refusal::TooMany)
        } else if self.arrivals.len() >= NEW_ADDRESSES_MAX {
            Err(Refusal::TooFast)
        } else {
            Ok(())
        }
    }

    /// Holds what may be held of an answer: for how long it is good, or what is wrong with it.
    fn learn(
        &mut self,
        addresses: &[IpAddr],
        good: Good,
        settings: &ResolverSettings,
        now: Moment,
    ) -> Result<Duration, String> {
        self.refused.clear();
        let is_over = |at: &Instant| now.monotonic.saturating_duration_since(*at) >= CHANGE_WINDOW;
        while self.arrivals.front().is_some_and(is_over) {
            self.arrivals.pop_front();
        }
        let ttl = good.ttl;
        let held = good.held(after(good.expires_at, settings.grace), after(good.expires_at, settings.stale));
        // What is over makes room, but for what the answer has again.
        for address in addresses {
            if let Some(known) = self.held.get_mut(address) {
                known.clone_from(&held);
            }
        }
        self.expire(now.monotonic);
        let mut is_confirmed = false;
        for address in addresses {
            match self.check(*address, &settings.hygiene) {
                Ok(()) => {
                    if self.held.insert(*address, held.clone()).is_none() {
                        self.arrivals.push_back(now.monotonic);
                    }
                    is_confirmed = true;
                }
                Err(refusal) => {
                    self.refused.insert(*address, refusal);
                    self.refused_total = self.refused_total.saturating_add(1);
                }
            }
        }
        if !is_confirmed {
            return Err(format!("none of the answer's {} addresses may be used", addresses.len()));
        }
        self.good = Some(good);
        Ok(ttl)
    }

    /// How long to wait until the next question, after an answer that is good for so long or after an error.
    fn plan(&mut self, lasting: Result<Duration, String>, random: u32) -> Duration {
        match lasting {
            Ok(ttl) => {
                self.failures = 0;
                self.last_error = None;
                refresh_wait(ttl, random)
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.last_error = Some(error);
                retry_wait(self.failures, random)
            }
        }
    }

    /// Lets go of what is over, and says whether anything was.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let before = self.held.len();
        self.held.retain(|_, held| held.leaves_at > now);
        self.held.len() != before
    }

    /// When the first address goes.
    pub(super) fn leaves_at(&self) -> Option<Instant> {
        self.held.values().map(|held| held.leaves_at).min()
    }

    /// Of a question for HTTPS records: what they say.
    pub(super) const fn service(&self) -> Option<&ServiceHints> {
        self.service.as_ref()
    }

    pub(super) fn status(
        &self,
        name: &str,
        family: Family,
        terms: Option<&NameTerms>,
        now: Instant,
    ) -> NameStatus {
        let good = self.good.as_ref();
        let expires_at = good.map(|good| good.learned_at.checked_add(good.ttl).unwrap_or(Timestamp::MAX));
        let aliases = good.map_or_else(Vec::new, |good| good.aliases.to_vec());
        let is_foreign = |alias: &&String| terms.is_some_and(|terms| terms.is_foreign(alias));
        NameStatus {
            name: name.to_owned(),
            family,
            addresses: self.held.keys().copied().collect(),
            foreign: aliases.iter().filter(is_foreign).cloned().collect(),
            aliases,
            learned_at: good.map(|good| good.learned_at),
            expires_at,
            stale: !self.held.is_empty() && good.is_none_or(|good| good.expires_at <= now),
            last_error: self.last_error.clone(),
            security: self.security,
            refused: self.refused.clone(),
            refused_total: self.refused_total,
            ech: None,
            hints: std::collections::BTreeSet::new(),
            service_aliases: Vec::new(),
        }
    }
}

impl Good {
    /// An address of this answer.
    fn held(&self, leaves_at: Instant, outlasts_at: Instant) -> Held {
        Held {
            learned_at: self.learned_at,
            ttl: self.ttl,
            security: self.security,
            resolver: self.resolver,
            aliases: Arc::clone(&self.aliases),
            expires_at: self.expires_at,
            leaves_at,
            outlasts_at,
        }
    }
}

/// Less than `ttl` by a part of it that `random` chooses; see [`LEAD`].
fn refresh_wait(ttl: Duration, random: u32) -> Duration {
    let (least, most) = LEAD;
    ttl.mul_f64(1.0 - least - fraction(random) * (most - least))
}

/// Doubles with each failure up to [`RETRY_MAX`]; `random` takes off up to a half, so that names that failed
/// together are not asked for together.
pub(super) fn retry_wait(failures: u32, random: u32) -> Duration {
    let doubled =
        RETRY_FIRST.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(RETRY_MAX).mul_f64(1.0 - fraction(random) / 2.0)
}

/// From 0 to 1.
fn fraction(random: u32) -> f64 {
    f64::from(random) / f64::from(u32::MAX)
}

pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(AHEAD_MAX)
}
