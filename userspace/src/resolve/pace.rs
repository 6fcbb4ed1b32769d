//! How fast questions may be asked.

use std::time::{Duration, Instant};

/// Which part of a second's questions may be asked at once. Reason: what may be asked at once is taken from what flows
/// on, so that no second has more than its rate; a tenth lets a small policy be asked for at a stroke.
const BURST_PART: u32 = 10;

/// Lets no second have more than its rate of questions.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Between two questions that nothing saved up for.
    interval: Duration,
    /// How far ahead of its time a question may be.
    ahead: Duration,
    /// When the next question would come if they came evenly.
    next: Option<Instant>,
}

impl Pace {
    /// `rate`: questions a second, at least [`BURST_PART`]; a lower one counts as that.
    pub(super) fn new(rate: u32) -> Self {
        let rate = rate.max(BURST_PART);
        let burst = rate / BURST_PART;
        let interval = Duration::from_secs(1) / (rate - burst);
        Self { interval, ahead: interval * (burst - 1), next: None }
    }

    /// Whether a question may be asked now; then it counts.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        if self.admits_at(now) > now {
            return false;
        }
        self.next = Some(self.next.map_or(now, |next| next.max(now)) + self.interval);
        true
    }

    /// From when on the next question may be asked; `now` if it may be asked now.
    pub(super) fn admits_at(&self, now: Instant) -> Instant {
        let next = self.next.and_then(|next| next.checked_sub(self.ahead));
        next.map_or(now, |next| next.max(now))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_second_has_more_than_its_rate(
            rate in 10_u32..2000,
            steps in prop::collection::vec((0_u64..300_000, 0_u32..400), 1..100),
        ) {
            let mut pace = Pace::new(rate);
            let mut now = Instant::now();
            let mut lately = VecDeque::new();
            for (wait, wanted) in steps {
                now += Duration::from_micros(wait);
                for _ in 0..wanted {
                    if pace.admit(now) {
                        lately.push_back(now);
                    }
                }
                while lately.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1)) {
                    lately.pop_front();
                }
                prop_assert!(lately.len() <= rate as usize, "{} of {rate}", lately.len());
            }
        }
    }

    #[test]
    fn what_waits_is_asked_as_soon_as_it_may() {
        let mut pace = Pace::new(100);
        let start = Instant::now();
        assert_eq!((0..100).filter(|_| pace.admit(start)).count(), 10, "a tenth at once");
        let mut now = start;
        let mut asked = 0;
        while now < start + Duration::from_secs(10) {
            now = pace.admits_at(now);
            assert!(pace.admit(now) && !pace.admit(now));
            asked += 1;
        }
        // 90 a second.
        assert!((899..=901).contains(&asked), "{asked}");
    }
}
