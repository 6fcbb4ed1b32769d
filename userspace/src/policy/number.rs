//! Telephone numbers, as people dial them and as policies list them.

use std::borrow::Cow;
use std::fmt;

use crate::diagnostic::Explain;

/// Digits of a number. Reason: three are the shortest service numbers, fifteen the most E.164 (clause 6)
/// allows.
pub const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 3..=15;

/// How a country dials.
#[derive(Debug, PartialEq, Eq)]
pub struct NumberingPlan {
    /// ISO 3166-1 code.
    pub country: &'static str,
    /// Country code (E.164).
    pub country_code: &'static str,
    /// Dialled before a subscriber's number within the country.
    pub national_prefix: &'static str,
    /// Dialled before a country code.
    pub international_prefix: &'static str,
    /// First digit of service numbers, which are dialled without the national prefix.
    pub service_digit: char,
    /// Fewest digits of a service number that can be reached by country code; shorter ones, such as 113 to
    /// 115, exist only within the country.
    pub international_service_digits_min: usize,
}

/// Vietnam. Service numbers (1900…, 1800…) have eight to ten digits and begin with 1; all others have the
/// prefix 0.
const VIETNAM: NumberingPlan = NumberingPlan {
    country: "VN",
    country_code: "84",
    national_prefix: "0",
    international_prefix: "00",
    service_digit: '1',
    international_service_digits_min: 8,
};

/// All plans.
const PLANS: [&NumberingPlan; 1] = [&VIETNAM];

/// A number in the form in which it is dialled within its country: equal exactly if it reaches the same line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NationalNumber(String);

impl NationalNumber {
    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NationalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NumberingPlan {
    /// The plan of the country with this ISO 3166-1 code, if it is known.
    pub fn of(country: &str) -> Option<&'static Self> {
        PLANS.into_iter().find(|plan| plan.country == country)
    }

    /// Which number `dialled` reaches; `None` if it is none of this country.
    ///
    /// Accepts the national form, and the country code behind `+` or the international prefix; visual
    /// separators (RFC 3966, section 5.1.1) and spaces are ignored. A country code alone is not recognised:
    /// within a country its digits are the beginning of some other number.
    pub fn normalise(&self, dialled: &str) -> Option<NationalNumber> {
        let compact: String = dialled.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
        let international =
            compact.strip_prefix('+').or_else(|| compact.strip_prefix(self.international_prefix));
        let number = match international {
            Some(number) => self.nationalise(number)?,
            None => compact,
        };
        let significant = match number.strip_prefix(self.national_prefix) {
            Some(significant) if significant.starts_with(self.service_digit) => return None,
            Some(significant) => significant,
            None if number.starts_with(self.service_digit) => &number,
            None => return None,
        };
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        let fits = digits && NUMBER_DIGITS.contains(&number.len()) && !significant.starts_with('0');
        fits.then_some(NationalNumber(number))
    }

    /// The national form of what follows `+`.
    fn nationalise(&self, number: &str) -> Option<String> {
        let significant = number.strip_prefix(self.country_code)?;
        if !significant.starts_with(self.service_digit) {
            return Some(format!("{}{significant}", self.national_prefix));
        }
        (significant.len() >= self.international_service_digits_min).then(|| significant.to_owned())
    }

    /// The number that a policy writes as `text`: in its national form, digits only.
    pub fn parse(&self, text: &str) -> Result<NationalNumber, NumberError> {
        check_digits(text)?;
        self.normalise(text)
            .filter(|number| number.0 == text)
            .ok_or(NumberError::NotNational { country: self.country, service_digit: self.service_digit })
    }
}

/// What must be so of a policy's number in every country.
pub(super) fn check_digits(text: &str) -> Result<(), NumberError> {
    if let Some(character) = text.chars().find(|c| !c.is_ascii_digit()) {
        return Err(NumberError::Character { character });
    }
    if NUMBER_DIGITS.contains(&text.len()) { Ok(()) } else { Err(NumberError::Length { digits: text.len() }) }
}

/// Text that is no number of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Something other than a digit.
    #[error("a number has digits only, not {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
    /// Too short or too long.
    #[error("a number has 3 to 15 digits, this has {digits}")]
    Length {
        /// Its length.
        digits: usize,
    },
    /// Not as it is dialled within the country.
    #[error("no number is dialled so within {country}")]
    NotNational {
        /// ISO 3166-1 code.
        country: &'static str,
        /// First digit of its service numbers.
        service_digit: char,
    },
}

