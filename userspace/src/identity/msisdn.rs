//! Telephone numbers of subscribers.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Explain;

/// Digits of an MSISDN, country code included. Reason: E.164 allows fifteen at most; the shortest numbers in use, of
/// small islands, have seven, so that anything shorter is some other number.
pub const MSISDN_DIGITS: RangeInclusive<usize> = 7..=15;

/// A subscriber's telephone number in international form (3GPP TS 23.003, clause 3.3).
///
/// Held as a number, because no country code begins with 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Msisdn(u64);

/// Text that is no MSISDN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a telephone number in international form")]
pub struct MsisdnError;

impl Explain for MsisdnError {
    fn help(&self) -> Cow<'static, str> {
        format!(
            "write {} to {} digits that begin with the country code, as in 84901234567",
            MSISDN_DIGITS.start(),
            MSISDN_DIGITS.end()
        )
        .into()
    }
}

impl FromStr for Msisdn {
    type Err = MsisdnError;

    /// Reads digits, with or without `+` in front of them.
    fn from_str(text: &str) -> Result<Self, MsisdnError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits =
            MSISDN_DIGITS.contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !fits || digits.starts_with('0') {
            return Err(MsisdnError);
        }
        digits.parse().map(Self).map_err(|_| MsisdnError)
    }
}

impl TryFrom<String> for Msisdn {
    type Error = MsisdnError;

    fn try_from(text: String) -> Result<Self, MsisdnError> {
        text.parse()
    }
}

impl From<Msisdn> for String {
    fn from(value: Msisdn) -> Self {
        value.to_string()
    }
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Shows the last three digits only: whose number it is does not belong in a log.
impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Msisdn(…{:03})", self.0 % 1000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn international_numbers_are_read_with_and_without_a_plus() {
        for (text, shown) in [
            ("84901234567", "84901234567"),
            ("+84901234567", "84901234567"),
            ("6834123", "6834123"),
            ("123456789012345", "123456789012345"),
        ] {
            assert_eq!(text.parse::<Msisdn>().map(|msisdn| msisdn.to_string()).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn what_is_no_international_number_is_refused() {
        for text in [
            "",
            "+",
            "++84901234567",
            "0901234567",
            "113",
            "683412",
            "1234567890123456",
            "84 901234567",
            "84-901-234567",
            "84901234567\0",
            "00-10-20-30-40-50",
            "８４９０１２３４５６７",
        ] {
            assert_eq!(text.parse::<Msisdn>(), Err(MsisdnError), "{text}");
        }
    }

    #[test]
    fn debug_output_does_not_tell_whose_number_it_is() {
        let msisdn: Msisdn = "84901234567".parse().expect("an MSISDN");
        assert_eq!(format!("{msisdn:?}"), "Msisdn(…567)");
    }

    proptest! {
        #[test]
        fn what_is_read_is_shown_as_it_was_written(text in "\\PC{0,20}|[0-9+]{0,20}") {
            if let Ok(msisdn) = text.parse::<Msisdn>() {
                prop_assert_eq!(msisdn.to_string(), text.trim_start_matches('+'));
            }
        }
    }
}
