//! Who has which address now.

use ipnet::IpNet;
use jiff::Timestamp;
use prefix_trie::{PrefixMap, PrefixSet};
use tollfree_core::address::SubscriberId;

use super::block::{Block, outermost};
use super::change::{Change, Holders, differences};
use super::event::{Event, Report};
use super::file::SubscriberFile;
use super::kept::Kept;
use super::person::Identity;
use super::sessions::{SessionLimits, Sessions};
use super::status::BindingStatus;

/// Where it is known from who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The static file.
    File,
    /// An access server.
    Radius,
}

/// Somebody's hold on addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The addresses.
    pub block: Block,
    /// Whose they are; `None`: a session's that does not say whose it is.
    pub identity: Option<Identity>,
    /// The session's Acct-Session-Id, which is unique for its access server; `None`: the file says so.
    pub session: Option<Box<str>>,
    /// When this gateway learned of it.
    pub since: Timestamp,
    /// Who says so.
    pub source: Source,
}

#[derive(Clone, Copy, Debug)]
struct FileEntry {
    identity: Identity,
    since: Timestamp,
}

/// Who has which address now: sessions, and, where no session holds an address, the file; there, the longest prefix
/// counts.
#[derive(Debug)]
pub struct Bindings {
    pools: PrefixSet<(u64, u8)>,
    file: PrefixMap<(u64, u8), FileEntry>,
    sessions: Sessions,
    out_of_pool: u64,
    file_out_of_pool: u64,
}

impl Bindings {
    /// Nobody has any of the addresses in `pools`; others are ignored.
    pub fn new(pools: &[IpNet], limits: SessionLimits) -> Self {
        let pools = pools.iter().filter_map(|pool| Block::new(*pool)).map(|pool| pool.key()).collect();
        let (file, sessions) = (PrefixMap::new(), Sessions::new(limits));
        Self { pools, file, sessions, out_of_pool: 0, file_out_of_pool: 0 }
    }

    /// Who the subscriber is; `None`: not known.
    pub fn identity(&self, subscriber: SubscriberId) -> Option<Identity> {
        self.holder(&Block::of(subscriber))
    }

    /// Why it is known who the subscriber is.
    pub fn lease(&self, subscriber: SubscriberId) -> Option<Lease> {
        let block = Block::of(subscriber);
        if let Some((block, held, session, identity)) = self.sessions.holder(&block) {
            let session = Some(session.id.clone());
            return Some(Lease { block, identity, session, since: held.since, source: Source::Radius });
        }
        let (key, entry) = self.file.get_lpm(&block.key())?;
        let (block, identity) = (Block::from_key(key), Some(entry.identity));
        Some(Lease { block, identity, session: None, since: entry.since, source: Source::File })
    }

