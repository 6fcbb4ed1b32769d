//! What a listener has done.

use super::refusal::Refusal;

/// Counts since the listener was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Questions that were remembered, or asked again.
    pub questions: u64,
    /// Answers that taught something.
    pub lessons: u64,
    refused: [u64; Refusal::ALL.len()],
}

impl Stats {
    /// How many were refused for this reason.
    pub const fn refused(&self, refusal: Refusal) -> u64 {
        self.refused[refusal as usize]
    }

    /// Every reason with its count, zeros too; a reason's name is its text.
    pub fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().zip(self.refused)
    }

    pub(super) const fn refuse(&mut self, refusal: Refusal) {
        self.refused[refusal as usize] += 1;
    }
}
