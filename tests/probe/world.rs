//! The gateway that is probed: its settings, and what it lets pass for free.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, anyhow};
use tollfree::config::Config;
use tollfree::dataplane::{Dataplane, PlanTables};
use tollfree_core::address::Address;
use tollfree_core::flow::{FlowKey, GrantEntry};
use tollfree_core::interface::Role;
use tollfree_core::plan::{ClassEntry, MatchSet, Matcher, RuleClass, RuleEntry};
use tollfree_core::settings::Settings;

/// Everything but how free traffic with priority is marked, which decides whether a kernel needs tcx.
const SETTINGS: &str = r#"
[[interface]]
name = "lo"
role = "access"

[subscribers]
pools = ["10.20.0.0/16", "2001:db8:20::/48"]

[[transport]]
type = "gtpu"
endpoints = ["192.0.2.0/29"]

[tag.free]
dscp = 10

[tag.free-priority]
dscp = 46
"#;
const MARKS: &str = "mark = 0x10\npriority = 6\n";
const LIMITS: &str = "[limits]\ncounters = 1024\nflows = 1024\n";

pub(crate) const SUBSCRIBER: &str = "10.20.0.11:40000";
pub(crate) const SUBSCRIBER_V6: &str = "[2001:db8:20:11::1]:40000";
/// In no rule, and in no pool.
pub(crate) const STRANGER: &str = "203.0.113.200:443";
/// Free on TCP port 443.
pub(crate) const SITE: &str = "203.0.113.10:443";
pub(crate) const SITE_RULE: u32 = 1001;
/// Free, with priority, on UDP ports 8801 to 8810.
pub(crate) const CONFERENCE: &str = "[2001:db8:6000::11]:8801";
pub(crate) const CONFERENCE_RULE: u32 = 1002;
/// Free on TCP port 443 until a moment that has passed.
pub(crate) const ENDED: &str = "203.0.113.13:443";
pub(crate) const ENDED_RULE: u32 = 1003;
/// A free call's media.
pub(crate) const CALLER: &str = "10.20.0.11:30000";
pub(crate) const MEDIA: &str = "198.51.100.20:20000";
pub(crate) const HOTLINE_RULE: u32 = 1100;
/// A signalling proxy.
pub(crate) const PROXY: &str = "198.51.100.200:5060";

/// Ends of the carrier's own GTP-U.
pub(crate) const BASE_STATION: &str = "192.0.2.1:2152";
pub(crate) const USER_PLANE: &str = "192.0.2.2:2152";

const UDP: u32 = 17;
const NEVER_NS: u64 = u64::MAX;
/// One nanosecond after the machine started.
const PASSED_NS: u64 = 1;
const EPOCH: u32 = 1;

/// The maps, with a plan in force in them.
pub(crate) struct World {
    pub(crate) dataplane: Dataplane,
    config: Config,
}

impl World {
    /// Makes the maps, and puts the plan in force.
    pub(crate) fn open(config: Config) -> Result<Self> {
        let mut dataplane = Dataplane::open(&config)?;
        dataplane.set_locals(&config.pools)?;
        dataplane.set_transports(&config.transports)?;
        dataplane.activate(&plan()?, EPOCH)?;
        let media = FlowKey {
            subscriber: Address::from(at(CALLER)?.ip()),
            remote: Address::from(at(MEDIA)?.ip()),
            subscriber_port: at(CALLER)?.port(),
            remote_port: at(MEDIA)?.port(),
            protocol: UDP,
        };
        let entry = GrantEntry::new(HOTLINE_RULE, RuleClass::Free, NEVER_NS);
        dataplane.take_flow_tables()?.grant(&media, &entry)?;
        Ok(Self { dataplane, config })
    }

    /// Settings with marks in them.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// What the programs of an interface of `role` are told.
    pub(crate) fn settings(&self, role: Role) -> Settings {
        self.config.settings(0, role)
    }

    /// Where the maps are pinned.
    pub(crate) fn bpffs(&self) -> &Path {
        &self.config.gateway.bpffs
    }
}

/// The gateway's settings, with or without marks.
pub(crate) fn config(marks: bool) -> Result<Config> {
    let text = format!("[gateway]\nid = \"probe\"\n{SETTINGS}{}{LIMITS}", if marks { MARKS } else { "" });
    Config::parse("probe.toml", text.as_bytes()).map_err(|faults| anyhow!("{faults}"))
}

/// An address and a port.
pub(crate) fn at(text: &str) -> Result<SocketAddr> {
    Ok(text.parse()?)
}

fn plan() -> Result<PlanTables> {
    let rule = |rule, class, valid_until_ns| RuleEntry { valid_until_ns, ..RuleEntry::new(rule, class) };
    let set = |protocols, first_port, last_port, rule_index| {
        let mut set = MatchSet::EMPTY;
        set.matchers[0] = Matcher { first_port, last_port, rule_index, protocols };
        set
    };
    let mut plan = PlanTables {
        rules: vec![
            rule(SITE_RULE, RuleClass::Free, NEVER_NS),
            rule(CONFERENCE_RULE, RuleClass::FreePriority, NEVER_NS),
            rule(ENDED_RULE, RuleClass::Free, PASSED_NS),
        ],
        match_sets: vec![
            set(Matcher::TCP, 443, 443, 0),
            set(Matcher::UDP, 8801, 8810, 1),
            set(Matcher::TCP, 443, 443, 2),
        ],
        ..PlanTables::default()
    };
    for (prefix, flags, match_set) in [
        ("203.0.113.10/32", ClassEntry::CANDIDATE, 0),
        ("2001:db8:6000::/64", ClassEntry::CANDIDATE, 1),
        ("203.0.113.13/32", ClassEntry::CANDIDATE, 2),
        ("198.51.100.0/25", ClassEntry::MEDIA, 0),
        ("198.51.100.200/32", ClassEntry::SIGNALLING, 0),
    ] {
        plan.classes.insert(prefix.parse()?, ClassEntry { flags, match_set });
    }
    Ok(plan)
}
