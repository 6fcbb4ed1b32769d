//! Domain names that rules list.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::normal::{A_LABEL_PREFIX, is_a_label, to_ascii, to_unicode};
use super::suffix::parents;
use crate::diagnostic::Explain;

/// Octets of one label (RFC 1035, section 2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;

/// Octets of a name as text, without the trailing dot: RFC 1035's 255 on the wire, less the first length
/// octet and the root.
pub const NAME_OCTETS_MAX: usize = 253;

/// Labels of a name. Reason: a single label is a local name or a top-level domain, never one site.
pub const LABELS_MIN: usize = 2;

/// A host name as it is on the wire: lower case, no trailing dot, labels of letters, digits and inner hyphens (RFC
/// 1035, section 2.3.1; RFC 1123, section 2.1), at least two of them, not an IP address.
///
/// Read from text, it may be internationalised, and is brought into the form of UTS 46; upper case and a trailing dot
/// do not matter. What is written so that it could be taken for another name is refused. Names that were seen on the
/// wire are read by [`super::WireName`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

/// Text that is no [`DomainName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainNameError {
    /// A wildcard, where one name is wanted.
    #[error("a wildcard is not possible here")]
    Wildcard,
    /// An IP address, or text that resolvers could take for one.
    #[error("this is an address, not a domain name")]
    Address,
    /// No dot inside.
    #[error("the name has fewer than {LABELS_MIN} labels")]
    TooFewLabels,
    /// Too long as a whole.
    #[error("the name has {octets} octets; at most {NAME_OCTETS_MAX} are possible")]
    NameTooLong {
        /// Its length as A-labels, without a trailing dot.
        octets: usize,
    },
    /// Two dots in a row, or one at the start.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// Too long between two dots.
    #[error("the label `{label}` has {octets} octets; at most {LABEL_OCTETS_MAX} are possible")]
    LabelTooLong {
        /// The label, as an A-label if it is internationalised.
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
    /// An ASCII character that host names do not have.
    #[error("a host name cannot have the character {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
    /// Internationalised, and not possible in any form (UTS 46, section 4.1), or an A-label that stands for nothing.
    #[error("the label `{label}` is not possible in an internationalised name")]
    Label {
        /// The label.
        label: String,
    },
    /// Internationalised, and not in the form that UTS 46 gives it, as with accents that are characters of their own.
    #[error("the name is not in its normal form, though it may look the same")]
    NotNormal {
        /// The normal form.
        unicode: String,
        /// The same in A-labels.
        ascii: String,
    },
    /// Reads like another name (UTS 39).
    #[error(
        "the label `{label}` may be read as `{looks_like}`: it has look-alikes, or characters of several scripts"
    )]
    LooksLike {
        /// The label.
        label: String,
        /// What it may be taken for.
        looks_like: String,
        /// The label in the form in which nobody takes it for another.
        a_label: String,
    },
}

impl Explain for DomainNameError {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Wildcard => "write one name, without `*.`".into(),
            Self::Address => "list addresses under `networks`, as in 203.0.113.7/32".into(),
            Self::TooFewLabels => "write the whole name, as in moh.gov.vn".into(),
            Self::NameTooLong { .. } | Self::LabelTooLong { .. } => {
                "check the name: no such name can exist".into()
            }
            Self::EmptyLabel => "remove the surplus dot".into(),
            Self::OuterHyphen { .. } => "remove the hyphen".into(),
            Self::Character { .. } => "write the host name alone, without scheme, port or path".into(),
            Self::Label { .. } => "check the name: no registry takes such a label".into(),
            Self::NotNormal { unicode, ascii } if unicode == ascii => format!("write {ascii}").into(),
            Self::NotNormal { unicode, ascii } => format!("write {unicode}, or {ascii}").into(),
            Self::LooksLike { looks_like, a_label, .. } => {
                format!("write {looks_like} if that is meant, else {a_label}").into()
            }
        }
    }
}

impl DomainName {
    /// The name, as A-labels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that `octets` on the wire write, in any case, with or without a trailing dot; `None` if it is no host's.
    pub(super) fn on_wire(octets: &[u8]) -> Option<Self> {
        let octets = octets.strip_suffix(b".").unwrap_or(octets);
        // Longer ones need not be copied.
        let name = str::from_utf8(octets.get(..NAME_OCTETS_MAX.min(octets.len()))?).ok()?;
        let is_whole = name.len() == octets.len();
        (is_whole && name.is_ascii() && check(name).is_ok()).then(|| Self(name.to_ascii_lowercase()))
    }

