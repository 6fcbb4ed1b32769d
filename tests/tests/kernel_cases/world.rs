//! The gateway of all cases: who its subscribers are, and what it lets pass for free.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use tollfree::dataplane::PlanTables;
use tollfree::memory::{MemoryTables, MemoryTransports};
use tollfree_benches::frame::FrameBuilder;
use tollfree_benches::harness::KernelHarness;
use tollfree_core::address::Address;
use tollfree_core::flow::{FlowKey, GrantEntry};
use tollfree_core::interface::Role;
use tollfree_core::plan::{ClassEntry, Evidence, MatchSet, Matcher, RuleClass, RuleEntry};

use crate::case::built;
use crate::event::Event;

/// Flows that fit, those that fit of one subscriber, and ceilings: the least that the configuration allows.
pub(crate) const FLOWS_MAX: u16 = 1024;
pub(crate) const SUBSCRIBER_FLOWS_MAX: u16 = 16;
pub(crate) const QUOTAS_MAX: u16 = 1024;

/// Tags of the free, the free with priority, and the priority class.
pub(crate) const FREE_DSCP: u8 = 10;
pub(crate) const FREE_PRIORITY_DSCP: u8 = 46;
pub(crate) const FREE_PRIORITY_METADATA: (u32, u32) = (0x10, 6);
pub(crate) const PRIORITY_METADATA: (u32, u32) = (0x20, 0);

/// The gateway's settings; `DSCP_AT` stands for the headers of tunnelled packets that are tagged.
const SETTINGS: &str = r#"
[[interface]]
name = "acc0"
role = "access"

[[interface]]
name = "core0"
role = "core"

[subscribers]
pools = ["10.20.0.0/16", "2001:db8:20::/48"]

[[transport]]
type = "gtpu"
endpoints = ["172.16.1.0/24", "2001:db8:f001::/64"]

[[transport]]
type = "ipip"
endpoints = ["172.16.2.0/24", "2001:db8:f002::/64"]

[[transport]]
type = "gre"
endpoints = ["172.16.3.0/24", "2001:db8:f003::/64", "172.16.6.0/24"]

[[transport]]
type = "vxlan"
endpoints = ["172.16.4.0/24", "172.16.6.1", "172.16.6.2"]

[[transport]]
type = "geneve"
endpoints = ["172.16.5.0/24", "2001:db8:f005::1", "2001:db8:f005::2"]

[tag]
dscp_at = "DSCP_AT"

[tag.free]
dscp = 10

[tag.free-priority]
dscp = 46
mark = 0x10
priority = 6

[tag.priority]
mark = 0x20

[limits]
counters = 1024
flows = 1024
flows_per_subscriber = 16
quotas = 1024
"#;
const POOLS: [&str; 2] = ["10.20.0.0/16", "2001:db8:20::/48"];

