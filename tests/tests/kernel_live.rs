//! Addresses that change while a plan is in force, in the kernel, held against plans that are compiled with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow, ensure};
use ipnet::IpNet;
use jiff::Timestamp;
use tollfree::book::Change;
use tollfree::dataplane::{LivePlan, PlanTables};
use tollfree::policy::{CompileInput, DomainName, Plan, PolicySet, compile, load};
use tollfree_benches::frame::FrameBuilder;
use tollfree_benches::harness::{FIRST_EPOCH, KernelHarness};
use tollfree_benches::sample;
use tollfree_core::interface::Role;
use tollfree_core::limits::MATCH_SETS_MAX;
use tollfree_core::reason::Reason;

/// Sites, each with a port and a name of its own. Reason: more than 4096 sets of them, each within the matchers of one
/// address.
const SITES: u32 = 13;
const FIRST_PORT: u16 = 1000;
/// Networks of sites, by the site's place.
const NETWORKS: [(u32, &str); 6] = [
    (0, "203.0.113.0/24"),
    (1, "203.0.113.16/28"),
    (2, "203.0.113.17/32"),
    (3, "198.51.0.0/16"),
    (4, "2001:db8:6000::/48"),
    (5, "2001:db8:6000::11/128"),
];

/// What names have, by place of the site.
type Named = BTreeMap<IpAddr, BTreeSet<u32>>;
/// Packets by place of the address, rule and reason.
type Seen = BTreeMap<(usize, u32, u16), u64>;

fn policy() -> Result<PolicySet> {
    policy_of(SITES)
}

fn policy_of(sites: u32) -> Result<PolicySet> {
    let mut text = "[policy]\nid = \"live\"\nlegal_basis = \"none\"\nauthority = \"none\"\n\
                    valid_from = 2020-01-01T00:00:00Z\n"
        .to_owned();
    for site in 0..sites {
        let networks: Vec<String> = NETWORKS
            .iter()
            .filter(|(of, _)| *of == site)
            .map(|(_, network)| format!("\"{network}\""))
            .collect();
        let networks = if networks.is_empty() {
            String::new()
        } else {
            format!("networks = [{}]\n", networks.join(", "))
        };
        let port = u32::from(FIRST_PORT) + site;
        write!(
            text,
            "[[site]]\nid = \"s{site}\"\ndomains = [\"s{site}.example\"]\n{networks}ports = [\"tcp/{port}\"]\n\
             evidence = \"address\"\nclass = \"free\"\nrating_group = 1\n",
        )?;
    }
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("live.toml"), text)?;
    load(directory.path()).map_err(|faults| anyhow!("{faults}"))
}

/// A site's rule has its place and one as its number.
fn plan(policies: &PolicySet, named: &Named) -> Result<Plan> {
    let numbers = policies.provisional_numbers();
    let mut addresses: BTreeMap<DomainName, BTreeSet<IpAddr>> = BTreeMap::new();
    for (ip, rules) in named {
        for rule in rules {
            addresses.entry(format!("s{}.example", rule - 1).parse()?).or_default().insert(*ip);
        }
    }
    Ok(compile(&CompileInput {
        addresses: &addresses,
        proxies: &["203.0.113.18".parse()?],
        ..CompileInput::new(policies, &numbers, Timestamp::now())
    })?)
}

fn open(policies: &PolicySet, named: &Named) -> Result<(KernelHarness, LivePlan)> {
    let mut harness = KernelHarness::open(sample::SETTINGS, &PlanTables::default())?;
    harness.dataplane().activate_plan(&plan(policies, named)?, FIRST_EPOCH + 1)?;
    let live = harness.dataplane().live_plan();
    Ok((harness, live))
}

/// In networks, at their edges, and outside.
fn addresses() -> Result<Vec<IpAddr>> {
    let texts = [
        "203.0.113.1",
        "203.0.113.16",
        "203.0.113.17",
        "203.0.113.18",
        "203.0.113.31",
        "203.0.113.32",
        "198.51.0.0",
        "198.51.255.255",
        "192.0.2.1",
        "192.0.2.2",
        "2001:db8:6000::10",
        "2001:db8:6000::11",
        "2001:db8:6001::1",
        "2001:db8::1",
    ];
    texts.iter().map(|text| Ok(text.parse()?)).collect()
}

