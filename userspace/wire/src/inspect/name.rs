//! Names as they are asked for.

use std::fmt;
use std::net::Ipv4Addr;

/// Longest name, in octets without the trailing dot (RFC 1035, section 2.3.4: 255 with lengths and root).
const NAME_OCTETS_MAX: usize = 253;
/// Longest label, in octets (RFC 1035, section 2.3.4).
const LABEL_OCTETS_MAX: usize = 63;

/// A host's name: lower case ASCII, labels of letters, digits, `-` and `_`, no trailing dot, no port; no IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Box<str>);

/// Why text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is an IP address, in whatever notation, or nothing at all.
    #[error("an address, not a name")]
    Address,
    /// No host can have it.
    #[error("not the name of a host")]
    Invalid,
}

impl HostName {
    /// Reads a name as TLS carries it (RFC 6066, section 3): no port. A trailing dot is taken off.
    pub fn parse(octets: &[u8]) -> Result<Self, NameError> {
        let text = std::str::from_utf8(octets).map_err(|_| NameError::Invalid)?;
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() || name.starts_with('[') {
            return Err(NameError::Address);
        }
        if name.len() > NAME_OCTETS_MAX || !name.split('.').all(is_label) {
            return Err(NameError::Invalid);
        }
        if is_address(name) {
            return Err(NameError::Address);
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }

    /// Reads an authority as HTTP carries it (RFC 9110, section 4.2): with or without a port, without user information.
    pub fn parse_authority(octets: &[u8]) -> Result<Self, NameError> {
        if octets.starts_with(b"[") {
            return Err(NameError::Address);
        }
        let mut parts = octets.rsplitn(2, |&octet| octet == b':');
        let last = parts.next().unwrap_or_default();
        let Some(host) = parts.next() else { return Self::parse(last) };
        if last.iter().all(u8::is_ascii_digit) { Self::parse(host) } else { Err(NameError::Invalid) }
    }

    /// The name.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    !label.is_empty() && label.len() <= LABEL_OCTETS_MAX && label.bytes().all(allowed)
}

/// Whether programs take it for an IPv4 address: no top-level domain is a number (RFC 3696, section 2), but `127.1` and
/// `0x7f000001` are addresses for many.
fn is_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    name.parse::<Ipv4Addr>().is_ok()
        || last.bytes().all(|octet| octet.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|octet| octet.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::{HostName, NameError};

    #[test]
    fn names_are_normalised() {
        for (text, name) in [
            ("Ncov.MOH.gov.vn", "ncov.moh.gov.vn"),
            ("ncov.moh.gov.vn.", "ncov.moh.gov.vn"),
            ("_dns.example", "_dns.example"),
            ("xn--b-1ga.example", "xn--b-1ga.example"),
            ("3com.example", "3com.example"),
        ] {
            assert_eq!(HostName::parse(text.as_bytes()).map(|name| name.to_string()), Ok(name.to_owned()));
        }
        let longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        assert!(HostName::parse(longest.as_bytes()).is_ok());
    }

    #[test]
    fn addresses_are_no_names() {
        for text in ["192.0.2.1", "[2001:db8::1]", "", ".", "127.1", "2130706433", "0x7f000001", "1.2.3.0X4"]
        {
            assert_eq!(HostName::parse(text.as_bytes()), Err(NameError::Address), "{text}");
        }
    }

    #[test]
    fn what_no_host_has_is_refused() {
        let long_label = "a".repeat(64);
        let long = ["a"; 128].join(".");
        for text in [
            "a..b",
            "a b",
            "a/b",
            "user@a",
            "a:b",
            "tr\u{ea}n.vn",
            "a\0.b",
            "2001:db8::1",
            &long_label,
            &long,
        ] {
            assert_eq!(HostName::parse(text.as_bytes()), Err(NameError::Invalid), "{text}");
        }
        assert_eq!(HostName::parse(b"\xff.example"), Err(NameError::Invalid));
    }

    #[test]
    fn an_authority_may_have_a_port() {
        for text in ["Example.vn", "example.vn:8080", "example.vn.:80", "example.vn:"] {
            assert_eq!(HostName::parse_authority(text.as_bytes()), HostName::parse(b"example.vn"), "{text}");
        }
        for text in ["192.0.2.1:80", "[2001:db8::1]:443", "[2001:db8::1]", ":80", ""] {
            assert_eq!(HostName::parse_authority(text.as_bytes()), Err(NameError::Address), "{text}");
        }
        for text in ["example.vn:8o", "a:b:80", "me@example.vn", "me:1@example.vn:80"] {
            assert_eq!(HostName::parse_authority(text.as_bytes()), Err(NameError::Invalid), "{text}");
        }
    }
}
