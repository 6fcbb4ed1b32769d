//! Numbers that look random and follow from a seed.

/// A source of them.
pub(super) struct Random(fastrand::Rng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// True so many times in a thousand.
    pub(super) fn chance(&mut self, in_thousand: u32) -> bool {
        self.0.u32(0..1000) < in_thousand
    }

    /// One of some, all alike.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.below(choices.len());
        choices.get(index).expect("no list of choices is empty")
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.usize(..bound)
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below_u64(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound)
    }

    pub(super) fn octet(&mut self) -> u8 {
        self.0.u8(..)
    }

    /// So many octets.
    pub(super) fn octets(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.octet()).collect()
    }

    pub(super) fn word(&mut self) -> u16 {
        self.0.u16(..)
    }

    pub(super) fn shuffle<T>(&mut self, values: &mut [T]) {
        self.0.shuffle(values);
    }

    /// Mostly what is right; now and then something near it, or anything.
    pub(super) fn nearly(&mut self, right: usize) -> u16 {
        let right = u16::try_from(right).unwrap_or(u16::MAX);
        if !self.chance(20) {
            return right;
        }
        match self.below(4) {
            0 => right.wrapping_add(1),
            1 => right.wrapping_sub(1),
            2 => right / 2,
            _ => self.word(),
        }
    }
}