/// Subscribers, at any port.
pub(crate) const SUBSCRIBER: &str = "10.20.0.11:40000";
pub(crate) const SUBSCRIBER_V6: &str = "[2001:db8:20:11::1]:40000";
pub(crate) const SOMEBODY_ELSE: &str = "10.20.0.12:40000";
/// In no rule.
pub(crate) const STRANGER: &str = "203.0.113.200:443";
pub(crate) const STRANGER_V6: &str = "[2001:db8:9::80]:443";
/// Free on TCP port 443.
pub(crate) const SITE: &str = "203.0.113.10:443";
pub(crate) const SITE_V6: &str = "[2001:db8:6000::10]:443";
pub(crate) const SITE_RULE: u32 = 1001;
/// Free, with priority, on UDP ports 8801 to 8810.
pub(crate) const CONFERENCE: &str = "203.0.113.11:8801";
pub(crate) const CONFERENCE_V6: &str = "[2001:db8:6000::11]:8801";
pub(crate) const CONFERENCE_RULE: u32 = 1002;
/// Priority, and paid for, on TCP port 443.
pub(crate) const HOSPITAL: &str = "203.0.113.12:443";
pub(crate) const HOSPITAL_RULE: u32 = 1003;
/// Free on TCP port 443 until a moment that has passed.
pub(crate) const ENDED: &str = "203.0.113.13:443";
pub(crate) const ENDED_RULE: u32 = 1004;
/// The rule that has ended, and behind it one that has not, for the same port.
pub(crate) const ENDED_FIRST: &str = "203.0.113.14:443";
/// One rule for TCP port 443, and behind it one for every port of both protocols.
pub(crate) const TWO_RULES: &str = "203.0.113.15:443";
pub(crate) const FIRST_RULE: u32 = 1005;
pub(crate) const SECOND_RULE: u32 = 1006;
/// As many matchers as fit; the last is for TCP port 8443.
pub(crate) const FULL_SET: &str = "203.0.113.16:8443";
/// Free on TCP port 443 for those who ask for its name.
pub(crate) const NAMED: &str = "203.0.113.20:443";
pub(crate) const NAMED_RULE: u32 = 1007;
/// Free up to a ceiling a day, on UDP port 8801.
pub(crate) const CAPPED: &str = "203.0.113.21:8801";
pub(crate) const CAPPED_RULE: u32 = 1008;
pub(crate) const CEILING_OCTETS: u64 = 1000;
/// Free on TCP port 443 for those who ask for its name, up to the same ceiling.
pub(crate) const NAMED_CAPPED: &str = "203.0.113.22:443";
pub(crate) const NAMED_CAPPED_RULE: u32 = 1009;
/// Priority, paid for, and asks for a name, on TCP port 443.
pub(crate) const NAMED_HOSPITAL: &str = "203.0.113.23:443";
pub(crate) const NAMED_HOSPITAL_RULE: u32 = 1010;
/// As the site, but strangers' names have this address too.
pub(crate) const SHARED: &str = "203.0.113.24:443";
/// Free on TCP port 443, and only observed; the second asks for a name.
pub(crate) const OBSERVED: &str = "203.0.113.25:443";
pub(crate) const OBSERVED_RULE: u32 = 1011;
pub(crate) const NAMED_OBSERVED: &str = "203.0.113.26:443";
pub(crate) const NAMED_OBSERVED_RULE: u32 = 1012;
/// On TCP port 443, of the rule that asks for its name and, behind it, of the one with a ceiling that asks for its own; on
/// port 8443, of the first alone.
pub(crate) const TWO_NAMES: &str = "203.0.113.27:443";
/// A trusted resolver, and one that is listed as the site is, on TCP port 443.
pub(crate) const RESOLVER: &str = "203.0.113.53:53";
pub(crate) const RESOLVER_V6: &str = "[2001:db8:6000::53]:53";
/// What rules list, with all below it.
pub(crate) const LISTED_NAME: &str = "moh.example";
/// A prefix of the site's rule, and inside it one of the two rules.
pub(crate) const OUTER: &str = "192.0.2.1:443";
pub(crate) const INNER: &str = "192.0.2.65:443";
/// A call's media: granted, granted until a moment that has passed, not granted.
pub(crate) const CALLER: &str = "10.20.0.11:30000";
pub(crate) const MEDIA: &str = "198.51.100.20:20000";
pub(crate) const ENDED_MEDIA: &str = "198.51.100.20:20002";
pub(crate) const OTHER_MEDIA: &str = "198.51.100.20:20004";
/// Media that may carry an octet a second, that may be silent for [`SILENCE_NS`], and that is only observed.
pub(crate) const SLOW_MEDIA: &str = "198.51.100.21:20000";
pub(crate) const SHY_MEDIA: &str = "198.51.100.22:20000";
pub(crate) const OBSERVED_MEDIA: &str = "198.51.100.23:20000";
pub(crate) const SILENCE_NS: u64 = 1_000_000_000;
pub(crate) const HOTLINE_RULE: u32 = 1100;
pub(crate) const CALLER_V6: &str = "[2001:db8:20:11::1]:30000";
pub(crate) const MEDIA_V6: &str = "[2001:db8:5060::20]:20000";
pub(crate) const PRIORITY_HOTLINE_RULE: u32 = 1101;
/// In a media network, and listed by the two rules.
pub(crate) const MEDIA_SITE: &str = "198.51.100.64:443";
/// Signalling proxies.
pub(crate) const PROXY: &str = "198.51.100.200:5060";
/// While a rule frees texts.
pub(crate) const TEXT_PROXY: &str = "198.51.100.201:5060";
pub(crate) const PROXY_V6: &str = "[2001:db8:5060:1::5]:5060";
/// The gateway's own, inside the pools.
pub(crate) const GATEWAY: &str = "10.20.255.254:53";
pub(crate) const GATEWAY_V6: &str = "[2001:db8:20:ffff::fe]:53";

