//! Signed tree heads, straight from C2SP signed-note and tlog-checkpoint.

use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::merkle::Hash;

/// What a signature line begins with: an em dash and a space.
const SIGNATURE_START: &str = "\u{2014} ";
/// Signature type of Ed25519.
const ED25519: u8 = 1;
/// Octets of a key id.
const ID_OCTETS: usize = 4;
/// Signature lines read. Reason: the specification asks for 16 at least; more than a log's witnesses are nobody's.
const SIGNATURES_MAX: usize = 100;

/// A key that verifies notes: `name+id+base64`.
pub(super) struct VerifierKey {
    name: String,
    id: [u8; ID_OCTETS],
    key: VerifyingKey,
}

/// The log's tree, as it was signed.
pub(super) struct TreeHead {
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) root: Hash,
}

/// Why a key or a checkpoint is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteFault {
    /// Not `name+id+base64`.
    #[error("the verifier key is not of the form `name+id+base64`")]
    KeyForm,
    /// The id is not the key's.
    #[error("the verifier key's id is not that of its name and key: it was changed or miscopied")]
    KeyId,
    /// Not Ed25519.
    #[error("the verifier key is not an Ed25519 key (signature type 1)")]
    KeyType,
    /// Not a signed note.
    #[error("the checkpoint is not a signed note")]
    NoteForm,
    /// No signature by the key.
    #[error("the checkpoint is not signed by the verifier key")]
    NotSigned,
    /// A signature that does not fit.
    #[error("the checkpoint's signature is wrong: it was changed after it was signed")]
    Signature,
    /// Signed, but no tree head.
    #[error("the checkpoint does not give origin, size and root")]
    TreeHead,
    /// Another log's.
    #[error("the checkpoint is the log `{found}`'s, but the verifier key is `{wanted}`'s")]
    Origin {
        /// The checkpoint's origin.
        found: String,
        /// The key's name.
        wanted: String,
    },
}

impl FromStr for VerifierKey {
    type Err = NoteFault;

    fn from_str(text: &str) -> Result<Self, NoteFault> {
        let mut fields = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(NoteFault::KeyForm);
        };
        let id = HEXLOWER
            .decode(id.as_bytes())
            .ok()
            .and_then(|id| id.try_into().ok())
            .ok_or(NoteFault::KeyForm)?;
        let key = BASE64.decode(encoded.as_bytes()).map_err(|_| NoteFault::KeyForm)?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(NoteFault::KeyForm);
        }
        if id != key_id(name, &key) {
            return Err(NoteFault::KeyId);
        }
        let Some((&ED25519, key)) = key.split_first() else { return Err(NoteFault::KeyType) };
        let key = VerifyingKey::try_from(key).map_err(|_| NoteFault::KeyType)?;
        Ok(Self { name: name.to_owned(), id, key })
    }
}

impl VerifierKey {
    /// The key as text; exactly one text is this key.
    pub(super) fn text(&self) -> String {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        format!("{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&key))
    }

    /// The tree head in a checkpoint file, if this key signed it.
    pub(super) fn open(&self, checkpoint: &[u8]) -> Result<TreeHead, NoteFault> {
        let note = std::str::from_utf8(checkpoint).map_err(|_| NoteFault::NoteForm)?;
        if note.contains(|c: char| c < ' ' && c != '\n') {
            return Err(NoteFault::NoteForm);
        }
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteFault::NoteForm)?;
        let signatures = signatures.strip_suffix('\n').ok_or(NoteFault::NoteForm)?;
        let text = &note[..=text.len()];
        self.verify(text, signatures)?;
        let head = tree_head(text).ok_or(NoteFault::TreeHead)?;
        if head.origin != self.name {
            return Err(NoteFault::Origin { found: head.origin, wanted: self.name.clone() });
        }
        Ok(head)
    }

