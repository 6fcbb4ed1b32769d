//! Names that the kernel looks for in DNS.

use std::collections::BTreeSet;

use aya::maps::{HashMap, MapError};
use tollfree_core::limits::NAMES_MAX;
use tollfree_core::names;

use super::{Dataplane, DataplaneError};

impl Dataplane {
    /// Makes the kernel copy DNS about these names and all below them. Names that are new are there before those that are
    /// not wanted any more go.
    ///
    /// # Errors
    /// More than [`NAMES_MAX`] names.
    pub fn set_names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Result<(), DataplaneError> {
        let wanted: BTreeSet<u64> = names.into_iter().map(names::hash).collect();
        if wanted.len() > NAMES_MAX as usize {
            return Err(DataplaneError::PlanTooLarge {
                table: "name",
                index: wanted.len(),
                limit: NAMES_MAX,
            });
        }
        let held: Vec<(u64, u32)> = self.read_hash("NAMES")?;
        let held: BTreeSet<u64> = held.into_iter().map(|(hash, _)| hash).collect();
        let mut map: HashMap<_, u64, u32> = self.typed_mut("NAMES")?;
        // Room first, where both together have none: what is missing for a moment is waited with a moment later.
        for hash in held.difference(&wanted) {
            match map.remove(hash) {
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(DataplaneError::map("NAMES")(error)),
            }
        }
        for hash in wanted.difference(&held) {
            map.insert(hash, 1, 0).map_err(DataplaneError::map("NAMES"))?;
        }
        Ok(())
    }
}