/// One packet from each address and port to a subscriber of its own who asked for nothing: told by rule.
fn seen(harness: &mut KernelHarness, ips: &[IpAddr]) -> Result<Seen> {
    let before = harness.cut()?;
    let mut places = BTreeMap::new();
    for (place, ip) in ips.iter().enumerate() {
        let octet = u8::try_from(place + 1)?;
        let subscriber: IpAddr = match ip {
            IpAddr::V4(_) => Ipv4Addr::new(10, 20, 0, octet).into(),
            IpAddr::V6(_) => format!("2001:db8:20:{octet:x}::1").parse()?,
        };
        let prefix = if ip.is_ipv4() { 32 } else { 64 };
        places.insert(IpNet::new(subscriber, prefix)?.trunc(), place);
        for port in (FIRST_PORT..).take(SITES as usize) {
            let frame = FrameBuilder::tcp(SocketAddr::new(*ip, port), SocketAddr::new(subscriber, 40_000));
            harness.run(Role::Core, &frame.build()?, 1)?;
        }
    }
    let after = harness.cut()?;
    let mut seen = Seen::new();
    for (key, usage) in &after.counters {
        let packets =
            usage.downlink_packets - before.counters.get(key).map_or(0, |before| before.downlink_packets);
        let Some((ip, length)) = key.subscriber.prefix() else { continue };
        if packets != 0 {
            let place = places.get(&IpNet::new(ip, length)?).context("another subscriber")?;
            *seen.entry((*place, key.rule, key.reason)).or_default() += packets;
        }
    }
    Ok(seen)
}

/// Whether packets fare under `harness` as under maps of their own, in which no address was ever changed.
fn is_as_compiled(
    harness: &mut KernelHarness,
    anew: &mut KernelHarness,
    policies: &PolicySet,
    named: &Named,
) -> Result<()> {
    anew.dataplane().refresh_plan(&plan(policies, named)?)?;
    let ips = addresses()?;
    let (found, expected) = (seen(harness, &ips)?, seen(anew, &ips)?);
    ensure!(found == expected, "with {named:?}: {found:?}, not {expected:?}");
    Ok(())
}

/// An address gets names, other names, or none.
fn change(random: &mut fastrand::Rng, live: &LivePlan, named: &mut Named) -> Result<()> {
    let ip = *random.choice(&addresses()?).context("no addresses")?;
    let rules: BTreeSet<u32> = (0..random.u32(..3)).map(|_| 1 + random.u32(..SITES)).collect();
    live.set_address(ip, &rules, false)?;
    named.insert(ip, rules);
    named.retain(|_, rules| !rules.is_empty());
    Ok(())
}

#[test]
fn changed_addresses_are_as_if_compiled() -> Result<()> {
    let policies = policy()?;
    let (mut anew, _) = open(&policies, &Named::new())?;
    let mut random = fastrand::Rng::with_seed(5);
    let mut named = Named::from([
        ("192.0.2.1".parse()?, BTreeSet::from([7])),
        ("203.0.113.16".parse()?, BTreeSet::from([8])),
    ]);
    let (mut harness, live) = open(&policies, &named)?;
    for _ in 0..8 {
        for _ in 0..random.u32(1..20) {
            change(&mut random, &live, &mut named)?;
        }
        is_as_compiled(&mut harness, &mut anew, &policies, &named)?;
    }
    Ok(())
}

