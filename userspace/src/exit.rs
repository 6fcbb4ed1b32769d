//! Exit codes, which scripts and service managers may rely on.

use std::process::ExitCode;

/// Why the program ended. The numbers are permanent; `docs/operators.md` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked.
    Success = 0,
    /// Something failed that has no number of its own.
    Failure = 1,
    /// The command line is wrong (clap's own number).
    Usage = 2,
    /// The configuration is missing, unreadable or faulty.
    Config = 3,
    /// The policy directory is missing, unreadable or faulty.
    Policy = 4,
    /// Root is needed, or, to observe, a capability.
    NotRoot = 5,
    /// An interface that is configured, or to be observed, does not exist.
    NoInterface = 6,
    /// Another XDP program is on an interface.
    OtherProgram = 7,
    /// The pin directory is not on a bpf file system.
    NoBpffs = 8,
    /// The kernel lacks something, or refused a program.
    Kernel = 9,
    /// Pinned maps are of another layout version.
    Layout = 10,
    /// Another controller runs with the same state.
    AlreadyRunning = 11,
    /// No configured resolver answers, and there are no earlier answers to go on with.
    NoResolver = 12,
    /// The ledger cannot be opened or written.
    Ledger = 13,
    /// The audit log cannot be opened or written.
    Audit = 14,
    /// No controller runs that could answer.
    NotRunning = 15,
    /// The audit log does not verify.
    NotVerified = 16,
    /// An export directory or API address cannot be used.
    Export = 17,
    /// A capture cannot be read, or not wholly.
    Capture = 18,
    /// An interface cannot be observed: it is down, or not Ethernet.
    NotObservable = 19,
    /// The ledger does not account for every packet.
    NotReconciled = 20,
    /// Neither the ledger nor a policy speaks of what was asked about.
    NothingKnown = 21,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
