//! Flows of candidate addresses, and grants of free calls' media.

use aya::maps::{HashMap, Map, MapData, MapError};
use tollfree_core::flow::{FlowEntry, FlowKey, GrantEntry};

use super::grace::Grace;
use super::{Dataplane, DataplaneError};
use crate::calls::MediaUsage;

/// The maps of flows and grants, apart from the rest: calls are followed beside accounting, not behind it.
#[derive(Debug)]
pub struct FlowTables {
    grants: HashMap<MapData, FlowKey, GrantEntry>,
    flows: HashMap<MapData, FlowKey, FlowEntry>,
    grace: Grace,
}

impl Dataplane {
    /// Takes the map of grants, with a second handle of the flows. Can be done once.
    pub fn take_flow_tables(&mut self) -> Result<FlowTables, DataplaneError> {
        let flows = MapData::from_pin(self.pins.map("FLOWS")).map_err(DataplaneError::map("FLOWS"))?;
        let flows = HashMap::try_from(Map::HashMap(flows)).map_err(DataplaneError::map("FLOWS"))?;
        Ok(FlowTables { grants: self.take("GRANTS")?, flows, grace: Grace::new()? })
    }
}

impl FlowTables {
    /// Makes a call's media stream free until its entry ends.
    pub fn grant(&mut self, key: &FlowKey, entry: &GrantEntry) -> Result<(), DataplaneError> {
        self.grants.insert(key, entry, 0).map_err(DataplaneError::map("GRANTS"))
    }

    /// Ends a grant: its stream is charged from here on. [`FlowTables::take`] says later what it carried.
    pub fn end(&mut self, key: &FlowKey) -> Result<(), DataplaneError> {
        absent_is_fine(self.grants.remove(key)).map_err(DataplaneError::map("GRANTS"))
    }

    /// Says what each stream carried whose grant has been ended, and forgets it. Takes a grace period, however many there
    /// are: best asked of many at once.
    pub fn take(&mut self, keys: &[FlowKey]) -> Result<Vec<MediaUsage>, DataplaneError> {
        // A packet that still saw the grant must have been counted on its flow before the flow is read.
        self.grace.wait()?;
        let mut usages = Vec::new();
        for key in keys {
            usages.push(self.carried(key)?.as_ref().map(MediaUsage::from).unwrap_or_default());
            self.forget(key)?;
        }
        Ok(usages)
    }

    /// Forgets what a stream carried: its next packet begins another flow.
    pub fn forget(&mut self, key: &FlowKey) -> Result<(), DataplaneError> {
        absent_is_fine(self.flows.remove(key)).map_err(DataplaneError::map("FLOWS"))
    }

    /// The grant of a stream.
    pub fn granted(&self, key: &FlowKey) -> Result<Option<GrantEntry>, DataplaneError> {
        match self.grants.get(key, 0) {
            Ok(grant) => Ok(Some(grant)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(DataplaneError::map("GRANTS")(error)),
        }
    }

    /// What a stream that is free carried since it was granted, and when it was last seen; `None`: nothing yet.
    pub fn carried(&self, key: &FlowKey) -> Result<Option<FlowEntry>, DataplaneError> {
        match self.flows.get(key, 0) {
            Ok(flow) => Ok(Some(flow)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(DataplaneError::map("FLOWS")(error)),
        }
    }

    /// Every grant in the kernel: a controller that starts ends those of calls it knows nothing of.
    pub fn grants(&self) -> Result<Vec<(FlowKey, GrantEntry)>, DataplaneError> {
        self.grants.iter().map(|entry| entry.map_err(DataplaneError::map("GRANTS"))).collect()
    }
}

fn absent_is_fine(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}
