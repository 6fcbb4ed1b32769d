//! How many copies had been lost at which time: what was lost while a flow was looked into may have been of that flow.

use std::collections::VecDeque;

/// Changes that are remembered. Reason: there is a reading at each wake of the reader and each finding; while copies are lost
/// all the time, flows that began before so many of them are not believed in any case.
const CHANGES_MAX: usize = 1024;

/// The kernel's count of lost copies, as it was read from time to time.
#[derive(Debug)]
pub(super) struct Losses {
    /// When a count was first read, in nanoseconds of `CLOCK_MONOTONIC`, and the count; both grow.
    changes: VecDeque<(u64, u64)>,
}

impl Default for Losses {
    /// Before anything was read, nothing was lost: copies that another controller left are not believed if any ever was.
    fn default() -> Self {
        Self { changes: VecDeque::from([(0, 0)]) }
    }
}

impl Losses {
    /// Takes a reading: not later than `at_ns`, `count` copies had been lost.
    pub(super) fn take(&mut self, at_ns: u64, count: u64) {
        if self.changes.back().is_some_and(|&(_, last)| last == count) {
            return;
        }
        if self.changes.len() >= CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back((at_ns, count));
    }

    /// A count of which the last copy was lost before `at_ns`; `None`: it is not remembered.
    pub(super) fn before(&self, at_ns: u64) -> Option<u64> {
        self.changes.iter().rev().find(|(since_ns, _)| *since_ns <= at_ns).map(|(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_held_against_the_reading_before_it() {
        let mut losses = Losses::default();
        losses.take(10, 0);
        losses.take(20, 3);
        losses.take(30, 3);
        losses.take(40, 5);
        for (at_ns, count) in [(0, 0), (19, 0), (20, 3), (39, 3), (40, 5), (u64::MAX, 5)] {
            assert_eq!(losses.before(at_ns), Some(count), "at {at_ns}");
        }
    }

    #[test]
    fn what_another_controller_left_is_not_believed_where_copies_were_lost() {
        let mut losses = Losses::default();
        losses.take(100, 7);
        assert_eq!((losses.before(99), losses.before(100)), (Some(0), Some(7)));
    }

    #[test]
    fn only_so_many_changes_are_remembered() {
        let mut losses = Losses::default();
        (1..=CHANGES_MAX as u64).for_each(|count| losses.take(10 * count, count));
        assert_eq!((losses.before(9), losses.before(10)), (None, Some(1)));
    }
}
