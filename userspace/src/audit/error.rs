//! What can keep the log from being written.

use std::io;
use std::path::PathBuf;

use super::digest::Digest;
use super::statement::StatementError;

/// Why the log was not opened, or nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A change of addresses that does not follow from those listed.
    #[error("the change of addresses does not follow from those that the log lists under epoch {epoch:?}")]
    AddressesDiffer {
        /// The epoch in force, if there is one.
        epoch: Option<u32>,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}; check its owner and mode, and the disk", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The origin cannot be a key's name (C2SP signed-note, "Format").
    #[error(
        "`{origin}` cannot be a log's origin: use a host and a path without spaces or \
         `+`, such as `gw1.example.net/audit`"
    )]
    Origin {
        /// The configured origin.
        origin: String,
    },
    /// The signer key would be published with the log.
    #[error(
        "the signer key {} is inside the published directory {}; keep it elsewhere",
        key.display(), directory.display()
    )]
    KeyPublished {
        /// The key's path.
        key: PathBuf,
        /// The log's directory.
        directory: PathBuf,
    },
    /// Others can read the signer key.
    #[error(
        "the signer key {} has mode {mode:03o}: others may have read it; `chmod 600` it, or start a log \
         with a new key", path.display()
    )]
    KeyExposed {
        /// The key's path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no signer key.
    #[error("{} is no signer key (`PRIVATE+KEY+name+id+base64`); restore it from a copy", path.display())]
    KeyMalformed {
        /// The key's path.
        path: PathBuf,
    },
    /// The key is another log's.
    #[error(
        "the signer key {} is the log `{found}`'s, not `{origin}`'s; give each log a key of its own",
        path.display()
    )]
    KeyOfAnother {
        /// The key's path.
        path: PathBuf,
        /// The name in the key.
        found: String,
        /// The configured origin.
        origin: String,
    },
    /// Another process has the log open.
    #[error("another process writes the log in {}; end it first", directory.display())]
    InUse {
        /// The log's directory.
        directory: PathBuf,
    },
    /// There is a published log, but no record of what was signed last.
    #[error(
        "{} is missing, so what was signed last is not known; if the published log is the newest there is, \
         copy {} there", head.display(), checkpoint.display()
    )]
    HeadMissing {
        /// Where the last signed checkpoint is kept.
        head: PathBuf,
        /// The published one.
        checkpoint: PathBuf,
    },
    /// The file is no checkpoint that the key signed.
    #[error("{} is no checkpoint signed by this log's key; restore it from a copy", path.display())]
    Head {
        /// Its path.
        path: PathBuf,
    },
    /// What is published is not what was signed last: an old copy of one of the two was restored.
    #[error(
        "the log in {} has {published} entries, but {signed} by the writer's own record; \
         restore the newer copies of both: going on would sign two histories", directory.display()
    )]
    HeadDiffers {
        /// The log's directory.
        directory: PathBuf,
        /// Entries by the published checkpoint.
        published: u64,
        /// Entries by the record beside the key.
        signed: u64,
    },
    /// A file of the published log is not what was signed.
    #[error("{} is missing or is not what was signed; restore the published log from a copy", path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
    },
    /// The log is full.
    #[error("the log would have {entries} entries, and cannot have more than {max}; start another")]
    Full {
        /// Entries with these.
        entries: u64,
        /// The limit.
        max: u64,
    },
    /// A statement does not fit into an entry.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// An activation's epoch is not newer than the last one's.
    #[error("epoch {epoch} cannot be activated after epoch {last}; epochs only increase")]
    EpochNotNew {
        /// The activation's.
        epoch: u32,
        /// The last activation's in the log.
        last: u32,
    },
    /// A statement is not about the activation before it.
    #[error("a statement about epoch {epoch} does not belong here: the last activation is {last:?}")]
    EpochNotInForce {
        /// The statement's.
        epoch: u32,
        /// The last activation's in the log.
        last: Option<u32>,
    },
    /// An activation's policy was not stored.
    #[error("the policy {digest} is activated, but was not stored; store it first")]
    PolicyNotStored {
        /// Its digest.
        digest: Digest,
    },
    /// A policy's files are not what its digest says.
    #[error(
        "the policy's files have the digest {found}, not {digest}; read the files and take the digest once"
    )]
    PolicyDiffers {
        /// The digest given.
        digest: Digest,
        /// The files'.
        found: Digest,
    },
    /// A policy's file cannot be stored under its name.
    #[error(
        "`{name}` cannot be stored as a policy's file: names are single, once each, without `/` or a \
         leading dot"
    )]
    PolicyFileName {
        /// The name.
        name: String,
    },
    /// The tree could not be computed.
    #[error("the log's tree cannot be computed: {0}; restore the published log from a copy")]
    Tree(#[from] tlog_tiles::Error),
    /// The checkpoint could not be signed.
    #[error("the checkpoint cannot be signed: {0}")]
    Note(#[from] signed_note::NoteError),
}

impl AuditError {
    /// For `map_err`: the system refused to do `action` on `path`.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
