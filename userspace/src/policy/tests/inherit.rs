//! The plan, looked up as the kernel does, against a scan of everything that was listed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;
use tollfree_core::plan::{ClassEntry, Evidence, Matcher};

use super::super::compile::{CompileInput, compile};
use super::super::{AddressClass, DomainName, DomainPattern, Plan, PortRange, RuleKey, deciding};
use super::*;

/// One site, as it was listed.
#[derive(Clone, Debug)]
struct Listed {
    number: u32,
    networks: Vec<IpNet>,
    addresses: BTreeSet<IpAddr>,
    ports: Vec<PortRange>,
}

/// Everything that was listed.
#[derive(Clone, Debug)]
struct World {
    sites: Vec<Listed>,
    media: Vec<IpNet>,
    proxies: Vec<IpAddr>,
}

/// What an address, protocol and port get: the class flags and the rule's number.
type Answer = (u32, Option<u32>);

/// Few enough addresses that prefixes nest and meet often.
fn address() -> impl Strategy<Value = IpAddr> {
    let bits = prop::sample::select(vec![0_u32, 1, 2, 0x80, 0x100, 0x8000, 0x8001, 0x1_0000, 0x80_0000]);
    (bits, any::<bool>()).prop_map(|(bits, v6)| {
        if v6 {
            Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(bits) << 64 | u128::from(bits)).into()
        } else {
            Ipv4Addr::from_bits(0x0a00_0000 | bits).into()
        }
    })
}

fn listed_network() -> impl Strategy<Value = IpNet> {
    (address(), prop::sample::select(vec![(8, 32), (9, 40), (16, 48), (24, 64), (31, 127), (32, 128)]))
        .prop_map(|(address, (v4, v6))| {
            let length = if address.is_ipv4() { v4 } else { v6 };
            IpNet::new(address, length).expect("a length of its family").trunc()
        })
}

fn port_range() -> impl Strategy<Value = PortRange> {
    let protocols = prop::sample::select(vec![Matcher::TCP, Matcher::UDP, Matcher::TCP | Matcher::UDP]);
    let range = (protocols, 0_u16..8, 0_u16..4);
    let range = range.prop_map(|(protocols, first, more)| PortRange { protocols, first, last: first + more });
    prop_oneof![4 => range, 1 => Just(PortRange::ALL)]
}

fn world() -> impl Strategy<Value = World> {
    let site = (
        prop::collection::vec(listed_network(), 0..4),
        prop::collection::btree_set(address(), 0..3),
        prop::collection::vec(port_range(), 1..3),
    );
    let sites = prop::collection::vec(site, 0..6);
    let numbers = Just((1..=6).map(|number| number * 10).collect::<Vec<u32>>()).prop_shuffle();
    let others = (prop::collection::vec(listed_network(), 0..3), prop::collection::vec(address(), 0..3));
    (sites, numbers, others).prop_map(|(sites, numbers, (media, proxies))| {
        let sites = sites.into_iter().zip(numbers).map(|((networks, addresses, ports), number)| Listed {
            number,
            networks,
            addresses,
            ports,
        });
        World { sites: sites.collect(), media, proxies }
    })
}

fn compiled(world: &World) -> Plan {
    let mut set = loaded(&[("vn-covid19-2020.toml", EXAMPLE)]);
    let policy = &mut set.policies[0];
    let template = policy.sites[0].clone();
    policy.sites.clear();
    policy.hotlines[0].media_networks.clone_from(&world.media);
    let key = |rule: &str| RuleKey { policy: "vn-covid19-2020".into(), rule: rule.into() };
    let mut numbers = BTreeMap::from([(key("moh-hotline"), 35)]);
    let mut addresses = BTreeMap::new();
    for listed in &world.sites {
        let name: DomainName = format!("n{}.example.com", listed.number).parse().expect("a name");
        let mut site = template.clone();
        site.id = format!("s{}", listed.number);
        site.domains = vec![DomainPattern::Exact(name.clone())];
        site.networks.clone_from(&listed.networks);
        site.ports.clone_from(&listed.ports);
        site.evidence = Evidence::NameAndAddress;
        numbers.insert(key(&site.id), listed.number);
        addresses.insert(name, listed.addresses.clone());
        policy.sites.push(site);
    }
    let plan = compile(&CompileInput {
        addresses: &addresses,
        proxies: &world.proxies,
        ..CompileInput::new(&set, &numbers, instant("2020-03-01T00:00:00Z"))
    });
    plan.expect("six rules of two ranges fit")
}

