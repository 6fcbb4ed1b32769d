//! The gateway that a part of a capture passes: made from the part's own addresses, so that as many exits as possible
//! are taken, and always the same for the same frames.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use tollfree::dataplane::PlanTables;
use tollfree_core::address::Address;
use tollfree_core::flow::{FlowKey, GrantEntry};
use tollfree_core::limits::LOCAL_PREFIXES_MAX;
use tollfree_core::packet::protocol;
use tollfree_core::plan::{ClassEntry, RuleClass};

use crate::listing::{
    CEILINGS, LATER_RULES, LISTINGS, NEVER_NS, PASSED_NS, RULES, class, match_sets, network,
    with_datagram_ceiling,
};
use crate::survey::Survey;
use crate::variant::{Pools, Variant};

/// The tables that both planes get.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Subscribers' addresses.
    pub pools: Vec<IpNet>,
    /// Ends of the carrier's tunnels, each with the kinds that end there.
    pub transports: BTreeMap<IpNet, u32>,
    /// What is free in the first half.
    pub plan: PlanTables,
    /// What is free in the second half: the same addresses, under other rules.
    pub later_plan: PlanTables,
    /// Media streams of calls.
    pub grants: Vec<(FlowKey, GrantEntry)>,
}

/// Settings of both interfaces, but for `dscp_at` and how many flows there may be; the pools are set for each part.
const SETTINGS: &str = r#"
[[interface]]
name = "acc0"
role = "access"

[[interface]]
name = "core0"
role = "core"

[subscribers]
pools = ["10.20.0.0/16"]

[tag]
dscp_at = "DSCP_AT"

[tag.free]
dscp = 10
mark = 0x01

[tag.free-priority]
dscp = 46
mark = 0x10
priority = 6

[tag.priority]
dscp = 18

[limits]
counters = 65536
flows = FLOWS
flows_per_subscriber = SUBSCRIBERS_OWN
pending = 65536
quotas = 65536
"#;

/// Pools in one part. Reason: half of the room, the rest is for the gateway's own addresses.
const POOLS_MAX: usize = LOCAL_PREFIXES_MAX as usize / 2;
/// Calls in one part. Reason: they are written one by one, and thousands more would take no other exit.
const GRANTS_MAX: usize = 1024;
const SIP_PORT: u16 = 5060;
const HOTLINE_RULE: u32 = 1100;

/// `gateway.toml` without `[gateway]`, for the harness.
pub(crate) fn settings(variant: &Variant) -> String {
    SETTINGS
        .replace("DSCP_AT", variant.dscp_at)
        .replace("FLOWS", &variant.flows_max.to_string())
        .replace("SUBSCRIBERS_OWN", &variant.flows_per_subscriber.to_string())
}

impl Gateway {
    /// The gateway of `variant` for frames that tell `survey`; `seed` changes which address is listed how.
    pub(crate) fn new(
        survey: &Survey,
        variant: &Variant,
        transports: BTreeMap<IpNet, u32>,
        seed: usize,
    ) -> Self {
        let (subscribers, remotes) = sides(survey, variant.pools);
        let pools: BTreeSet<_> = subscribers.into_iter().filter_map(pool).take(POOLS_MAX).collect();
        let proxies: BTreeSet<_> = proxies(survey).collect();
        let mut classes = BTreeMap::new();
        for (index, ip) in remotes.into_iter().enumerate() {
            let listing = LISTINGS[(index + seed) % LISTINGS.len()];
            let (net, mut class) = class(listing, ip);
            if proxies.contains(&ip) {
                class.flags |= ClassEntry::SIGNALLING;
            }
            classes.insert(net, class);
        }
        let grants = grants(survey, &pools, &classes);
        let ceiling_octets = ceiling_octets(survey, &classes);
        let rules = |rules| with_datagram_ceiling(rules, ceiling_octets);
        let plan = PlanTables { classes, match_sets: match_sets(), rules: rules(&RULES) };
        Self {
            grants,
            pools: pools.into_iter().collect(),
            transports,
            later_plan: PlanTables { rules: rules(&LATER_RULES), ..plan.clone() },
            plan,
        }
    }
}

/// Who is in the pools, and who may be listed.
fn sides(survey: &Survey, pools: Pools) -> (Vec<IpAddr>, Vec<IpAddr>) {
    match pools {
        Pools::Initiators => (survey.initiators.clone(), survey.responders.clone()),
        Pools::Responders => (survey.responders.clone(), survey.initiators.clone()),
        Pools::EverySecond => (survey.addresses().into_iter().step_by(2).collect(), survey.addresses()),
    }
}

/// An address's pool: itself, or its /64. None of those that the configuration refuses.
fn pool(ip: IpAddr) -> Option<IpNet> {
    match ip {
        IpAddr::V4(v4) => Some(Ipv4Net::from(v4).into()),
        IpAddr::V6(v6) if v6.octets()[0] == 0 => None,
        IpAddr::V6(_) => Some(network(ip, 0, 64)),
    }
}

/// Whoever is spoken to on SIP's port.
fn proxies(survey: &Survey) -> impl Iterator<Item = IpAddr> {
    let sip = survey.conversations.iter().filter(|conversation| conversation.protocol == protocol::UDP);
    let sides = sip.flat_map(|conversation| [conversation.initiator, conversation.responder]);
    sides.filter(|(_, port)| *port == SIP_PORT).map(|(ip, _)| ip)
}