/// Ends of the carrier's tunnels, by kind.
pub(crate) const GTPU_ENDS: (&str, &str) = ("172.16.1.1:0", "172.16.1.2:0");
pub(crate) const GTPU_ENDS_V6: (&str, &str) = ("[2001:db8:f001::1]:0", "[2001:db8:f001::2]:0");
pub(crate) const IPIP_ENDS: (&str, &str) = ("172.16.2.1:0", "172.16.2.2:0");
pub(crate) const IPIP_ENDS_V6: (&str, &str) = ("[2001:db8:f002::1]:0", "[2001:db8:f002::2]:0");
pub(crate) const GRE_ENDS: (&str, &str) = ("172.16.3.1:0", "172.16.3.2:0");
pub(crate) const GRE_ENDS_V6: (&str, &str) = ("[2001:db8:f003::1]:0", "[2001:db8:f003::2]:0");
pub(crate) const VXLAN_ENDS: (&str, &str) = ("172.16.4.1:0", "172.16.4.2:0");
pub(crate) const GENEVE_ENDS: (&str, &str) = ("172.16.5.1:0", "172.16.5.2:0");
pub(crate) const GENEVE_ENDS_V6: (&str, &str) = ("[2001:db8:f005::1]:0", "[2001:db8:f005::2]:0");
/// Ends of VXLAN in a network of ends of GRE.
pub(crate) const GRE_AND_VXLAN_ENDS: (&str, &str) = ("172.16.6.1:0", "172.16.6.2:0");

/// What is never a subscriber's (RFC 6890): unspecified, loopback, link-local, multicast, broadcast.
const NEIGHBOURS: [&str; 9] = [
    "0.0.0.0/32",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
];

pub(crate) const NEVER_NS: u64 = u64::MAX;
/// One nanosecond after the machine started.
pub(crate) const PASSED_NS: u64 = 1;
/// How long userspace's day is that cases begin with: shorter than any flow may rest.
pub(crate) const DAY_NS: u64 = 1_000_000_000;
pub(crate) const SIP_PORT: u16 = 5060;
/// Userspace's clock: later than what has passed.
pub(crate) const NOW_NS: u64 = 1_000_000_000;

/// An address and a port.
pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no socket address"))
}

/// `constant`'s address, at another port.
pub(crate) fn port(constant: &str, port: u16) -> String {
    let mut socket = at(constant);
    socket.set_port(port);
    socket.to_string()
}

/// The same plan in the kernel and in this process.
pub(crate) struct World {
    pub(crate) kernel: KernelHarness,
    pub(crate) memory: MemoryTables,
    pub(crate) transports: MemoryTransports,
}

impl World {
    /// A gateway that has seen nothing, in a network namespace that has the gateway's own addresses and no others.
    pub(crate) fn open() -> Result<Self> {
        Self::open_tagging("inner")
    }

    /// The same, with the code point in these headers of tunnelled packets.
    pub(crate) fn open_tagging(dscp_at: &str) -> Result<Self> {
        give_own_addresses()?;
        let plan = plan();
        let mut kernel = KernelHarness::open(&SETTINGS.replace("DSCP_AT", dscp_at), &plan)?;
        let pools: Vec<_> = POOLS.iter().map(|pool| pool.parse().expect("a prefix")).collect();
        let mut memory = MemoryTables::new(&plan, &pools, usize::from(FLOWS_MAX));
        memory.set_now(NOW_NS);
        memory.set_day_ends(NOW_NS + DAY_NS);
        memory.set_flows_per_subscriber(SUBSCRIBER_FLOWS_MAX.into());
        memory.set_quotas_max(QUOTAS_MAX.into());
        for own in NEIGHBOURS {
            memory.add_own(own.parse().expect("a prefix"));
        }
        for own in [GATEWAY, GATEWAY_V6] {
            memory.add_own(at(own).ip().into());
        }
        kernel.dataplane().set_names([LISTED_NAME])?;
        memory.set_names([LISTED_NAME]);
        let mut flow_tables = kernel.dataplane().take_flow_tables()?;
        for (key, entry) in grants() {
            flow_tables.grant(&key, &entry)?;
            memory.grant(key, entry);
        }
        let transports = MemoryTransports::new(&kernel.config().transports);
        Ok(Self { kernel, memory, transports })
    }
}

fn give_own_addresses() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)
        .context("only root can make the network namespace that this needs: run this again as root")?;
    for own in [GATEWAY, GATEWAY_V6] {
        let ip = at(own).ip();
        let prefix = format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 });
        let status = Command::new("ip").args(["address", "add", &prefix, "dev", "lo"]).status()?;
        ensure!(status.success(), "`ip address add {prefix} dev lo` failed");
    }
    Ok(())
}

const fn matcher(protocols: u16, first_port: u16, last_port: u16, rule_index: u16) -> Matcher {
    Matcher { first_port, last_port, rule_index, protocols }
}

