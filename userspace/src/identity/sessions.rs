//! Sessions that live, and the addresses that they hold.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prefix_trie::PrefixMap;
use tollfree_core::address::Family;

use super::block::{Block, outermost};
use super::ended::Ended;
use super::event::{Moment, Nas, Report, SessionKey};
use super::kept::{Hold, Kept, KeptSession};
use super::person::Identity;

/// Bounds of what is kept of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Blocks that are held at once.
    pub leases_max: usize,
    /// How long a session may be silent before it is taken for dead; its Stop was lost then.
    pub silence_max: SignedDuration,
}

impl SessionLimits {
    /// Reason: a million subscribers are more than one gateway serves; about 600 octets each.
    pub const LEASES_MAX: usize = 1 << 20;
    /// Reason: access servers report every few minutes to hours, if they do; a day bounds what a lost Stop does.
    pub const SILENCE_MAX: SignedDuration = SignedDuration::from_hours(24);
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { leases_max: Self::LEASES_MAX, silence_max: Self::SILENCE_MAX }
    }
}

/// A session's hold on a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    session: u64,
    /// When this gateway learned of it.
    pub(super) since: Timestamp,
    /// When the message that made it was true.
    claimed: Moment,
}

#[derive(Debug)]
struct Session {
    key: Arc<SessionKey>,
    identity: Option<Identity>,
    blocks: BTreeSet<Block>,
    /// When its last message was true, and when it came.
    heard: Moment,
    heard_at: Timestamp,
}

/// What was ignored, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SessionCounters {
    /// Messages, or blocks of messages, that came too late.
    pub(super) late: u64,
    /// Blocks for which there was no room.
    pub(super) full: u64,
    /// Sessions that fell silent.
    pub(super) expired: u64,
}