#[test]
fn plans_take_over_what_was_changed_and_what_was_not() -> Result<()> {
    let policies = policy()?;
    let (mut anew, _) = open(&policies, &Named::new())?;
    let mut random = fastrand::Rng::with_seed(6);
    let first = Named::from([("192.0.2.2".parse()?, BTreeSet::from([9]))]);
    let (mut harness, live) = open(&policies, &first)?;
    let mut named = first.clone();
    for epoch in [2, 3, 4, 5].map(|later| FIRST_EPOCH + later) {
        for _ in 0..10 {
            change(&mut random, &live, &mut named)?;
        }
        // Compiled without knowledge of any change: they are put on top.
        harness.dataplane().activate_plan(&plan(&policies, &first)?, epoch)?;
        is_as_compiled(&mut harness, &mut anew, &policies, &named)?;
        harness.dataplane().refresh_plan(&plan(&policies, &first)?)?;
        is_as_compiled(&mut harness, &mut anew, &policies, &named)?;
    }
    // From a mark on, a plan is what it was compiled from, and what came after the mark.
    live.mark();
    let ip = "198.51.0.0".parse()?;
    live.set_address(ip, &BTreeSet::from([2]), false)?;
    harness.dataplane().refresh_plan(&plan(&policies, &first)?)?;
    let mut named = first.clone();
    named.insert(ip, BTreeSet::from([2]));
    is_as_compiled(&mut harness, &mut anew, &policies, &named)?;
    // What another policy said of an address between the two is not put on top.
    live.set_address(ip, &BTreeSet::from([3]), false)?;
    let latest = || vec![Change { address: ip, rules: BTreeSet::new(), shared: false }];
    let epoch = FIRST_EPOCH + 6;
    harness.dataplane().switch_plan(&plan(&policies, &first)?, epoch, latest)?;
    is_as_compiled(&mut harness, &mut anew, &policies, &first)?;
    live.mark();
    live.set_address(ip, &BTreeSet::from([2]), false)?;
    // A controller that adopts the maps knows nothing of the one before it.
    harness.reopen()?;
    harness.dataplane().refresh_plan(&plan(&policies, &first)?)?;
    is_as_compiled(&mut harness, &mut anew, &policies, &first)
}

#[test]
fn what_is_set_before_the_first_plan_is_in_it() -> Result<()> {
    let policies = policy()?;
    let (mut anew, _) = open(&policies, &Named::new())?;
    let mut harness = KernelHarness::open(sample::SETTINGS, &PlanTables::default())?;
    let named = Named::from([("192.0.2.1".parse()?, BTreeSet::from([3]))]);
    for (ip, rules) in &named {
        harness.dataplane().live_plan().set_address(*ip, rules, false)?;
    }
    harness.dataplane().activate_plan(&plan(&policies, &Named::new())?, FIRST_EPOCH + 1)?;
    is_as_compiled(&mut harness, &mut anew, &policies, &named)
}

/// More combinations of rules than there is room for, one after the other: places of those that are gone are used again.
#[test]
fn combinations_come_and_go() -> Result<()> {
    let policies = policy()?;
    let (mut anew, _) = open(&policies, &Named::new())?;
    let (mut harness, live) = open(&policies, &Named::new())?;
    let ip = "192.0.2.1".parse()?;
    let stays = "192.0.2.2".parse()?;
    live.set_address(stays, &BTreeSet::from([1, 2, 3]), false)?;
    let mut rules = BTreeSet::new();
    for combination in 1..=MATCH_SETS_MAX + 100 {
        rules = (0..SITES).filter(|bit| combination >> bit & 1 == 1).map(|bit| bit + 1).collect();
        live.set_address(ip, &rules, false)?;
    }
    let named = Named::from([(ip, rules), (stays, BTreeSet::from([1, 2, 3]))]);
    is_as_compiled(&mut harness, &mut anew, &policies, &named)
}

/// Seventeen ports, of which one address has room for sixteen.
#[test]
fn an_address_of_too_many_rules_is_as_its_networks_say_whether_it_changes_or_is_compiled() -> Result<()> {
    let policies = policy_of(17)?;
    let (mut anew, _) = open(&policies, &Named::new())?;
    let (mut harness, live) = open(&policies, &Named::new())?;
    let ips: [IpAddr; 2] = ["203.0.113.1".parse()?, "192.0.2.1".parse()?];
    let crowded: Named = ips.iter().map(|ip| (*ip, (1..=17).collect())).collect();
    let fitting: Named = ips.iter().map(|ip| (*ip, (1..=16).collect())).collect();
    for (named, expected) in [(&crowded, &ips[..]), (&fitting, &[]), (&crowded, &ips)] {
        for (ip, rules) in named {
            live.set_address(*ip, rules, false)?;
        }
        ensure!(live.crowded() == expected.iter().copied().collect(), "{:?}", live.crowded());
        is_as_compiled(&mut harness, &mut anew, &policies, named)?;
        ensure!(plan(&policies, named)?.crowded == live.crowded(), "compiled otherwise");
    }
    // Nothing changes since this mark: what is crowded is what the plan says.
    live.mark();
    harness.dataplane().activate_plan(&plan(&policies, &crowded)?, FIRST_EPOCH + 2)?;
    ensure!(live.crowded() == ips.into(), "{:?}", live.crowded());
    is_as_compiled(&mut harness, &mut anew, &policies, &Named::new())
}

