//! The key that signs the log's checkpoints.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use data_encoding::BASE64;
use rand_core::OsRng;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash};

use super::disk;
use super::error::AuditError;

/// Permission bits that let others than the owner at the key.
const OTHERS: u32 = 0o077;

/// An Ed25519 signer key (C2SP signed-note), and what verifies it.
pub(super) struct Key {
    origin: String,
    signer: StandardSigner,
    verifier: StandardVerifier,
    vkey: String,
}

impl Key {
    /// Reads the key at `path`; makes one for `origin` if there is none.
    pub(super) fn open(path: &Path, origin: &str) -> Result<Self, AuditError> {
        if let Some(octets) = disk::read(path)? {
            let mode = fs::metadata(path).map_err(AuditError::io("read", path))?.permissions().mode() & 0o777;
            if mode & OTHERS != 0 {
                return Err(AuditError::KeyExposed { path: path.to_owned(), mode });
            }
            return Self::parse(&octets, path, origin);
        }
        let (text, _) = signed_note::generate_key(&mut OsRng, origin);
        let octets = format!("{text}\n").into_bytes();
        disk::write(path, &octets, disk::PRIVATE)?;
        Self::parse(&octets, path, origin)
    }

    fn parse(octets: &[u8], path: &Path, origin: &str) -> Result<Self, AuditError> {
        let malformed = || AuditError::KeyMalformed { path: path.to_owned() };
        let text = std::str::from_utf8(octets).map_err(|_| malformed())?.trim_end();
        let signer = StandardSigner::new(text).map_err(|_| malformed())?;
        // `PRIVATE+KEY+name+id+base64`; base64 itself may have a `+`.
        let mut fields = text.splitn(5, '+').skip(2);
        let found = fields.next().ok_or_else(malformed)?;
        if found != origin {
            let (found, origin) = (found.to_owned(), origin.to_owned());
            return Err(AuditError::KeyOfAnother { path: path.to_owned(), found, origin });
        }
        let encoded = fields.nth(1).ok_or_else(malformed)?;
        let algorithm_and_seed = BASE64.decode(encoded.as_bytes()).map_err(|_| malformed())?;
        let seed = algorithm_and_seed.get(1..).ok_or_else(malformed)?;
        let secret = ed25519_dalek::SigningKey::try_from(seed).map_err(|_| malformed())?;
        let vkey = signed_note::new_ed25519_verifier_key(origin, &secret.verifying_key());
        let verifier = StandardVerifier::new(&vkey).map_err(|_| malformed())?;
        Ok(Self { origin: origin.to_owned(), signer, verifier, vkey })
    }

    /// The verifier key, as text.
    pub(super) fn vkey(&self) -> &str {
        &self.vkey
    }

    /// A signed checkpoint (C2SP tlog-checkpoint). Ed25519 is deterministic: the same tree has the same octets.
    pub(super) fn sign(&self, size: u64, root: Hash) -> Result<Vec<u8>, AuditError> {
        let checkpoint = Checkpoint::new(&self.origin, size, root, "")
            .map_err(|_| AuditError::Origin { origin: self.origin.clone() })?;
        let mut note = Note::new(&checkpoint.to_bytes(), &[])?;
        note.add_sigs(&[&self.signer])?;
        Ok(note.to_bytes())
    }

    /// The checkpoint in the file's `octets`, if this key signed it for this log.
    pub(super) fn verify(&self, octets: &[u8]) -> Option<Checkpoint> {
        let note = Note::from_bytes(octets).ok()?;
        // The list is made each time, because it cannot go to another thread with the log.
        note.verify(&VerifierList::new(vec![Box::new(self.verifier.clone())])).ok()?;
        Checkpoint::from_bytes(note.text()).ok().filter(|checkpoint| checkpoint.origin() == self.origin)
    }
}
