//! The independent verifier of the log.
//!
//! It shares with the writer the statements and what their digests are taken over, and nothing else: notes, tiles and
//! the Merkle tree are read here a second time, from the specifications. It reads every file of the directory, and
//! one that it has no reason to read is a fault. So no octet can change without being found out.

mod directory;
mod fault;
mod merkle;
mod note;
mod replay;
mod report;
mod tiles;

use std::collections::BTreeSet;
use std::path::Path;

use directory::Directory;
use note::{TreeHead, VerifierKey};
use replay::Replay;

use super::digest::{Digest, policy_digest};
use super::statement::Statement;

pub use fault::{Fault, VerifyError};
pub use note::NoteFault;
pub use report::Report;

/// Octets of a checkpoint. Reason: the signatures of a hundred witnesses, post-quantum ones included.
const CHECKPOINT_OCTETS_MAX: u64 = 1_000_000;
/// Octets of a verifier key file.
const VKEY_OCTETS_MAX: u64 = 4096;
/// Octets of one file of a policy. Reason: a hundred times the largest published list.
const POLICY_OCTETS_MAX: u64 = 64 * 1024 * 1024;

/// Verifies the log in `directory`: that it was signed with `key`, that every entry, hash and policy is what was signed,
/// that the statements fit together, and that nothing else is there.
///
/// `key` is a verifier key (`name+id+base64`). Without one, the directory's own `vkey` is taken: then a whole log that
/// was replaced, key and all, would verify.
///
/// # Errors
/// All faults.
pub fn verify(directory: &Path, key: Option<&str>) -> Result<Report, VerifyError> {
    match examine(directory, key) {
        (Some(report), faults) if faults.is_empty() => Ok(report),
        (_, faults) => Err(VerifyError { faults }),
    }
}

/// What the log says as far as it could be read, and all that is wrong with it. No report: the checkpoint is not
/// believed, which is a fault.
pub(super) fn examine(directory: &Path, key: Option<&str>) -> (Option<Report>, Vec<Fault>) {
    let mut directory = Directory::list(directory);
    let Some((key, head)) = read_head(&mut directory, key) else { return (None, directory.faults) };
    let mut entries = Vec::new();
    for (index, entry) in (0..).zip(tiles::read_entries(&mut directory, &head)) {
        match Statement::from_entry(&entry) {
            Ok(statement) => entries.push((index, statement)),
            Err(source) => directory.faults.push(Fault::Entry { index, source }),
        }
    }
    let policies = read_policies(&mut directory);
    let Replay { activations, faults, .. } = Replay::of(&entries, &policies);
    directory.faults.extend(faults);
    let TreeHead { origin, size, root } = head;
    let report = Report { origin, key: key.text(), size, root, entries, activations };
    (Some(report), directory.into_faults())
}

/// The key and the tree head it signed; `None`: there is a fault already.
fn read_head(directory: &mut Directory<'_>, given: Option<&str>) -> Option<(VerifierKey, TreeHead)> {
    let published = if directory.has("vkey") { directory.read("vkey", VKEY_OCTETS_MAX) } else { None };
    let key = match (given, &published) {
        (Some(key), _) => key.trim().parse(),
        (None, Some(octets)) => String::from_utf8_lossy(octets).trim_end().parse(),
        (None, None) => {
            directory.faults.push(Fault::NoKey);
            return None;
        }
    };
    let key: VerifierKey = key.map_err(|fault| directory.faults.push(Fault::Key(fault))).ok()?;
    if published.is_some_and(|octets| octets != format!("{}\n", key.text()).into_bytes()) {
        directory.faults.push(Fault::OtherKey { wanted: key.text() });
    }
    let checkpoint = directory.read("checkpoint", CHECKPOINT_OCTETS_MAX)?;
    let head = key.open(&checkpoint).map_err(|fault| directory.faults.push(Fault::Checkpoint(fault))).ok()?;
    Some((key, head))
}

/// The stored policies whose files are what their digests say.
fn read_policies(directory: &mut Directory<'_>) -> BTreeSet<Digest> {
    let mut policies = BTreeSet::new();
    for (group, names) in directory.groups("policies/") {
        let Ok(digest) = group.parse::<Digest>() else { continue };
        let read = |name: String| {
            let content = directory.read(&format!("policies/{group}/{name}"), POLICY_OCTETS_MAX)?;
            Some((name, content))
        };
        let Some(files) = names.into_iter().map(read).collect::<Option<Vec<_>>>() else { continue };
        let found = Digest(policy_digest(&files));
        if found == digest {
            policies.insert(digest);
        } else {
            directory.faults.push(Fault::Policy { digest, found });
        }
    }
    policies
}
