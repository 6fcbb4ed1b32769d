//! Copies that were lost, and the flows that they may have been of.

/// What is known of lost copies at the times that matter.
///
/// The ring buffer was found empty between two readings, so what is read now was put into it after the reading before the
/// last began: had copies of a flow that is met now for the first time been lost, they would not be in the count that was
/// taken then.
#[derive(Debug)]
pub(super) struct Losses {
    before: Option<u64>,
    last: Option<u64>,
}

impl Default for Losses {
    /// A ring buffer that another controller left may hold copies from before anything was lost.
    fn default() -> Self {
        Self { before: Some(0), last: Some(0) }
    }
}

impl Losses {
    /// So many copies have been lost, and what waits in the ring buffer is about to be read until it is empty. `None`: it
    /// is not known.
    pub(super) const fn begin_reading(&mut self, lost: Option<u64>) {
        self.before = self.last;
        self.last = lost;
    }

    /// How many had been lost before any copy of a flow that is met now for the first time; `None`: it is not known.
    pub(super) const fn before(&self) -> Option<u64> {
        self.before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_while_copies_wait_counts_against_their_flows() {
        let mut losses = Losses::default();
        // Copies from another controller's time: one was lost at some time.
        losses.begin_reading(Some(1));
        assert_eq!(losses.before(), Some(0));
        // The first copy of a flow came, then one was lost, and then both are come to.
        losses.begin_reading(Some(2));
        assert_eq!(losses.before(), Some(1));
        // Nothing is lost any more.
        losses.begin_reading(Some(2));
        assert_eq!(losses.before(), Some(2));
    }

    #[test]
    fn what_is_not_known_agrees_with_nothing_until_it_is_known_again() {
        let mut losses = Losses::default();
        losses.begin_reading(None);
        losses.begin_reading(Some(2));
        assert_eq!(losses.before(), None);
        losses.begin_reading(Some(2));
        assert_eq!(losses.before(), Some(2));
    }
}