/// An address changes between two combinations, and back to what its network says, while packets pass: each sees one of
/// them, and none sees nothing.
#[test]
fn packets_see_an_address_before_a_change_or_after_it() -> Result<()> {
    const PACKETS: u64 = 300_000;
    const AT_ONCE: u32 = 1000;
    let policies = policy()?;
    let (mut harness, live) = open(&policies, &Named::new())?;
    // In the network of the first site, at whose port every combination lists it.
    let ip: IpAddr = "203.0.113.1".parse()?;
    let subscriber = "10.20.0.11:40000".parse()?;
    let frame = FrameBuilder::tcp(SocketAddr::new(ip, FIRST_PORT), subscriber).build()?;
    let ends = AtomicBool::new(false);
    let changes = std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let mut changes = 0_u64;
            while !ends.load(Ordering::Relaxed) {
                for rules in [BTreeSet::from([2]), BTreeSet::from([1, 3]), BTreeSet::new()] {
                    live.set_address(ip, &rules, false)?;
                    changes += 1;
                }
            }
            Ok::<_, anyhow::Error>(changes)
        });
        let ran = (0..PACKETS / u64::from(AT_ONCE))
            .try_for_each(|_| harness.run(Role::Core, &frame, AT_ONCE).map(drop));
        ends.store(true, Ordering::Relaxed);
        let changes = changing.join().map_err(|_| anyhow!("the changing thread panicked"))??;
        ran.map(|()| changes)
    })?;
    ensure!(changes >= 100, "only {changes} changes");
    let cut = harness.cut()?;
    let seen: BTreeMap<(u32, u16), u64> =
        cut.counters.iter().map(|(key, usage)| ((key.rule, key.reason), usage.downlink_packets)).collect();
    ensure!(seen == BTreeMap::from([((1, Reason::NoFlow as u16), PACKETS)]), "{changes} changes: {seen:?}");
    Ok(())
}

/// One thread learns, always by the policy in force; another puts policies in force. No packet of an epoch sees the address
/// as another epoch's policy says.
#[test]
fn what_is_learned_does_not_outlive_its_policy() -> Result<()> {
    const SWITCHES: u32 = 40;
    let rule_of = |epoch: u32| 1 + epoch % 2;
    let policies = policy()?;
    let (mut harness, live) = open(&policies, &Named::new())?;
    let without = plan(&policies, &Named::new())?;
    let ip: IpAddr = "192.0.2.1".parse()?;
    let subscriber = "10.20.0.11:40000".parse()?;
    let frames =
        [0, 1].map(|place| FrameBuilder::tcp(SocketAddr::new(ip, FIRST_PORT + place), subscriber).build());
    let frames: Vec<_> = frames.into_iter().collect::<Result<_>>()?;
    let first = FIRST_EPOCH + 2;
    let covering = Mutex::new(rule_of(first - 1));
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let learning = scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                let mut held = live.hold();
                let rule = *covering.lock().map_err(|_| anyhow!("the other thread panicked"))?;
                held.set_address(ip, &BTreeSet::from([rule]), false)?;
                held.set_address(ip, &BTreeSet::new(), false)?;
                held.set_address(ip, &BTreeSet::from([rule]), false)?;
            }
            Ok::<_, anyhow::Error>(())
        });
        let switched = (first..first + SWITCHES).try_for_each(|epoch| {
            live.mark();
            let latest = || {
                let rules = BTreeSet::from([rule_of(epoch)]);
                // A thread that panicked fails the test by itself.
                *covering.lock().unwrap_or_else(PoisonError::into_inner) = rule_of(epoch);
                vec![Change { address: ip, rules, shared: false }]
            };
            harness.dataplane().switch_plan(&without, epoch, latest)?;
            frames.iter().try_for_each(|frame| harness.run(Role::Core, frame, 100).map(drop))
        });
        ends.store(true, Ordering::Relaxed);
        learning.join().map_err(|_| anyhow!("the learning thread panicked"))??;
        switched
    })?;
    for (key, usage) in &harness.cut()?.counters {
        let is_own = key.rule == 0 || key.rule == rule_of(key.epoch);
        ensure!(is_own, "{} packets of epoch {} under rule {}", usage.downlink_packets, key.epoch, key.rule);
    }
    Ok(())
}
