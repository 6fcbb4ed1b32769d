//! The core, over policies as the controller compiles them, against the model, on generated packets.
//!
//! `TOLLFREE_GENERATED` is how many packets at least, `TOLLFREE_GENERATED_SEED` the number of the first sequence.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use ipnet::IpNet;
use jiff::Timestamp;
use tollfree::dataplane::PlanTables;
use tollfree::memory::{MemoryTables, MemoryTransports};
use tollfree::policy::{CompileInput, RuleKey, compile as compile_policies, load};
use tollfree_core::flow::GrantEntry;
use tollfree_core::plan::Evidence;
use tollfree_model::compare::{Controls, Core, Histogram, NOT_MODELLED, compare, grant_key, minimise};
use tollfree_model::generate::{sequence, world};
use tollfree_model::step::Step;
use tollfree_model::world::{Ports, Rule, World};

/// Packets compared unless the environment says otherwise. Reason: reaches every reason, in seconds, unoptimised.
const PACKETS: u64 = 20_000;

/// When the policies begin; the clock of the sequences counts from here.
const BEGIN: Timestamp = Timestamp::constant(1_600_000_000, 0);

/// A rule as a policy file of its own, named by its number.
fn policy(rule: &Rule, media: &[IpNet]) -> Result<String> {
    let mut text = format!(
        "[policy]\nid = \"rule-{}\"\nlegal_basis = \"a test\"\nauthority = \"nobody\"\nvalid_from = {BEGIN}\n",
        rule.number
    );
    if let Some(ends_ns) = rule.ends_ns {
        let end = BEGIN + std::time::Duration::from_nanos(ends_ns);
        writeln!(text, "valid_until = {end}")?;
    }
    if rule.networks.is_empty() {
        text += "[[hotline]]\nid = \"it\"\ncountry = \"VN\"\nnumbers = [\"19003228\"]\nrating_group = 1\n";
        writeln!(text, "media_networks = {}", list(media))?;
        return Ok(text);
    }
    text += "[[site]]\nid = \"it\"\nrating_group = 1\n";
    writeln!(text, "evidence = \"{}\"", rule.evidence.name())?;
    if rule.evidence == Evidence::NameAndAddress {
        // The name has no address beside the networks.
        writeln!(text, "domains = [\"rule-{}.example\"]", rule.number)?;
    }
    if let Some(octets) = rule.ceiling_octets {
        writeln!(text, "daily_ceiling = \"{octets} B\"")?;
    }
    writeln!(text, "class = \"{}\"\nnetworks = {}", rule.class.name(), list(&rule.networks))?;
    if !rule.ports.is_empty() {
        writeln!(text, "ports = {}", list(&rule.ports.iter().copied().map(ports).collect::<Vec<_>>()))?;
    }
    Ok(text)
}

fn list<T: ToString>(values: &[T]) -> String {
    format!(
        "[{}]",
        values.iter().map(|value| format!("\"{}\"", value.to_string())).collect::<Vec<_>>().join(", ")
    )
}

fn ports(ports: Ports) -> String {
    let protocol = if ports.protocol == 6 { "tcp" } else { "udp" };
    if ports.first == ports.last {
        return format!("{protocol}/{}", ports.first);
    }
    format!("{protocol}/{}-{}", ports.first, ports.last)
}

/// What the controller makes of the world's policies.
fn plan(world: &World) -> Result<PlanTables> {
    let directory = tempfile::tempdir()?;
    for rule in &world.rules {
        let path = directory.path().join(format!("rule-{}.toml", rule.number));
        fs::write(path, policy(rule, &world.media)?)?;
    }
    let policies = load(directory.path()).map_err(|faults| anyhow!("{faults:?}"))?;
    let key = |rule: &Rule| RuleKey { policy: format!("rule-{}", rule.number), rule: "it".into() };
    let numbers = world.rules.iter().map(|rule| (key(rule), rule.number)).collect();
    let plan = compile_policies(&CompileInput {
        proxies: &world.proxies,
        monotonic_ns: &|instant| u64::try_from(BEGIN.duration_until(instant).as_nanos()).unwrap_or(0),
        ..CompileInput::new(&policies, &numbers, BEGIN)
    })?;
    let rules = plan.rules.iter().map(|rule| rule.entry).collect();
    Ok(PlanTables { classes: plan.classes, match_sets: plan.match_sets, rules })
}

fn tables(world: &World) -> Result<MemoryTables> {
    let mut tables = MemoryTables::new(&plan(world)?, &world.pools, world.flows_max);
    tables.set_flows_per_subscriber(world.flows_per_subscriber);
    tables.set_quotas_max(world.quotas_max);
    tables.set_day_ends(world.day_ends_ns);
    for own in &world.own {
        tables.add_own(*own);
    }
    for grant in &world.grants {
        let rule = world.rules.iter().find(|rule| rule.number == grant.rule).context("a grant's rule")?;
        let class = rule.class;
        tables.grant(grant_key(grant), GrantEntry::new(grant.rule, class, grant.ends_ns));
    }
    Ok(tables)
}

fn transports(world: &World) -> MemoryTransports {
    let mut kinds = BTreeMap::<IpNet, u32>::new();
    for transport in &world.transports {
        for endpoint in &transport.endpoints {
            *kinds.entry(*endpoint).or_default() |= transport.kind.bit();
        }
    }
    MemoryTransports::new(&kinds)
}

const CONTROLS: Controls<MemoryTables> = Controls {
    set_now: MemoryTables::set_now,
    tell: |tables, flow, verdict| tables.decide_flow(flow, verdict),
    revoke: MemoryTables::revoke,
    sent_again: MemoryTables::sent_again,
};

/// A number in the environment.
fn setting(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} must be a number, not {text:?}")),
        Err(_) => Ok(default),
    }
}

#[test]
fn the_core_agrees_with_the_model() -> Result<()> {
    let packets = setting("TOLLFREE_GENERATED", PACKETS)?;
    let seed = setting("TOLLFREE_GENERATED_SEED", 0)?;
    let world = world();
    let (tables, transports) = (tables(&world)?, transports(&world));
    let core = || Core::new(tables.clone(), transports.clone(), world.sip_port, CONTROLS);
    let run = |steps: &[Step]| compare(&world, core(), steps);
    let mut histogram = Histogram::default();
    let mut number = seed;
    while histogram.packets() < packets {
        match run(&sequence(number)) {
            Ok(reached) => histogram.merge(&reached),
            Err(difference) => {
                let smallest = minimise(*difference, |steps| run(steps).err());
                bail!("sequence {number}, made small:\n{smallest}");
            }
        }
        number = number.wrapping_add(1);
    }
    println!("{} packets, seed {seed}, 0 differences:\n{histogram}", histogram.packets());
    let missing = histogram.missing();
    ensure!(missing == NOT_MODELLED, "reasons not reached: {missing:?}");
    Ok(())
}
