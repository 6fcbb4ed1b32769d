//! Flows of candidate addresses, and grants of free calls' media.

use std::time::Duration;

use aya::maps::{HashMap, MapData, MapError};
use tollfree_core::counter::Usage;
use tollfree_core::flow::{FlowEntry, FlowKey, GrantEntry};

use super::grace::Grace;
use super::{Dataplane, DataplaneError, monotonic_ns};

/// How long a TCP flow may rest. Reason: RFC 5382, REQ-5, asks address translators for two hours and four minutes.
pub const FLOW_IDLE_TCP: Duration = Duration::from_mins(124);
/// How long any other flow may rest. Reason: RFC 4787, REQ-5, recommends five minutes.
pub const FLOW_IDLE_UDP: Duration = Duration::from_mins(5);

const TCP: u32 = 6;

/// The maps of flows and grants, apart from the rest: calls are followed beside accounting, not behind it.
#[derive(Debug)]
pub struct FlowTables {
    grants: HashMap<MapData, FlowKey, GrantEntry>,
    flows: HashMap<MapData, FlowKey, FlowEntry>,
    grace: Grace,
}

impl Dataplane {
    /// Takes the maps of flows and grants. Can be done once.
    pub fn take_flow_tables(&mut self) -> Result<FlowTables, DataplaneError> {
        Ok(FlowTables { grants: self.take("GRANTS")?, flows: self.take("FLOWS")?, grace: Grace::new()? })
    }
}

impl FlowTables {
    /// Makes a call's media stream free until its entry ends.
    pub fn grant(&mut self, key: &FlowKey, entry: &GrantEntry) -> Result<(), DataplaneError> {
        self.grants.insert(key, entry, 0).map_err(DataplaneError::map("GRANTS"))
    }

    /// Ends grants and says what each stream carried.
    pub fn revoke(&mut self, keys: &[FlowKey]) -> Result<Vec<Usage>, DataplaneError> {
        for key in keys {
            absent_is_fine(self.grants.remove(key)).map_err(DataplaneError::map("GRANTS"))?;
        }
        // A packet that still saw the grant must have been counted on its flow before the flow is read.
        self.grace.wait()?;
        let mut usages = Vec::new();
        for key in keys {
            match self.flows.get(key, 0) {
                Ok(flow) => usages.push(flow.usage),
                Err(MapError::KeyNotFound) => usages.push(Usage::default()),
                Err(error) => return Err(DataplaneError::map("FLOWS")(error)),
            }
            absent_is_fine(self.flows.remove(key)).map_err(DataplaneError::map("FLOWS"))?;
        }
        Ok(usages)
    }

    /// Every grant in the kernel: a controller that starts ends those of calls it knows nothing of.
    pub fn grants(&self) -> Result<Vec<(FlowKey, GrantEntry)>, DataplaneError> {
        self.grants.iter().map(|entry| entry.map_err(DataplaneError::map("GRANTS"))).collect()
    }

    /// Forgets flows that have rested for long enough; says how many are left.
    pub fn sweep_flows(&mut self) -> Result<usize, DataplaneError> {
        let now_ns = monotonic_ns();
        let mut idle = Vec::new();
        let mut left = 0;
        for entry in &self.flows {
            let (key, flow) = entry.map_err(DataplaneError::map("FLOWS"))?;
            if is_idle(&key, &flow, now_ns) {
                idle.push(key);
            } else {
                left += 1;
            }
        }
        for key in idle {
            absent_is_fine(self.flows.remove(&key)).map_err(DataplaneError::map("FLOWS"))?;
        }
        Ok(left)
    }
}

/// Whether a flow has rested for long enough to be forgotten at `now_ns` of `CLOCK_MONOTONIC`.
pub fn is_idle(key: &FlowKey, flow: &FlowEntry, now_ns: u64) -> bool {
    let bound = if key.protocol == TCP { FLOW_IDLE_TCP } else { FLOW_IDLE_UDP };
    u128::from(now_ns.saturating_sub(flow.last_seen_ns)) > bound.as_nanos()
}

fn absent_is_fine(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}
