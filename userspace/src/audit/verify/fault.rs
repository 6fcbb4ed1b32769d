//! What can be wrong with a log.

use std::path::PathBuf;

use super::note::NoteFault;
use crate::audit::digest::Digest;
use crate::audit::statement::StatementError;

/// One thing that is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system refused.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// Below the log's directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A symbolic link or special file.
    #[error("{}: not a regular file", path.display())]
    NotAFile {
        /// Below the log's directory.
        path: PathBuf,
    },
    /// Larger than any file of its kind.
    #[error("{}: larger than {max} octets", path.display())]
    TooLarge {
        /// Below the log's directory.
        path: PathBuf,
        /// The limit.
        max: u64,
    },
    /// The log has no key, and none was given.
    #[error("there is no verifier key: give the one you had from the carrier")]
    NoKey,
    /// The key is no key.
    #[error("{0}")]
    Key(NoteFault),
    /// The published key is not the one given.
    #[error("vkey: not the verifier key `{wanted}`, alone on one line")]
    OtherKey {
        /// The key used.
        wanted: String,
    },
    /// The checkpoint is not believed.
    #[error("{0}")]
    Checkpoint(NoteFault),
    /// An entry bundle does not hold the entries that its name says.
    #[error("{path}: not {entries} entries, each behind its length")]
    Bundle {
        /// Below the log's directory.
        path: String,
        /// How many it should have.
        entries: usize,
    },
    /// The entries are not those that were signed.
    #[error(
        "the entries have the root {found}, but {signed} was signed: an entry was changed, removed or added"
    )]
    Root {
        /// The signed root, in base64.
        signed: String,
        /// The entries' root, in base64.
        found: String,
    },
    /// A file of the tree does not hold what the entries say.
    #[error("{path}: not the hashes or entries that belong there")]
    Tile {
        /// Below the log's directory.
        path: String,
    },
    /// An entry is no statement.
    #[error("entry {index}: {source}")]
    Entry {
        /// The entry's index.
        index: u64,
        /// What is wrong.
        source: StatementError,
    },
    /// An activation's epoch is not newer than the last one's.
    #[error("entry {index}: epoch {epoch} is activated after epoch {last}")]
    EpochNotNew {
        /// The entry's index.
        index: u64,
        /// The activation's.
        epoch: u32,
        /// The one before.
        last: u32,
    },
    /// A statement is not about the activation before it.
    #[error("entry {index}: it is about epoch {epoch}, but the last activation is {last:?}")]
    EpochNotInForce {
        /// The entry's index.
        index: u64,
        /// The statement's.
        epoch: u32,
        /// The last activation's.
        last: Option<u32>,
    },
    /// More rules are not behind their activation.
    #[error("entry {index}: more rules, but not right behind their activation")]
    RulesApart {
        /// The entry's index.
        index: u64,
    },
    /// Addresses were added that were there, or removed that were not.
    #[error("entry {index}: it adds addresses that are listed already, or removes ones that are not")]
    AddressChange {
        /// The entry's index.
        index: u64,
    },
    /// The list of addresses is not what the statement says.
    #[error("entry {index}: after it, the addresses have the digest {found}, not {stated}")]
    AddressDigest {
        /// The entry's index.
        index: u64,
        /// The statement's.
        stated: Digest,
        /// The list's.
        found: Digest,
    },
    /// An activation's policy is not there.
    #[error("entry {index}: the policy {digest} is not in policies/")]
    PolicyMissing {
        /// The entry's index.
        index: u64,
        /// The policy's digest.
        digest: Digest,
    },
    /// A stored policy is not what its name says.
    #[error("policies/{digest}: its files have the digest {found}")]
    Policy {
        /// The directory's name.
        digest: Digest,
        /// The files'.
        found: Digest,
    },
    /// A file that belongs to no entry.
    #[error(
        "{}: belongs to nothing that was signed. An interrupted append leaves such files until the log is next opened, \
         and one in progress until it is done; verify a copy, or later", path.display()
    )]
    Unexpected {
        /// Below the log's directory.
        path: PathBuf,
    },
}

/// All that is wrong with a log; at least one thing.
#[derive(Debug, thiserror::Error)]
#[error("the log does not verify:{}", faults.iter().map(|fault| format!("\n  {fault}")).collect::<String>())]
pub struct VerifyError {
    /// In the order in which they were found.
    pub faults: Vec<Fault>,
}
