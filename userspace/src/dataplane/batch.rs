//! Many entries of a hash map in one system call: a fifth of the time that reading them one by one takes.
//!
//! What a reading promises while others write the map: a hash map's buckets are never split or moved, a key is always
//! in the same bucket, and the kernel copies a bucket under the bucket's lock. So a key is never given twice; an entry
//! that is there from the beginning of the reading to its end is given exactly once; one that comes or goes meanwhile
//! may be given or not. Programs add to values without that lock, so the fields of one value may be of different
//! instants. A map that nobody writes is given exactly as it is.

use std::io;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::slice::ChunksExact;

use aya::maps::{MapData, MapError, MapType};
use aya::sys::SyscallError;
use aya::util::nr_cpus;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::syscall::bpf;

/// Entries read in one system call. Reason: more are not faster, and with 64 CPUs these take 2 MiB already.
pub const AT_ONCE: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

const BPF_MAP_LOOKUP_AND_DELETE_ELEM: libc::c_int = 21;
const BPF_MAP_LOOKUP_BATCH: libc::c_int = 24;
const BPF_MAP_DELETE_BATCH: libc::c_int = 27;
/// Octets that each CPU's value is padded to, as in every per-CPU map.
const PER_CPU_ALIGNMENT: usize = 8;
/// Calls in a row that find a bucket's lock taken. Reason: only tracing and interrupts hold it for others, for
/// microseconds; a lock that is taken a hundred times is stuck.
const ATTEMPTS_MAX: u32 = 100;

/// The part of `union bpf_attr` that the batch commands use.
#[repr(C)]
#[derive(Default)]
struct BatchAttributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    /// Room for entries, then how many there are.
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// The values of one entry: one in a hash map, one for each possible CPU in a per-CPU hash map.
#[derive(Clone, Debug)]
pub struct Values<'a, V> {
    octets: ChunksExact<'a, u8>,
    value: PhantomData<V>,
}

impl<V: FromBytes> Iterator for Values<'_, V> {
    type Item = V;

    fn next(&mut self) -> Option<V> {
        let (value, _padding) = V::read_from_prefix(self.octets.next()?).ok()?;
        Some(value)
    }
}

