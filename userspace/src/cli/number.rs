//! Why a number is free to call, or not.

use std::fmt::Write as _;

use crate::calls::request_number;
use crate::policy::{HotlineTable, NumberingPlan};

/// Says what `text` is as a number, in words: how it is read, which plan knows it, and which rule of `hotlines` frees it.
///
/// `text`: a number in any form, or a `tel:` or `sip:` URI. `None`: it is none.
pub fn explain_number(text: &str, hotlines: &HotlineTable) -> Option<String> {
    let dialled = if text.contains(':') {
        request_number(text)?.digits
    } else {
        text.chars().any(|c| c.is_ascii_digit()).then(|| text.to_owned())?
    };
    let mut said = String::new();
    let known: Vec<_> = NumberingPlan::all()
        .iter()
        .filter_map(|plan| Some((plan, plan.normalise(&dialled)?)))
        .filter(|(plan, _)| dialled.starts_with('+') || hotlines.plan(&plan.country).is_some())
        .collect();
    // Writing to a string does not fail, here and below.
    for (plan, number) in &known {
        let abroad = plan.international(number).unwrap_or_else(|| "cannot be dialled from abroad".to_owned());
        let _ = writeln!(said, "{} of {}: {abroad}", number.as_str(), plan.country);
        if number.is_emergency() {
            let _ = writeln!(said, "  an emergency number: no count of calls keeps it from being free");
        }
    }
    if known.is_empty() {
        let _ = writeln!(said, "{dialled}: no country of a hotline in force dials so");
    }
    match hotlines.find_number(&dialled) {
        Some((_, _, entry)) => {
            let networks: Vec<String> = entry.media_networks.iter().map(ToString::to_string).collect();
            let _ = writeln!(
                said,
                "free: rule {} ({}), for at most {} s, media to {}",
                entry.rule,
                entry.key,
                entry.terms.duration_max.as_secs(),
                networks.join(", ")
            );
        }
        None => said.push_str("charged: no hotline in force lists it; numbers are compared whole\n"),
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::hotlines;

    #[test]
    fn a_number_is_explained_in_any_form() {
        let free = "free: rule 7 (vn/moh), for at most 14400 s, media to 198.51.100.0/25\n";
        for text in ["19003228", "+84 1900 3228", "tel:+84-1900-3228", "sip:19003228@example.vn"] {
            let said = explain_number(text, &hotlines(""));
            assert_eq!(said, Some(format!("19003228 of VN: +8419003228\n{free}")), "{text}");
        }
        let emergency = explain_number("115", &hotlines("")).expect("a number");
        assert!(
            emergency.contains("cannot be dialled from abroad") && emergency.contains("emergency"),
            "{emergency}"
        );
    }

    #[test]
    fn other_numbers_are_charged() {
        for text in ["1900322", "190032280", "02432191219", "+12125550123", "5"] {
            let said = explain_number(text, &hotlines("")).expect("a number");
            assert!(said.contains("charged: ") && !said.contains("free: "), "{text}: {said}");
        }
        for text in ["", "moh.gov.vn", "tel:x", "sip:alice@example.vn"] {
            assert_eq!(explain_number(text, &hotlines("")), None, "{text}");
        }
    }
}
