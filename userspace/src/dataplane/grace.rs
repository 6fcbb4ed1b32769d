//! Waiting until no packet is left that saw the old control word.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use super::DataplaneError;
use super::syscall::bpf;

const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_MAP_TYPE_ARRAY_OF_MAPS: u32 = 12;

/// A map of maps that no program reads.
///
/// The kernel promises that an update of a map of maps returns only after every running program has finished (it
/// calls `synchronize_rcu`): so after [`Grace::wait`] each packet that runs has read the control word anew.
/// `membarrier` would do the same, but refuses on kernels with `nohz_full`, which carriers use.
#[derive(Debug)]
pub(super) struct Grace {
    outer: OwnedFd,
    inner: OwnedFd,
}

/// The part of `union bpf_attr` that `BPF_MAP_CREATE` reads.
#[repr(C)]
struct CreateAttributes {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
}

/// The part of `union bpf_attr` that `BPF_MAP_UPDATE_ELEM` reads.
#[repr(C)]
struct UpdateAttributes {
    map_fd: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl Grace {
    pub(super) fn new() -> Result<Self, DataplaneError> {
        let inner = create(BPF_MAP_TYPE_ARRAY, 0)?;
        let outer = create(BPF_MAP_TYPE_ARRAY_OF_MAPS, fd_number(&inner))?;
        Ok(Self { outer, inner })
    }

    /// Returns when every program that was running has finished. Takes some milliseconds.
    pub(super) fn wait(&self) -> Result<(), DataplaneError> {
        let key = 0_u32;
        let value = fd_number(&self.inner);
        let mut attributes = UpdateAttributes {
            map_fd: fd_number(&self.outer),
            reserved: 0,
            key: &raw const key as u64,
            value: &raw const value as u64,
            flags: 0,
        };
        // SAFETY: the attributes are those of the command; key and value are four octets each, as the map was made.
        // JUSTIFICATION: as in `create`.
        unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut attributes) }
            .map(drop)
            .map_err(DataplaneError::io("waiting for running kernel programs"))
    }
}

fn create(map_type: u32, inner_map_fd: u32) -> Result<OwnedFd, DataplaneError> {
    let mut attributes =
        CreateAttributes { map_type, key_size: 4, value_size: 4, max_entries: 1, map_flags: 0, inner_map_fd };
    // SAFETY: the attributes are those of the command, and hold no address. JUSTIFICATION: aya makes no maps of maps
    // outside a program's object.
    let fd = unsafe { bpf(BPF_MAP_CREATE, &mut attributes) }
        .map_err(DataplaneError::io("making a map of maps"))?;
    // SAFETY: the call returned a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn fd_number(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().unsigned_abs()
}
