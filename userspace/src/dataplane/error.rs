//! What can go wrong with the kernel's side, and what to do about it.

use std::io;
use std::path::PathBuf;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;

use crate::policy::CrowdedAddress;

/// Why the data plane cannot be set up or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataplaneError {
    /// Not root.
    #[error("changing kernel programs needs root: run it with sudo, or as a system service")]
    NotRoot,
    /// The kernel is older than any this was tried on.
    #[error(
        "this kernel is {found}; Tollfree needs {oldest} or newer (XDP links, bpf_xdp_load_bytes); boot a newer kernel"
    )]
    KernelTooOld {
        /// Release of the running kernel.
        found: String,
        /// Oldest release that is supported.
        oldest: String,
    },
    /// Configured, but not there.
    #[error(
        "there is no interface {name:?}; `ip link` lists those that exist, [[interface]] in the configuration names them"
    )]
    NoInterface {
        /// As configured.
        name: String,
    },
    /// The pin directory is not on a bpf file system.
    #[error(
        "{path} is not on a bpf file system; mount one with `mount -t bpf bpf /sys/fs/bpf`, or set gateway.bpffs"
    )]
    NoBpffs {
        /// As configured.
        path: PathBuf,
    },
    /// Somebody else's XDP program has the interface.
    #[error(
        "interface {name} already has an XDP program that is not Tollfree's; `ip link show {name}` shows it, `ip link set {name} xdp off` removes it"
    )]
    OtherProgram {
        /// The interface.
        name: String,
    },
    /// Pinned maps of another version.
    #[error(
        "the maps pinned in {path} have layout {found}, this build has {wanted}; run the build that made them, or `tollfree detach` (counters start again, the ledger keeps what it has recorded)"
    )]
    LayoutVersion {
        /// The pin directory.
        path: PathBuf,
        /// Version of the pinned maps.
        found: u32,
        /// Version of this build.
        wanted: u32,
    },
    /// More interfaces, over time, than there are places to count them.
    #[error(
        "no place left to count interface {name}: {limit} have been counted since the maps were made; `tollfree detach` starts anew"
    )]
    TooManyInterfaces {
        /// The interface that has no place.
        name: String,
        /// Places there are.
        limit: u32,
    },
    /// No place for the program that sets marks.
    #[error(
        "this kernel cannot set marks and priorities (it has no tcx, which came with Linux 6.6); boot a newer one, or tag by dscp alone"
    )]
    MarksNeedTcx,
    /// The kernel refused a program or a feature of it.
    #[error("the kernel refused the {program} program: {source}")]
    Program {
        /// Program's name.
        program: &'static str,
        /// What the kernel said.
        source: Box<ProgramError>,
    },
    /// The kernel refused the object.
    #[error("the kernel refused the maps: {0}")]
    Object(#[from] Box<EbpfError>),
    /// A map could not be read or written.
    #[error("map {map}: {source}")]
    Map {
        /// Map's name.
        map: String,
        /// What the kernel said.
        source: Box<MapError>,
    },
    /// The object has no such map.
    #[error("the kernel object has no map {map}; it was built from other sources")]
    MissingMap {
        /// Map's name.
        map: String,
    },
    /// A plan that does not fit its tables; compilation should have refused it.
    #[error("the plan does not fit the kernel's tables: {table} {index} of {limit}")]
    PlanTooLarge {
        /// Which table.
        table: &'static str,
        /// First place that is too much.
        index: usize,
        /// Places there are.
        limit: u32,
    },
    /// An address whose names have too many port ranges together.
    #[error(transparent)]
    Crowded(#[from] CrowdedAddress),
    /// A file or system call failed.
    #[error("{action}: {source}")]
    Io {
        /// What was being done.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl DataplaneError {
    pub(super) fn map(name: &str) -> impl Fn(MapError) -> Self + use<> {
        let map = name.to_owned();
        move |source| Self::Map { map: map.clone(), source: Box::new(source) }
    }

    pub(super) fn program(program: &'static str) -> impl Fn(ProgramError) -> Self {
        move |source| Self::Program { program, source: Box::new(source) }
    }

    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
