//! Countries' numbering plans, from data that is compiled in.

use std::sync::LazyLock;

use serde::Deserialize;

/// How a country dials.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberingPlan {
    /// ISO 3166-1 code.
    pub country: String,
    /// Country code (E.164).
    pub country_code: String,
    /// Dialled before a subscriber's number within the country (ITU-T E.164, clause 3.7); empty: nothing is.
    pub national_prefix: String,
    /// Whether the national prefix may be left out; a number's national form is then without it.
    #[serde(default)]
    pub is_prefix_optional: bool,
    /// What is dialled before a country code.
    pub international_prefixes: Vec<String>,
    /// What numbers there are.
    #[serde(rename = "range")]
    pub ranges: Vec<Range>,
}

/// Numbers that begin alike and are dialled alike.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// How they are dialled.
    pub kind: RangeKind,
    /// What a number begins with, without the national prefix: one of these.
    pub starts: Vec<String>,
    /// Fewest and most digits, without the national prefix.
    pub digits: [usize; 2],
}

/// How a number is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RangeKind {
    /// Behind the national prefix, and behind the country code from abroad.
    Subscriber,
    /// As it is, and behind the country code from abroad.
    Service,
    /// As it is, within the country only.
    Short,
    /// Likewise; it calls for help.
    Emergency,
}

/// The data; one file a country.
const FILES: [&str; 14] = [
    include_str!("plans/au.toml"),
    include_str!("plans/de.toml"),
    include_str!("plans/fr.toml"),
    include_str!("plans/gb.toml"),
    include_str!("plans/in.toml"),
    include_str!("plans/jp.toml"),
    include_str!("plans/kh.toml"),
    include_str!("plans/kr.toml"),
    include_str!("plans/my.toml"),
    include_str!("plans/ph.toml"),
    include_str!("plans/sg.toml"),
    include_str!("plans/th.toml"),
    include_str!("plans/us.toml"),
    include_str!("plans/vn.toml"),
];

/// All plans, by country.
static PLANS: LazyLock<Vec<NumberingPlan>> = LazyLock::new(|| {
    let plan = |file: &&str| toml::from_str(file).expect("compiled in, and read by a test");
    FILES.iter().map(plan).collect()
});

impl NumberingPlan {
    /// The plan of the country with this ISO 3166-1 code, if it is known.
    pub fn of(country: &str) -> Option<&'static Self> {
        Self::all().iter().find(|plan| plan.country == country)
    }

    /// All plans, by country.
    pub fn all() -> &'static [Self] {
        &PLANS
    }

    /// The kind of a number without its national prefix: the first of `kinds` that it is of.
    pub(super) fn kind(&self, number: &str, kinds: &[RangeKind]) -> Option<RangeKind> {
        let is_in = |range: &Range| {
            (range.digits[0]..=range.digits[1]).contains(&number.len())
                && range.starts.iter().any(|start| number.starts_with(start.as_str()))
        };
        let is_of = |kind: &RangeKind| self.ranges.iter().any(|range| range.kind == *kind && is_in(range));
        kinds.iter().copied().find(is_of)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_data_is_sound() {
        let countries: Vec<_> = NumberingPlan::all().iter().map(|plan| plan.country.as_str()).collect();
        assert_eq!(
            countries.iter().collect::<BTreeSet<_>>().into_iter().copied().collect::<Vec<_>>(),
            countries
        );
        for plan in NumberingPlan::all() {
            let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            assert!(digits(&plan.country_code) && digits(&plan.national_prefix), "{}", plan.country);
            for range in &plan.ranges {
                let [least, most] = range.digits;
                assert!(
                    least <= most && range.starts.iter().all(|start| digits(start) && start.len() <= least)
                );
                let prefix = if range.kind == RangeKind::Subscriber { plan.national_prefix.len() } else { 0 };
                assert!(prefix + most <= 15 && prefix + least >= 3, "{} {range:?}", plan.country);
            }
            assert!(plan.ranges.iter().any(|range| range.kind == RangeKind::Emergency), "{}", plan.country);
        }
    }
}
