//! The control word: one atomic store changes what is in force.

use aya::maps::Map;
use nix::time::{ClockId, clock_gettime};
use tollfree_core::control::Control;

use super::DataplaneError;
use super::mapped::MappedWords;

/// The value of the `CONTROL` map, in this process's memory.
#[derive(Debug)]
pub(super) struct ControlWord {
    mapped: MappedWords,
}

impl ControlWord {
    pub(super) fn open(map: &Map) -> Result<Self, DataplaneError> {
        Ok(Self { mapped: MappedWords::open(map, "CONTROL", 1)? })
    }

    pub(super) fn load(&self) -> Control {
        Control(self.mapped.load(0))
    }

    pub(super) fn store(&self, control: Control) {
        self.mapped.store(0, control.0);
    }
}

/// `CLOCK_MONOTONIC` now, in nanoseconds: the kernel program's clock.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC is on every Linux");
    u64::try_from(now.tv_sec()).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
}
