//! From the file's tables to the checked settings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tollfree_core::limits::INTERFACES_MAX;
use tollfree_core::plan::RuleClass;
use tollfree_core::settings::{Settings, Tag};
use toml::Spanned;

use super::fault::ConfigFault;
use super::identity::read_identity;
use super::name_server::name_server;
use super::{ApiConfig, Config, ExportConfig, GatewayConfig, InterfaceConfig, LedgerConfig, LimitsConfig};
use super::{ResolverConfig, SignallingConfig, defaults, pool, value};
use crate::diagnostic::Diagnostic;
use crate::document::identifier::identifier;
use crate::document::report::Report;
use crate::document::section::Section;
use crate::policy::DomainName;

/// Highest differentiated services code point (RFC 2474, section 3: six bits).
const DSCP_MAX: u32 = 63;

/// The settings in `octets`, or all their faults.
pub(super) fn read(file: &str, octets: &[u8]) -> Result<Config, Vec<Diagnostic>> {
    let (mut report, mut document) = Report::open(file, octets)?;
    let report_ref = &mut report;
    document.needs(report_ref, &["gateway", "subscribers"]);
    let gateway =
        document.section(report_ref, "gateway").and_then(|section| read_gateway(section, report_ref));
    let policy_directory = match document.section(report_ref, "policy") {
        Some(section) => read_policy_directory(section, report_ref),
        None => defaults::POLICY_DIRECTORY.into(),
    };
    let interfaces = read_interfaces(&mut document, report_ref);
    let pools = document.section(report_ref, "subscribers").map(|section| read_pools(section, report_ref));
    let resolver = document.section(report_ref, "resolver");
    let transports = read_transports(&mut document, pools.as_deref().unwrap_or_default(), report_ref);
    let signalling = document.section(report_ref, "signalling");
    let tags = document.section(report_ref, "tag");
    let identity = document.section(report_ref, "identity");
    let ledger = document.section(report_ref, "ledger");
    let export = document.section(report_ref, "export");
    let api = document.section(report_ref, "api");
    let audit = document.section(report_ref, "audit");
    let limits = document.section(report_ref, "limits");
    document.close(report_ref);
    let resolver = read_resolver(resolver, report_ref);
    let signalling = read_signalling(signalling, report_ref);
    let (tags, dscp_at) = read_tags(tags, report_ref);
    let identity = identity.map(|section| read_identity(section, report_ref)).unwrap_or_default();
    let ledger = read_ledger(ledger, report_ref);
    let export = export.map(|section| read_export(section, report_ref)).unwrap_or_default();
    let api = api.map(|section| read_api(section, report_ref)).unwrap_or_default();
    let audit_domain = audit.and_then(|section| read_audit(section, report_ref));
    let limits = read_limits(limits, report_ref);
    report.finish(gateway.zip(pools).map(|(gateway, pools)| Config {
        gateway,
        policy_directory,
        interfaces,
        pools,
        resolver,
        transports,
        signalling,
        tags,
        dscp_at,
        identity,
        ledger,
        export,
        api,
        audit_domain,
        limits,
    }))
}

fn read_gateway<'i>(mut section: Section<'i>, report: &mut Report<'i>) -> Option<GatewayConfig> {
    section.needs(report, &["id"]);
    let id = section.parsed(report, "id", identifier);
    let region = section.parsed(report, "region", identifier);
    let state_dir = path(&mut section, report, "state_dir");
    let run_dir = path(&mut section, report, "run_dir");
    let bpffs = path(&mut section, report, "bpffs");
    section.close(report);
    Some(GatewayConfig {
        id: id?.into_inner(),
        region: region.map(Spanned::into_inner),
        state_dir: state_dir.unwrap_or_else(|| defaults::STATE_DIR.into()),
        run_dir: run_dir.unwrap_or_else(|| defaults::RUN_DIR.into()),
        bpffs: bpffs.unwrap_or_else(|| defaults::BPFFS.into()),
    })
}

fn read_policy_directory<'i>(mut section: Section<'i>, report: &mut Report<'i>) -> PathBuf {
    let directory = path(&mut section, report, "directory");
    section.close(report);
    directory.unwrap_or_else(|| defaults::POLICY_DIRECTORY.into())
}

fn read_interfaces<'i>(document: &mut Section<'i>, report: &mut Report<'i>) -> Vec<InterfaceConfig> {
    let present = document.has("interface");
    let sections = document.sections(report, "interface");
    if !present {
        report.fault(document.header(), &ConfigFault::NoInterface);
    }
    if let Some(surplus) = sections.get(INTERFACES_MAX as usize) {
        report.fault(surplus.header(), &ConfigFault::TooManyInterfaces);
    }
    let mut names = BTreeSet::new();
    let mut interfaces = Vec::new();
    for mut section in sections {
        section.needs(report, &["name", "role"]);
        let name = section.parsed(report, "name", value::interface_name);
        let role = section.parsed(report, "role", value::role);
        section.close(report);
        if let Some(name) = &name
            && !names.insert(name.get_ref().clone())
        {
            report.fault(&name.span(), &ConfigFault::InterfaceTwice);
        }
        interfaces.extend(
            name.zip(role)
                .map(|(name, role)| InterfaceConfig { name: name.into_inner(), role: role.into_inner() }),
        );
    }
    interfaces
}

