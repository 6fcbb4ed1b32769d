//! Numbers as another library reads them, which knows the countries' plans in detail.

use proptest::prelude::*;
use proptest::sample::select;
use rlibphonenumber::{PhoneNumber, PhoneNumberFormat, Region};

use super::number::NumberingPlan;
use super::numbering::RangeKind;

/// `+` and digits, and the national form with separators, of what the library takes for a valid number of this country.
fn oracle(dialled: &str, country: &str) -> Option<(String, String)> {
    let region: Region = country.parse().ok()?;
    let number = PhoneNumber::parse(dialled, Some(region)).ok()?;
    let form = |format| number.format_as(format).into_owned();
    number
        .is_valid_for_region(region)
        .then(|| (form(PhoneNumberFormat::E164), form(PhoneNumberFormat::National)))
}

/// Digits that a number of some plan may have without its national prefix: by our ranges, or any.
fn significant() -> impl Strategy<Value = (&'static NumberingPlan, String)> {
    select(NumberingPlan::all().iter().collect::<Vec<_>>()).prop_flat_map(|plan| {
        let starts: Vec<String> = plan
            .ranges
            .iter()
            .filter(|range| matches!(range.kind, RangeKind::Subscriber | RangeKind::Service))
            .flat_map(|range| range.starts.clone())
            .collect();
        let by_range = (select(starts), "[0-9]{3,11}").prop_map(|(start, rest)| start + &rest);
        (Just(plan), prop_oneof![3 => by_range, 1 => "[1-9][0-9]{3,12}".boxed()])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Each number that the library knows is the same number here, in whatever form it is dialled.
    #[test]
    fn every_valid_number_is_read_alike((plan, digits) in significant()) {
        let country = plan.country.as_str();
        let global = format!("+{}{digits}", plan.country_code);
        // Where the library takes more than digits out, such as a carrier's code, a telephone's reading decides.
        if let Some((e164, national)) = oracle(&global, country).filter(|(e164, _)| *e164 == global) {
            let number = plan.normalise(&global);
            prop_assert!(number.is_some(), "{country} {global} ({national})");
            let number = number.expect("it was checked");
            prop_assert_eq!(plan.international(&number), Some(e164), "{} {}", country, number);
            let bare: String = national.chars().filter(char::is_ascii_digit).collect();
            if let Some(same) = plan.normalise(&national) {
                prop_assert_eq!(same, number.clone(), "{} {}", country, national);
            } else {
                // The library shows some numbers as they are not dialled: without the prefix.
                prop_assert_eq!(bare, digits.clone(), "{} {}", country, national);
            }
            prop_assert_eq!(plan.normalise(number.as_str()), Some(number.clone()));
            for prefix in &plan.international_prefixes {
                let dialled = format!("{prefix}{}{digits}", plan.country_code);
                prop_assert_eq!(plan.normalise(&dialled), Some(number.clone()), "{} {}", country, dialled);
            }
        }
    }

    /// Two numbers that the library tells apart are two here: whatever is dialled, ours is not another's.
    #[test]
    fn no_number_is_taken_for_another((plan, digits) in significant(), how in 0..3_u8) {
        let dialled = match how {
            0 => format!("{}{digits}", plan.national_prefix),
            1 => digits.clone(),
            _ => format!("+{}{digits}", plan.country_code),
        };
        if let Some((e164, _)) = oracle(&dialled, &plan.country)
            && let Some(number) = plan.normalise(&dialled)
            && let Some(ours) = plan.international(&number)
        {
            prop_assert_eq!(ours, e164, "{} {}", plan.country, dialled);
        }
    }

    /// Vietnam's plan is complete: service numbers are valid here exactly where they are there.
    #[test]
    fn vietnams_service_numbers_are_those_of_the_library(start in select(vec!["1900", "1800"]), rest in "[0-9]{1,9}") {
        let plan = NumberingPlan::of("VN").expect("a plan");
        let digits = format!("{start}{rest}");
        let ours = plan.normalise(&format!("+84{digits}"));
        prop_assert_eq!(ours.is_some(), oracle(&format!("+84{digits}"), "VN").is_some(), "{}", digits);
    }
}
