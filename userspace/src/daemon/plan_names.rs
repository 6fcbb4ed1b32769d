//! What a plan in force says of names and rules.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use tollfree_core::plan::{Evidence, Matcher};

use crate::policy::network::single;
use crate::policy::{NameIndex, Plan, PlanRule, WireName};

/// What a plan in force says of names and rules.
#[derive(Debug, Default)]
pub(super) struct PlanNames {
    names: NameIndex,
    /// By permanent number; their order is that in which they are tried at an address.
    rules: BTreeMap<u32, PlanRule>,
}

impl PlanNames {
    /// Of the plan that is put in force.
    pub(super) fn of(plan: &Plan) -> Self {
        let rules = plan.rules.iter().map(|rule| (rule.entry.rule, rule.clone())).collect();
        Self { names: plan.names.clone(), rules }
    }

    /// The rule with this permanent number.
    pub(super) fn rule(&self, number: u32) -> Option<&PlanRule> {
        self.rules.get(&number)
    }

    /// Whether the rule's policy is only observed.
    pub(super) fn observes(&self, rule: u32) -> bool {
        self.rule(rule).is_some_and(|rule| rule.observes)
    }

    /// Whether a rule lists a name, by itself or by a wildcard.
    pub(super) fn covers(&self, name: &str, rule: u32) -> bool {
        self.covering(name).contains(&rule)
    }

    fn covering(&self, name: &str) -> BTreeSet<u32> {
        let name = WireName::parse(name.as_bytes());
        name.host().map(|host| self.names.rules(host)).unwrap_or_default()
    }

    /// The first of the rules whose names a place's address has that claims its port, if it makes it free.
    pub(super) fn claiming(&self, listed: &BTreeSet<u32>, place: &Place) -> Option<&PlanRule> {
        let mut rules = listed.iter().filter_map(|rule| self.rule(*rule));
        rules.find(|rule| place.is_claimed(rule)).filter(|rule| rule.class.is_free())
    }

    /// The rule of a name at a place: the first of those that list the place, ask for the name there, and cover it.
    /// `listed`: the rules that list the place's address because the name has it.
    pub(super) fn rule_of(&self, name: &str, place: &Place, listed: &BTreeSet<u32>) -> Option<u32> {
        let covering = self.covering(name);
        let asking = covering.iter().filter_map(|rule| self.rule(*rule)).filter(|rule| {
            rule.class.is_free()
                && (rule.evidence == Evidence::NameAndAddress || place.shared)
                && place.is_claimed(rule)
        });
        let listing = asking.filter_map(|rule| {
            let number = rule.entry.rule;
            let by_name = listed.contains(&number).then(|| single(place.remote).prefix_len());
            Some((by_name.max(place.length_in(&rule.networks))?, number))
        });
        // The longest prefix first, as the data plane tries them.
        listing.min_by_key(|(length, number)| (Reverse(*length), *number)).map(|(_, number)| number)
    }
}

/// Where a flow goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The remote address.
    pub(super) remote: IpAddr,
    /// The remote port.
    pub(super) port: u16,
    /// IP protocol number.
    pub(super) protocol: u8,
    /// Strangers' names have the address too.
    pub(super) shared: bool,
}

impl Place {
    /// Length of the longest of some networks that hold its address.
    pub(super) fn length_in(&self, networks: &[IpNet]) -> Option<u8> {
        let holding = networks.iter().filter(|network| network.contains(&self.remote));
        holding.map(IpNet::prefix_len).max()
    }

    fn is_claimed(&self, rule: &PlanRule) -> bool {
        let bit = Matcher::bit(self.protocol);
        let mut ports = rule.ports.iter().filter(|range| range.protocols & bit != 0);
        ports.any(|range| (range.first..=range.last).contains(&self.port))
    }
}

#[cfg(test)]
mod tests {
    use tollfree_core::packet::protocol;

    use super::*;
    use crate::policy::{CompileInput, RuleKey, compile, load};

