//! Identities of subscriptions.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Explain;

/// Digits of an IMSI. Reason: fifteen at most (3GPP TS 23.003, clause 2.2); country and network take five or six, and
/// there is a subscriber behind them.
pub const IMSI_DIGITS: RangeInclusive<usize> = 6..=15;

/// An international mobile subscription identity (3GPP TS 23.003, clause 2.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Imsi {
    /// As a decimal number.
    value: u64,
    /// How many digits it has; those of test networks begin with 0.
    digits: u8,
}

/// Text that is no IMSI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an IMSI")]
pub struct ImsiError;

impl Explain for ImsiError {
    fn help(&self) -> Cow<'static, str> {
        format!("write {} to {} digits, as in 452011234567890", IMSI_DIGITS.start(), IMSI_DIGITS.end()).into()
    }
}

impl FromStr for Imsi {
    type Err = ImsiError;

    fn from_str(text: &str) -> Result<Self, ImsiError> {
        if !IMSI_DIGITS.contains(&text.len()) || !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(ImsiError);
        }
        let digits = u8::try_from(text.len()).map_err(|_| ImsiError)?;
        text.parse().map(|value| Self { value, digits }).map_err(|_| ImsiError)
    }
}

impl TryFrom<String> for Imsi {
    type Error = ImsiError;

    fn try_from(text: String) -> Result<Self, ImsiError> {
        text.parse()
    }
}

impl From<Imsi> for String {
    fn from(value: Imsi) -> Self {
        value.to_string()
    }
}

impl fmt::Display for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0digits$}", self.value, digits = usize::from(self.digits))
    }
}

/// Shows the last three digits only: whose subscription it is does not belong in a log.
impl fmt::Debug for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Imsi(…{:03})", self.value % 1000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identities_are_read_with_their_leading_zeros() {
        for text in ["452011234567890", "001010123456789", "452011", "000000"] {
            assert_eq!(text.parse::<Imsi>().map(|imsi| imsi.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        for text in ["", "45201", "4520112345678901", "+52011234567890", "45201123456789a", "45201 1234"] {
            assert_eq!(text.parse::<Imsi>(), Err(ImsiError), "{text}");
        }
    }

    #[test]
    fn identities_that_differ_in_leading_zeros_are_different() {
        assert_ne!("001010".parse::<Imsi>(), "0001010".parse::<Imsi>());
    }

    #[test]
    fn debug_output_does_not_tell_whose_identity_it_is() {
        let imsi: Imsi = "452011234567890".parse().expect("an IMSI");
        assert_eq!(format!("{imsi:?}"), "Imsi(…890)");
    }

    proptest! {
        #[test]
        fn what_is_read_is_shown_as_it_was_written(text in "\\PC{0,20}|[0-9]{0,20}") {
            if let Ok(imsi) = text.parse::<Imsi>() {
                prop_assert_eq!(imsi.to_string(), text);
            }
        }
    }
}
