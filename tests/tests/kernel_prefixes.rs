//! The longest prefix decides in the kernel, held against a search through all of them.

#[path = "kernel_cases/conservation.rs"]
mod conservation;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Result, anyhow, ensure};
use ipnet::IpNet;
use tollfree::dataplane::PlanTables;
use tollfree_benches::frame::FrameBuilder;
use tollfree_benches::harness::KernelHarness;
use tollfree_benches::sample;
use tollfree_core::interface::Role;
use tollfree_core::limits::MATCHERS_MAX;
use tollfree_core::plan::{ClassEntry, MatchSet, Matcher, RuleClass, RuleEntry};
use tollfree_core::reason::Reason;

const SUBSCRIBER_V4: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 11);
const SUBSCRIBER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x20, 0x11, 0, 0, 0, 1);

/// Every network with a rule of its own, for TCP.
fn plan_of(networks: &BTreeSet<IpNet>) -> PlanTables {
    let mut plan = PlanTables::default();
    for (network, number) in networks.iter().zip(0_u16..) {
        let mut set = MatchSet::EMPTY;
        let [first, ..]: &mut [Matcher; MATCHERS_MAX] = &mut set.matchers;
        *first = Matcher { first_port: 0, last_port: u16::MAX, rule_index: number, protocols: Matcher::TCP };
        plan.match_sets.push(set);
        plan.rules.push(RuleEntry::new(rule_of(network), RuleClass::Free));
        let class = ClassEntry { flags: ClassEntry::CANDIDATE, match_set: u32::from(number) };
        plan.classes.insert(*network, class);
    }
    plan
}

/// A number that depends on nothing but the network: none of the tests has two networks of one number.
fn rule_of(network: &IpNet) -> u32 {
    let bits = match network.network() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96 | 1,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let folded = (0..4).fold(u32::from(network.prefix_len()) + 1, |fold, word| {
        #[expect(clippy::cast_possible_truncation, reason = "a word is what is asked for")]
        let word = (bits >> (32 * word)) as u32;
        (fold.rotate_left(7) ^ word).wrapping_mul(0x0100_0193)
    });
    folded | 1
}

/// What is expected: the rule of the longest network of all that hold the address, else none.
fn naive(networks: &BTreeSet<IpNet>, ip: IpAddr) -> (u32, Reason) {
    let covering = networks.iter().filter(|network| network.contains(&ip));
    match covering.max_by_key(|network| network.prefix_len()) {
        Some(network) => (rule_of(network), Reason::NoFlow),
        None => (0, Reason::NotListed),
    }
}

/// From `ip` to a subscriber who asked for nothing: told by rule, and no flow comes to be.
fn unasked(ip: IpAddr) -> Result<Vec<u8>> {
    let subscriber: IpAddr = if ip.is_ipv4() { SUBSCRIBER_V4.into() } else { SUBSCRIBER_V6.into() };
    FrameBuilder::tcp(SocketAddr::new(ip, 443), SocketAddr::new(subscriber, 40_000)).build()
}

/// The first and the last address of each network, and those beside it.
fn edges(networks: &BTreeSet<IpNet>) -> BTreeSet<IpAddr> {
    let around = |network: &IpNet| match (network.network(), network.broadcast()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (first.to_bits(), last.to_bits());
            let all = [first.saturating_sub(1), first, last, last.saturating_add(1)];
            all.map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)))
        }
        (first, last) => {
            let bits = |ip| if let IpAddr::V6(v6) = ip { v6.to_bits() } else { 0 };
            let (first, last) = (bits(first), bits(last));
            let all = [first.saturating_sub(1), first, last, last.saturating_add(1)];
            all.map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)))
        }
    };
    networks.iter().flat_map(around).collect()
}