    /// The name with U-labels, for people; `None` if it has none, or if it would look like another name.
    pub fn unicode(&self) -> Option<String> {
        to_unicode(&self.0)
    }

    /// The names that it is below, from the longest on, top-level domain included.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        parents(&self.0)
    }

    /// The name for people: with its U-labels, and with A-labels in parentheses where they differ.
    pub fn in_both_forms(&self) -> String {
        self.unicode().map_or_else(|| self.0.clone(), |unicode| format!("{unicode} ({})", self.0))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Equal, ordered and hashed as its text is.
impl Borrow<str> for DomainName {
    fn borrow(&self) -> &str {
        &self.0
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
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_ascii() {
            check(name)?;
        } else {
            name.split('.').try_for_each(check_characters)?;
        }
        let ascii = if name.is_ascii() { name.to_ascii_lowercase() } else { to_ascii(name)? };
        check(&ascii)?;
        match ascii.split('.').find(|label| label.starts_with(A_LABEL_PREFIX) && !is_a_label(label)) {
            Some(label) => Err(DomainNameError::Label { label: label.to_owned() }),
            None => Ok(Self(ascii)),
        }
    }
}

/// Whether `name`, which is ASCII, can be a host's.
fn check(name: &str) -> Result<(), DomainNameError> {
    if name.len() > NAME_OCTETS_MAX {
        return Err(DomainNameError::NameTooLong { octets: name.len() });
    }
    for label in name.split('.') {
        check_characters(label)?;
        if label.len() > LABEL_OCTETS_MAX {
            return Err(DomainNameError::LabelTooLong { label: label.to_owned(), octets: label.len() });
        }
    }
    let Some((_, top)) = name.rsplit_once('.') else { return Err(DomainNameError::TooFewLabels) };
    // RFC 3696, section 2: no top-level domain is all digits, so that a name is never taken for an address.
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DomainNameError::Address);
    }
    Ok(())
}