    /// What an access server says, at `at`. Times should not go back; if they do, silent sessions live longer.
    ///
    /// The rules:
    /// * A session has what it names, in each family of which it names any; a family that it does not name stays. It
    ///   keeps its identity where a message tells none. Saying the same again only shows that it lives.
    /// * What two sessions claim, or overlapping parts of it, is the later one's; the earlier one cannot take it back.
    /// * An end ends its own session only. A session that ended does not come back for ten minutes, whatever is said.
    /// * A message that says that it is older than what is known changes nothing.
    /// * Addresses in no pool are ignored; a session that has no others is not kept.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Vec<Change> {
        match event {
            Event::Alive(report) => {
                let blocks = self.in_pools(report);
                let touched = self.sessions.touched_by(report, &blocks);
                self.changing(touched, at, |bindings| bindings.sessions.alive(report, &blocks, at))
            }
            Event::Ended(report) => {
                let blocks = self.in_pools(report);
                let concerns = report.blocks.is_empty() || !blocks.is_empty();
                let touched = self.sessions.touched_by(report, &[]);
                self.changing(touched, at, |bindings| bindings.sessions.end(report, concerns, at))
            }
            Event::Reset { nas, moment } => {
                let (numbers, touched) = self.sessions.of_nas(nas, *moment);
                self.changing(touched, at, |bindings| bindings.sessions.reset(nas, &numbers))
            }
        }
    }

    /// Forgets sessions that have been silent for too long at `at`. Worth calling every minute; it costs only what is
    /// forgotten.
    pub fn expire(&mut self, at: Timestamp) -> Vec<Change> {
        let (numbers, touched) = self.sessions.silent(at);
        self.changing(touched, at, |bindings| bindings.sessions.expire(&numbers))
    }

    /// What of sessions has to be kept; [`Bindings::restore`] takes it back. The file is not in it.
    pub fn kept(&self) -> Vec<Kept> {
        self.sessions.kept()
    }

    /// Takes back what [`Bindings::kept`] gave, in its order, before anything else is told. What is in no pool any
    /// longer is left out.
    pub fn restore(&mut self, kept: Kept) {
        match kept {
            Kept::Session(mut session) => {
                session.holds.retain(|hold| self.is_in_pools(&hold.block));
                self.sessions.restore(session);
            }
            Kept::Ended { session, block, at } => self.sessions.restore_end(session, block, at),
        }
    }

    /// Counts anew what was ignored.
    pub fn reset_counts(&mut self) {
        self.out_of_pool = 0;
        self.sessions.reset_counters();
    }

    /// Takes `file` instead of the one before it. Entries in no pool are ignored, so that all gateways can have one file.
    pub fn set_file(&mut self, file: &SubscriberFile, at: Timestamp) -> Vec<Change> {
        let (known, ignored): (Vec<_>, Vec<_>) =
            file.entries().iter().partition(|(block, _)| self.is_in_pools(block));
        self.file_out_of_pool = ignored.len() as u64;
        let entry = |&(block, identity): &(Block, Identity)| {
            let before = self.file.get(&block.key()).filter(|entry| entry.identity == identity);
            (block.key(), FileEntry { identity, since: before.map_or(at, |entry| entry.since) })
        };
        let new: PrefixMap<_, _> = known.iter().map(entry).collect();
        let missing = |a: &PrefixMap<(u64, u8), FileEntry>,
                       b: &PrefixMap<(u64, u8), FileEntry>|
         -> Vec<Block> {
            let same = |key, entry: &FileEntry| {
                b.get(key).is_some_and(|other: &FileEntry| other.identity == entry.identity)
            };
            a.iter().filter(|(key, entry)| !same(key, entry)).map(|(key, _)| Block::from_key(key)).collect()
        };
        let touched = [missing(&self.file, &new), missing(&new, &self.file)].concat();
        self.changing(touched, at, |bindings| bindings.file = new)
    }

    /// Counts, for the status document.
    pub fn status(&self) -> BindingStatus {
        let counters = self.sessions.counters();
        BindingStatus {
            sessions: self.sessions.len() as u64,
            leases: self.sessions.leases() as u64,
            file_entries: self.file.len() as u64,
            file_out_of_pool: self.file_out_of_pool,
            out_of_pool: self.out_of_pool,
            late: counters.late,
            full: counters.full,
            expired: counters.expired,
        }
    }

    /// Those of the report's blocks that have subscribers of this gateway; the others are counted.
    fn in_pools(&mut self, report: &Report) -> Vec<Block> {
        let blocks: Vec<_> = report.blocks.iter().copied().filter(|block| self.is_in_pools(block)).collect();
        self.out_of_pool += (report.blocks.len() - blocks.len()) as u64;
        blocks
    }

    fn is_in_pools(&self, block: &Block) -> bool {
        self.pools.get_lpm(&block.key()).is_some() || self.pools.children(&block.key()).next().is_some()
    }

    /// Does `change`, and tells what of `touched` has another holder after it.
    fn changing(
        &mut self,
        touched: Vec<Block>,
        at: Timestamp,
        change: impl FnOnce(&mut Self),
    ) -> Vec<Change> {
        let touched = outermost(touched);
        let before = self.holders(&touched);
        change(self);
        differences(&before, &self.holders(&touched), at)
    }

    fn holders(&self, blocks: &[Block]) -> Holders {
        let mut holders = Vec::with_capacity(blocks.len());
        for block in blocks {
            self.describe(*block, &mut holders);
        }
        holders
    }

    /// Halves the block until each part has one holder. The depth is at most a subscriber's 64 bits.
    fn describe(&self, block: Block, holders: &mut Holders) {
        let halves = if self.is_divided(&block) { block.halves() } else { None };
        match halves {
            Some(halves) => halves.into_iter().for_each(|half| self.describe(half, holders)),
            None => holders.push((block, self.holder(&block))),
        }
    }

    fn is_divided(&self, block: &Block) -> bool {
        let divided_by_file =
            || self.file.children(&block.key()).any(|(key, _)| Block::from_key(key) != *block);
        self.sessions.divides(block) || (self.sessions.holder(block).is_none() && divided_by_file())
    }

    /// Who has all of the block, if nobody has a part of it.
    fn holder(&self, block: &Block) -> Option<Identity> {
        match self.sessions.holder(block) {
            Some((.., identity)) => identity,
            None => self.file.get_lpm(&block.key()).map(|(_, entry)| entry.identity),
        }
    }
}