    /// Rules 1 to 7, in this order.
    const POLICY: &str = r#"
[policy]
id = "p"
legal_basis = "l"
authority = "a"
valid_from = 2020-01-01T00:00:00Z

[[site]]
id = "first"
domains = ["a.example", "*.both.example"]
evidence = "name-and-address"
class = "free"
rating_group = 1

[[site]]
id = "second"
domains = ["b.example", "*.both.example"]
evidence = "name-and-address"
class = "free"
rating_group = 1

[[site]]
id = "web-only"
domains = ["web.example"]
ports = ["tcp/443"]
evidence = "name-and-address"
class = "free"
rating_group = 1

[[site]]
id = "by-address"
domains = ["trusting.example"]
evidence = "address"
class = "free"
rating_group = 1

[[site]]
id = "priority"
domains = ["hospital.example"]
evidence = "name-and-address"
class = "priority"
rating_group = 1

[[site]]
id = "wide"
domains = ["net.example"]
networks = ["192.0.2.0/24"]
evidence = "name-and-address"
class = "free"
rating_group = 1

[[site]]
id = "narrow"
domains = ["net.example"]
networks = ["192.0.2.0/28"]
evidence = "name-and-address"
class = "free"
rating_group = 1
"#;
    const IDS: [&str; 7] = ["first", "second", "web-only", "by-address", "priority", "wide", "narrow"];

    fn names() -> PlanNames {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("p.toml"), POLICY).expect("a file");
        let policies = load(directory.path()).expect("a policy");
        let keys = IDS.map(|id| RuleKey { policy: "p".into(), rule: id.into() });
        let plan = compile(&CompileInput {
            policies: &policies,
            numbers: &keys.into_iter().zip(1..).collect(),
            addresses: &BTreeMap::new(),
            shared: &[],
            resolvers: &[],
            proxies: &[],
            gateway_id: "gw",
            region: None,
            now: "2020-02-01T00:00:00Z".parse().expect("an instant"),
            monotonic_ns: &|_| 1,
        });
        PlanNames::of(&plan.expect("a plan"))
    }

    fn place(remote: &str) -> Place {
        Place {
            remote: remote.parse().expect("an address"),
            port: 443,
            protocol: protocol::TCP,
            shared: false,
        }
    }

    /// An address that is in no network; whether a name has it, `listed` says.
    const HOST: &str = "203.0.113.7";

    #[test]
    fn each_names_rule_is_the_first_that_covers_it_there() {
        let names = names();
        let rule_of =
            |name, listed: &[u32]| names.rule_of(name, &place(HOST), &listed.iter().copied().collect());
        assert_eq!(rule_of("a.example", &[1]), Some(1));
        assert_eq!(rule_of("b.example", &[2]), Some(2));
        assert_eq!(rule_of("x.both.example", &[1, 2]), Some(1));
        // The first's answer may not have been validated, where it asks for that: then it does not list the address.
        assert_eq!(rule_of("x.both.example", &[2]), Some(2));
        assert_eq!(rule_of("stranger.example", &[1, 2]), None);
    }

    #[test]
    fn no_rule_gives_a_name_at_an_address_that_it_does_not_list() {
        let names = names();
        let nothing = BTreeSet::new();
        assert_eq!(names.rule_of("b.example", &place(HOST), &nothing), None);
        assert_eq!(names.rule_of("net.example", &place(HOST), &nothing), None);
        // Another rule's address.
        assert_eq!(names.rule_of("b.example", &place(HOST), &BTreeSet::from([1])), None);
    }

    #[test]
    fn port_and_protocol_are_the_rules() {
        let names = names();
        let listed = BTreeSet::from([3]);
        let at =
            |port, protocol| names.rule_of("web.example", &Place { port, protocol, ..place(HOST) }, &listed);
        assert_eq!(at(443, protocol::TCP), Some(3));
        assert_eq!(at(8443, protocol::TCP), None);
        assert_eq!(at(443, protocol::UDP), None);
    }

    #[test]
    fn only_rules_that_ask_and_free_are_asked() {
        let names = names();
        let listed = BTreeSet::from([4, 5]);
        assert_eq!(names.rule_of("trusting.example", &place(HOST), &listed), None);
        let shared = Place { shared: true, ..place(HOST) };
        assert_eq!(names.rule_of("trusting.example", &shared, &listed), Some(4));
        assert_eq!(names.rule_of("hospital.example", &shared, &listed), None);
    }

    /// As the data plane tries rules: the longest prefix first, a name's address among them.
    #[test]
    fn the_longest_prefix_is_first() {
        let names = names();
        let rule_of = |remote, listed: &[u32]| {
            names.rule_of("net.example", &place(remote), &listed.iter().copied().collect())
        };
        assert_eq!(rule_of("192.0.2.1", &[]), Some(7));
        assert_eq!(rule_of("192.0.2.100", &[]), Some(6));
        assert_eq!(rule_of("192.0.2.1", &[6, 7]), Some(6));
    }
}
