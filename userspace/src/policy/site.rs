//! Sites: remote addresses that are free, or have priority.

use ipnet::IpNet;
use tollfree_core::plan::RuleClass;
use toml::Spanned;

use super::domain::DomainName;
use super::fault::PolicyFault;
use super::network::parse_listed_network;
use super::port::PortRange;
use crate::document::report::Report;
use crate::document::section::Section;

/// What must agree before a site's traffic is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// The remote address alone, for sites on addresses of their own.
    Address,
}

impl Evidence {
    /// The word in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
        }
    }
}

/// A rule for a site: a `[[site]]` of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Unique within its policy.
    pub id: String,
    /// Exact names, whose addresses are resolved; may be empty if `networks` is not.
    pub domains: Vec<DomainName>,
    /// Networks that belong to it; may be empty if `domains` is not.
    pub networks: Vec<IpNet>,
    /// Remote ports, in the order in which they are tried; [`PortRange::ALL`] unless the policy lists any.
    pub ports: Vec<PortRange>,
    /// What must agree.
    pub evidence: Evidence,
    /// What it gives.
    pub class: RuleClass,
    /// Rating group of its volume (RFC 8506, section 8.29).
    pub rating_group: u32,
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
        let (has_domains, domains) = read_list(&mut section, report, "domains", str::parse::<DomainName>);
        let (has_networks, networks) = read_list(&mut section, report, "networks", parse_listed_network);
        if !has_domains && !has_networks {
            report.fault(&header, &PolicyFault::EmptySite);
        }
        let (has_ports, mut ports) = read_list(&mut section, report, "ports", str::parse::<PortRange>);
        if !has_ports {
            ports = Some(vec![PortRange::ALL]);
        }
        let evidence = section.parsed(report, "evidence", evidence);
        let class = section.parsed(report, "class", class);
        let rating_group = section.integer(report, "rating_group", 0..=u32::MAX);
        refuse_unenforced(&mut section, report);
        section.close(report);
        Some(Self {
            id: id?,
            domains: domains?,
            networks: networks?,
            ports: ports?,
            evidence: evidence?.into_inner(),
            class: class?.into_inner(),
            rating_group: rating_group?,
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

fn refuse_unenforced<'i>(section: &mut Section<'i>, report: &mut Report<'i>) {
    let hidden_name = PolicyFault::NotEnforced {
        what: "`hidden_name`",
        instead: "remove it: with evidence = \"address\" names are not looked at",
    };
    section.refuse(report, "hidden_name", &hidden_name);
    let daily_ceiling = PolicyFault::NotEnforced {
        what: "`daily_ceiling`",
        instead: "remove it, if the policy may be in force without a ceiling",
    };
    section.refuse(report, "daily_ceiling", &daily_ceiling);
}

fn evidence(text: &str) -> Result<Evidence, PolicyFault> {
    match text {
        "address" => Ok(Evidence::Address),
        "name-and-address" => Err(PolicyFault::NotEnforced {
            what: "evidence by name",
            instead: "write \"address\", if no stranger's site is on the same addresses",
        }),
        _ => Err(PolicyFault::Word { known: "\"address\"" }),
    }
}

fn class(text: &str) -> Result<RuleClass, PolicyFault> {
    [RuleClass::Free, RuleClass::FreePriority, RuleClass::Priority]
        .into_iter()
        .find(|class| class.name() == text)
        .ok_or(PolicyFault::Word { known: "\"free\", \"free-priority\" or \"priority\"" })
}
