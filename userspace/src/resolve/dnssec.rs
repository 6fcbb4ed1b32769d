//! Whether answers are validated, and what came of it.

/// What is asked of a name's signatures (RFC 4035); the strictest is the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dnssec {
    /// Answers are not validated.
    #[default]
    Off,
    /// Answers are validated: a bogus one is not used, an unsigned one is.
    Opportunistic,
    /// Only answers whose signatures lead up to a trust anchor are used.
    Required,
}

impl Dnssec {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Opportunistic, Self::Required];

    /// The word in configuration and policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Opportunistic => "opportunistic",
            Self::Required => "required",
        }
    }
}

/// What validation said of an answer (RFC 4035, section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// It was not validated.
    Unchecked,
    /// Signed, up to a trust anchor.
    Secure,
    /// Not signed, and the zones above say so.
    Insecure,
    /// Neither could be found out.
    Indeterminate,
    /// It should be signed and is not, or wrongly.
    Bogus,
}

impl Security {
    /// The word in status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Secure => "secure",
            Self::Insecure => "insecure",
            Self::Indeterminate => "indeterminate",
            Self::Bogus => "bogus",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Unchecked, Self::Secure, Self::Insecure, Self::Indeterminate, Self::Bogus];

    /// Whether an answer that is so may be used where `dnssec` is asked for.
    pub const fn suffices(self, dnssec: Dnssec) -> bool {
        match dnssec {
            Dnssec::Off => true,
            Dnssec::Opportunistic => !matches!(self, Self::Bogus),
            Dnssec::Required => matches!(self, Self::Secure),
        }
    }

    /// Whether an answer of the resolver that was so before a restart is trusted after it, where `dnssec` is asked for
    /// now. One that nobody validated is not, where validation is asked for: it may be what validation would refuse.
    pub const fn outlasts_restart(self, dnssec: Dnssec) -> bool {
        self.suffices(dnssec) && (matches!(dnssec, Dnssec::Off) || !matches!(self, Self::Unchecked))
    }
}

/// Text that is no word for what validation said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no result of validation; known are unchecked, secure, insecure, indeterminate, bogus")]
pub struct SecurityError {
    /// The text.
    pub word: String,
}

impl std::str::FromStr for Security {
    type Err = SecurityError;

    fn from_str(word: &str) -> Result<Self, SecurityError> {
        let known = Self::ALL.into_iter().find(|security| security.name() == word);
        known.ok_or_else(|| SecurityError { word: word.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proof_suffices_where_it_is_required() {
        use Security::{Bogus, Indeterminate, Insecure, Secure, Unchecked};
        for (security, opportunistic, required) in [
            (Unchecked, true, false),
            (Secure, true, true),
            (Insecure, true, false),
            (Indeterminate, true, false),
            (Bogus, false, false),
        ] {
            assert!(security.suffices(Dnssec::Off));
            assert_eq!(security.suffices(Dnssec::Opportunistic), opportunistic, "{security:?}");
            assert_eq!(security.suffices(Dnssec::Required), required, "{security:?}");
        }
        assert!(Dnssec::ALL.is_sorted(), "the strictest is the greatest");
    }

    #[test]
    fn what_nobody_validated_is_not_trusted_after_a_restart_that_asks_for_it() {
        use Security::{Bogus, Indeterminate, Insecure, Secure, Unchecked};
        for (security, opportunistic, required) in [
            (Unchecked, false, false),
            (Secure, true, true),
            (Insecure, true, false),
            (Indeterminate, true, false),
            (Bogus, false, false),
        ] {
            assert!(security.outlasts_restart(Dnssec::Off));
            assert_eq!(security.outlasts_restart(Dnssec::Opportunistic), opportunistic, "{security:?}");
            assert_eq!(security.outlasts_restart(Dnssec::Required), required, "{security:?}");
            assert_eq!(security.name().parse(), Ok(security));
        }
        assert!("Secure".parse::<Security>().is_err());
    }
}
