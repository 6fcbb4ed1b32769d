//! Digests that name exactly what was promised.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::diagnostic::Explain;

/// Before everything else that is hashed, so that the digest is never that of anything but a set of policies.
const POLICY_SET_CONTEXT: &[u8] = b"tollfree policy set v1\0";

/// What a written document digest begins with.
const DOCUMENT_DIGEST_PREFIX: &str = "sha256:";

/// SHA-256 of a set of policy files; shown as 64 lower-case hexadecimal digits.
///
/// Hashed are `"tollfree policy set v1\0"`, the number of files, and for each file, sorted by name as octets,
/// the length of its name, its name, the length of its content, its content. Numbers are 64-bit big-endian.
/// The lengths make the framing unambiguous: different sets never hash the same octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyDigest(pub [u8; 32]);

impl PolicyDigest {
    /// The digest of these files (name, content), in whatever order they come; names are unique.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_unstable();
        let mut hash = Sha256::new();
        hash.update(POLICY_SET_CONTEXT);
        hash.update((files.len() as u64).to_be_bytes());
        for (name, content) in files {
            for part in [name.as_bytes(), content] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// SHA-256 of the legal document behind a policy; written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DocumentDigest(pub [u8; 32]);

impl fmt::Display for DocumentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DOCUMENT_DIGEST_PREFIX)?;
        write_hex(f, &self.0)
    }
}

/// Text that is no [`DocumentDigest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a SHA-256 digest")]
pub struct DocumentDigestError;

impl Explain for DocumentDigestError {
    fn help(&self) -> Cow<'static, str> {
        "write sha256: and the 64 lower-case hexadecimal digits that `sha256sum` prints for the document"
            .into()
    }
}

impl std::str::FromStr for DocumentDigest {
    type Err = DocumentDigestError;

    fn from_str(text: &str) -> Result<Self, DocumentDigestError> {
        let digits = text.strip_prefix(DOCUMENT_DIGEST_PREFIX).ok_or(DocumentDigestError)?.as_bytes();
        let mut digest = [0; 32];
        if digits.len() != 2 * digest.len() {
            return Err(DocumentDigestError);
        }
        for (octet, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            *octet = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(digest))
    }
}

fn nibble(digit: u8) -> Result<u8, DocumentDigestError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(DocumentDigestError),
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The expected digests were computed from the documented framing with another language's SHA-256.
    #[test]
    fn the_framing_is_as_documented() {
        assert_eq!(
            PolicyDigest::of([]).to_string(),
            "5872dad86e341a0990d9be886e8e59c94fad7a419a3bc8716dd37590716de82c"
        );
        assert_eq!(
            PolicyDigest::of([("b.toml", &b""[..]), ("a.toml", b"x")]).to_string(),
            "d3693d10eb072d1f09097d2d29e8f3ecc67f86b55b505ce737a496681cce1d59"
        );
    }

    #[test]
    fn document_digests_are_read_and_shown() {
        // FIPS 180-4's digest of the empty message.
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest: DocumentDigest = empty.parse().expect("a digest");
        assert_eq!(digest, DocumentDigest(Sha256::digest(b"").into()));
        assert_eq!(digest.to_string(), empty);
        for text in [&empty[7..], &empty[..70], &empty.to_uppercase(), "sha256:", &format!("{empty}0")] {
            assert_eq!(text.parse::<DocumentDigest>(), Err(DocumentDigestError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn different_sets_have_different_digests(
            a in proptest::collection::btree_map("[ab]{1,2}", "[ab]{0,2}", 0..3),
            b in proptest::collection::btree_map("[ab]{1,2}", "[ab]{0,2}", 0..3),
        ) {
            let digest = |set: &std::collections::BTreeMap<String, String>| {
                PolicyDigest::of(set.iter().map(|(name, content)| (name.as_str(), content.as_bytes())))
            };
            prop_assert_eq!(a == b, digest(&a) == digest(&b));
        }

        #[test]
        fn any_document_digest_is_refused_or_comes_back(text in "sha256:[0-9a-fA-F]{62,66}|\\PC{0,80}") {
            if let Ok(digest) = text.parse::<DocumentDigest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