fn read_pools<'i>(mut section: Section<'i>, report: &mut Report<'i>) -> Vec<IpNet> {
    section.needs(report, &["pools"]);
    let pools = section.list(report, "pools", pool::pool).unwrap_or_default();
    section.close(report);
    pool::check_pools(pools, report)
}

fn read_resolver<'i>(section: Option<Section<'i>>, report: &mut Report<'i>) -> ResolverConfig {
    let mut resolver = ResolverConfig::default();
    let Some(mut section) = section else { return resolver };
    let servers = section.list(report, "servers", name_server).unwrap_or_default();
    resolver.servers = servers.into_iter().map(Spanned::into_inner).collect();
    let trusted: Option<Vec<Spanned<IpAddr>>> = section.list(report, "trusted", value::host);
    resolver.trusted = match trusted {
        Some(trusted) => trusted.into_iter().map(Spanned::into_inner).collect(),
        None => resolver.servers.iter().map(|server| server.address.ip()).collect(),
    };
    let timeout = duration(&mut section, report, "timeout", &defaults::RESOLVER_TIMEOUT_RANGE);
    let min_ttl = duration(&mut section, report, "min_ttl", &defaults::TTL_RANGE);
    let max_ttl = duration(&mut section, report, "max_ttl", &defaults::TTL_RANGE);
    let grace = duration(&mut section, report, "grace", &defaults::GRACE_RANGE);
    let stale = duration(&mut section, report, "stale", &defaults::STALE_RANGE);
    resolver.stale = stale.map_or(resolver.stale, Spanned::into_inner);
    let rate = section.integer(report, "rate", defaults::RESOLVER_RATE_RANGE);
    resolver.rate = rate.unwrap_or(resolver.rate);
    let dnssec = section.parsed(report, "dnssec", value::dnssec);
    resolver.dnssec = dnssec.map_or(resolver.dnssec, Spanned::into_inner);
    resolver.trust_anchor = path(&mut section, report, "trust_anchor");
    resolver.tls_ca = path(&mut section, report, "tls_ca").unwrap_or(resolver.tls_ca);
    let ttl_span = min_ttl.as_ref().or(max_ttl.as_ref()).map(Spanned::span);
    resolver.timeout = timeout.map_or(resolver.timeout, Spanned::into_inner);
    resolver.min_ttl = min_ttl.map_or(resolver.min_ttl, Spanned::into_inner);
    resolver.max_ttl = max_ttl.map_or(resolver.max_ttl, Spanned::into_inner);
    resolver.grace = grace.map_or(resolver.grace, Spanned::into_inner);
    if let Some(span) = ttl_span
        && resolver.min_ttl > resolver.max_ttl
    {
        report.fault(&span, &ConfigFault::TtlOrder);
    }
    section.close(report);
    resolver
}

fn read_signalling<'i>(section: Option<Section<'i>>, report: &mut Report<'i>) -> SignallingConfig {
    let mut signalling =
        SignallingConfig { proxies: Vec::new(), domains: Vec::new(), port: defaults::SIP_PORT };
    let Some(mut section) = section else { return signalling };
    section.needs(report, &["proxies"]);
    let proxies: Vec<Spanned<IpAddr>> = section.list(report, "proxies", value::host).unwrap_or_default();
    signalling.proxies = proxies.into_iter().map(Spanned::into_inner).collect();
    let domains: Vec<Spanned<DomainName>> =
        section.list(report, "domains", str::parse::<DomainName>).unwrap_or_default();
    signalling.domains = domains.into_iter().map(Spanned::into_inner).collect();
    let port = section.integer(report, "port", 1..=u32::from(u16::MAX));
    // The range was checked.
    signalling.port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(defaults::SIP_PORT);
    section.close(report);
    signalling
}

/// The ends of the carrier's tunnels, each with the kinds that end there, as [`TunnelKind::bit`]s.
///
/// None may be a subscriber's: what claims to come from a tunnel's end is not billed to whoever sent it.
fn read_transports<'i>(
    document: &mut Section<'i>,
    pools: &[IpNet],
    report: &mut Report<'i>,
) -> BTreeMap<IpNet, u32> {
    let mut transports = BTreeMap::new();
    for mut section in document.sections(report, "transport") {
        section.needs(report, &["type", "endpoints"]);
        let kind = section.parsed(report, "type", value::tunnel_kind);
        let endpoints: Vec<Spanned<IpNet>> =
            section.list(report, "endpoints", value::endpoint).unwrap_or_default();
        section.close(report);
        let Some(kind) = kind else { continue };
        for endpoint in endpoints {
            let net = endpoint.get_ref();
            if pools.iter().any(|pool| pool.contains(net) || net.contains(pool)) {
                report.fault(&endpoint.span(), &ConfigFault::EndpointInPool);
            }
            *transports.entry(endpoint.into_inner()).or_default() |= kind.get_ref().bit();
        }
    }
    transports
}

