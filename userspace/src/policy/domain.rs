//! Domain names that rules list.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::diagnostic::Explain;

/// Octets of one label (RFC 1035, section 2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;

/// Octets of a name as text, without the trailing dot: RFC 1035's 255 on the wire, less the first length
/// octet and the root.
pub const NAME_OCTETS_MAX: usize = 253;

/// Labels of a name. Reason: a single label is a local name or a top-level domain, never one site.
pub const LABELS_MIN: usize = 2;

/// An exact host name: lower case, no trailing dot, labels of letters, digits and inner hyphens (RFC 1035,
/// section 2.3.1; RFC 1123, section 2.1), at least two of them, not an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

/// Text that is no [`DomainName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainNameError {
    /// A wildcard, which would need evidence of the name on the wire.
    #[error("this version does not enforce wildcard domains")]
    Wildcard,
    /// An IP address, or text that resolvers could take for one.
    #[error("this is an address, not a domain name")]
    Address,
    /// Internationalised, and not in the form that is on the wire.
    #[error("the name has the character {character:?}, which is not ASCII")]
    Unicode {
        /// The first such character.
        character: char,
    },
    /// No dot inside.
    #[error("the name has fewer than {LABELS_MIN} labels")]
    TooFewLabels,
    /// Too long as a whole.
    #[error("the name has {octets} octets; at most {NAME_OCTETS_MAX} are possible")]
    NameTooLong {
        /// Its length, without a trailing dot.
        octets: usize,
    },
    /// Two dots in a row, or one at the start.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// Too long between two dots.
    #[error("the label `{label}` has {octets} octets; at most {LABEL_OCTETS_MAX} are possible")]
    LabelTooLong {
        /// The label.
        label: String,
        /// Its length.
        octets: usize,
    },
    /// A hyphen at the start or end of a label.
    #[error("the label `{label}` begins or ends with a hyphen")]
    OuterHyphen {
        /// The label.
        label: String,
    },
    /// A character that host names do not have.
    #[error("a host name cannot have the character {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
}

impl Explain for DomainNameError {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Wildcard => "list each host name on its own".into(),
            Self::Address => "list addresses under `networks`, as in 203.0.113.7/32".into(),
            Self::Unicode { .. } => "write the A-label, the form that begins with xn--".into(),
            Self::TooFewLabels => "write the whole name, as in moh.gov.vn".into(),
            Self::NameTooLong { .. } | Self::LabelTooLong { .. } => {
                "check the name: no such name can exist".into()
            }
            Self::EmptyLabel => "remove the surplus dot".into(),
            Self::OuterHyphen { .. } => "remove the hyphen".into(),
            Self::Character { .. } => "write the host name alone, without scheme, port or path".into(),
        }
    }
}

impl DomainName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DomainName {
    type Err = DomainNameError;

    fn from_str(text: &str) -> Result<Self, DomainNameError> {
        if text.contains('*') {
            return Err(DomainNameError::Wildcard);
        }
        if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Err(DomainNameError::Address);
        }
        if let Some(character) = text.chars().find(|c| !c.is_ascii()) {
            return Err(DomainNameError::Unicode { character });
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > NAME_OCTETS_MAX {
            return Err(DomainNameError::NameTooLong { octets: name.len() });
        }
        name.split('.').try_for_each(check_label)?;
        if name.split('.').count() < LABELS_MIN {
            return Err(DomainNameError::TooFewLabels);
        }
        // RFC 3696, section 2: no top-level domain is all digits, so that a name is never taken for an
        // address.
        if name.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit())) {
            return Err(DomainNameError::Address);
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

fn check_label(label: &str) -> Result<(), DomainNameError> {
    if label.is_empty() {
        return Err(DomainNameError::EmptyLabel);
    }
    if let Some(character) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Err(DomainNameError::Character { character });
    }
    if label.len() > LABEL_OCTETS_MAX {
        return Err(DomainNameError::LabelTooLong { label: label.to_owned(), octets: label.len() });
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(DomainNameError::OuterHyphen { label: label.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<String, DomainNameError> {
        text.parse().map(|name: DomainName| name.to_string())
    }

    #[test]
    fn case_and_the_trailing_dot_do_not_matter() {
        for text in ["ncov.moh.gov.vn", "NCOV.moh.GOV.vn", "ncov.moh.gov.vn."] {
            assert_eq!(parse(text).as_deref(), Ok("ncov.moh.gov.vn"));
        }
        // RFC 1123, section 2.1: a label may begin with a digit.
        assert_eq!(parse("3com.com").as_deref(), Ok("3com.com"));
        assert_eq!(parse("xn--bcher-kva.example").as_deref(), Ok("xn--bcher-kva.example"));
    }

    #[test]
    fn lengths_are_those_of_rfc_1035() {
        let label = "a".repeat(63);
        assert!(parse(&format!("{label}.vn")).is_ok());
        assert!(matches!(
            parse(&format!("a{label}.vn")),
            Err(DomainNameError::LabelTooLong { octets: 64, .. })
        ));
        // 3 * 64 + 61 = 253.
        let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert!(parse(&longest).is_ok());
        assert!(parse(&format!("{longest}.")).is_ok());
        assert_eq!(parse(&format!("{longest}b")), Err(DomainNameError::NameTooLong { octets: 254 }));
    }

    #[test]
    fn what_is_no_host_name_is_refused_for_what_it_is() {
        use DomainNameError as E;
        for (text, error) in [
            ("*.moh.gov.vn", E::Wildcard),
            ("moh.*.vn", E::Wildcard),
            ("203.0.113.7", E::Address),
            ("2001:db8::1", E::Address),
            ("[2001:db8::1]", E::Address),
            ("203.0.113", E::Address),
            ("bộytế.vn", E::Unicode { character: 'ộ' }),
            ("localhost", E::TooFewLabels),
            ("vn.", E::TooFewLabels),
            ("", E::EmptyLabel),
            (".", E::EmptyLabel),
            ("moh..vn", E::EmptyLabel),
            (".moh.vn", E::EmptyLabel),
            ("moh.vn..", E::EmptyLabel),
            ("-moh.vn", E::OuterHyphen { label: "-moh".into() }),
            ("moh-.vn", E::OuterHyphen { label: "moh-".into() }),
            ("moh_gov.vn", E::Character { character: '_' }),
            ("https://moh.gov.vn", E::Character { character: ':' }),
            ("moh.gov.vn/", E::Character { character: '/' }),
            ("moh gov.vn", E::Character { character: ' ' }),
            ("moh.gov.vn\0", E::Character { character: '\0' }),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_normal_and_stays_as_it_is(text in "[a-zA-Z0-9.*_-]{0,70}|\\PC{0,40}") {
            if let Ok(name) = parse(&text) {
                prop_assert_eq!(parse(&name), Ok(name.clone()));
                prop_assert!(name.len() <= 253 && name.contains('.') && !name.ends_with('.'));
                prop_assert!(name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')));
                prop_assert!(name.eq_ignore_ascii_case(text.strip_suffix('.').unwrap_or(&text)));
            }
        }

        #[test]
        fn every_ldh_name_is_accepted(name in "([a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?\\.){1,4}[a-z]{2,6}") {
            prop_assert_eq!(parse(&name), Ok(name));
        }
    }
}
