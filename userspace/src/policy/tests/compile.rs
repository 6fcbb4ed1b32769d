//! What is in a plan, when and where, and when there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use tollfree_core::plan::{ClassEntry, Matcher, RuleClass};

use super::super::compile::{CompileError, CompileInput, compile};
use super::super::{DomainName, DomainPattern, HiddenName, Plan, PortRange, RuleKey};
use super::*;

fn key(policy: &str, rule: &str) -> RuleKey {
    RuleKey { policy: policy.into(), rule: rule.into() }
}

/// Numbers rules from 1 on in the order of the files; no names, no proxies, the instant as monotonic seconds.
fn compile_at(
    set: &PolicySet,
    now: &str,
    gateway_id: &str,
    region: Option<&str>,
) -> Result<Plan, CompileError> {
    let rules = set.policies.iter().flat_map(|policy| {
        let ids = policy.sites.iter().map(|s| &s.id).chain(policy.hotlines.iter().map(|h| &h.id));
        ids.map(|id| key(&policy.id, id))
    });
    let numbers = rules.zip(1..).collect();
    compile(&CompileInput {
        gateway_id,
        region,
        monotonic_ns: &|instant| u64::try_from(instant.as_second()).unwrap_or(0) * 1_000_000_000,
        ..CompileInput::new(set, &numbers, instant(now))
    })
}

#[test]
fn the_example_compiles_to_the_golden_plan() {
    let set = loaded(&[("vn-covid19-2020.toml", EXAMPLE)]);
    let numbers = BTreeMap::from([
        (key("vn-covid19-2020", "moh-portal"), 11),
        (key("vn-covid19-2020", "command-centre-conference"), 7),
        (key("vn-covid19-2020", "moh-hotline"), 12),
    ]);
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    let addresses = BTreeMap::from([
        // The second is in the conference's network, too.
        ("moh.gov.vn".parse().expect("a name"), BTreeSet::from([ip("192.0.2.10"), ip("203.0.113.80")])),
        (
            "ncov.moh.gov.vn".parse().expect("a name"),
            BTreeSet::from([ip("192.0.2.10"), ip("2001:db8:7::10")]),
        ),
        ("not.listed.example".parse().expect("a name"), BTreeSet::from([ip("192.0.2.99")])),
    ]);
    let plan = compile(&CompileInput {
        addresses: &addresses,
        // The first is in the hotline's media network, too.
        proxies: &[ip("198.51.100.10"), ip("2001:db8:5060::1")],
        gateway_id: "lab-gw",
        monotonic_ns: &|instant| if instant.as_second() == 1_585_933_199 { 42 } else { 0 },
        ..CompileInput::new(&set, &numbers, instant("2020-03-01T00:00:00Z"))
    });
    golden("example_plan", &plan.expect("the example compiles").describe());
}

/// A site on a network, like the example's others.
fn asking_site(id: &str, evidence: &str) -> String {
    format!(
        "[[site]]\nid = \"{id}\"\ndomains = [\"{id}.example.vn\"]\nnetworks = [\"203.0.113.0/24\"]\n\
         evidence = \"{evidence}\"\nclass = \"free\"\nrating_group = 1\n\n"
    )
}

/// Behind the first rule of a network, its match set has the places (from 0) of those that may have a name there.
#[test]
fn rules_that_ask_are_kept_behind_the_first() {
    let (name, address) = ("name-and-address", "address");
    let places = |evidences: &[&str]| {
        let sites: String = evidences
            .iter()
            .enumerate()
            .map(|(at, evidence)| asking_site(&format!("s{at}"), evidence))
            .collect();
        let set = loaded(&[(
            "p.toml",
            &format!("[policy]\nid = \"p\"\nlegal_basis = \"1\"\nauthority = \"a\"\n{FROM}\n\n{sites}"),
        )]);
        let plan = compile_at(&set, "2020-03-01T00:00:00Z", "gw", None).expect("a plan");
        let matchers = plan.match_sets[0].matchers;
        let live = matchers.into_iter().take_while(|matcher| *matcher != Matcher::END);
        live.map(|matcher| matcher.rule_index).collect::<Vec<_>>()
    };
    assert_eq!(places(&[name, name, address, name]), [0, 1, 3]);
    assert_eq!(places(&[address, address]), [0]);
    // More than have room are left out, and no policy is refused for it.
    assert_eq!(places(&[name; 20]), (0..16).collect::<Vec<_>>());
}

