//! Waiting until no packet is left that saw the old control word.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use super::DataplaneError;

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
        let attributes = UpdateAttributes {
            map_fd: fd_number(&self.outer),
            reserved: 0,
            key: &raw const key as u64,
            value: &raw const value as u64,
            flags: 0,
        };
        bpf(BPF_MAP_UPDATE_ELEM, &attributes)
            .map(drop)
            .map_err(DataplaneError::io("waiting for running kernel programs"))
    }
}

fn create(map_type: u32, inner_map_fd: u32) -> Result<OwnedFd, DataplaneError> {
    let attributes = CreateAttributes {
        map_type,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        map_flags: 0,
        inner_map_fd,
    };
    let fd = bpf(BPF_MAP_CREATE, &attributes).map_err(DataplaneError::io("making a map of maps"))?;
    // SAFETY: the call returned a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn fd_number(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().unsigned_abs()
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<i32> {
    // SAFETY: `attributes` is a prefix of `union bpf_attr` for this command, its size is given, and the addresses in
    // it outlive the call. JUSTIFICATION: aya makes no maps of maps outside a program's object.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(io::Error::other)
}
