//! Faults of a policy beyond its single values.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::diagnostic::Explain;

/// What is wrong with a policy or a rule as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PolicyFault {
    /// Ends before it begins.
    #[error("the policy ends at {valid_until}, not after it begins at {valid_from}")]
    Times { valid_from: Timestamp, valid_until: Timestamp },
    /// Two rules of one policy with one id.
    #[error("another rule of this policy has the same id")]
    RuleTwice,
    /// Two policies with one id.
    #[error("the policy in {file} has the same id")]
    PolicyTwice { file: String },
    /// Names no remote address.
    #[error("the site has neither `domains` nor `networks`")]
    EmptySite,
    /// Asks for names and has none.
    #[error("evidence by name needs `domains`")]
    NoNames,
    /// Says something of names and has none.
    #[error("`dnssec` and `cname_suffixes` are about names, and there are no `domains`")]
    TermsWithoutNames,
    /// Says something of names that nobody looks at.
    #[error("`hidden_name` is about names on the wire, and the evidence is the address alone")]
    HiddenByAddress,
    /// Not a volume.
    #[error("this is not a volume of at least one octet")]
    Ceiling,
    /// Nothing is free that could come to an end.
    #[error("a ceiling on what is not free")]
    CeilingOfCharged,
    /// Not one of the words that are possible here.
    #[error("this word is not known here")]
    Word { known: &'static str },
}

impl Explain for PolicyFault {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Times { .. } => "correct the times; leave `valid_until` out if there is no end".into(),
            Self::RuleTwice => "give each site and hotline of a policy an id of its own".into(),
            Self::PolicyTwice { .. } => {
                "give each policy an id of its own, or remove one of the files".into()
            }
            Self::EmptySite => "list domains, networks or both".into(),
            Self::NoNames => "list the domains; for networks alone, write evidence = \"address\"".into(),
            Self::TermsWithoutNames => "list the domains, or remove what is said of them".into(),
            Self::HiddenByAddress => "write evidence = \"name-and-address\", or remove `hidden_name`".into(),
            Self::Ceiling => "write a number and a unit, such as \"2 GiB\" or \"500 MB\"".into(),
            Self::CeilingOfCharged => "remove `daily_ceiling`: a \"priority\" site is paid for anyway".into(),
            Self::Word { known } => format!("write {known}").into(),
        }
    }
}