fn read_tags<'i>(section: Option<Section<'i>>, report: &mut Report<'i>) -> ([Tag; RuleClass::COUNT], u32) {
    let mut tags = [Tag::NONE; RuleClass::COUNT];
    let Some(mut section) = section else { return (tags, Settings::INNER) };
    let dscp_at = section.parsed(report, "dscp_at", value::dscp_at);
    for class in [RuleClass::Free, RuleClass::FreePriority, RuleClass::Priority] {
        if let Some(of_class) = section.section(report, class.name()) {
            tags[class as usize] = read_tag(of_class, report);
        }
    }
    section.close(report);
    (tags, dscp_at.map_or(Settings::INNER, Spanned::into_inner))
}

fn read_tag<'i>(mut section: Section<'i>, report: &mut Report<'i>) -> Tag {
    let dscp = section.integer(report, "dscp", 0..=DSCP_MAX);
    // 0 is what an untagged packet has: it would say nothing.
    let mark = section.integer(report, "mark", 1..=u32::MAX);
    let priority = section.integer(report, "priority", 1..=u32::MAX);
    section.close(report);
    Tag {
        dscp: dscp.unwrap_or(Tag::NONE.dscp),
        mark: mark.unwrap_or(Tag::NONE.mark),
        priority: priority.unwrap_or(Tag::NONE.priority),
    }
}

fn read_ledger<'i>(section: Option<Section<'i>>, report: &mut Report<'i>) -> LedgerConfig {
    let default = LedgerConfig { interval: defaults::LEDGER_INTERVAL };
    let Some(mut section) = section else { return default };
    let interval = duration(&mut section, report, "interval", &defaults::LEDGER_INTERVAL_RANGE);
    section.close(report);
    interval.map_or(default, |interval| LedgerConfig { interval: interval.into_inner() })
}

fn read_export<'i>(mut section: Section<'i>, report: &mut Report<'i>) -> ExportConfig {
    let mut export = ExportConfig::default();
    if let Some(mut csv) = section.section(report, "csv") {
        csv.needs(report, &["directory"]);
        export.csv_directory = path(&mut csv, report, "directory");
        csv.close(report);
    }
    if let Some(mut prometheus) = section.section(report, "prometheus") {
        prometheus.needs(report, &["listen"]);
        export.prometheus_listen =
            prometheus.parsed(report, "listen", value::listen).map(Spanned::into_inner);
        prometheus.close(report);
    }
    section.close(report);
    export
}

fn read_api<'i>(mut section: Section<'i>, report: &mut Report<'i>) -> ApiConfig {
    section.needs(report, &["listen"]);
    let listen = section.parsed(report, "listen", value::listen).map(Spanned::into_inner);
    let token_file = path(&mut section, report, "token_file");
    section.close(report);
    ApiConfig { listen, token_file }
}

fn read_audit<'i>(mut section: Section<'i>, report: &mut Report<'i>) -> Option<DomainName> {
    section.needs(report, &["domain"]);
    let domain = section.parsed(report, "domain", str::parse::<DomainName>);
    section.close(report);
    domain.map(Spanned::into_inner)
}

fn read_limits<'i>(section: Option<Section<'i>>, report: &mut Report<'i>) -> LimitsConfig {
    let mut limits = LimitsConfig::default();
    let Some(mut section) = section else { return limits };
    for (key, place) in [
        ("counters", &mut limits.counters),
        ("flows", &mut limits.flows),
        ("pending", &mut limits.pending),
        ("quotas", &mut limits.quotas),
    ] {
        if let Some(entries) = section.integer(report, key, defaults::ENTRIES_RANGE) {
            *place = entries;
        }
    }
    let range = defaults::FLOWS_PER_SUBSCRIBER_RANGE;
    if let Some(flows) = section.integer(report, "flows_per_subscriber", range) {
        limits.flows_per_subscriber = flows;
    }
    section.close(report);
    limits
}

pub(super) fn path<'i>(
    section: &mut Section<'i>,
    report: &mut Report<'i>,
    key: &'static str,
) -> Option<PathBuf> {
    section.parsed(report, key, value::absolute_path).map(Spanned::into_inner)
}

pub(super) fn duration<'i>(
    section: &mut Section<'i>,
    report: &mut Report<'i>,
    key: &'static str,
    range: &RangeInclusive<Duration>,
) -> Option<Spanned<Duration>> {
    section.parsed(report, key, |text| value::duration(text, range))
}
