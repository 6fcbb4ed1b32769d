//! Copies that found the ring buffer full.

use std::fmt;

use aya::maps::{Map, MapData, PerCpuArray};
use tollfree_core::stat::Stat;

use super::{Dataplane, DataplaneError};

/// The kernel's count of lost copies, apart from the rest: whoever reads copies needs it beside accounting, not behind it.
pub struct LostCopies {
    stats: PerCpuArray<MapData, u64>,
}

impl fmt::Debug for LostCopies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LostCopies").finish_non_exhaustive()
    }
}

impl Dataplane {
    /// A second handle of the count.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn lost_copies(&self) -> Result<LostCopies, DataplaneError> {
        let map = MapData::from_pin(self.pins.map("STATS")).map_err(DataplaneError::map("STATS"))?;
        let stats = PerCpuArray::try_from(Map::PerCpuArray(map)).map_err(DataplaneError::map("STATS"))?;
        Ok(LostCopies { stats })
    }
}

impl LostCopies {
    /// How many were lost since the maps were made, of whatever kind and on whatever CPU.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn count(&self) -> Result<u64, DataplaneError> {
        let by_cpu = self.stats.get(&(Stat::CopyLost as u32), 0).map_err(DataplaneError::map("STATS"))?;
        Ok(by_cpu.iter().sum())
    }
}
