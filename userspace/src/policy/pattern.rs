//! The names that a rule may list: one, or all below one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::domain::{DomainName, DomainNameError};
use super::suffix::{LIST_VERSION, SuffixList};
use crate::diagnostic::Explain;

/// What a wildcard begins with.
const WILDCARD_PREFIX: &str = "*.";

/// Names of which a rule says that they are free. Never those of strangers: what the public suffix list tells of is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DomainPattern {
    /// This name alone.
    Exact(DomainName),
    /// Every name with one or more labels before this one; not this one itself.
    Below(DomainName),
}

/// Text that is no [`DomainPattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainPatternError {
    /// The part that is a name is none.
    #[error(transparent)]
    Name(#[from] DomainNameError),
    /// `*` alone.
    #[error("this would cover every name there is")]
    Everything,
    /// A `*` elsewhere than alone in front of the first dot.
    #[error("a `*` can only stand for whole labels at the front of a name")]
    Star,
    /// Strangers register names below it.
    #[error("{suffix} is a public suffix: anyone can have a name below it (list {LIST_VERSION})")]
    PublicSuffix {
        /// The suffix, as the policy writes it.
        suffix: String,
    },
    /// A wildcard that takes in a public suffix.
    #[error("this covers {rule}, where anyone can have a name: it is a public suffix (list {LIST_VERSION})")]
    AbovePublicSuffix {
        /// A rule of the list that is below.
        rule: String,
    },
}

impl Explain for DomainPatternError {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Name(error) => error.help(),
            Self::Everything => "list the names that are meant".into(),
            Self::Star => "write `*.` and a name, as in *.moh.gov.vn: every name below moh.gov.vn, but not \
                           moh.gov.vn itself"
                .into(),
            Self::PublicSuffix { suffix } => {
                format!("list the sites that are meant, each by its own name below {suffix}").into()
            }
            Self::AbovePublicSuffix { .. } => {
                "list the names that are meant, or wildcards further down".into()
            }
        }
    }
}

impl DomainPattern {
    /// The name that is written, without the `*.` of a wildcard.
    pub fn name(&self) -> &DomainName {
        match self {
            Self::Exact(name) | Self::Below(name) => name,
        }
    }

    /// Whether it stands for the names below [`DomainPattern::name`].
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Below(_))
    }

    /// Whether it stands for `name`.
    pub fn covers(&self, name: &DomainName) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Below(apex) => name.parents().any(|parent| parent == apex.as_str()),
        }
    }

    /// The pattern with U-labels; `None` if it has none, or if its name would look like another.
    pub fn unicode(&self) -> Option<String> {
        let prefix = if self.is_wildcard() { WILDCARD_PREFIX } else { "" };
        self.name().unicode().map(|unicode| format!("{prefix}{unicode}"))
    }

    /// The pattern for people: with its U-labels, and with A-labels in parentheses where they differ.
    pub fn in_both_forms(&self) -> String {
        self.unicode().map_or_else(|| self.to_string(), |unicode| format!("{unicode} ({self})"))
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Below(name) => write!(f, "{WILDCARD_PREFIX}{name}"),
        }
    }
}

impl FromStr for DomainPattern {
    type Err = DomainPatternError;