/// The volume of the first datagram of those that a ceiling is for: with it, the ceiling is reached and not passed.
fn ceiling_octets(survey: &Survey, classes: &BTreeMap<IpNet, ClassEntry>) -> Option<u64> {
    let is_ceiled = |ip: IpAddr| {
        let class = classes.get(&IpNet::from(ip));
        class.is_some_and(|class| class.has(ClassEntry::CANDIDATE) && class.match_set == CEILINGS)
    };
    let mut udp = survey.conversations.iter().filter(|conversation| conversation.protocol == protocol::UDP);
    let first =
        udp.find(|conversation| is_ceiled(conversation.initiator.0) || is_ceiled(conversation.responder.0))?;
    survey.first_octets.get(first).map(|octets| u64::from(*octets))
}

/// Every second stream between a subscriber and a media network is a call's, and of four calls one has ended.
fn grants(
    survey: &Survey,
    pools: &BTreeSet<IpNet>,
    classes: &BTreeMap<IpNet, ClassEntry>,
) -> Vec<(FlowKey, GrantEntry)> {
    let is_subscriber = |ip| pool(ip).is_some_and(|net| pools.contains(&net));
    let is_media = |ip| classes.get(&IpNet::from(ip)).is_some_and(|class| class.has(ClassEntry::MEDIA));
    let udp = survey.conversations.iter().filter(|conversation| conversation.protocol == protocol::UDP);
    let streams = udp.flat_map(|conversation| {
        let (initiator, responder) = (conversation.initiator, conversation.responder);
        [(initiator, responder), (responder, initiator)]
    });
    let streams = streams.filter(|((ours, _), (theirs, _))| is_subscriber(*ours) && is_media(*theirs));
    let calls = streams.step_by(2).take(GRANTS_MAX).enumerate();
    calls.map(|(index, (ours, theirs))| (stream(ours, theirs), grant(index))).collect()
}

fn stream(ours: (IpAddr, u16), theirs: (IpAddr, u16)) -> FlowKey {
    FlowKey {
        subscriber: Address::from(ours.0),
        remote: Address::from(theirs.0),
        subscriber_port: ours.1,
        remote_port: theirs.1,
        protocol: u32::from(protocol::UDP),
    }
}

const fn grant(index: usize) -> GrantEntry {
    let valid_until_ns = if index % 4 == 3 { PASSED_NS } else { NEVER_NS };
    let class = if index.is_multiple_of(2) { RuleClass::Free } else { RuleClass::FreePriority };
    GrantEntry::new(HOTLINE_RULE, class, valid_until_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Listing;
    use crate::survey::Conversation;

    /// An IPv4 header, a UDP header and 22 octets.
    const FIRST_OCTETS: u32 = 50;

    fn udp(initiator: &str, responder: &str) -> Conversation {
        let side = |text: &str| {
            let socket: std::net::SocketAddr = text.parse().expect("a socket address");
            (socket.ip(), socket.port())
        };
        Conversation { protocol: protocol::UDP, initiator: side(initiator), responder: side(responder) }
    }

    fn survey(conversations: Vec<Conversation>) -> Survey {
        Survey {
            initiators: conversations.iter().map(|conversation| conversation.initiator.0).collect(),
            responders: conversations.iter().map(|conversation| conversation.responder.0).collect(),
            first_octets: conversations.iter().map(|conversation| (*conversation, FIRST_OCTETS)).collect(),
            conversations,
        }
    }

    #[test]
    fn subscribers_are_single_addresses_and_networks_of_64_bits() {
        let survey = survey(vec![
            udp("192.0.2.1:1", "203.0.113.1:2"),
            udp("[2001:db8::1]:1", "[2001:db8:1::1]:2"),
            // Reserved: such a pool would be taken for an IPv4 address.
            udp("[::1]:1", "[2001:db8:1::1]:2"),
        ]);
        let gateway = Gateway::new(&survey, &Variant::ALL[0], BTreeMap::new(), 0);
        let pools: Vec<_> = gateway.pools.iter().map(ToString::to_string).collect();
        assert_eq!(pools, ["192.0.2.1/32", "2001:db8::/64"]);
        assert!(gateway.plan.classes.contains_key(&"203.0.113.1/32".parse().expect("a network")));
    }

    #[test]
    fn proxies_and_calls_are_found() {
        let media = LISTINGS.iter().position(|listing| *listing == Listing::Media).expect("a listing");
        let survey =
            survey(vec![udp("192.0.2.1:1000", "203.0.113.1:2000"), udp("192.0.2.1:1", "203.0.113.2:5060")]);
        let gateway = Gateway::new(&survey, &Variant::ALL[0], BTreeMap::new(), media);
        let proxy = gateway.plan.classes[&"203.0.113.2/32".parse().expect("a network")];
        assert!(proxy.has(ClassEntry::SIGNALLING), "{proxy:?}");
        let streams: Vec<_> =
            gateway.grants.iter().map(|(key, _)| (key.subscriber_port, key.remote_port)).collect();
        assert_eq!(streams, [(1000, 2000)]);
    }

    #[test]
    fn the_first_datagram_that_a_ceiling_is_for_reaches_it() {
        let ceilings = LISTINGS.iter().position(|listing| *listing == Listing::Candidate(CEILINGS));
        let survey = survey(vec![udp("192.0.2.1:1", "203.0.113.1:2")]);
        let ceilings_of = |seed| {
            let gateway = Gateway::new(&survey, &Variant::ALL[0], BTreeMap::new(), seed);
            [gateway.plan, gateway.later_plan]
                .map(|plan| plan.rules.iter().any(|rule| rule.ceiling_octets == u64::from(FIRST_OCTETS)))
        };
        let ceilings = ceilings.expect("a listing");
        assert_eq!(ceilings_of(ceilings), [true, true]);
        assert_eq!(ceilings_of(ceilings + 1), [false, false]);
    }
}
