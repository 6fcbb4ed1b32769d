//! The audit log: which policy was in force when, and which addresses it made free.
//!
//! The log is append-only and public, in the form that [C2SP tlog-tiles](https://c2sp.org/tlog-tiles)
//! describes: a directory of static files that any web server can publish and any tlog client can read. Its
//! [`Statement`]s are the leaves of an RFC 6962 Merkle tree; `checkpoint` is the tree's root, signed. Who
//! keeps an old checkpoint can prove that nothing he has seen was removed or rewritten.
//!
//! ```text
//! checkpoint                      origin, size and root, signed (tlog-checkpoint, signed-note)
//! vkey                            the key that verifies it; a regulator has it from elsewhere
//! tile/entries/000.p/7            statements, each behind its length (unsigned 16-bit, big-endian)
//! tile/0/000.p/7                  their hashes
//! policies/<digest>/<file name>   what a policy digest stands for
//! ```
//!
//! [`log`] writes it; [`verify`](mod@verify) checks it, and shares with the writer neither Merkle nor note
//! code; [`cli`] is what a regulator calls.

pub mod cli;
mod digest;
mod disk;
mod error;
mod key;
pub mod log;
mod statement;
#[cfg(test)]
mod tests;
mod tree;
pub mod verify;

pub use digest::{Digest, DigestError, addresses_digest, policy_digest};
pub use error::AuditError;
pub use log::Log;
pub use statement::{
    Activation, ActivationCause, AddressStatement, Addresses, ClassStatement, ENTRY_OCTETS_MAX,
    EvidenceStatement, Refused, RuleStatement, Rules, Statement, StatementError,
};
pub use verify::{Fault, Report, VerifyError, verify};