#[test]
fn rules_begin_and_end_by_themselves() {
    let a = policy("a", &format!("{FROM}\nvalid_until = 2020-03-01T00:00:00Z"), NETWORK);
    let b = policy("b", "valid_from = 2020-02-15T00:00:00Z", NETWORK);
    let set = loaded(&[("a.toml", &a), ("b.toml", &b)]);
    let at = |now: &str| {
        let plan = compile_at(&set, now, "gw", None).expect("the policies compile");
        let rules: Vec<_> = plan.rules.iter().map(|rule| rule.key.to_string()).collect();
        (rules.join(" "), plan.next_change.map(|instant| instant.to_string()).unwrap_or_default())
    };
    for (now, rules, next_change) in [
        ("2020-01-31T23:59:59.999999999Z", "", "2020-02-01T00:00:00Z"),
        ("2020-02-01T00:00:00Z", "a/s", "2020-02-15T00:00:00Z"),
        ("2020-02-15T00:00:00Z", "a/s b/s", "2020-03-01T00:00:00Z"),
        ("2020-02-29T23:59:59Z", "a/s b/s", "2020-03-01T00:00:00Z"),
        ("2020-03-01T00:00:00Z", "b/s", ""),
    ] {
        assert_eq!(at(now), (rules.to_owned(), next_change.to_owned()), "{now}");
    }
    let plan = compile_at(&set, "2020-02-20T00:00:00Z", "gw", None).expect("the policies compile");
    let ends: Vec<_> = plan.rules.iter().map(|rule| rule.entry.valid_until_ns).collect();
    // 2020-03-01T00:00:00Z is 1583020800 (date -d @1583020800).
    assert_eq!(ends, [1_583_020_800_000_000_000, u64::MAX]);
}

#[test]
fn policies_are_for_their_gateways_and_regions_only() {
    let scope = |scope: &str| loaded(&[("a.toml", &policy("a", &format!("{FROM}\n{scope}"), NETWORK))]);
    let rules = |set: &PolicySet, gateway_id: &str, region: Option<&str>| {
        let plan = compile_at(set, "2021-01-01T00:00:00Z", gateway_id, region).expect("the policy compiles");
        assert_eq!(plan.rules.is_empty(), plan.classes.is_empty());
        plan.rules.len()
    };
    let by_gateway = scope("gateways = [\"gw1\", \"gw2\"]");
    assert_eq!([rules(&by_gateway, "gw2", None), rules(&by_gateway, "gw3", Some("gw1"))], [1, 0]);
    let by_region = scope("regions = [\"north\"]");
    assert_eq!([rules(&by_region, "gw", Some("north")), rules(&by_region, "north", None)], [1, 0]);
    assert_eq!(rules(&by_region, "gw", Some("nort")), 0);
    let by_both = scope("gateways = [\"gw1\"]\nregions = [\"north\"]");
    assert_eq!([rules(&by_both, "gw1", Some("north")), rules(&by_both, "gw1", Some("south"))], [1, 0]);
    // What another gateway's rules do is no change here.
    let plan = compile_at(&by_gateway, "2020-01-01T00:00:00Z", "gw3", None).expect("nothing compiles");
    assert_eq!(plan.next_change, None);
}

#[test]
fn hotlines_are_looked_up_in_every_form_and_whole() {
    let set = loaded(&[("a.toml", EXAMPLE)]);
    let plan = compile_at(&set, "2020-03-01T00:00:00Z", "gw", None).expect("the example compiles");
    for dialled in ["19003228", "+84 1900 3228", "008419003228", "1900-9095"] {
        let (_, entry) = plan.hotlines.lookup(dialled).expect("a hotline");
        assert_eq!((entry.rule, entry.class), (3, RuleClass::Free));
        assert_eq!(entry.media_networks, ["198.51.100.0/25".parse().expect("a network")]);
        // 2020-04-03T16:59:59Z is 1585933199 (date -d @1585933199).
        assert_eq!(entry.valid_until_ns, 1_585_933_199_000_000_000);
    }
    for dialled in ["1900322", "190032280", "8419003228", "115", ""] {
        assert_eq!(plan.hotlines.lookup(dialled), None, "{dialled}");
    }
}

