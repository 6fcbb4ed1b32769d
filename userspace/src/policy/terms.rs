//! What sites ask of the names that they cover.

use super::domain::DomainName;
use super::names::NameIndex;
use super::site::Site;
use crate::resolve::NameTerms;

/// Sites, so that what is asked of a name is found: by sites that list it, and by those that list a wildcard over it.
/// All of them count, because an address that one site may not use is not to become free by way of another.
#[derive(Debug)]
pub struct SiteTerms<'a> {
    sites: Vec<&'a Site>,
    /// By place in `sites`.
    index: NameIndex,
}

impl<'a> SiteTerms<'a> {
    /// Of these sites.
    pub(super) fn of(sites: impl Iterator<Item = &'a Site>) -> Self {
        let sites: Vec<&Site> = sites.collect();
        let listed = sites.iter().zip(0_u32..);
        let index = listed
            .flat_map(|(site, place)| site.domains.iter().map(move |pattern| (place, pattern)))
            .collect();
        Self { sites, index }
    }

    /// Names that are listed by themselves, in order.
    pub fn exact_names(&self) -> impl Iterator<Item = &DomainName> {
        self.index.exact_names()
    }

    /// Whether no site lists any name or wildcard.
    pub fn is_empty(&self) -> bool {
        self.index.filter_names().next().is_none()
    }

    /// Whether any site covers `name`.
    pub fn covers(&self, name: &DomainName) -> bool {
        !self.index.rules(name).is_empty()
    }

    /// What is asked of `name`, together; nothing if no site covers it.
    pub fn of_name(&self, name: &DomainName) -> NameTerms {
        let mut terms = NameTerms::default();
        for site in self.index.rules(name).iter().filter_map(|&place| self.sites.get(place as usize)) {
            let suffixes = site.cname_suffixes.as_ref();
            let suffixes = suffixes.map(|list| list.iter().map(ToString::to_string).collect());
            terms.add(site.dnssec, suffixes);
        }
        terms
    }
}
