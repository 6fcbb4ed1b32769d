//! What the book says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How full the book is, and what came of what it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BookStatus {
    /// Names that have addresses.
    pub names: u64,
    /// Addresses that names have.
    pub addresses: u64,
    /// Those of them that unrelated names share.
    pub shared: u64,
    /// Those of them that are kept only because flows use them.
    pub kept_in_use: u64,
    /// Answers on the wire that were for a name that a rule covers.
    pub lessons: u64,
    /// Addresses that were learned from them, each time anew.
    pub learned: u64,
    /// Addresses that were not, by reason.
    pub refused: BTreeMap<String, u64>,
}
