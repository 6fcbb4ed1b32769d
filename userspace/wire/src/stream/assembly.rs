//! Octets by their offset, in whatever order they come: TCP segments, QUIC CRYPTO frames, IP fragments.

use std::ops::Range;

use thiserror::Error;

/// How much is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets from the first on; those farther away are not taken.
    pub octets: usize,
    /// Pieces with gaps between them. Each costs a search, and an honest sender's packets are lost seldom.
    pub pieces: usize,
}

/// What became of octets that were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Octets that were not held before.
    pub new_octets: usize,
    /// Octets at the end that lie beyond the limit, and were not taken.
    pub cut_octets: usize,
}

/// Why octets were not taken; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AssemblyError {
    /// Other octets are held in their place: the receiver and the reader may have believed different ones.
    #[error("octet {offset} was sent twice with different content")]
    Conflict {
        /// The first that differs, counted from the first octet held.
        offset: usize,
    },
    /// All of them are too far away.
    #[error("octet {offset} is more than {limit} octets away")]
    Beyond {
        /// Where they begin.
        offset: usize,
        /// [`Limits::octets`].
        limit: usize,
    },
    /// There would be too many gaps.
    #[error("more than {limit} pieces with gaps between them")]
    Pieces {
        /// [`Limits::pieces`].
        limit: usize,
    },
}

/// Octets by their offset, held in one piece of memory that is as long as the farthest of them is away.
#[derive(Clone, Debug)]
pub struct Assembly {
    octets: Vec<u8>,
    /// What of `octets` came, in order, with gaps between.
    filled: Vec<Range<usize>>,
    limits: Limits,
}

impl Assembly {
    /// One that holds nothing, and never more than `limits` say.
    pub const fn new(limits: Limits) -> Self {
        Self { octets: Vec::new(), filled: Vec::new(), limits }
    }

    /// How much it may hold.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes `octets`, the first of which is at `offset`.
    pub fn put(&mut self, offset: usize, octets: &[u8]) -> Result<Put, AssemblyError> {
        let limit = self.limits.octets;
        let room = limit.saturating_sub(offset);
        let taken = &octets[..octets.len().min(room)];
        if octets.is_empty() {
            return Ok(Put::default());
        }
        if taken.is_empty() {
            return Err(AssemblyError::Beyond { offset, limit });
        }
        let place = offset..offset + taken.len();
        self.compare(&place, taken)?;
        let new_octets = self.fill(&place)?;
        if self.octets.len() < place.end {
            self.octets.resize(place.end, 0);
        }
        self.octets[place].copy_from_slice(taken);
        Ok(Put { new_octets, cut_octets: octets.len() - taken.len() })
    }

    /// The octets from the first on, up to the first that is missing.
    pub fn contiguous(&self) -> &[u8] {
        match self.filled.first() {
            Some(first) if first.start == 0 => &self.octets[..first.end],
            _ => &[],
        }
    }

    /// Whether all octets of `range` are there.
    pub fn holds(&self, range: &Range<usize>) -> bool {
        range.is_empty()
            || self.filled.iter().any(|filled| filled.start <= range.start && range.end <= filled.end)
    }

    /// How far the last octet is away: octets of memory held.
    pub const fn reach(&self) -> usize {
        self.octets.len()
    }

    /// Where the first piece behind the first gap begins.
    pub(super) fn behind_gap(&self) -> Option<usize> {
        self.filled.iter().map(|filled| filled.start).find(|&start| start > 0)
    }

    /// Forgets the first `octets`, held or not; those behind them become the first.
    pub(super) fn drop_front(&mut self, octets: usize) {
        self.octets.drain(..octets.min(self.octets.len()));
        self.filled.retain_mut(|filled| {
            *filled = filled.start.saturating_sub(octets)..filled.end.saturating_sub(octets);
            filled.start < filled.end
        });
    }

    /// Makes room for `octets` in front; what does not fit behind them any more goes.
    pub(super) fn make_room(&mut self, octets: usize) {
        let limit = self.limits.octets;
        if octets >= limit {
            self.octets.clear();
            self.filled.clear();
            return;
        }
        self.octets.splice(..0, std::iter::repeat_n(0, octets));
        self.octets.truncate(limit);
        self.filled.retain_mut(|filled| {
            *filled = (filled.start + octets).min(limit)..(filled.end + octets).min(limit);
            filled.start < filled.end
        });
    }

    /// Whether what is held where `octets` belong says the same.
    fn compare(&self, place: &Range<usize>, octets: &[u8]) -> Result<(), AssemblyError> {
        for filled in &self.filled {
            let (start, end) = (filled.start.max(place.start), filled.end.min(place.end));
            if start >= end {
                continue;
            }
            let again = &octets[start - place.start..end - place.start];
            let differs = self.octets[start..end].iter().zip(again).position(|(held, again)| held != again);
            if let Some(differs) = differs {
                return Err(AssemblyError::Conflict { offset: start + differs });
            }
        }
        Ok(())
    }

    /// Notes that `place` is filled, joins the pieces that it touches, and says how much of it is new.
    fn fill(&mut self, place: &Range<usize>) -> Result<usize, AssemblyError> {
        let from = self.filled.partition_point(|filled| filled.end < place.start);
        let to = self.filled.partition_point(|filled| filled.start <= place.end);
        let touched = &self.filled[from..to];
        if touched.is_empty() && self.filled.len() >= self.limits.pieces {
            return Err(AssemblyError::Pieces { limit: self.limits.pieces });
        }
        let start = touched.first().map_or(place.start, |first| first.start.min(place.start));
        let end = touched.last().map_or(place.end, |last| last.end.max(place.end));
        let held: usize = touched.iter().map(ExactSizeIterator::len).sum();
        self.filled.splice(from..to, std::iter::once(start..end));
        Ok(end - start - held)
    }
}