fn set(matchers: &[Matcher]) -> MatchSet {
    let mut set = MatchSet::EMPTY;
    set.matchers[..matchers.len()].copy_from_slice(matchers);
    set
}

fn rule(rule: u32, class: RuleClass, valid_until_ns: u64) -> RuleEntry {
    RuleEntry { valid_until_ns, ..RuleEntry::new(rule, class) }
}

const fn asking(rule: RuleEntry) -> RuleEntry {
    RuleEntry { evidence: Evidence::NameAndAddress as u32, ..rule }
}

const fn observed(rule: RuleEntry) -> RuleEntry {
    RuleEntry { flags: RuleEntry::OBSERVED, ..rule }
}

const fn capped(rule: RuleEntry) -> RuleEntry {
    RuleEntry { ceiling_octets: CEILING_OCTETS, ..rule }
}

pub(crate) fn plan() -> PlanTables {
    let rules = vec![
        rule(SITE_RULE, RuleClass::Free, NEVER_NS),
        rule(CONFERENCE_RULE, RuleClass::FreePriority, NEVER_NS),
        rule(HOSPITAL_RULE, RuleClass::Priority, NEVER_NS),
        rule(ENDED_RULE, RuleClass::Free, PASSED_NS),
        rule(FIRST_RULE, RuleClass::Free, NEVER_NS),
        rule(SECOND_RULE, RuleClass::Free, NEVER_NS),
        asking(RuleEntry::new(NAMED_RULE, RuleClass::Free)),
        capped(RuleEntry::new(CAPPED_RULE, RuleClass::Free)),
        asking(capped(RuleEntry::new(NAMED_CAPPED_RULE, RuleClass::FreePriority))),
        asking(RuleEntry::new(NAMED_HOSPITAL_RULE, RuleClass::Priority)),
        observed(RuleEntry::new(OBSERVED_RULE, RuleClass::Free)),
        observed(asking(RuleEntry::new(NAMED_OBSERVED_RULE, RuleClass::Free))),
    ];
    let [site, conference, hospital, ended, first, second] = [0, 1, 2, 3, 4, 5];
    let [named, capped, named_capped, named_hospital, observed, named_observed] = [6, 7, 8, 9, 10, 11];
    let mut full: Vec<_> = (1..16).map(|port| matcher(Matcher::TCP, port, port, site)).collect();
    full.push(matcher(Matcher::TCP, 8443, 8443, first));
    let match_sets = vec![
        set(&[matcher(Matcher::TCP, 443, 443, site)]),
        set(&[matcher(Matcher::UDP, 8801, 8810, conference)]),
        set(&[matcher(Matcher::TCP, 443, 443, hospital)]),
        set(&[matcher(Matcher::TCP, 443, 443, ended)]),
        set(&[matcher(Matcher::TCP, 443, 443, ended), matcher(Matcher::TCP, 443, 443, site)]),
        set(&[
            matcher(Matcher::TCP, 443, 443, first),
            matcher(Matcher::TCP | Matcher::UDP, 1, 65535, second),
        ]),
        set(&full),
        set(&[matcher(Matcher::TCP, 443, 443, named)]),
        set(&[matcher(Matcher::UDP, 8801, 8801, capped)]),
        set(&[matcher(Matcher::TCP, 443, 443, named_capped)]),
        set(&[matcher(Matcher::TCP, 443, 443, named_hospital)]),
        set(&[matcher(Matcher::TCP, 443, 443, observed)]),
        set(&[matcher(Matcher::TCP, 443, 443, named_observed)]),
        set(&[
            matcher(Matcher::TCP, 443, 443, named),
            matcher(Matcher::TCP, 8443, 8443, named),
            matcher(Matcher::TCP, 443, 443, named_capped),
        ]),
    ];
    let mut plan = PlanTables { match_sets, rules, ..PlanTables::default() };
    for (prefix, flags, match_set) in [
        ("203.0.113.10/32", ClassEntry::CANDIDATE, 0),
        ("2001:db8:6000::10/128", ClassEntry::CANDIDATE, 0),
        ("203.0.113.11/32", ClassEntry::CANDIDATE, 1),
        ("2001:db8:6000::11/128", ClassEntry::CANDIDATE, 1),
        ("203.0.113.12/32", ClassEntry::CANDIDATE, 2),
        ("203.0.113.13/32", ClassEntry::CANDIDATE, 3),
        ("203.0.113.14/32", ClassEntry::CANDIDATE, 4),
        ("203.0.113.15/32", ClassEntry::CANDIDATE, 5),
        ("203.0.113.16/32", ClassEntry::CANDIDATE, 6),
        ("203.0.113.20/32", ClassEntry::CANDIDATE, 7),
        ("203.0.113.21/32", ClassEntry::CANDIDATE, 8),
        ("203.0.113.22/32", ClassEntry::CANDIDATE, 9),
        ("203.0.113.23/32", ClassEntry::CANDIDATE, 10),
        ("203.0.113.24/32", ClassEntry::CANDIDATE | ClassEntry::SHARED, 0),
        ("203.0.113.25/32", ClassEntry::CANDIDATE, 11),
        ("203.0.113.26/32", ClassEntry::CANDIDATE, 12),
        ("203.0.113.27/32", ClassEntry::CANDIDATE, 13),
        ("203.0.113.53/32", ClassEntry::RESOLVER | ClassEntry::CANDIDATE, 0),
        ("2001:db8:6000::53/128", ClassEntry::RESOLVER, 0),
        ("192.0.2.0/24", ClassEntry::CANDIDATE, 0),
        ("192.0.2.64/26", ClassEntry::CANDIDATE, 5),
        ("198.51.100.0/25", ClassEntry::MEDIA, 0),
        ("198.51.100.64/32", ClassEntry::MEDIA | ClassEntry::CANDIDATE, 5),
        ("198.51.100.200/32", ClassEntry::SIGNALLING, 0),
        ("198.51.100.201/32", ClassEntry::SIGNALLING | ClassEntry::TEXTS, 0),
        ("2001:db8:5060::/64", ClassEntry::MEDIA, 0),
        ("2001:db8:5060:1::5/128", ClassEntry::SIGNALLING, 0),
    ] {
        plan.classes.insert(prefix.parse().expect("a prefix"), ClassEntry { flags, match_set });
    }
    plan
}

