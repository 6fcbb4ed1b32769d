//! The day that daily ceilings go by.

use jiff::{Timestamp, Zoned};

use crate::dataplane::monotonic_ns;

/// When a day ends, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayEnd {
    /// By the wall clock.
    pub at: Timestamp,
    /// In nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
}

impl DayEnd {
    /// The end of today, in this machine's time zone.
    ///
    /// # Errors
    /// None before the year 9999.
    pub fn of_today() -> Result<Self, jiff::Error> {
        let now = Zoned::now();
        let at = midnight_after(&now)?;
        let ahead_ns = u64::try_from(at.duration_since(now.timestamp()).as_nanos()).unwrap_or(0);
        Ok(Self { at, monotonic_ns: monotonic_ns().saturating_add(ahead_ns) })
    }
}

/// The first instant of the next day; days that summer time makes longer or shorter are.
fn midnight_after(now: &Zoned) -> Result<Timestamp, jiff::Error> {
    let tomorrow = now.tomorrow()?;
    Ok(tomorrow.start_of_day()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_the_next_midnight_of_its_time_zone() {
        for (now, midnight) in [
            ("2020-02-01T00:00:00+07:00[Asia/Ho_Chi_Minh]", "2020-02-01T17:00:00Z"),
            ("2020-02-01T23:59:59.999+07:00[Asia/Ho_Chi_Minh]", "2020-02-01T17:00:00Z"),
            // Summer time begins: 23 hours.
            ("2020-03-29T01:00:00+01:00[Europe/Berlin]", "2020-03-29T22:00:00Z"),
        ] {
            let now: Zoned = now.parse().expect("a time");
            let midnight: Timestamp = midnight.parse().expect("a time");
            assert_eq!(midnight_after(&now).expect("within range"), midnight, "{now}");
        }
    }
}
