//! What a capture's time stamps count.

const NANOSECONDS_PER_SECOND: i128 = 1_000_000_000;

/// The unit and the zero of an interface's time stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// Units of one second; `None` if they are too fine to be held.
    per_second: Option<u64>,
    /// Zero of the time stamps, in seconds since the Unix epoch (pcapng, option `if_tsoffset`).
    offset_s: i64,
}

impl Clock {
    pub(super) const MICROSECONDS: Self = Self { per_second: Some(1_000_000), offset_s: 0 };
    pub(super) const NANOSECONDS: Self = Self { per_second: Some(1_000_000_000), offset_s: 0 };

    /// The clock of a pcapng interface, by its options `if_tsresol` and `if_tsoffset`.
    pub(super) fn of_interface(resolution: u8, offset_s: i64) -> Self {
        let exponent = u32::from(resolution & 0x7f);
        // The highest bit says: a power of two, not of ten.
        let base: u64 = if resolution & 0x80 != 0 { 2 } else { 10 };
        Self { per_second: base.checked_pow(exponent), offset_s }
    }

    /// Nanoseconds since the Unix epoch, rounded down; `None` if no number can say it.
    pub(super) fn nanoseconds(self, seconds: u32, units: u64) -> Option<i64> {
        let fraction = i128::from(units) * NANOSECONDS_PER_SECOND / i128::from(self.per_second?);
        let seconds = i128::from(seconds) + i128::from(self.offset_s);
        i64::try_from(seconds * NANOSECONDS_PER_SECOND + fraction).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_say_what_their_time_stamps_count() {
        // pcapng: 6 is microseconds, 9 nanoseconds, 0x80 | 10 is 1/1024 s.
        for (resolution, units, nanoseconds) in
            [(6, 1_500_000, 1_500_000_000), (9, 1_500_000_000, 1_500_000_000), (0x8a, 1536, 1_500_000_000)]
        {
            assert_eq!(Clock::of_interface(resolution, 0).nanoseconds(0, units), Some(nanoseconds));
        }
        assert_eq!(Clock::of_interface(6, -2).nanoseconds(0, 500_000), Some(-1_500_000_000));
        assert_eq!(Clock::of_interface(20, 0).nanoseconds(0, 1), None);
        assert_eq!(Clock::of_interface(0, i64::MAX).nanoseconds(0, 1), None);
    }
}
