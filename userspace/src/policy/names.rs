//! Which rules cover a name.

use std::collections::{BTreeMap, BTreeSet};

use super::domain::DomainName;
use super::pattern::DomainPattern;

/// The names that rules list, so that the rules of one name are found in one walk over its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameIndex {
    names: BTreeMap<DomainName, Listing>,
}

/// Which rules list a name, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listing {
    /// The name itself.
    exactly: BTreeSet<u32>,
    /// What is below it.
    below: BTreeSet<u32>,
}

impl NameIndex {
    /// The rule with this permanent number lists `pattern`.
    pub fn list(&mut self, rule: u32, pattern: &DomainPattern) {
        let listing = self.names.entry(pattern.name().clone()).or_default();
        let rules = if pattern.is_wildcard() { &mut listing.below } else { &mut listing.exactly };
        rules.insert(rule);
    }

    /// The permanent numbers of the rules that cover `name`, by itself or by a wildcard; empty if none does.
    pub fn rules(&self, name: &DomainName) -> BTreeSet<u32> {
        let exactly = self.names.get(name).map(|listing| &listing.exactly);
        let below = name.parents().filter_map(|parent| self.names.get(parent)).map(|listing| &listing.below);
        exactly.into_iter().chain(below).flatten().copied().collect()
    }

    /// Names that are listed by themselves, which can be asked for; in order.
    pub fn exact_names(&self) -> impl Iterator<Item = &DomainName> {
        self.filter_names().filter(|(_, is_wildcard)| !is_wildcard).map(|(name, _)| name)
    }

    /// All that is listed, for a filter: each name, and whether what is below it is listed (`true`) or itself; a name
    /// of both kinds comes twice. In order.
    pub fn filter_names(&self) -> impl Iterator<Item = (&DomainName, bool)> {
        self.names.iter().flat_map(|(name, listing)| {
            let exactly = (!listing.exactly.is_empty()).then_some((name, false));
            let below = (!listing.below.is_empty()).then_some((name, true));
            exactly.into_iter().chain(below)
        })
    }
}

impl<'a> FromIterator<(u32, &'a DomainPattern)> for NameIndex {
    /// From rules' numbers and what they list.
    fn from_iter<I: IntoIterator<Item = (u32, &'a DomainPattern)>>(listed: I) -> Self {
        let mut index = Self::default();
        listed.into_iter().for_each(|(rule, pattern)| index.list(rule, pattern));
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> DomainName {
        text.parse().expect("a name")
    }

    fn index(listed: &[(u32, &str)]) -> NameIndex {
        let listed: Vec<(u32, DomainPattern)> =
            listed.iter().map(|(rule, text)| (*rule, text.parse().expect("a pattern"))).collect();
        listed.iter().map(|(rule, pattern)| (*rule, pattern)).collect()
    }

    #[test]
    fn exact_and_wildcard_rules_are_found_together() {
        let index = index(&[
            (1, "moh.gov.vn"),
            (2, "*.moh.gov.vn"),
            (3, "www.moh.gov.vn"),
            (4, "*.www.moh.gov.vn"),
            (5, "*.moh.gov.vn"),
            (6, "other.example"),
        ]);
        for (text, rules) in [
            ("moh.gov.vn", &[1][..]),
            ("www.moh.gov.vn", &[2, 3, 5]),
            ("a.www.moh.gov.vn", &[2, 4, 5]),
            ("a.b.www.moh.gov.vn", &[2, 4, 5]),
            ("wwww.moh.gov.vn", &[2, 5]),
            ("gov.vn", &[]),
            ("xmoh.gov.vn", &[]),
            ("a.other.example", &[]),
        ] {
            assert_eq!(index.rules(&name(text)), rules.iter().copied().collect(), "{text}");
        }
        let listed: Vec<_> = index.filter_names().map(|(name, below)| (name.as_str(), below)).collect();
        let wanted = [
            ("moh.gov.vn", false),
            ("moh.gov.vn", true),
            ("other.example", false),
            ("www.moh.gov.vn", false),
            ("www.moh.gov.vn", true),
        ];
        assert_eq!(listed, wanted);
        let exact: Vec<_> = index.exact_names().map(DomainName::as_str).collect();
        assert_eq!(exact, ["moh.gov.vn", "other.example", "www.moh.gov.vn"]);
    }

    fn labels() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ab]", 1..5).prop_map(|labels| format!("{}.example", labels.join(".")))
    }

    proptest! {
        /// The model compares text, rule by rule.
        #[test]
        fn the_index_finds_what_the_model_finds(
            listed in proptest::collection::vec((1..6_u32, any::<bool>(), labels()), 0..20),
            asked in labels(),
        ) {
            let model: BTreeSet<u32> = listed
                .iter()
                .filter(|(_, is_wildcard, text)| {
                    if *is_wildcard { asked.ends_with(&format!(".{text}")) } else { asked == *text }
                })
                .map(|(rule, ..)| *rule)
                .collect();
            let patterns: Vec<(u32, String)> = listed
                .iter()
                .map(|(rule, is_wildcard, text)| (*rule, if *is_wildcard { format!("*.{text}") } else { text.clone() }))
                .collect();
            let patterns: Vec<(u32, &str)> = patterns.iter().map(|(rule, text)| (*rule, text.as_str())).collect();
            prop_assert_eq!(index(&patterns).rules(&name(&asked)), model);
        }
    }
}
