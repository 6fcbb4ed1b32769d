//! Hotlines: numbers that are free to call.

use ipnet::IpNet;
use toml::Spanned;

use super::call_terms::CallTerms;
use super::network::parse_listed_network;
use super::number::{CountryError, NationalNumber, NumberingPlan, check_digits};
use crate::document::report::Report;
use crate::document::section::Section;

/// A rule for calls: a `[[hotline]]` of a policy. Always of class [`tollfree_core::plan::RuleClass::Free`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hotline {
    /// Unique within its policy.
    pub id: String,
    /// How its numbers are dialled.
    pub plan: &'static NumberingPlan,
    /// Its numbers; not empty.
    pub numbers: Vec<NationalNumber>,
    /// Where a call's media may go and still be free; not empty.
    pub media_networks: Vec<IpNet>,
    /// Rating group of its volume (RFC 8506, section 8.29).
    pub rating_group: u32,
    /// What a call may take and still be free.
    pub terms: CallTerms,
}

impl Hotline {
    /// Reads what follows the id. `None`: a fault is in the report.
    pub(super) fn read<'i>(
        id: Option<String>,
        mut section: Section<'i>,
        report: &mut Report<'i>,
    ) -> Option<Self> {
        section.needs(report, &["country", "numbers", "media_networks", "rating_group"]);
        let plan = section.parsed(report, "country", |text| NumberingPlan::of(text).ok_or(CountryError));
        let plan = plan.map(Spanned::into_inner);
        let numbers = if let Some(plan) = plan {
            section.list(report, "numbers", |text| plan.parse(text))
        } else {
            // Without a plan, what can be said of the numbers is said all the same.
            section.list(report, "numbers", check_digits);
            None
        };
        let media_networks = section.list(report, "media_networks", parse_listed_network);
        let rating_group = section.integer(report, "rating_group", 0..=u32::MAX);
        let terms = CallTerms::read(&mut section, report);
        section.close(report);
        Some(Self {
            id: id?,
            plan: plan?,
            numbers: numbers?.into_iter().map(Spanned::into_inner).collect(),
            media_networks: media_networks?.into_iter().map(Spanned::into_inner).collect(),
            rating_group: rating_group?,
            terms: terms?,
        })
    }
}
