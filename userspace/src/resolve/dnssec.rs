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

    /// Whether an answer that is so may be used where `dnssec` is asked for.
    pub const fn suffices(self, dnssec: Dnssec) -> bool {
        match dnssec {
            Dnssec::Off => true,
            Dnssec::Opportunistic => !matches!(self, Self::Bogus),
            Dnssec::Required => matches!(self, Self::Secure),
        }
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
}