/// A UDP flow, subscriber's side first.
pub(crate) fn udp_flow(subscriber: &str, remote: &str) -> FlowKey {
    FlowKey { protocol: 17, ..tcp_flow(subscriber, remote) }
}

/// A TCP flow, subscriber's side first.
pub(crate) fn tcp_flow(subscriber: &str, remote: &str) -> FlowKey {
    let (subscriber, remote) = (at(subscriber), at(remote));
    FlowKey {
        subscriber: Address::from(subscriber.ip()),
        remote: Address::from(remote.ip()),
        subscriber_port: subscriber.port(),
        remote_port: remote.port(),
        protocol: 6,
    }
}

/// SYNs of other subscribers that fill the flow table, but for some places.
pub(crate) fn filling(left: u16) -> Vec<Event> {
    let syn = |number: u16| {
        let [subscriber, flow] = [number / SUBSCRIBER_FLOWS_MAX, number % SUBSCRIBER_FLOWS_MAX];
        let from = format!("10.20.1.{subscriber}:{}", 10_000 + flow);
        Event::Frame(Role::Access, built(&FrameBuilder::tcp(at(&from), at(SITE)).syn()))
    };
    (0..FLOWS_MAX - left).map(syn).collect()
}

fn grants() -> Vec<(FlowKey, GrantEntry)> {
    let grant = GrantEntry::new;
    let hotline = grant(HOTLINE_RULE, RuleClass::Free, NEVER_NS);
    vec![
        (udp_flow(CALLER, SLOW_MEDIA), GrantEntry { octets_per_second: 1, ..hotline }),
        (udp_flow(CALLER, SHY_MEDIA), GrantEntry { silence_ns: SILENCE_NS, ..hotline }),
        (udp_flow(CALLER, OBSERVED_MEDIA), GrantEntry { flags: RuleEntry::OBSERVED, ..hotline }),
        (udp_flow(CALLER, MEDIA), grant(HOTLINE_RULE, RuleClass::Free, NEVER_NS)),
        (udp_flow(CALLER, ENDED_MEDIA), grant(HOTLINE_RULE, RuleClass::Free, PASSED_NS)),
        (udp_flow(CALLER_V6, MEDIA_V6), grant(PRIORITY_HOTLINE_RULE, RuleClass::FreePriority, NEVER_NS)),
    ]
}

/// Whom the constants' subscribers are billed as: an IPv4 address, or an IPv6 /64.
pub(crate) fn billed(text: &str) -> (IpAddr, u8) {
    match at(text) {
        SocketAddr::V4(v4) => ((*v4.ip()).into(), 32),
        SocketAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.ip().segments();
            (IpAddr::from([a, b, c, d, 0, 0, 0, 0]), 64)
        }
    }
}
