//! Keeping calls: in the journal while they go on, in the ledger once they have ended.

use std::collections::HashSet;

use tollfree_core::flow::FlowKey;

use super::kept::{EndedCall, GoingCall, Past, read_kept, row};
use super::{Served, State, now};
use crate::calls::{CallRecord, MediaUsage, SavedCall, Stream};
use crate::daemon::RunError;
use crate::daemon::engine::Command;
use crate::ledger::Kept;

impl State {
    /// Goes on with the calls of a controller before this one. Grants of the kernel that belong to none of them end:
    /// nobody would hear their BYE.
    pub(super) fn restore(&mut self) -> Result<(), RunError> {
        let mut going = Vec::new();
        for kept in self.journal.kept()? {
            match read_kept(&kept) {
                Ok(Past::Ended(ended)) => drop(self.ended.insert(kept.uid, *ended)),
                Ok(Past::Going(call)) if kept.instance == self.instance => going.push(*call),
                Ok(Past::Going(call)) => self.partial(*call),
                Err(error) => tracing::error!("a call of an earlier version cannot be gone on with: {error}"),
            }
        }
        for GoingCall { carried, .. } in &going {
            self.carried.extend(carried.iter().copied());
        }
        let held: HashSet<FlowKey> =
            going.iter().flat_map(|going| going.call.granted()).map(|stream| stream.key()).collect();
        let grants = self.tables.grants()?;
        let orphans: Vec<FlowKey> =
            grants.iter().map(|(key, _)| *key).filter(|key| !held.contains(key)).collect();
        if !orphans.is_empty() {
            tracing::warn!(
                streams = orphans.len(),
                "grants of calls that nobody knows: charged from here on"
            );
            orphans.iter().try_for_each(|key| self.tables.end(key))?;
            self.tables.take(&orphans)?;
        }
        self.tracker.restore(going.into_iter().map(|going| going.call).collect());
        if self.tracker.stats().restored > 0 {
            tracing::info!(calls = self.tracker.stats().restored, "going on with calls");
            // The policy may be another than it was.
            let served = Served { hotlines: &self.hotlines, signalling: &self.signalling };
            let actions = self.tracker.policy_changed(now(), &served);
            self.act(actions);
        }
        self.save();
        Ok(())
    }

    /// Ends a call whose grants went with the kernel's maps, at the machine's restart.
    fn partial(&mut self, going: GoingCall) {
        let mut media = MediaUsage::default();
        going.carried.iter().for_each(|(_, usage)| media += *usage);
        let record = going.call.into_partial(now());
        self.keep_ended(EndedCall { record, epoch: going.epoch, media });
    }

    /// Keeps what streams carried that are no longer free, and then the records of their calls. One grace period serves all
    /// that ended since the last time, so that no grant waits for each.
    pub(super) fn settle(&mut self) {
        let streams = std::mem::take(&mut self.ending);
        if !streams.is_empty() {
            let keys: Vec<FlowKey> = streams.iter().map(Stream::key).collect();
            match self.tables.take(&keys) {
                Ok(usages) => {
                    for (stream, usage) in streams.into_iter().zip(usages) {
                        *self.carried.entry(stream).or_default() += usage;
                    }
                }
                Err(error) => self.check(Err(error)),
            }
        }
        for (record, epoch) in std::mem::take(&mut self.closing) {
            self.ended(record, epoch);
        }
    }

    /// Takes a call's record, with what its media took.
    fn ended(&mut self, record: CallRecord, epoch: u32) {
        let mut media = MediaUsage::default();
        for stream in &record.media {
            media += self.carried.remove(stream).unwrap_or_default();
        }
        self.keep_ended(EndedCall { record, epoch, media });
    }

    fn keep_ended(&mut self, ended: EndedCall) {
        let uid = ended.record.uid.clone();
        self.ended_now.push(uid.clone());
        self.ended.insert(uid, ended);
    }

    /// Hands a record to the engine, which says when the ledger has it.
    pub(super) fn offer(&self, ended: &EndedCall) {
        let row = Box::new(row(&self.gateway, ended));
        if self.commands.send(Command::Call { row, recorded: self.recorded.0.clone() }).is_err() {
            tracing::warn!("a call ended after the engine: the next controller records it");
        }
    }

    /// Writes down what changed, then gives away records that are written down.
    pub(super) fn save(&mut self) {
        self.settle();
        let recorded: Vec<String> = self.recorded.1.try_iter().collect();
        let ended_now = std::mem::take(&mut self.ended_now);
        let changes = self.tracker.take_changes();
        let mut kept: Vec<Kept> = changes.into_iter().filter_map(|call| self.going(call)).collect();
        kept.extend(ended_now.iter().filter_map(|uid| {
            let state = serde_json::to_string(self.ended.get(uid)?).ok()?;
            Some(Kept { uid: uid.clone(), instance: self.instance, state, is_ended: true })
        }));
        if !kept.is_empty() {
            self.tell();
        }
        let written = if kept.is_empty() { Ok(()) } else { self.journal.keep(&kept) };
        let forgotten = if recorded.is_empty() { Ok(()) } else { self.journal.forget(&recorded) };
        for uid in &recorded {
            self.ended.remove(uid);
        }
        if let Err(error) = written.and(forgotten) {
            self.failures += 1;
            tracing::error!("the journal of calls: {error}");
        }
        ended_now.iter().filter_map(|uid| self.ended.get(uid)).for_each(|ended| self.offer(ended));
    }

    fn going(&self, call: SavedCall) -> Option<Kept> {
        let carried = call.media().iter().filter_map(|stream| Some((*stream, *self.carried.get(stream)?)));
        let carried = carried.collect();
        let (uid, epoch) = (call.uid().to_owned(), self.epoch);
        let state = serde_json::to_string(&GoingCall { call, epoch, carried }).ok()?;
        Some(Kept { uid, instance: self.instance, state, is_ended: false })
    }
}
