//! Addresses that changed hands.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::block::Block;
use super::person::Identity;

/// All subscribers of a block changed hands.
///
/// The changes of one event do not overlap, and each holds for every subscriber in its block. So what a subscriber used
/// up to `at` is `before`'s, and what he uses from then on is `after`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whose addresses.
    pub block: Block,
    /// Who had them; `None`: not known.
    pub before: Option<Identity>,
    /// Who has them now; `None`: not known. Never the same as `before`.
    pub after: Option<Identity>,
    /// When this gateway learned of it, which is when its counters can be cut.
    pub at: Timestamp,
}

/// A partition of some blocks, in order: who holds each part.
pub(super) type Holders = Vec<(Block, Option<Identity>)>;

/// What differs between two partitions of the same blocks.
pub(super) fn differences(before: &Holders, after: &Holders, at: Timestamp) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut olds, mut news) = (before.iter().peekable(), after.iter().peekable());
    while let (Some(&&(old, before)), Some(&&(new, after))) = (olds.peek(), news.peek()) {
        // Both are prefixes and overlap, so the later in order is inside the other.
        let block = old.max(new);
        if before != after {
            changes.push(Change { block, before, after, at });
        }
        olds.next_if(|_| old.last() == block.last());
        news.next_if(|_| new.last() == block.last());
    }
    changes
}