/// Hands every entry of a hash map or per-CPU hash map to `take`, in no order; see the module for what that is worth
/// while others write the map. Reads `at_once` entries a call, [`AT_ONCE`] unless there is a reason.
///
/// # Errors
/// [`MapError::InvalidMapType`], [`MapError::InvalidKeySize`] and [`MapError::InvalidValueSize`] if the kernel's map
/// does not hold `K` and `V`; else what the kernel refuses. `take` may have had some of the entries then.
pub fn for_each<K: FromBytes, V: FromBytes>(
    map: &MapData,
    at_once: NonZeroUsize,
    mut take: impl FnMut(K, Values<'_, V>),
) -> Result<(), MapError> {
    let shape = Shape::of::<V>(map, size_of::<K>())?;
    let mut buffer = Buffer::new(&shape, at_once.get());
    let mut from = None;
    loop {
        let filled = buffer.fill(map, &shape, from)?;
        let keys = buffer.keys.chunks_exact(shape.key_octets);
        let values = buffer.values.chunks_exact(shape.values_octets());
        for (key, values) in keys.zip(values).take(filled.entries) {
            if let Ok(key) = K::read_from_bytes(key) {
                take(key, Values { octets: values.chunks_exact(shape.stride_octets), value: PhantomData });
            }
        }
        if filled.next.is_none() {
            return Ok(());
        }
        from = filled.next;
    }
}

/// Deletes the entries of these keys from a hash map or per-CPU hash map; says how many there were. Keys that are not
/// there are passed over.
///
/// # Errors
/// [`MapError::InvalidMapType`] and [`MapError::InvalidKeySize`] if the kernel's map does not have keys of type `K`;
/// else what the kernel refuses. Some of the entries may be deleted then.
pub fn delete_all<K: IntoBytes + Immutable>(map: &MapData, keys: &[K]) -> Result<usize, MapError> {
    check_key(map, size_of::<K>())?;
    let mut deleted = 0;
    let mut attempts = 0;
    let mut rest = keys;
    while !rest.is_empty() {
        let mut attributes = BatchAttributes {
            keys: rest.as_bytes().as_ptr() as u64,
            count: u32::try_from(rest.len()).unwrap_or(u32::MAX),
            map_fd: fd_number(map),
            ..BatchAttributes::default()
        };
        // SAFETY: the attributes are those of the command; the kernel reads at most `count` keys, which is how many
        // `rest` holds at least, each of the size that `check_key` compared. JUSTIFICATION: aya has no batch calls.
        let result = unsafe { bpf(BPF_MAP_DELETE_BATCH, &mut attributes) };
        let gone = rest.len().min(attributes.count as usize);
        match result.map_err(Fault::of) {
            Ok(_) => (deleted, rest, attempts) = (deleted + gone, &rest[gone..], 0),
            // The kernel stops at a key that is not there, after `gone` that were.
            Err(Fault::Absent) => {
                (deleted, rest, attempts) = (deleted + gone, rest.get(gone + 1..).unwrap_or(&[]), 0);
            }
            Err(Fault::Busy(_)) if attempts < ATTEMPTS_MAX => {
                (deleted, rest, attempts) = (deleted + gone, &rest[gone..], attempts + 1);
            }
            Err(fault) => return Err(fault.into_error("bpf_map_delete_batch")),
        }
    }
    Ok(deleted)
}

/// The part of `union bpf_attr` that commands on one entry use.
#[repr(C)]
struct EntryAttributes {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Takes the entry of `key` out of a hash map and gives its value, in one step; `None` if there is none.
///
/// # Errors
/// As [`for_each`].
pub fn take<K, V>(map: &MapData, key: &K) -> Result<Option<V>, MapError>
where
    K: IntoBytes + Immutable,
    V: FromBytes + IntoBytes,
{
    let shape = Shape::of::<V>(map, size_of::<K>())?;
    if shape.values != 1 {
        return Err(MapError::InvalidMapType { map_type: MapType::PerCpuHash as u32 });
    }
    let mut value = V::new_zeroed();
    let mut attributes = EntryAttributes {
        map_fd: fd_number(map),
        padding: 0,
        key: key.as_bytes().as_ptr() as u64,
        value: value.as_mut_bytes().as_mut_ptr() as u64,
        flags: 0,
    };
    // SAFETY: the attributes are those of the command; the kernel reads one key and writes one value, whose sizes have
    // been compared with its own. JUSTIFICATION: aya has no such call.
    match unsafe { bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, &mut attributes) }.map_err(Fault::of) {
        Ok(_) => Ok(Some(value)),
        Err(Fault::Absent) => Ok(None),
        Err(fault) => Err(fault.into_error("bpf_map_lookup_and_delete_elem")),
    }
}

/// How the kernel lays a map's entries out in a batch's buffers.
struct Shape {
    key_octets: usize,
    /// From one value of an entry to the next.
    stride_octets: usize,
    /// Values of one entry.
    values: usize,
    /// Room in the map.
    entries_max: usize,
}

impl Shape {
    /// Of a map with values `V`; asks the kernel, because a pinned map need not be what the object says.
    fn of<V>(map: &MapData, key_octets: usize) -> Result<Self, MapError> {
        check_key(map, key_octets)?;
        let info = map.info()?;
        let (size, expected) = (size_of::<V>(), info.value_size() as usize);
        if size != expected {
            return Err(MapError::InvalidValueSize { size, expected });
        }
        let (stride_octets, values) = match info.map_type()? {
            MapType::PerCpuHash => {
                (size.next_multiple_of(PER_CPU_ALIGNMENT), nr_cpus().map_err(|(_, error)| error)?)
            }
            _ => (size, 1),
        };
        Ok(Self { key_octets, stride_octets, values, entries_max: info.max_entries() as usize })
    }

    const fn values_octets(&self) -> usize {
        self.stride_octets * self.values
    }
}

/// Refuses a map that is no hash map, or has other keys.
fn check_key(map: &MapData, size: usize) -> Result<(), MapError> {
    let info = map.info()?;
    let kind = info.map_type()?;
    if !matches!(kind, MapType::Hash | MapType::PerCpuHash) {
        return Err(MapError::InvalidMapType { map_type: kind as u32 });
    }
    let expected = info.key_size() as usize;
    if size != expected {
        return Err(MapError::InvalidKeySize { size, expected });
    }
    Ok(())
}

/// Where the kernel goes on: the number of a bucket, as far as hash maps are concerned.
type Place = u32;

/// What a batch brought in.
struct Filled {
    entries: usize,
    /// Where the next batch begins; `None`: there is none.
    next: Option<Place>,
}

/// Room for a number of entries.
struct Buffer {
    entries: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
}

impl Buffer {
    fn new(shape: &Shape, entries: usize) -> Self {
        let (keys, values) = (entries * shape.key_octets, entries * shape.values_octets());
        Self { entries, keys: vec![0; keys], values: vec![0; values] }
    }

    /// Reads entries from `from` on, from the beginning if it is `None`.
    fn fill(&mut self, map: &MapData, shape: &Shape, from: Option<Place>) -> Result<Filled, MapError> {
        let mut attempts = 0;
        loop {
            let (result, entries, next) = self.lookup(map, from);
            match result.map_err(Fault::of) {
                Ok(()) => return Ok(Filled { entries, next: Some(next) }),
                Err(Fault::Absent) => return Ok(Filled { entries, next: None }),
                // The kernel gives whole buckets.
                Err(Fault::NoRoom(_)) if self.entries < shape.entries_max => {
                    *self = Self::new(shape, self.entries * 2);
                }
                // What was read until then is read again: reading changes nothing.
                Err(Fault::Busy(_)) if attempts < ATTEMPTS_MAX => attempts += 1,
                Err(fault) => return Err(fault.into_error("bpf_map_lookup_batch")),
            }
        }
    }

    /// One call: how it went, how many entries it read, and where it stopped.
    fn lookup(&mut self, map: &MapData, from: Option<Place>) -> (io::Result<()>, usize, Place) {
        let mut next: Place = 0;
        let mut attributes = BatchAttributes {
            in_batch: from.as_ref().map_or(0, |from| std::ptr::from_ref(from) as u64),
            out_batch: &raw mut next as u64,
            keys: self.keys.as_mut_ptr() as u64,
            values: self.values.as_mut_ptr() as u64,
            count: u32::try_from(self.entries).unwrap_or(u32::MAX),
            map_fd: fd_number(map),
            ..BatchAttributes::default()
        };
        // SAFETY: the attributes are those of the command. The kernel reads and writes the two places, four octets
        // each, and writes at most `count` entries; both buffers hold as many by the shape, which is the kernel's own
        // word on this map. JUSTIFICATION: aya has no batch calls.
        let result = unsafe { bpf(BPF_MAP_LOOKUP_BATCH, &mut attributes) };
        (result.map(drop), attributes.count as usize, next)
    }
}

fn fd_number(map: &MapData) -> u32 {
    map.fd().as_fd().as_raw_fd().unsigned_abs()
}

/// What the kernel's error means to a batch.
enum Fault {
    /// There is no further entry, or no such entry.
    Absent,
    /// The next bucket has more entries than there is room for.
    NoRoom(io::Error),
    /// Somebody holds what the call needs; it can be repeated.
    Busy(io::Error),
    Other(io::Error),
}

impl Fault {
    fn of(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOENT) => Self::Absent,
            Some(libc::ENOSPC) => Self::NoRoom(error),
            // Which of them says that a bucket's lock is taken depends on the kernel's version.
            Some(libc::EBUSY | libc::EDEADLK | libc::ETIMEDOUT | libc::EAGAIN | libc::EINTR) => {
                Self::Busy(error)
            }
            _ => Self::Other(error),
        }
    }

    fn into_error(self, call: &'static str) -> MapError {
        let io_error = match self {
            Self::Absent => io::Error::from_raw_os_error(libc::ENOENT),
            Self::NoRoom(error) | Self::Busy(error) | Self::Other(error) => error,
        };
        SyscallError { call, io_error }.into()
    }
}
