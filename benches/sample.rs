//! Representative frames, and the plan that decides them.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use ipnet::IpNet;
use tollfree::dataplane::PlanTables;
use tollfree_core::address::Address;
use tollfree_core::flow::{FlowKey, GrantEntry};
use tollfree_core::interface::Role;
use tollfree_core::limits::MATCHERS_MAX;
use tollfree_core::packet::protocol;
use tollfree_core::plan::{ClassEntry, MatchSet, Matcher, RuleClass, RuleEntry};

use crate::frame::FrameBuilder;

/// The gateway that the samples pass, without `[gateway]`.
pub const SETTINGS: &str = r#"
[[interface]]
name = "acc0"
role = "access"

[[interface]]
name = "core0"
role = "core"

[subscribers]
pools = ["10.20.0.0/16", "2001:db8:20::/48"]

[tag.free]
dscp = 10

[limits]
counters = 1024
flows = 1024
"#;

/// Subscribers' addresses; the same as in [`SETTINGS`].
pub const POOLS: [&str; 2] = ["10.20.0.0/16", "2001:db8:20::/48"];

/// The site of [`plan`], by its permanent number.
pub const SITE_RULE: u32 = 1001;
const HOTLINE_RULE: u32 = 1100;
const NEVER_NS: u64 = u64::MAX;
/// What most packets are: an acknowledgement, and a full segment of a 1500-octet link.
const SMALL_OCTETS: usize = 0;
const LARGE_OCTETS: usize = 1420;

/// One kind of traffic.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What is measured.
    pub name: &'static str,
    /// Where it arrives.
    pub role: Role,
    /// As it arrives.
    pub frame: Vec<u8>,
}

/// A plan of one site, in both families, and one hotline's media network.
///
/// # Errors
/// None: its prefixes are constants.
pub fn plan() -> Result<PlanTables> {
    let mut site = MatchSet::EMPTY;
    let [first, ..]: &mut [Matcher; MATCHERS_MAX] = &mut site.matchers;
    *first =
        Matcher { first_port: 443, last_port: 443, rule_index: 0, protocols: Matcher::TCP | Matcher::UDP };
    let candidate = ClassEntry { flags: ClassEntry::CANDIDATE, match_set: 0 };
    let media = ClassEntry { flags: ClassEntry::MEDIA, match_set: 0 };
    let mut plan = PlanTables {
        match_sets: vec![site],
        rules: vec![RuleEntry::new(SITE_RULE, RuleClass::Free)],
        ..PlanTables::default()
    };
    for (prefix, class) in
        [("203.0.113.0/24", candidate), ("2001:db8:6000::/48", candidate), ("198.51.100.0/25", media)]
    {
        plan.classes.insert(prefix.parse::<IpNet>()?, class);
    }
    Ok(plan)
}

/// The grant of the sample call's media stream.
///
/// # Errors
/// None: its addresses are constants.
pub fn grant() -> Result<(FlowKey, GrantEntry)> {
    let key = FlowKey {
        subscriber: Address::from("10.20.0.11".parse::<IpAddr>()?),
        remote: Address::from("198.51.100.20".parse::<IpAddr>()?),
        subscriber_port: 30_000,
        remote_port: 20_000,
        protocol: u32::from(protocol::UDP),
    };
    Ok((key, GrantEntry::new(HOTLINE_RULE, RuleClass::Free, NEVER_NS)))
}

/// The samples, each with the headers its name says; `small` has no payload, `large` fills a link.
///
/// # Errors
/// None: they are made of constants.
pub fn samples() -> Result<Vec<Sample>> {
    let (v4, v6) = (at("10.20.0.11:40000")?, at("[2001:db8:20:11::1]:40000")?);
    let (other_v4, other_v6) = (at("192.0.2.80:443")?, at("[2001:db8:9::80]:443")?);
    let (site_v4, site_v6) = (at("203.0.113.10:443")?, at("[2001:db8:6000::10]:443")?);
    let (caller, media) = (at("10.20.0.11:30000")?, at("198.51.100.20:20000")?);
    let small = |source, destination| FrameBuilder::tcp(source, destination).payload_octets(SMALL_OCTETS);
    let large = |source, destination| FrameBuilder::tcp(source, destination).payload_octets(LARGE_OCTETS);
    let all = [
        ("not listed, IPv4, small", Role::Access, small(v4, other_v4)),
        ("not listed, IPv4, large", Role::Core, large(other_v4, v4)),
        ("not listed, IPv4, QinQ", Role::Access, small(v4, other_v4).vlan(0x88a8).vlan(0x8100)),
        ("not listed, IPv6, small", Role::Access, small(v6, other_v6)),
        ("free site, IPv4", Role::Access, small(v4, site_v4).syn()),
        ("free site, IPv6", Role::Access, small(v6, site_v6).syn()),
        ("listed, nobody asked", Role::Core, large(site_v4, at("10.20.0.12:40000")?)),
        ("free call, media", Role::Access, FrameBuilder::udp(caller, media).payload_octets(172)),
    ];
    let build = |(name, role, frame): (_, _, FrameBuilder)| Ok(Sample { name, role, frame: frame.build()? });
    all.into_iter().map(build).collect()
}

fn at(text: &str) -> Result<SocketAddr> {
    Ok(text.parse()?)
}