    fn from_str(text: &str) -> Result<Self, DomainPatternError> {
        if text == "*" || text == WILDCARD_PREFIX {
            return Err(DomainPatternError::Everything);
        }
        let wildcard = text.strip_prefix(WILDCARD_PREFIX);
        let written = wildcard.unwrap_or(text);
        if written.contains('*') {
            return Err(DomainPatternError::Star);
        }
        let public = || DomainPatternError::PublicSuffix { suffix: written.trim_end_matches('.').to_owned() };
        let name: DomainName = match written.parse() {
            // What has one label is a top-level domain, if it is anything.
            Err(DomainNameError::TooFewLabels) if wildcard.is_some() => return Err(public()),
            parsed => parsed?,
        };
        let list = SuffixList::pinned();
        if list.is_public(name.as_str()) {
            return Err(public());
        }
        if wildcard.is_none() {
            return Ok(Self::Exact(name));
        }
        match list.rule_below(name.as_str()) {
            Some(rule) => Err(DomainPatternError::AbovePublicSuffix { rule: rule.to_owned() }),
            None => Ok(Self::Below(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> DomainName {
        text.parse().expect("a name")
    }

    fn pattern(text: &str) -> DomainPattern {
        text.parse().expect("a pattern")
    }

    #[test]
    fn a_wildcard_covers_what_is_below_and_not_the_name_itself() {
        let wildcard = pattern("*.MOH.gov.vn.");
        assert_eq!(wildcard, DomainPattern::Below(name("moh.gov.vn")));
        assert_eq!(wildcard.to_string(), "*.moh.gov.vn");
        for (text, covered) in [
            ("www.moh.gov.vn", true),
            ("a.b.c.moh.gov.vn", true),
            ("moh.gov.vn", false),
            ("xmoh.gov.vn", false),
            ("gov.vn", false),
            ("www.moh.gov.vn.example", false),
            ("moh.gov.vn.moh.gov.vn", true),
        ] {
            assert_eq!(wildcard.covers(&name(text)), covered, "{text}");
        }
        let exact = pattern("moh.gov.vn");
        assert!(exact.covers(&name("moh.gov.vn")) && !exact.covers(&name("www.moh.gov.vn")));
    }

    #[test]
    fn internationalised_wildcards_are_shown_in_both_forms() {
        let wildcard = pattern("*.bộytế.vn");
        assert_eq!(wildcard.to_string(), "*.xn--byt-9jzwf.vn");
        assert_eq!(wildcard.in_both_forms(), "*.bộytế.vn (*.xn--byt-9jzwf.vn)");
        assert_eq!(pattern("*.moh.gov.vn").in_both_forms(), "*.moh.gov.vn");
    }

    #[test]
    fn public_suffixes_are_refused_with_and_without_a_star() {
        for suffix in
            ["com.vn", "gov.vn", "hanoi.vn", "github.io", "cloudfront.net", "COM.VN", "com.vn.", "公司.cn"]
        {
            for text in [suffix.to_owned(), format!("*.{suffix}")] {
                let parsed = text.parse::<DomainPattern>();
                assert!(matches!(parsed, Err(DomainPatternError::PublicSuffix { .. })), "{text}: {parsed:?}");
            }
        }
        for text in ["*.vn", "*.vn.", "*.localhost", "*.ck"] {
            let parsed = text.parse::<DomainPattern>();
            assert!(matches!(parsed, Err(DomainPatternError::PublicSuffix { .. })), "{text}: {parsed:?}");
        }
        // An exception of the list: `*.ck` and `!www.ck`.
        assert!("www.ck".parse::<DomainPattern>().is_ok() && "*.www.ck".parse::<DomainPattern>().is_ok());
        assert!("someone.github.io".parse::<DomainPattern>().is_ok());
    }

    #[test]
    fn a_wildcard_above_a_public_suffix_is_refused_and_the_name_alone_is_not() {
        let refused = "*.amazonaws.com".parse::<DomainPattern>();
        assert!(matches!(refused, Err(DomainPatternError::AbovePublicSuffix { .. })), "{refused:?}");
        assert!("amazonaws.com".parse::<DomainPattern>().is_ok());
    }

    #[test]
    fn stars_elsewhere_are_refused() {
        use DomainPatternError as E;
        for (text, error) in [
            ("*", E::Everything),
            ("*.", E::Everything),
            ("**.moh.gov.vn", E::Star),
            ("*.*.gov.vn", E::Star),
            ("*moh.gov.vn", E::Star),
            ("moh.*.vn", E::Star),
            ("moh.gov.*", E::Star),
            ("*.203.0.113.7", E::Name(DomainNameError::Address)),
            ("*..moh.gov.vn", E::Name(DomainNameError::EmptyLabel)),
            ("vn", E::Name(DomainNameError::TooFewLabels)),
        ] {
            assert_eq!(text.parse::<DomainPattern>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_comes_back(text in "(\\*\\.)?[a-z0-9.*-]{0,20}|\\PC{0,30}") {
            if let Ok(pattern) = text.parse::<DomainPattern>() {
                prop_assert_eq!(pattern.to_string().parse(), Ok(pattern.clone()));
                prop_assert_eq!(text.starts_with('*'), pattern.is_wildcard());
            }
        }

        #[test]
        fn covers_is_what_comparing_text_says(
            labels in proptest::collection::vec("[ab]", 0..3),
            below in proptest::collection::vec("[ab]", 0..4),
        ) {
            let text = |labels: &[String]| [labels, &["x".into(), "example".into()]].concat().join(".");
            let (apex, name) = (text(&labels), text(&below));
            let (exact, wildcard) = (pattern(&apex), pattern(&format!("*.{apex}")));
            prop_assert_eq!(exact.covers(&self::name(&name)), apex == name);
            prop_assert_eq!(wildcard.covers(&self::name(&name)), name.ends_with(&format!(".{apex}")));
        }
    }
}