impl Explain for NumberError {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Character { .. } | Self::Length { .. } => {
                "write the number as it is dialled within its country, as in 19003228".into()
            }
            Self::NotNational { service_digit, .. } => format!(
                "write service numbers from their {service_digit} on, others with the national prefix"
            )
            .into(),
        }
    }
}

/// A country without a numbering plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this country's numbering plan is not known")]
pub struct CountryError;

impl Explain for CountryError {
    fn help(&self) -> Cow<'static, str> {
        let known: Vec<_> = PLANS.iter().map(|plan| plan.country).collect();
        format!("known: {}", known.join(", ")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normalise(dialled: &str) -> Option<String> {
        VIETNAM.normalise(dialled).map(|number| number.to_string())
    }

    #[test]
    fn every_way_to_dial_a_hotline_is_the_same_number() {
        for dialled in [
            "19003228",
            "+8419003228",
            "008419003228",
            "1900-3228",
            "1900.3228",
            "(1900) 3228",
            "+84 1900 3228",
        ] {
            assert_eq!(normalise(dialled).as_deref(), Some("19003228"), "{dialled}");
        }
    }

    #[test]
    fn subscribers_numbers_keep_their_national_prefix() {
        for dialled in ["024 3219 1219", "+842432191219", "00842432191219"] {
            assert_eq!(normalise(dialled).as_deref(), Some("02432191219"), "{dialled}");
        }
    }

    #[test]
    fn other_numbers_are_never_a_hotline() {
        for dialled in [
            "1900322",
            "190032280",
            "19003229",
            "019003228",
            "+84019003228",
            "8419003228",
            "+119003228",
            "00119003228",
            "0019003228",
            "++8419003228",
            "+0084 19003228",
            "19003228x",
            "19003228#",
            "19003228;ext=1",
            "*19003228",
            "１９００３２２８",
            "\u{661}9003228",
            "1900\t3228",
            "",
            "+",
            "+84",
            "00",
        ] {
            assert_ne!(normalise(dialled).as_deref(), Some("19003228"), "{dialled}");
        }
    }

    #[test]
    fn emergency_numbers_exist_within_the_country_only() {
        assert_eq!(normalise("115").as_deref(), Some("115"));
        assert_eq!(normalise("+84115"), None);
    }

    #[test]
    fn policies_write_the_national_form_only() {
        assert_eq!(VIETNAM.parse("19009095").map(|n| n.to_string()).as_deref(), Ok("19009095"));
        assert_eq!(VIETNAM.parse("02432191219").map(|n| n.to_string()).as_deref(), Ok("02432191219"));
        assert_eq!(VIETNAM.parse("+8419003228"), Err(NumberError::Character { character: '+' }));
        assert_eq!(VIETNAM.parse("1900-3228"), Err(NumberError::Character { character: '-' }));
        assert_eq!(VIETNAM.parse("11"), Err(NumberError::Length { digits: 2 }));
        assert_eq!(VIETNAM.parse("1900322819003228"), Err(NumberError::Length { digits: 16 }));
        for text in ["8419003228", "008419003228", "019003228"] {
            assert!(matches!(VIETNAM.parse(text), Err(NumberError::NotNational { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_becomes_a_number_that_stays_as_it_is(
            text in "\\PC{0,30}|[+0-9 ().-]{0,24}",
        ) {
            if let Some(number) = normalise(&text) {
                prop_assert!(number.bytes().all(|b| b.is_ascii_digit()) && (3..=15).contains(&number.len()));
                prop_assert_eq!(normalise(&number), Some(number.clone()));
                prop_assert!(VIETNAM.parse(&number).is_ok());
            }
        }

        /// The digits that were dialled end in the number's own, without the national prefix.
        #[test]
        fn no_digit_is_lost_at_the_end(text in "(\\+84|0084|0)?1?[0-9]{2,12}") {
            if let Some(number) = normalise(&text) {
                let significant = number.strip_prefix('0').unwrap_or(&number);
                prop_assert!(text.ends_with(significant));
            }
        }
    }
}