/// A set of one policy whose sites list a network and single TCP ports each.
fn sites(sites: impl IntoIterator<Item = (IpNet, Vec<u16>)>) -> PolicySet {
    let mut set = loaded(&[("a.toml", &policy("a", FROM, NETWORK))]);
    let template = set.policies[0].sites[0].clone();
    let build = |(index, (network, ports)): (usize, (IpNet, Vec<u16>))| {
        let ports =
            ports.into_iter().map(|port| PortRange { protocols: Matcher::TCP, first: port, last: port });
        let mut site = template.clone();
        site.id = format!("s{index}");
        site.networks = vec![network];
        site.ports = ports.collect();
        site
    };
    set.policies[0].sites = sites.into_iter().enumerate().map(build).collect();
    set
}

fn network(text: &str) -> IpNet {
    text.parse().expect("a network")
}

/// The `index`th /24 from 10.0.0.0 on.
fn slash_24(index: u32) -> IpNet {
    IpNet::new(Ipv4Addr::from_bits(0x0a00_0000 + (index << 8)).into(), 24).expect("24 is a length")
}

const NOW: &str = "2021-01-01T00:00:00Z";

#[test]
fn sixteen_port_ranges_fit_one_prefix() {
    let two = |ports: Vec<u16>| {
        sites([(network("203.0.113.0/24"), (1..=8).collect()), (network("203.0.113.7/32"), ports)])
    };
    assert!(compile_at(&two((11..=18).collect()), NOW, "gw", None).is_ok());
    // Ports that the longer prefix lists already take no room twice.
    assert!(compile_at(&two((8..=16).collect()), NOW, "gw", None).is_ok());
    let error = compile_at(&two((11..=19).collect()), NOW, "gw", None).expect_err("17 do not fit");
    let rule = key("a", "s0");
    assert_eq!(error, CompileError::TooManyMatchers { network: network("203.0.113.7/32"), rule });
}

#[test]
fn as_many_rules_fit_as_the_kernel_holds() {
    let many = |count: u32| sites((0..count).map(|index| (slash_24(index), vec![443])));
    assert_eq!(compile_at(&many(4096), NOW, "gw", None).map(|plan| plan.rules.len()), Ok(4096));
    let error = compile_at(&many(4097), NOW, "gw", None).expect_err("one too many");
    assert_eq!(error, CompileError::TooManyRules { rule: key("a", "s4096") });
}

#[test]
fn as_many_match_sets_fit_as_the_kernel_holds() {
    let mut set = sites((0..4096).map(|index| (slash_24(index), vec![443])));
    let plan = compile_at(&set, NOW, "gw", None).expect("each rule has a set of its own");
    assert_eq!(plan.match_sets.len(), 4096);
    // Listed by the first rule inside the last rule's network, on another port: both together are another
    // set.
    set.policies[0].sites[0].networks.push(network("10.15.255.1/32"));
    set.policies[0].sites[0].ports[0] = PortRange { protocols: Matcher::UDP, first: 443, last: 443 };
    let error = compile_at(&set, NOW, "gw", None).expect_err("one too many");
    assert_eq!(error, CompileError::TooManyMatchSets { network: network("10.15.255.1/32") });
}

#[test]
fn as_many_prefixes_fit_as_the_kernel_holds() {
    let mut set = sites([(network("203.0.113.0/24"), vec![443])]);
    let name: DomainName = "many.example.com".parse().expect("a name");
    set.policies[0].sites[0].domains.push(DomainPattern::Exact(name.clone()));
    let compile = |count: u32| {
        // From 10.0.0.0 on; with the site's own network one more.
        let addresses = (0..count).map(|index| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + index)));
        let plan = compile(&CompileInput {
            addresses: &BTreeMap::from([(name.clone(), addresses.collect())]),
            proxies: &["2001:db8::1".parse().expect("an address")],
            ..CompileInput::new(&set, &BTreeMap::from([(key("a", "s0"), 1)]), instant(NOW))
        });
        plan.map(|plan| (plan.classes.len(), plan.match_sets.len()))
    };
    // The proxy is of the other family.
    assert_eq!(compile(262_143), Ok((262_145, 1)));
    assert_eq!(compile(262_144), Err(CompileError::TooManyPrefixes { network: network("203.0.113.0/24") }));
}

