//! Telephone numbers, as people dial them and as policies list them.

use std::borrow::Cow;
use std::fmt;

pub use super::numbering::NumberingPlan;
use super::numbering::RangeKind;
use crate::diagnostic::Explain;

/// Digits of a number. Reason: three are the shortest service numbers, fifteen the most E.164 (clause 6)
/// allows.
pub const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 3..=15;

/// Emergency numbers that every network knows, whatever its plan says (3GPP TS 22.101, clause 10.1.1).
const EMERGENCY_EVERYWHERE: [&str; 2] = ["112", "911"];

/// A number in the form in which it is dialled within its country: equal exactly if it reaches the same line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NationalNumber {
    digits: String,
    is_emergency: bool,
}

impl NationalNumber {
    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.digits
    }

    /// Whether it calls for help: nothing may keep such a call from going through, and nothing here does.
    pub const fn is_emergency(&self) -> bool {
        self.is_emergency
    }
}

impl fmt::Display for NationalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits)
    }
}

impl NumberingPlan {
    /// Which number `dialled` reaches; `None` if it is none of this country.
    ///
    /// Accepts the national form, and the country code behind `+` or an international prefix; visual
    /// separators (RFC 3966, section 5.1.1) and spaces are ignored. A country code alone is not recognised:
    /// within a country its digits are the beginning of some other number.
    pub fn normalise(&self, dialled: &str) -> Option<NationalNumber> {
        let compact: String = dialled.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
        let global = compact.strip_prefix('+');
        if !global.unwrap_or(&compact).bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if let Some(global) = global {
            return self.nationalise(global);
        }
        let as_it_is = [RangeKind::Emergency, RangeKind::Service, RangeKind::Short];
        if let Some(kind) = self.kind(&compact, &as_it_is) {
            return number(compact, kind);
        }
        let behind_prefix = |prefix: &String| compact.strip_prefix(prefix.as_str());
        if let Some(global) = self.international_prefixes.iter().find_map(behind_prefix) {
            return self.nationalise(global);
        }
        let significant = match compact.strip_prefix(self.national_prefix.as_str()) {
            Some(significant) => significant,
            None if self.is_prefix_optional => &compact,
            None => return None,
        };
        self.subscriber(significant)
    }

    /// The number behind a country code, from abroad: service numbers are reached so, short codes are not.
    fn nationalise(&self, global: &str) -> Option<NationalNumber> {
        let significant = global.strip_prefix(self.country_code.as_str())?;
        match self.kind(significant, &[RangeKind::Service]) {
            Some(kind) => number(significant.to_owned(), kind),
            None => self.subscriber(significant),
        }
    }

    /// A number that is dialled behind the national prefix.
    fn subscriber(&self, significant: &str) -> Option<NationalNumber> {
        if self.kind(significant, &[RangeKind::Service]).is_some() {
            return None;
        }
        let kind = self.kind(significant, &[RangeKind::Subscriber])?;
        let prefix = if self.is_prefix_optional { "" } else { self.national_prefix.as_str() };
        number(format!("{prefix}{significant}"), kind)
    }

    /// How a number is dialled from abroad, with `+`; `None` for those that exist within the country only.
    pub fn international(&self, number: &NationalNumber) -> Option<String> {
        let digits = number.as_str();
        let significant =
            match self.kind(digits, &[RangeKind::Emergency, RangeKind::Service, RangeKind::Short]) {
                Some(RangeKind::Service) => digits,
                Some(_) => return None,
                None if self.is_prefix_optional => digits,
                None => digits.strip_prefix(self.national_prefix.as_str())?,
            };
        Some(format!("+{}{significant}", self.country_code))
    }

    /// The number that a policy writes as `text`: in its national form, digits only.
    pub fn parse(&self, text: &str) -> Result<NationalNumber, NumberError> {
        check_digits(text)?;
        self.normalise(text)
            .filter(|number| number.digits == text)
            .ok_or_else(|| NumberError::NotNational { country: self.country.clone() })
    }
}

fn number(digits: String, kind: RangeKind) -> Option<NationalNumber> {
    let is_emergency = kind == RangeKind::Emergency || EMERGENCY_EVERYWHERE.contains(&digits.as_str());
    NUMBER_DIGITS.contains(&digits.len()).then_some(NationalNumber { digits, is_emergency })
}

/// What must be so of a policy's number in every country.
pub(super) fn check_digits(text: &str) -> Result<(), NumberError> {
    if let Some(character) = text.chars().find(|c| !c.is_ascii_digit()) {
        return Err(NumberError::Character { character });
    }
    if NUMBER_DIGITS.contains(&text.len()) { Ok(()) } else { Err(NumberError::Length { digits: text.len() }) }
}

/// Text that is no number of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
        country: String,
    },
}

impl Explain for NumberError {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Character { .. } | Self::Length { .. } => {
                "write the number as it is dialled within its country, as in 19003228".into()
            }
            Self::NotNational { .. } => {
                "write it as a telephone in that country dials it: subscribers' numbers with the national prefix, service \
                 numbers and short codes without"
                    .into()
            }
        }
    }
}

/// A country without a numbering plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this country's numbering plan is not known")]
pub struct CountryError;

impl Explain for CountryError {
    fn help(&self) -> Cow<'static, str> {
        let known: Vec<_> = NumberingPlan::all().iter().map(|plan| plan.country.as_str()).collect();
        format!("known: {}", known.join(", ")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normalise(dialled: &str) -> Option<String> {
        vietnam().normalise(dialled).map(|number| number.to_string())
    }

    fn vietnam() -> &'static NumberingPlan {
        NumberingPlan::of("VN").expect("a plan")
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
        assert_eq!(vietnam().parse("19009095").map(|n| n.to_string()).as_deref(), Ok("19009095"));
        assert_eq!(vietnam().parse("02432191219").map(|n| n.to_string()).as_deref(), Ok("02432191219"));
        assert_eq!(vietnam().parse("+8419003228"), Err(NumberError::Character { character: '+' }));
        assert_eq!(vietnam().parse("1900-3228"), Err(NumberError::Character { character: '-' }));
        assert_eq!(vietnam().parse("11"), Err(NumberError::Length { digits: 2 }));
        assert_eq!(vietnam().parse("1900322819003228"), Err(NumberError::Length { digits: 16 }));
        for text in ["8419003228", "008419003228", "019003228"] {
            assert!(matches!(vietnam().parse(text), Err(NumberError::NotNational { .. })), "{text}");
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
                prop_assert!(vietnam().parse(&number).is_ok());
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