/// The kernel's way: the longest prefix alone, then its first matcher.
fn look_up(plan: &Plan, ip: IpAddr, protocol: u16, port: u16) -> Answer {
    let covering = plan.classes.iter().filter(|(network, _)| network.contains(&ip));
    let Some((_, class)) = covering.max_by_key(|(network, _)| network.prefix_len()) else { return (0, None) };
    if !class.has(ClassEntry::CANDIDATE) {
        return (class.flags, None);
    }
    let set = &plan.match_sets[usize::try_from(class.match_set).expect("64 bits")];
    let live = set.matchers.iter().take_while(|matcher| matcher.first_port <= matcher.last_port);
    let matches = |m: &&Matcher| m.protocols & protocol != 0 && (m.first_port..=m.last_port).contains(&port);
    let first = live.into_iter().find(matches);
    (class.flags, first.map(|matcher| plan.rules[usize::from(matcher.rule_index)].entry.rule))
}

/// The promised way: of all that lists the address, the most specific first, then the lowest number.
fn scan(world: &World, ip: IpAddr, protocol: u16, port: u16) -> Answer {
    let mut flags = 0;
    let mut claims = Vec::new();
    for site in &world.sites {
        let networks = site.networks.iter().copied().chain(site.addresses.iter().map(|&ip| IpNet::from(ip)));
        for network in networks.filter(|network| network.contains(&ip)) {
            flags |= ClassEntry::CANDIDATE;
            claims.push((Reverse(network.prefix_len()), site.number, &site.ports));
        }
    }
    if world.media.iter().any(|network| network.contains(&ip)) {
        flags |= ClassEntry::MEDIA;
    }
    if world.proxies.contains(&ip) {
        flags |= ClassEntry::SIGNALLING;
    }
    claims.sort_by_key(|(length, number, _)| (*length, *number));
    let matches = |p: &PortRange| p.protocols & protocol != 0 && p.first <= port && port <= p.last;
    (flags, claims.iter().find(|(_, _, ports)| ports.iter().any(matches)).map(|(_, number, _)| *number))
}

/// All rules that the kernel finds there, when it looks for one.
fn found_there(plan: &Plan, ip: IpAddr, protocol: u16, port: u16) -> BTreeSet<u32> {
    let covering = plan.classes.iter().filter(|(network, _)| network.contains(&ip));
    let class = covering.max_by_key(|(network, _)| network.prefix_len()).map(|(_, class)| *class);
    let Some(class) = class.filter(|class| class.has(ClassEntry::CANDIDATE)) else { return BTreeSet::new() };
    let set = &plan.match_sets[usize::try_from(class.match_set).expect("64 bits")];
    let live = set.matchers.iter().take_while(|matcher| matcher.first_port <= matcher.last_port);
    let there = live.filter(|matcher| matcher.claims(protocol, port));
    there.map(|matcher| plan.rules[usize::from(matcher.rule_index)].entry.rule).collect()
}

/// All rules that list an address and port.
fn listed_there(world: &World, ip: IpAddr, protocol: u16, port: u16) -> BTreeSet<u32> {
    let has_address = |site: &&Listed| {
        site.addresses.contains(&ip) || site.networks.iter().any(|network| network.contains(&ip))
    };
    let has_port = |site: &&Listed| {
        site.ports.iter().any(|p| p.protocols & protocol != 0 && p.first <= port && port <= p.last)
    };
    world.sites.iter().filter(has_address).filter(has_port).map(|site| site.number).collect()
}