#[test]
fn texts_wait_where_a_rule_frees_some() {
    let proxy: IpAddr = "2001:db8::1".parse().expect("an address");
    for (messages, flags) in
        [("", ClassEntry::SIGNALLING), ("messages = true", ClassEntry::SIGNALLING | ClassEntry::TEXTS)]
    {
        let hotline = format!(
            "[[hotline]]\nid = \"h\"\ncountry = \"VN\"\nnumbers = [\"19003228\"]\n\
             media_networks = [\"198.51.100.0/25\"]\nrating_group = 1\n{messages}\n"
        );
        let head = format!("[policy]\nid = \"a\"\nlegal_basis = \"1\"\nauthority = \"a\"\n{FROM}\n\n");
        let set = loaded(&[("a.toml", &format!("{head}{hotline}"))]);
        let numbers = BTreeMap::from([(key("a", "h"), 1)]);
        let plan =
            compile(&CompileInput { proxies: &[proxy], ..CompileInput::new(&set, &numbers, instant(NOW)) });
        let class = plan.expect("a plan").classes[&IpNet::from(proxy)];
        assert_eq!(class.flags, flags, "{messages}");
    }
}

#[test]
fn every_rule_in_force_needs_a_number_of_its_own() {
    let set = sites([(network("203.0.113.0/24"), vec![443]), (network("192.0.2.0/24"), vec![443])]);
    let compile = |numbers: &[(&str, u32)], now: &str| {
        let numbers = numbers.iter().map(|&(rule, number)| (key("a", rule), number)).collect();
        compile(&CompileInput::new(&set, &numbers, instant(now)))
            .map(|plan| plan.rules.iter().map(|rule| rule.entry.rule).collect::<Vec<_>>())
    };
    assert_eq!(compile(&[("s0", 9), ("s1", 3)], NOW), Ok(vec![3, 9]));
    for numbers in [&[("s0", 9)][..], &[("s0", 9), ("s1", 0)]] {
        assert_eq!(compile(numbers, NOW), Err(CompileError::Unnumbered { rule: key("a", "s1") }));
    }
    let (first, second) = (key("a", "s0"), key("a", "s1"));
    assert_eq!(
        compile(&[("s0", 9), ("s1", 9)], NOW),
        Err(CompileError::NumberTwice { number: 9, first, second })
    );
    // Before it is in force, a rule needs none.
    assert_eq!(compile(&[], "2020-01-01T00:00:00Z"), Ok(vec![]));
}

#[test]
fn addresses_of_names_below_a_wildcard_are_the_rule_s() {
    let a = policy("a", FROM, "domains = [\"*.moh.gov.vn\"]");
    let b =
        policy("b", &format!("{FROM}\nmode = \"observe\""), "domains = [\"moh.gov.vn\", \"www.moh.gov.vn\"]");
    let set = loaded(&[("a.toml", &a), ("b.toml", &b)]);
    let names = ["moh.gov.vn", "www.moh.gov.vn", "a.b.moh.gov.vn", "xmoh.gov.vn"];
    let addresses = names.iter().zip(1..).map(|(name, last)| {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        (name.parse().expect("a name"), BTreeSet::from([address]))
    });
    let plan = compile(&CompileInput {
        addresses: &addresses.collect(),
        ..CompileInput::new(&set, &BTreeMap::from([(key("a", "s"), 7), (key("b", "s"), 5)]), instant(NOW))
    })
    .expect("it compiles");
    let numbers = |network: &IpNet| -> Vec<u32> {
        let set = plan.match_sets[plan.classes[network].match_set as usize];
        let matchers = set.matchers.iter().take_while(|matcher| **matcher != Matcher::END);
        matchers.map(|matcher| plan.rules[usize::from(matcher.rule_index)].entry.rule).collect()
    };
    let listed: Vec<_> = plan.classes.keys().map(|network| (network.to_string(), numbers(network))).collect();
    // The rule with the lower number is tried first, and what it covers needs no other: both have all ports.
    let wanted = [("192.0.2.1/32", vec![5]), ("192.0.2.2/32", vec![5]), ("192.0.2.3/32", vec![7])];
    assert_eq!(listed, wanted.map(|(network, rules)| (network.to_owned(), rules)));
    let www = "www.moh.gov.vn".parse().expect("a name");
    assert_eq!(plan.names.rules(&www), BTreeSet::from([5, 7]));
    assert_eq!(plan.rules.iter().map(|rule| rule.observes).collect::<Vec<_>>(), [true, false]);
    assert!(plan.rules.iter().all(|rule| rule.hidden_name == HiddenName::Charge));
}
