//! The control word: one atomic store changes what is in force.

use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::{Map, MapData};
use memmap2::{MmapOptions, MmapRaw};
use nix::time::{ClockId, clock_gettime};
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;
use tollfree_core::control::Control;

use super::DataplaneError;

/// Octets mapped: the map's one value lies at the start of one page.
const PAGE_OCTETS: usize = 4096;

/// The value of the `CONTROL` map, in this process's memory.
///
/// Mapped, because the map's update call copies octet by octet as far as it promises: a packet could see half of it.
#[derive(Debug)]
pub(super) struct ControlWord {
    mapping: MmapRaw,
}

impl ControlWord {
    pub(super) fn open(map: &Map) -> Result<Self, DataplaneError> {
        let Map::Array(data) = map else {
            return Err(DataplaneError::MissingMap { map: "CONTROL".into() });
        };
        Self::map(data)
    }

    fn map(data: &MapData) -> Result<Self, DataplaneError> {
        let fd = data.fd().as_fd().as_raw_fd();
        let mapping = MmapOptions::new()
            .len(PAGE_OCTETS)
            .map_raw(fd)
            .map_err(DataplaneError::io("mapping the CONTROL map into memory"))?;
        Ok(Self { mapping })
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the mapping is a page, page-aligned, readable and writable, and lives as long as `self`; the kernel
        // program only reads the word. JUSTIFICATION: there is no other way to store all of it at once.
        unsafe { AtomicU64::from_ptr(self.mapping.as_mut_ptr().cast()) }
    }

    pub(super) fn load(&self) -> Control {
        Control(self.word().load(Ordering::Acquire))
    }

    pub(super) fn store(&self, control: Control) {
        self.word().store(control.0, Ordering::Release);
    }
}

/// `CLOCK_MONOTONIC` now, in nanoseconds: the kernel program's clock.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC is on every Linux");
    u64::try_from(now.tv_sec()).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
}
