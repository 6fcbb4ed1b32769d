//! Sites: remote addresses that are free, or have priority.

use bytesize::ByteSize;
use ipnet::IpNet;
pub use tollfree_core::plan::Evidence;
use tollfree_core::plan::RuleClass;
use toml::Spanned;

use super::domain::DomainName;
use super::fault::PolicyFault;
use super::hidden_name::HiddenName;
use super::network::parse_listed_network;
use super::pattern::DomainPattern;
use super::port::PortRange;
use crate::document::report::Report;
use crate::document::section::Section;
use crate::resolve::Dnssec;

/// What a site gives one subscriber in a day, in octets of volume; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    octets: u64,
}

impl Ceiling {
    /// In octets.
    pub const fn octets(self) -> u64 {
        self.octets
    }
}

/// A rule for a site: a `[[site]]` of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Unique within its policy.
    pub id: String,
    /// Names, and wildcards for what is below names; may be empty if `networks` is not.
    pub domains: Vec<DomainPattern>,
    /// Networks that belong to it; may be empty if `domains` is not.
    pub networks: Vec<IpNet>,
    /// Remote ports, in the order in which they are tried; [`PortRange::ALL`] unless the policy lists any.
    pub ports: Vec<PortRange>,
    /// What must agree.
    pub evidence: Evidence,
    /// What becomes of flows that do not show their name, if the evidence is by name.
    pub hidden_name: HiddenName,
    /// What it gives.
    pub class: RuleClass,
    /// Rating group of its volume (RFC 8506, section 8.29).
    pub rating_group: u32,
    /// Past it, a subscriber pays for the rest of the day.
    pub daily_ceiling: Option<Ceiling>,
    /// What is asked of its names' signatures; `None`: what the gateway asks of all.
    pub dnssec: Option<Dnssec>,
    /// Names to which, and below which, its names' aliases may lead; `None`: anywhere.
    pub cname_suffixes: Option<Vec<DomainName>>,
}

impl Site {
    /// Reads what follows the id. `None`: a fault is in the report.
    pub(super) fn read<'i>(
        id: Option<String>,
        mut section: Section<'i>,
        report: &mut Report<'i>,
    ) -> Option<Self> {
        section.needs(report, &["evidence", "class", "rating_group"]);
        let header = section.header().clone();
        let (has_domains, domains) = read_list(&mut section, report, "domains", str::parse::<DomainPattern>);
        let (has_networks, networks) = read_list(&mut section, report, "networks", parse_listed_network);
        if !has_domains && !has_networks {
            report.fault(&header, &PolicyFault::EmptySite);
        }
        let (has_ports, mut ports) = read_list(&mut section, report, "ports", str::parse::<PortRange>);
        if !has_ports {
            ports = Some(vec![PortRange::ALL]);
        }
        let evidence = section.parsed(report, "evidence", evidence);
        let hidden_name = read_hidden_name(&mut section, evidence.as_ref(), report);
        let class = section.parsed(report, "class", class);
        let rating_group = section.integer(report, "rating_group", 0..=u32::MAX);
        let has_ceiling = section.has("daily_ceiling");
        let daily_ceiling = section.parsed(report, "daily_ceiling", ceiling);
        let has_dnssec = section.has("dnssec");
        let dnssec = section.parsed(report, "dnssec", dnssec);
        let (has_suffixes, cname_suffixes) =
            read_list(&mut section, report, "cname_suffixes", str::parse::<DomainName>);
        if !has_domains && (has_dnssec || has_suffixes) {
            report.fault(&header, &PolicyFault::TermsWithoutNames);
        }
        if has_ceiling && class.as_ref().is_some_and(|class| !class.get_ref().is_free()) {
            report.fault(&header, &PolicyFault::CeilingOfCharged);
        }
        if !has_domains
            && evidence.as_ref().is_some_and(|evidence| *evidence.get_ref() == Evidence::NameAndAddress)
        {
            report.fault(&header, &PolicyFault::NoNames);
        }
        section.close(report);
        Some(Self {
            id: id?,
            domains: domains?,
            networks: networks?,
            ports: ports?,
            evidence: evidence?.into_inner(),
            hidden_name: hidden_name?,
            class: class?.into_inner(),
            rating_group: rating_group?,
            daily_ceiling: if has_ceiling { Some(daily_ceiling?.into_inner()) } else { None },
            dnssec: if has_dnssec { Some(dnssec?.into_inner()) } else { None },
            cname_suffixes: if has_suffixes { Some(cname_suffixes?) } else { None },
        })
    }
}

/// Whether the list is there at all, and its items, none if it is not; `None` if any is at fault.
fn read_list<'i, T, F: crate::diagnostic::Explain>(
    section: &mut Section<'i>,
    report: &mut Report<'i>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, F>,
) -> (bool, Option<Vec<T>>) {
    let present = section.has(key);
    let items = section.list(report, key, parse);
    let items = items.map(|items| items.into_iter().map(Spanned::into_inner).collect());
    (present, if present { items } else { Some(Vec::new()) })
}

/// What the site says of hidden names, charged if nothing; `None` if that is at fault. Only evidence by name has use
/// for it.
fn read_hidden_name<'i>(
    section: &mut Section<'i>,
    evidence: Option<&Spanned<Evidence>>,
    report: &mut Report<'i>,
) -> Option<HiddenName> {
    let is_there = section.has("hidden_name");
    let Some(read) = section.parsed(report, "hidden_name", hidden_name) else {
        return (!is_there).then_some(HiddenName::default());
    };
    if evidence.is_some_and(|evidence| *evidence.get_ref() == Evidence::Address) {
        report.fault(&read.span(), &PolicyFault::HiddenByAddress);
    }
    Some(read.into_inner())
}

fn hidden_name(text: &str) -> Result<HiddenName, PolicyFault> {
    HiddenName::ALL
        .into_iter()
        .find(|hidden_name| hidden_name.name() == text)
        .ok_or(PolicyFault::Word { known: "\"charge\" or \"free\"" })
}

fn ceiling(text: &str) -> Result<Ceiling, PolicyFault> {
    let size: ByteSize = text.parse().map_err(|_| PolicyFault::Ceiling)?;
    // `u64::MAX` is how the kernel is told that there is none.
    match size.as_u64() {
        0 | u64::MAX => Err(PolicyFault::Ceiling),
        octets => Ok(Ceiling { octets }),
    }
}

fn dnssec(text: &str) -> Result<Dnssec, PolicyFault> {
    Dnssec::ALL
        .into_iter()
        .find(|dnssec| dnssec.name() == text)
        .ok_or(PolicyFault::Word { known: "\"off\", \"opportunistic\" or \"required\"" })
}

fn evidence(text: &str) -> Result<Evidence, PolicyFault> {
    [Evidence::Address, Evidence::NameAndAddress]
        .into_iter()
        .find(|evidence| evidence.name() == text)
        .ok_or(PolicyFault::Word { known: "\"address\" or \"name-and-address\"" })
}

fn class(text: &str) -> Result<RuleClass, PolicyFault> {
    [RuleClass::Free, RuleClass::FreePriority, RuleClass::Priority]
        .into_iter()
        .find(|class| class.name() == text)
        .ok_or(PolicyFault::Word { known: "\"free\", \"free-priority\" or \"priority\"" })
}
