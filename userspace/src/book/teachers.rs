//! Who brought in how many new names.

use std::time::Instant;

use tollfree_core::address::SubscriberId;

use super::lesson::Refused;
use super::limits::{NEW_NAMES_MAX, TEACHERS_MAX};
use crate::recent::Recent;
use crate::resolve::CHANGE_WINDOW;

/// How many new names a subscriber's answers brought in.
#[derive(Clone, Copy, Debug)]
struct Teacher {
    since: Instant,
    names: u32,
}

/// Subscribers whose answers brought in new names of late.
#[derive(Debug)]
pub(super) struct Teachers(Recent<SubscriberId, Teacher>);

impl Default for Teachers {
    fn default() -> Self {
        Self(Recent::new(TEACHERS_MAX))
    }
}

impl Teachers {
    /// Counts a new name against what a subscriber may bring in.
    pub(super) fn admit(&mut self, subscriber: SubscriberId, now: Instant) -> Result<(), Refused> {
        let teacher = self.0.get(&subscriber).copied();
        let teacher = teacher.filter(|teacher| now.saturating_duration_since(teacher.since) < CHANGE_WINDOW);
        let Teacher { since, names } = teacher.unwrap_or(Teacher { since: now, names: 0 });
        if names >= NEW_NAMES_MAX {
            return Err(Refused::TooManyNames);
        }
        self.0.insert(subscriber, Teacher { since, names: names + 1 });
        Ok(())
    }
}