/// Each address decides as the search says: what is counted by rule and reason is what it expects.
fn check(harness: &mut KernelHarness, networks: &BTreeSet<IpNet>, ips: &BTreeSet<IpAddr>) -> Result<()> {
    let before = harness.cut()?;
    let mut expected: BTreeMap<(u32, u16), u64> = BTreeMap::new();
    for ip in ips {
        let (rule, reason) = naive(networks, *ip);
        *expected.entry((rule, reason as u16)).or_default() += 1;
        harness.run(Role::Core, &unasked(*ip)?, 1)?;
    }
    let after = harness.cut()?;
    // No rule asks for evidence.
    conservation::check(&after, &BTreeMap::new()).map_err(|fault| anyhow!(fault))?;
    let mut found: BTreeMap<(u32, u16), u64> = BTreeMap::new();
    for (key, usage) in conservation::moved(&before, &after).map_err(|fault| anyhow!(fault))? {
        *found.entry((key.rule, key.reason)).or_default() += usage.downlink_packets;
    }
    ensure!(found == expected, "counted {found:?}, not {expected:?}");
    Ok(())
}

fn networks(texts: &[&str]) -> Result<BTreeSet<IpNet>> {
    texts.iter().map(|text| Ok(text.parse()?)).collect()
}

/// Of both families, of many lengths, nested and side by side.
fn many() -> Result<BTreeSet<IpNet>> {
    networks(&[
        "0.0.0.0/0",
        "64.0.0.0/2",
        "203.0.0.0/8",
        "203.0.0.0/15",
        "203.0.0.0/16",
        "203.0.0.0/17",
        "203.0.113.0/24",
        "203.0.113.0/25",
        "203.0.113.64/31",
        "203.0.113.64/32",
        "203.0.113.66/32",
        "203.1.0.0/16",
        "198.51.100.7/32",
        "2000::/3",
        "2001:db8::/29",
        "2001:db8::/32",
        "2001:db8::/33",
        "2001:db8:6000::/36",
        "2001:db8:6000::/48",
        "2001:db8:6000::/63",
        "2001:db8:6000::/64",
        "2001:db8:6000::/65",
        "2001:db8:6000::7/128",
        "2001:db8:6000::8/127",
        "2001:dc0::/32",
        "2a00::/16",
        "2a00::/15",
    ])
}

fn open(networks: &BTreeSet<IpNet>) -> Result<KernelHarness> {
    KernelHarness::open(sample::SETTINGS, &plan_of(networks))
}

#[test]
fn the_longest_of_nested_prefixes_decides() -> Result<()> {
    let networks = many()?;
    let rules: BTreeSet<u32> = networks.iter().map(rule_of).collect();
    ensure!(rules.len() == networks.len(), "two networks of one number");
    check(&mut open(&networks)?, &networks, &edges(&networks))
}

#[test]
fn taking_a_prefix_out_uncovers_the_one_around_it() -> Result<()> {
    let mut networks = many()?;
    let ips = edges(&networks);
    let mut harness = open(&networks)?;
    // Longest first, every other one: each slot is written with differences only.
    let mut by_length: Vec<IpNet> = networks.iter().copied().collect();
    by_length.sort_by_key(|network| std::cmp::Reverse(network.prefix_len()));
    for network in by_length.into_iter().step_by(2) {
        networks.remove(&network);
        harness.dataplane().refresh(&plan_of(&networks))?;
        check(&mut harness, &networks, &ips)?;
    }
    Ok(())
}

#[test]
fn adopted_prefixes_are_built_upon() -> Result<()> {
    let all = many()?;
    let ips = edges(&all);
    let mut harness = open(&all)?;
    let half: BTreeSet<IpNet> = all.iter().copied().step_by(2).collect();
    harness.dataplane().refresh(&plan_of(&half))?;
    // Both slots hold something that the next controller has not written.
    harness.reopen()?;
    check(&mut harness, &half, &ips)?;
    for networks in [BTreeSet::new(), all, half, BTreeSet::new()] {
        harness.dataplane().refresh(&plan_of(&networks))?;
        check(&mut harness, &networks, &ips)?;
    }
    Ok(())
}