    /// Signatures by other keys are ignored, as the specification demands.
    fn verify(&self, text: &str, lines: &str) -> Result<(), NoteFault> {
        let mut is_signed = false;
        for (position, line) in lines.split('\n').enumerate() {
            let (name, encoded) = line
                .strip_prefix(SIGNATURE_START)
                .and_then(|line| line.split_once(' '))
                .filter(|_| position < SIGNATURES_MAX)
                .ok_or(NoteFault::NoteForm)?;
            let octets = BASE64.decode(encoded.as_bytes()).map_err(|_| NoteFault::NoteForm)?;
            let (id, signature) = octets.split_first_chunk().ok_or(NoteFault::NoteForm)?;
            if name != self.name || *id != self.id {
                continue;
            }
            let signature = Signature::from_slice(signature).map_err(|_| NoteFault::Signature)?;
            self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteFault::Signature)?;
            is_signed = true;
        }
        if is_signed { Ok(()) } else { Err(NoteFault::NotSigned) }
    }
}

/// The first octets of SHA-256 over name, newline, signature type and key.
fn key_id(name: &str, type_and_key: &[u8]) -> [u8; ID_OCTETS] {
    let hash = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(type_and_key).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Origin, size and root, one a line; lines behind them are extensions, which nobody reads.
fn tree_head(text: &str) -> Option<TreeHead> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let (origin, size_text, root) = (lines.next()?, lines.next()?, lines.next()?);
    let size: u64 = size_text.parse().ok()?;
    let root = BASE64.decode(root.as_bytes()).ok()?.try_into().ok()?;
    let is_canonical = size.to_string() == size_text && lines.all(|line| !line.is_empty());
    is_canonical.then(|| TreeHead { origin: origin.to_owned(), size, root })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The verifier key and note of the Go `note` package's documentation.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn published_note_is_verified_and_is_no_tree_head() {
        let key: VerifierKey = PETER.parse().expect("a key");
        assert_eq!(key.text(), PETER);
        assert_eq!(key.open(NOTE.as_bytes()).err(), Some(NoteFault::TreeHead));
        let forged = NOTE.replace("cryptography", "steganography");
        assert_eq!(key.open(forged.as_bytes()).err(), Some(NoteFault::Signature));
        let of_another = NOTE.replace("PeterNeumann", "EnochRoot");
        assert_eq!(key.open(of_another.as_bytes()).err(), Some(NoteFault::NotSigned));
    }

    #[test]
    fn signatures_by_others_are_ignored() {
        let key: VerifierKey = PETER.parse().expect("a key");
        let cosigned = format!("{NOTE}— witness.example AAAAAAAAAAAA\n");
        assert_eq!(key.open(cosigned.as_bytes()).err(), Some(NoteFault::TreeHead));
    }

    #[test]
    fn keys_that_were_changed_are_refused() {
        for (text, fault) in [
            (PETER.replace("c74f20a3", "c74f20a4"), NoteFault::KeyId),
            (PETER.replace("PeterNeumann", "Peter"), NoteFault::KeyId),
            (PETER.replace("c74f20a3", "C74F20A3"), NoteFault::KeyForm),
            (PETER.replace("ARpc", "AB"), NoteFault::KeyForm),
            ("PeterNeumann".to_owned(), NoteFault::KeyForm),
            (String::new(), NoteFault::KeyForm),
        ] {
            assert_eq!(text.parse::<VerifierKey>().err(), Some(fault), "{text}");
        }
    }

    #[test]
    fn tree_heads_are_canonical() {
        let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert!(tree_head(&format!("o\n0\n{root}\n")).is_some());
        assert!(tree_head(&format!("o\n7\n{root}\nextension\n")).is_some());
        for text in ["o\n", "o\n0\n", "o\n00\nR\n", "o\n+1\nR\n", "o\n1\nR", "o\n1\nR\n\n", "o\n1\nAAAA\n"] {
            assert!(tree_head(&text.replace('R', root)).is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_parsed_without_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let key: VerifierKey = PETER.parse().expect("a key");
            prop_assert!(key.open(&octets).is_err());
        }

        #[test]
        fn notes_that_are_nearly_right_are_refused(text in "(\\PC|\n){0,80}", line in "(— )?[a-z]{0,3} ?[A-Za-z0-9+/=]{0,12}\n?") {
            let key: VerifierKey = PETER.parse().expect("a key");
            let note = format!("{text}\n\n{line}");
            prop_assert!(key.open(note.as_bytes()).is_err());
        }

        #[test]
        fn any_text_is_parsed_as_a_key_without_panic(text in "\\PC{0,60}") {
            prop_assert!(text.parse::<VerifierKey>().is_err());
        }
    }
}
