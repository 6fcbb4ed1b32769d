//! The SHA-256 digests that statements name, and what exactly they are taken over.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::statement::AddressStatement;

/// First line of what a policy digest is taken over. Reason: no other digest can be passed off as one.
const POLICY_LABEL: &[u8] = b"tollfree-policy-v1\n";

/// First line of what an address list's digest is taken over.
const ADDRESSES_LABEL: &[u8] = b"tollfree-addresses-v1\n";

/// A SHA-256 digest; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

/// Text that is no [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a SHA-256 digest: it must be 64 lower-case hexadecimal digits")]
pub struct DigestError {
    /// What was read instead.
    pub text: String,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|octets| octets.try_into().ok())
            .map(Self)
            .ok_or_else(|| DigestError { text: text.to_owned() })
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl From<[u8; 32]> for Digest {
    fn from(octets: [u8; 32]) -> Self {
        Self(octets)
    }
}

/// The digest of a policy: of its files' names (UTF-8) and contents, in any order.
///
/// SHA-256 over the line `tollfree-policy-v1`, then for each file, sorted by name: the name's length in octets, the
/// name, the content's length in octets, the content. Lengths are unsigned 64-bit, big-endian.
pub fn policy_digest<N: AsRef<str>, C: AsRef<[u8]>>(files: &[(N, C)]) -> [u8; 32] {
    let mut sorted: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_ref(), content.as_ref())).collect();
    sorted.sort_unstable();
    let mut hash = Sha256::new_with_prefix(POLICY_LABEL);
    for (name, content) in sorted {
        update_framed(&mut hash, name.as_bytes());
        update_framed(&mut hash, content);
    }
    hash.finalize().into()
}

/// The digest of a list of free addresses.
///
/// SHA-256 over the line `tollfree-addresses-v1`, then for each address in the list's order ([`AddressStatement`]'s
/// own): the number of rules (64 bits), each rule's number (32 bits), the name's length in octets (64 bits), the
/// name, 4 or 6 (8 bits), the address's 4 or 16 octets. Numbers are unsigned, big-endian.
pub fn addresses_digest(addresses: &BTreeSet<AddressStatement>) -> Digest {
    let mut hash = Sha256::new_with_prefix(ADDRESSES_LABEL);
    for AddressStatement { rules, name, address } in addresses {
        hash.update((rules.len() as u64).to_be_bytes());
        for rule in rules {
            hash.update(rule.to_be_bytes());
        }
        update_framed(&mut hash, name.as_bytes());
        match address {
            IpAddr::V4(v4) => {
                hash.update([4]);
                hash.update(v4.octets());
            }
            IpAddr::V6(v6) => {
                hash.update([6]);
                hash.update(v6.octets());
            }
        }
    }
    Digest(hash.finalize().into())
}

fn update_framed(hash: &mut Sha256, octets: &[u8]) {
    hash.update((octets.len() as u64).to_be_bytes());
    hash.update(octets);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn policy_digest_is_taken_over_the_documented_octets() {
        let mut octets = b"tollfree-policy-v1\n".to_vec();
        octets.extend_from_slice(b"\0\0\0\0\0\0\0\x06a.toml\0\0\0\0\0\0\0\x02xy");
        octets.extend_from_slice(b"\0\0\0\0\0\0\0\x06b.toml\0\0\0\0\0\0\0\0");
        let wanted: [u8; 32] = Sha256::digest(&octets).into();
        assert_eq!(policy_digest(&[("b.toml", ""), ("a.toml", "xy")]), wanted);
        assert_eq!(policy_digest(&[("a.toml", "xy"), ("b.toml", "")]), wanted);
    }

    #[test]
    fn policy_digest_tells_where_a_name_ends() {
        assert_ne!(policy_digest(&[("ab", "c")]), policy_digest(&[("a", "bc")]));
        assert_ne!(policy_digest(&[("a", "b"), ("c", "d")]), policy_digest(&[("a", "bcd")]));
    }

    #[test]
    fn addresses_digest_is_taken_over_the_documented_octets() {
        let list = BTreeSet::from([AddressStatement {
            rules: vec![7, 258],
            name: "a.vn".to_owned(),
            address: IpAddr::from([192, 0, 2, 1]),
        }]);
        let octets = b"tollfree-addresses-v1\n\0\0\0\0\0\0\0\x02\0\0\0\x07\0\0\x01\x02\0\0\0\0\0\0\0\x04a.vn\x04\xc0\0\x02\x01";
        assert_eq!(addresses_digest(&list), Digest(Sha256::digest(octets).into()));
    }

    proptest! {
        #[test]
        fn digests_come_back_from_their_text(octets in any::<[u8; 32]>()) {
            prop_assert_eq!(Digest(octets).to_string().parse(), Ok(Digest(octets)));
        }

        #[test]
        fn other_text_is_no_digest(text in "\\PC{0,70}") {
            let is_digest = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            prop_assert_eq!(text.parse::<Digest>().is_ok(), is_digest);
        }
    }
}
