//! Telling how far reading is.

use std::time::{Duration, Instant};

/// How long reading may take in silence, and from one word to the next.
const PERIOD: Duration = Duration::from_secs(1);
/// Records between two looks at the clock. Reason: a look costs about as much as reading a record.
const RECORDS: u32 = 4096;

/// Says how far reading is once it takes longer than a second, once a second.
pub struct Progress<'a> {
    tell: &'a mut dyn FnMut(u64),
    next: Instant,
    records: u32,
}

impl<'a> Progress<'a> {
    /// Tells `tell` how many octets of the file were read.
    pub fn new(tell: &'a mut dyn FnMut(u64)) -> Self {
        Self { tell, next: Instant::now() + PERIOD, records: 0 }
    }

    /// Takes note that a record ends at `offset` octets.
    pub(super) fn at(&mut self, offset: u64) {
        self.records += 1;
        if self.records >= RECORDS {
            self.records = 0;
            self.look(Instant::now(), offset);
        }
    }

    fn look(&mut self, now: Instant, offset: u64) {
        if now >= self.next {
            self.next = now + PERIOD;
            (self.tell)(offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_file_is_read_in_silence_and_a_slow_one_once_a_second() {
        let mut told = Vec::new();
        let mut tell = |offset| told.push(offset);
        let mut progress = Progress::new(&mut tell);
        let start = Instant::now();
        progress.next = start + PERIOD;
        progress.look(start + Duration::from_millis(999), 10);
        progress.look(start + PERIOD, 20);
        progress.look(start + Duration::from_millis(1999), 30);
        progress.look(start + 2 * PERIOD, 40);
        assert_eq!(told, [20, 40]);
    }
}