/// Whether the ASCII characters of a label are where they may be.
fn check_characters(label: &str) -> Result<(), DomainNameError> {
    if label.is_empty() {
        return Err(DomainNameError::EmptyLabel);
    }
    if let Some(character) = label.chars().find(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && *c != '-') {
        return Err(DomainNameError::Character { character });
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
            ("bộ_tế.vn", E::Character { character: '_' }),
            ("bộ..vn", E::EmptyLabel),
            ("-bộ.vn", E::OuterHyphen { label: "-bộ".into() }),
            ("bộtế", E::TooFewLabels),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    /// A name and its A-labels: RFC 3492, section 7.1 (O), in lower case, and Python's `punycode` codec.
    const INTERNATIONALISED: [(&str, &str); 4] = [
        ("tạisaohọkhôngthểchỉnóitiếngviệt.vn", "xn--tisaohkhngthchnitingvit-kjcr8268qyxafd2f1b9g.vn"),
        ("bộytế.vn", "xn--byt-9jzwf.vn"),
        ("việtnam.gov.vn", "xn--vitnam-jk8b.gov.vn"),
        ("bücher.example", "xn--bcher-kva.example"),
    ];

    #[test]
    fn internationalised_names_are_read_in_both_forms() {
        for (unicode, ascii) in INTERNATIONALISED {
            for text in
                [unicode, ascii, &unicode.to_uppercase(), &ascii.to_uppercase(), &format!("{unicode}.")]
            {
                let name: DomainName = text.parse().expect("a name");
                assert_eq!((name.as_str(), name.unicode().as_deref()), (ascii, Some(unicode)), "{text}");
                assert_eq!(name.in_both_forms(), format!("{unicode} ({ascii})"));
            }
        }
        let name: DomainName = "moh.gov.vn".parse().expect("a name");
        assert_eq!((name.unicode(), name.in_both_forms().as_str()), (None, "moh.gov.vn"));
    }

    #[test]
    fn what_is_not_in_normal_form_is_refused_with_that_form() {
        let normal = |unicode: &str, ascii: &str| {
            Err(DomainNameError::NotNormal { unicode: unicode.into(), ascii: ascii.into() })
        };
        // Accents as characters of their own, in part and in whole.
        for text in ["bộyte\u{302}\u{301}.vn", "bo\u{323}\u{302}yte\u{302}\u{301}.vn", "bộy\u{ad}tế.vn"]
        {
            assert_eq!(parse(text), normal("bộytế.vn", "xn--byt-9jzwf.vn"), "{text:?}");
        }
        for text in ["ｍｏｈ.gov.vn", "moh。gov。vn", "moh.gov\u{200b}.vn", "moh.gov.vⁿ"] {
            assert_eq!(parse(text), normal("moh.gov.vn", "moh.gov.vn"), "{text:?}");
        }
        let help = parse("bộyte\u{302}\u{301}.vn").expect_err("not normal").help().into_owned();
        assert_eq!(help, "write bộytế.vn, or xn--byt-9jzwf.vn");
    }

    #[test]
    fn look_alikes_are_refused_unless_they_are_written_as_a_labels() {
        let looks = |label: &str, looks_like: &str, a_label: &str| {
            let (label, looks_like, a_label) = (label.into(), looks_like.into(), a_label.into());
            Err(DomainNameError::LooksLike { label, looks_like, a_label })
        };
        // A Cyrillic о between Latin letters; Cyrillic letters throughout; a Latin i without its dot.
        for (label, looks_like, a_label) in [
            ("m\u{43e}h", "moh", "xn--mh-fmc"),
            ("\u{430}\u{440}\u{440}\u{4cf}\u{435}", "apple", "xn--80ak6aa92e"),
            ("\u{131}", "i", "xn--cfa"),
        ] {
            assert_eq!(parse(&format!("{label}.gov.vn")), looks(label, looks_like, a_label), "{label}");
            let name: DomainName = format!("{a_label}.gov.vn").parse().expect("it is meant so");
            assert_eq!(name.unicode(), None, "shown, it would look like {looks_like}");
        }
        // One script, and nobody takes it for Latin.
        assert!(parse("пример.example").is_ok() && parse("例え.example").is_ok());
    }

    #[test]
    fn labels_that_stand_for_nothing_are_refused() {
        // With a U-label inside; what Punycode cannot be; a character that is none.
        for label in ["xn--\u{1ed9}", "xn--a", "xn--a-b", "xn--byt-9jzwf0000000", "a\u{300}\u{fffe}"] {
            let text = format!("{label}.vn");
            assert_eq!(parse(&text), Err(DomainNameError::Label { label: label.into() }), "{label}");
        }
        // RFC 5892 keeps the third and fourth place for what begins with xn--, but hosts have hyphens there.
        assert!(parse("r3---sn-42u-i5oed.example").is_ok());
    }

    #[test]
    fn lengths_are_those_of_the_wire() {
        // Twenty characters, more than 63 octets: each ộ takes several digits of Punycode.
        let label = "ộạứỹễớỡợụĩũơưđếềểệốổỗờởỷỵ".repeat(2);
        assert!(matches!(
            parse(&format!("{label}.vn")),
            Err(DomainNameError::LabelTooLong { octets: 64.., .. })
        ));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_normal_and_stays_as_it_is(text in "[a-zA-Z0-9.*_-]{0,70}|\\PC{0,40}") {
            if let Ok(name) = parse(&text) {
                prop_assert_eq!(parse(&name), Ok(name.clone()));
                prop_assert!(name.len() <= 253 && name.contains('.') && !name.ends_with('.'));
                prop_assert!(name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')));
                let written = text.strip_suffix('.').unwrap_or(&text);
                prop_assert!(!text.is_ascii() || name.eq_ignore_ascii_case(written));
            }
        }

        #[test]
        fn internationalised_text_is_refused_or_comes_back(text in "([a-zàáâãèéêìíòóôõùúýăđĩũơưạ-ỹ]{1,8}\\.){1,3}vn|\\PC{1,30}\\.vn") {
            if let Ok(name) = text.parse::<DomainName>() {
                let again = name.as_str().parse::<DomainName>();
                prop_assert_eq!(again.as_ref(), Ok(&name));
                if let Some(unicode) = name.unicode() {
                    prop_assert_eq!(unicode.parse(), Ok(name));
                }
            }
        }

        #[test]
        fn every_ldh_name_is_accepted(name in "([a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?\\.){1,4}[a-z]{2,6}") {
            prop_assert_eq!(parse(&name), Ok(name));
        }
    }
}
