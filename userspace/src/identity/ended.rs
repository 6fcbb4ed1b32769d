//! Sessions that are over, so that a late message does not bring them back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::block::Block;
use super::event::{Nas, SessionKey};
use super::kept::Kept;

/// How long an end is remembered. Reason: access servers repeat a message that nobody answers for some minutes.
pub(super) const ENDED_KEPT: SignedDuration = SignedDuration::from_mins(10);
/// Ends that are remembered. Reason: a hundred a second for all that time; about 250 octets each.
pub(super) const ENDED_MAX: usize = 65_536;

/// What ended: a session, or its hold on a block that another session has now.
type End = (Arc<SessionKey>, Option<Block>);

/// The ends of the last [`ENDED_KEPT`], at most [`ENDED_MAX`].
#[derive(Debug, Default)]
pub(super) struct Ended {
    order: VecDeque<(Timestamp, End)>,
    /// How often each is in `order`.
    counts: HashMap<End, u32>,
}

impl Ended {
    /// The session is over, or, with a block, its hold on that.
    pub(super) fn insert(&mut self, session: Arc<SessionKey>, block: Option<Block>, at: Timestamp) {
        if self.order.len() >= ENDED_MAX {
            self.drop_first();
        }
        self.forget(at);
        let end = (session, block);
        *self.counts.entry(end.clone()).or_default() += 1;
        self.order.push_back((at, end));
    }

    /// Whether that is so.
    pub(super) fn contains(&self, session: &Arc<SessionKey>, block: Option<Block>) -> bool {
        self.counts.contains_key(&(Arc::clone(session), block))
    }

    /// Drops what is too long ago.
    pub(super) fn forget(&mut self, at: Timestamp) {
        while self.order.front().is_some_and(|(ended, _)| at.duration_since(*ended) >= ENDED_KEPT) {
            self.drop_first();
        }
    }

    /// Drops all of an access server that has started anew: it may give the same names again.
    pub(super) fn forget_nas(&mut self, nas: &Nas) {
        self.order.retain(|(_, (session, _))| !nas.describes(&session.nas));
        self.counts.retain(|(session, _), _| !nas.describes(&session.nas));
    }

    /// All of them, first come first.
    pub(super) fn kept(&self) -> impl Iterator<Item = Kept> {
        self.order.iter().map(|(at, (session, block))| Kept::Ended {
            session: SessionKey::clone(session),
            block: *block,
            at: *at,
        })
    }

    fn drop_first(&mut self) {
        let Some((_, end)) = self.order.pop_front() else { return };
        if let Some(count) = self.counts.get_mut(&end) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> Arc<SessionKey> {
        let nas = Nas { address: None, identifier: Some("pgw1".into()) };
        Arc::new(SessionKey { nas, id: id.into() })
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn an_end_is_remembered_for_ten_minutes_after_it_was_last_told() {
        let mut ended = Ended::default();
        ended.insert(key("a"), None, after(0));
        ended.insert(key("a"), None, after(100));
        ended.forget(after(699));
        assert!(ended.contains(&key("a"), None));
        ended.forget(after(700));
        assert!(!ended.contains(&key("a"), None) && ended.order.is_empty());
    }

    #[test]
    fn the_first_is_forgotten_when_there_are_too_many() {
        let mut ended = Ended::default();
        for number in 0..=ENDED_MAX {
            ended.insert(key(&number.to_string()), None, after(0));
        }
        assert_eq!((ended.order.len(), ended.counts.len()), (ENDED_MAX, ENDED_MAX));
        assert!(!ended.contains(&key("0"), None) && ended.contains(&key("1"), None));
    }
}