/// All sessions. Blocks that are held do not overlap.
#[derive(Debug)]
pub(super) struct Sessions {
    limits: SessionLimits,
    held: PrefixMap<(u64, u8), Held>,
    live: HashMap<u64, Session>,
    numbers: HashMap<Arc<SessionKey>, u64>,
    /// By when each was last heard of.
    silence: BTreeSet<(Timestamp, u64)>,
    next_number: u64,
    ended: Ended,
    counters: SessionCounters,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            held: PrefixMap::new(),
            live: HashMap::new(),
            numbers: HashMap::new(),
            silence: BTreeSet::new(),
            next_number: 0,
            ended: Ended::default(),
            counters: SessionCounters::default(),
        }
    }

    pub(super) fn counters(&self) -> SessionCounters {
        self.counters
    }

    pub(super) fn reset_counters(&mut self) {
        self.counters = SessionCounters::default();
    }

    /// How many live.
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// How many blocks they hold.
    pub(super) fn leases(&self) -> usize {
        self.held.len()
    }

    /// The hold on `block` or on one that covers it: its block, itself, its session's name and identity.
    pub(super) fn holder(&self, block: &Block) -> Option<(Block, Held, &SessionKey, Option<Identity>)> {
        let (key, held) = self.held.get_lpm(&block.key())?;
        let session = self.live.get(&held.session)?;
        Some((Block::from_key(key), *held, &session.key, session.identity))
    }

    /// Whether a part of `block` is held, but not all of it.
    pub(super) fn divides(&self, block: &Block) -> bool {
        self.held.children(&block.key()).any(|(key, _)| Block::from_key(key) != *block)
    }

    /// What [`Sessions::alive`] or [`Sessions::end`] may change.
    pub(super) fn touched_by(&self, report: &Report, blocks: &[Block]) -> Vec<Block> {
        let own = self.numbers.get(&report.session).and_then(|number| self.live.get(number));
        let own = own.into_iter().flat_map(|session| session.blocks.iter().copied());
        let others = blocks.iter().flat_map(|block| self.overlapping(block)).map(|(block, _)| block);
        own.chain(blocks.iter().copied()).chain(others).collect()
    }

    /// A session has begun or goes on; `blocks` are those of the report's that concern this gateway.
    pub(super) fn alive(&mut self, report: &Report, blocks: &[Block], at: Timestamp) {
        self.ended.forget(at);
        let known =
            self.numbers.get_key_value(&report.session).map(|(key, number)| (Arc::clone(key), *number));
        let overtaken = known.as_ref().and_then(|(_, number)| self.live.get(number));
        let overtaken = overtaken.is_some_and(|session| report.moment.is_before(&session.heard, true));
        let key = known.as_ref().map_or_else(|| Arc::new(report.session.clone()), |(key, _)| Arc::clone(key));
        if overtaken || self.ended.contains(&key, None) {
            self.counters.late += 1;
            return;
        }
        let number = match known {
            Some((_, number)) => number,
            None if blocks.is_empty() => return,
            None => self.open(Arc::clone(&key), report.moment, at),
        };
        self.hear(number, report, at);
        self.release_unnamed(number, &report.blocks);
        for block in outermost(blocks.to_vec()) {
            self.claim(number, &key, block, report.moment, at);
        }
        self.close_if_empty(number);
    }

    /// A session has ended. It is remembered as such if it lived or `concerns` this gateway.
    pub(super) fn end(&mut self, report: &Report, concerns: bool, at: Timestamp) {
        let key = match self.numbers.get(&report.session).copied() {
            Some(number) => self.close(number),
            None if concerns => Some(Arc::new(report.session.clone())),
            None => None,
        };
        if let Some(key) = key {
            self.ended.insert(key, None, at);
        }
    }

    /// The sessions of an access server that were last heard of before `moment`, and what they hold.
    pub(super) fn of_nas(&self, nas: &Nas, moment: Moment) -> (Vec<u64>, Vec<Block>) {
        let is_gone =
            |session: &Session| nas.describes(&session.key.nas) && !moment.is_before(&session.heard, true);
        let gone = self.live.iter().filter(|(_, session)| is_gone(session)).map(|(&number, _)| number);
        self.with_blocks(gone.collect())
    }

    /// The sessions `numbers` of `nas` are over, and it may give their names again.
    pub(super) fn reset(&mut self, nas: &Nas, numbers: &[u64]) {
        for &number in numbers {
            self.close(number);
        }
        self.ended.forget_nas(nas);
    }

    /// The sessions that have been silent for too long at `at`, and what they hold.
    pub(super) fn silent(&self, at: Timestamp) -> (Vec<u64>, Vec<Block>) {
        let silent = |heard_at: Timestamp| at.duration_since(heard_at) >= self.limits.silence_max;
        let silent = self.silence.iter().take_while(|(heard_at, _)| silent(*heard_at));
        self.with_blocks(silent.map(|&(_, number)| number).collect())
    }

    /// The sessions `numbers` are taken for dead. One that is heard of again lives again.
    pub(super) fn expire(&mut self, numbers: &[u64]) {
        for &number in numbers {
            self.counters.expired += u64::from(self.close(number).is_some());
        }
    }

    /// All that a controller after this one has to know: sessions in the order in which they began, then ends.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let mut numbers: Vec<_> = self.live.iter().collect();
        numbers.sort_unstable_by_key(|(number, _)| **number);
        let sessions = numbers.into_iter().map(|(_, session)| Kept::Session(self.kept_session(session)));
        sessions.chain(self.ended.kept()).collect()
    }

    fn kept_session(&self, session: &Session) -> KeptSession {
        let hold = |block: &Block| {
            let held = self.held.get(&block.key())?;
            Some(Hold { block: *block, since: held.since, claimed: held.claimed })
        };
        KeptSession {
            session: SessionKey::clone(&session.key),
            identity: session.identity,
            holds: session.blocks.iter().filter_map(hold).collect(),
            heard: session.heard,
            heard_at: session.heard_at,
        }
    }

    /// Takes a session for alive as it was; what somebody holds already, or finds no room, it does not have.
    pub(super) fn restore(&mut self, kept: KeptSession) {
        if self.numbers.contains_key(&kept.session) {
            return;
        }
        let number = self.open(Arc::new(kept.session), kept.heard, kept.heard_at);
        let room = self.limits.leases_max.saturating_sub(self.held.len());
        let free = kept.holds.into_iter().filter(|hold| self.overlapping(&hold.block).is_empty());
        let holds: Vec<_> = free.take(room).collect();
        if let Some(session) = self.live.get_mut(&number) {
            session.identity = kept.identity;
            session.blocks = holds.iter().map(|hold| hold.block).collect();
        }
        for Hold { block, since, claimed } in holds {
            self.held.insert(block.key(), Held { session: number, since, claimed });
        }
        self.close_if_empty(number);
    }

    /// Takes a session, or its hold on a block, for ended at `at`.
    pub(super) fn restore_end(&mut self, session: SessionKey, block: Option<Block>, at: Timestamp) {
        self.ended.insert(Arc::new(session), block, at);
    }

    fn with_blocks(&self, numbers: Vec<u64>) -> (Vec<u64>, Vec<Block>) {
        let sessions = numbers.iter().filter_map(|number| self.live.get(number));
        let blocks = sessions.flat_map(|session| session.blocks.iter().copied()).collect();
        (numbers, blocks)
    }

    fn open(&mut self, key: Arc<SessionKey>, moment: Moment, at: Timestamp) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(Arc::clone(&key), number);
        self.silence.insert((at, number));
        let blocks = BTreeSet::new();
        self.live.insert(number, Session { key, identity: None, blocks, heard: moment, heard_at: at });
        number
    }

    fn hear(&mut self, number: u64, report: &Report, at: Timestamp) {
        let Some(session) = self.live.get_mut(&number) else { return };
        session.identity = Identity::merge(report.identity, session.identity);
        session.heard = report.moment;
        self.silence.remove(&(session.heard_at, number));
        session.heard_at = at;
        self.silence.insert((at, number));
    }

    /// Lets go of what the session held in a family of which it names other addresses now.
    fn release_unnamed(&mut self, number: u64, named: &[Block]) {
        let has = |family: Family| named.iter().any(|block| block.family() == family);
        let (v4, v6) = (has(Family::V4), has(Family::V6));
        let named = outermost(named.to_vec());
        let Some(session) = self.live.get_mut(&number) else { return };
        let goes = |block: &Block| match block.family() {
            Family::V4 => v4 && !named.contains(block),
            Family::V6 => v6 && !named.contains(block),
        };
        for block in session.blocks.extract_if(.., |block| goes(block)) {
            self.held.remove(&block.key());
        }
    }

    /// Gives `block` to the session, and takes it from those who held any of it before.
    fn claim(&mut self, number: u64, key: &Arc<SessionKey>, block: Block, moment: Moment, at: Timestamp) {
        let others: Vec<_> =
            self.overlapping(&block).into_iter().filter(|(_, held)| held.session != number).collect();
        let newer = others.iter().any(|(_, held)| {
            let holder = self.live.get(&held.session);
            let same_clock = holder.is_some_and(|holder| holder.key.nas == key.nas);
            moment.is_before(&held.claimed, same_clock)
        });
        if newer || self.ended.contains(key, Some(block)) {
            self.counters.late += 1;
            return;
        }
        for (taken, held) in others {
            self.take(taken, held.session, at);
        }
        let Some(session) = self.live.get_mut(&number) else { return };
        if session.blocks.contains(&block) {
            return;
        }
        if self.held.len() >= self.limits.leases_max {
            self.counters.full += 1;
            return;
        }
        session.blocks.insert(block);
        self.held.insert(block.key(), Held { session: number, since: at, claimed: moment });
    }

    /// Takes `block` from its session, because somebody else has it now.
    fn take(&mut self, block: Block, number: u64, at: Timestamp) {
        self.held.remove(&block.key());
        let Some(session) = self.live.get_mut(&number) else { return };
        session.blocks.remove(&block);
        self.ended.insert(Arc::clone(&session.key), Some(block), at);
        self.close_if_empty(number);
    }

    /// Forgets a session that holds nothing: it is another gateway's, or of no concern any longer.
    fn close_if_empty(&mut self, number: u64) {
        if self.live.get(&number).is_some_and(|session| session.blocks.is_empty()) {
            self.close(number);
        }
    }

    fn close(&mut self, number: u64) -> Option<Arc<SessionKey>> {
        let session = self.live.remove(&number)?;
        self.numbers.remove(&session.key);
        self.silence.remove(&(session.heard_at, number));
        for block in &session.blocks {
            self.held.remove(&block.key());
        }
        Some(session.key)
    }

    /// What is held of `block`, or of a block that covers it.
    fn overlapping(&self, block: &Block) -> Vec<(Block, Held)> {
        let key = block.key();
        let covering = self.held.get_lpm(&key).filter(|(found, _)| **found != key);
        let inside = self.held.children(&key);
        covering.into_iter().chain(inside).map(|(key, held)| (Block::from_key(key), *held)).collect()
    }
}
