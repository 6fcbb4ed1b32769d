//! What policies ask of a name.

use super::dnssec::Dnssec;

/// What the sites that list a name ask of it, together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameTerms {
    /// The strictest that a site asks for.
    asked: Option<Dnssec>,
    /// Some site leaves it to the gateway.
    left_open: bool,
    /// Lists of suffixes under which aliases may lead; each list holds on its own.
    suffixes: Vec<Vec<String>>,
}

impl NameTerms {
    /// One more site lists the name: what it asks of signatures, and the suffixes under which the name's aliases
    /// may lead, if it says so.
    pub fn add(&mut self, dnssec: Option<Dnssec>, suffixes: Option<Vec<String>>) {
        self.asked = self.asked.max(dnssec);
        self.left_open |= dnssec.is_none();
        if let Some(list) = suffixes
            && !self.suffixes.contains(&list)
        {
            self.suffixes.push(list);
        }
    }

    /// What is asked of the name's signatures where `default` holds for sites that do not say: the strictest of all,
    /// because an address that one site may not use is not to become free by way of another.
    pub fn dnssec(&self, default: Dnssec) -> Dnssec {
        match self.asked {
            Some(asked) if !self.left_open => asked,
            asked => asked.unwrap_or_default().max(default),
        }
    }

    /// Whether an alias leads to where some site does not approve of. `target`: in lower case, without a trailing dot.
    pub fn is_foreign(&self, target: &str) -> bool {
        self.suffixes.iter().any(|list| !list.iter().any(|suffix| is_under(target, suffix)))
    }
}

fn is_under(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_site_counts() {
        use Dnssec::{Off, Opportunistic, Required};
        for (sites, default, expected) in [
            (&[None][..], Opportunistic, Opportunistic),
            (&[Some(Off)], Required, Off),
            (&[Some(Off), None], Required, Required),
            (&[Some(Required), None], Off, Required),
            (&[Some(Off), Some(Opportunistic)], Required, Opportunistic),
            (&[], Required, Required),
        ] {
            let mut terms = NameTerms::default();
            for dnssec in sites {
                terms.add(*dnssec, None);
            }
            assert_eq!(terms.dnssec(default), expected, "{sites:?}");
        }
    }

    #[test]
    fn suffixes_are_whole_labels_and_each_list_holds() {
        let list = |suffixes: &[&str]| Some(suffixes.iter().map(|suffix| (*suffix).to_owned()).collect());
        let mut terms = NameTerms::default();
        assert!(!terms.is_foreign("cdn.example"), "nobody asked");
        terms.add(None, list(&["gov.vn", "edge.example"]));
        for (target, foreign) in [
            ("gov.vn", false),
            ("www.gov.vn", false),
            ("notgov.vn", true),
            ("gov.vn.evil.example", true),
            ("a.edge.example", false),
        ] {
            assert_eq!(terms.is_foreign(target), foreign, "{target}");
        }
        terms.add(None, list(&["gov.vn"]));
        assert!(terms.is_foreign("a.edge.example"), "the second site does not approve");
        terms.add(None, list(&[]));
        assert!(terms.is_foreign("www.gov.vn"), "the third approves of none");
    }
}