proptest! {
    /// All of these sites ask for the name, and six of two ranges each have room.
    #[test]
    fn a_rule_that_asks_is_found_wherever_it_lists(world in world(), probes in prop::collection::vec(address(), 12)) {
        let plan = compiled(&world);
        for ip in probes {
            for protocol in [Matcher::TCP, Matcher::UDP] {
                for port in 0..13 {
                    let found = found_there(&plan, ip, protocol, port);
                    prop_assert_eq!(found, listed_there(&world, ip, protocol, port), "{} {} {}", ip, protocol, port);
                }
            }
        }
    }

    #[test]
    fn what_decides_is_what_is_first(world in world(), probes in prop::collection::vec(address(), 12)) {
        let plan = compiled(&world);
        let mut plain = plan.clone();
        plain.match_sets.iter_mut().for_each(|set| *set = deciding(set));
        for ip in probes {
            for port in 0..13 {
                let first = |plan| look_up(plan, ip, Matcher::TCP, port);
                prop_assert_eq!(first(&plain), first(&plan), "{} {}", ip, port);
            }
        }
    }

    #[test]
    fn the_longest_prefix_says_what_all_that_cover_it_say(
        world in world(),
        probes in prop::collection::vec(address(), 12),
    ) {
        let plan = compiled(&world);
        for ip in probes {
            for protocol in [Matcher::TCP, Matcher::UDP] {
                for port in 0..13 {
                    let found = look_up(&plan, ip, protocol, port);
                    let promised = scan(&world, ip, protocol, port);
                    prop_assert_eq!(found, promised, "{} {} {}\n{}", ip, protocol, port, plan.describe());
                }
            }
        }
    }

    #[test]
    fn a_plan_depends_on_its_input_alone(world in world()) {
        let plan = compiled(&world);
        prop_assert_eq!(&plan, &compiled(&world));
        let distinct: BTreeSet<_> = plan.match_sets.iter().map(|set| set.matchers).collect();
        prop_assert_eq!(distinct.len(), plan.match_sets.len());
    }
}

/// What exactly this address is in a plan: flags and, if it is a candidate, matchers.
fn exactly(plan: &Plan, ip: IpAddr) -> Option<AddressClass> {
    let class = plan.classes.get(&IpNet::from(ip))?;
    let is_candidate = class.has(ClassEntry::CANDIDATE);
    let match_set = is_candidate.then(|| plan.match_sets[usize::try_from(class.match_set).expect("64 bits")]);
    Some(AddressClass { flags: class.flags, match_set })
}

proptest! {
    /// An address whose names change under a plan is what a plan compiled anew says, and a prefix that is not an address
    /// of names is what it was.
    #[test]
    fn a_changed_address_is_as_if_compiled(
        world in world(),
        changed in prop::collection::vec(prop::collection::btree_set(address(), 0..4), 6),
    ) {
        let ground = compiled(&world).ground;
        let mut later = world.clone();
        for (site, addresses) in later.sites.iter_mut().zip(changed) {
            site.addresses = addresses;
        }
        let anew = compiled(&later);
        prop_assert_eq!(&anew.ground, &ground);
        let mut ips: BTreeSet<IpAddr> = anew.classes.keys().map(IpNet::network).collect();
        ips.extend(world.sites.iter().chain(&later.sites).flat_map(|site| &site.addresses));
        for ip in ips {
            let sites = later.sites.iter().filter(|site| site.addresses.contains(&ip));
            let rules: BTreeSet<u32> = sites.map(|site| site.number).collect();
            let class = ground.address_class(ip, &rules, false).expect("six rules of two ranges fit");
            prop_assert_eq!(class, exactly(&anew, ip), "{}", ip);
            // A shared address differs by its mark alone, where a rule lists it at all.
            let shared = ground.address_class(ip, &rules, true).expect("six rules of two ranges fit");
            let (flags, _) = look_up(&anew, ip, Matcher::TCP, 0);
            let is_candidate = flags & ClassEntry::CANDIDATE != 0;
            let own = class.map_or(0, |class| class.flags);
            let wanted = if is_candidate { flags | ClassEntry::SHARED } else { own };
            prop_assert_eq!(shared.map_or(0, |shared| shared.flags), wanted, "{}", ip);
        }
    }
}
