//! The digest of the legal document behind a policy.

use std::borrow::Cow;
use std::fmt;

use crate::diagnostic::Explain;

/// What a written document digest begins with.
const DOCUMENT_DIGEST_PREFIX: &str = "sha256:";

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
    use sha2::{Digest as _, Sha256};

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
        fn any_document_digest_is_refused_or_comes_back(text in "sha256:[0-9a-fA-F]{62,66}|\\PC{0,80}") {
            if let Ok(digest) = text.parse::<DocumentDigest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
