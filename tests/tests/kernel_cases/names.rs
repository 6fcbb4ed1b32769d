//! DNS with trusted resolvers, and flows to addresses that userspace may be learning.

use std::net::IpAddr;

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::address::{Family, SubscriberId};
use tollfree_core::event::CopyKind;
use tollfree_core::flow::{FlowKey, Promise};
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, charged, free, pending};
use crate::event::Event;
use crate::world::{
    NEVER_NS, PASSED_NS, RESOLVER, RESOLVER_V6, SITE, SITE_RULE, SITE_V6, SOMEBODY_ELSE, STRANGER,
    STRANGER_V6, SUBSCRIBER, SUBSCRIBER_V6, at, port, tcp_flow, udp_flow,
};

const ADDRESS: u32 = 1;
const NOT_LISTED: u32 = 16;

pub(crate) fn cases() -> Vec<Case> {
    [asked(), answered(), told(), heard(), learned()].into_iter().flatten().collect()
}

/// A question about `name`, or the beginning of the answer to it (RFC 1035, section 4.1).
fn message(name: &str) -> Vec<u8> {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).expect("a short label"));
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

fn question(name: &str) -> FrameBuilder {
    FrameBuilder::udp(at(SUBSCRIBER), at(RESOLVER)).payload(&message(name))
}

fn answer(name: &str) -> FrameBuilder {
    FrameBuilder::udp(at(RESOLVER), at(SUBSCRIBER)).payload(&message(name))
}

/// Headers of 28 octets, a DNS header and the question's end of 17, and the name with a length in front.
fn dns(name: &str) -> Expect {
    charged(Reason::Dns, 28 + 17 + 1 + u32::try_from(name.len()).expect("a short name"))
}

fn asked() -> Vec<Case> {
    let copied = |expect: Expect| expect.copied_for(CopyKind::Names);
    let v6 = FrameBuilder::udp(at(SUBSCRIBER_V6), at(RESOLVER_V6)).payload(&message("moh.example"));
    let v6_volume = dns("moh.example").volume_octets + 20;
    let tcp = FrameBuilder::tcp(at(SUBSCRIBER), at(RESOLVER));
    let other_port = port(RESOLVER, 443);
    vec![
        Case::uplink("a listed name", &question("moh.example"), copied(dns("moh.example"))),
        Case::uplink("in other case", &question("MoH.eXample"), copied(dns("moh.example"))),
        Case::uplink("a name below it", &question("a.b.moh.example"), copied(dns("a.b.moh.example"))),
        Case::uplink("by IPv6", &v6, copied(charged(Reason::Dns, v6_volume)).v6()),
        Case::uplink("in a VLAN", &question("moh.example").vlan(0x8100), copied(dns("moh.example"))),
        // It may tell that strangers share an address.
        Case::uplink("another name", &question("moh.example.net"), copied(dns("moh.example.net"))),
        Case::uplink("a name that ends alike", &question("xmoh.example"), copied(dns("xmoh.example"))),
        Case::uplink("the name above it", &question("example"), copied(dns("example"))),
        Case::uplink(
            "no question",
            &FrameBuilder::udp(at(SUBSCRIBER), at(RESOLVER)).payload(&[0; 12]),
            copied(charged(Reason::Dns, 40)),
        ),
        Case::uplink(
            "too short for DNS",
            &FrameBuilder::udp(at(SUBSCRIBER), at(RESOLVER)).payload(&[0; 3]),
            copied(charged(Reason::Dns, 31)),
        ),
        Case::uplink("by TCP, whatever it is about", &tcp.clone().syn(), copied(charged(Reason::Dns, 40))),
        Case::uplink(
            "another port of the resolver",
            &FrameBuilder::tcp(at(SUBSCRIBER), at(&other_port)).syn(),
            free(SITE_RULE, 40),
        ),
        Case::uplink(
            "port 53 of a stranger",
            &FrameBuilder::udp(at(SUBSCRIBER), at("203.0.113.200:53")).payload(&message("moh.example")),
            Expect { reason: Reason::NotListed, ..dns("moh.example") },
        ),
    ]
}

fn syn() -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER)).syn()
}

fn flow() -> FlowKey {
    tcp_flow(SUBSCRIBER, STRANGER)
}

fn waits(volume_octets: u32) -> Expect {
    pending(0, volume_octets, flow())
}

fn not_listed(volume_octets: u32) -> Expect {
    charged(Reason::NotListed, volume_octets)
}

fn answered() -> Vec<Case> {
    let copied = dns("moh.example").copied_for(CopyKind::Names);
    let others = FrameBuilder::udp(at(RESOLVER), at(SOMEBODY_ELSE)).payload(&message("moh.example"));
    let tcp = FrameBuilder::tcp(at(RESOLVER), at(SUBSCRIBER));
    vec![
        Case::downlink("the answer", &answer("moh.example"), copied),
        Case::uplink("who is answered is waited with", &syn(), waits(40))
            .after_downlink(&answer("moh.example")),
        Case::uplink("by TCP too", &syn(), waits(40)).after_downlink(&tcp),
        Case::uplink("who asks is not", &syn(), not_listed(40)).after(&question("moh.example")),
        Case::uplink("another name", &syn(), not_listed(40)).after_downlink(&answer("example.net")),
        Case::uplink("another's answer", &syn(), not_listed(40)).after_downlink(&others),
    ]
}

/// A record with an address (RFC 1035, section 3.4.1; RFC 3596, section 2.2), whose owner is the question's name.
fn record(address: &str) -> Vec<u8> {
    let (kind, data) = match at(address).ip() {
        IpAddr::V4(v4) => (1, v4.octets().to_vec()),
        IpAddr::V6(v6) => (28, v6.octets().to_vec()),
    };
    let octets = u8::try_from(data.len()).expect("an address is short");
    [&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, octets][..], &data].concat()
}

/// A message about `name` with these records in its answer.
fn with_records(name: &str, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = message(name);
    message[7] = u8::try_from(records.len()).expect("few records");
    [message, records.concat()].concat()
}

/// What an answer says of addresses holds for all subscribers: who asks by IPv4 may connect by IPv6.
fn told() -> Vec<Case> {
    let v6 = tcp_flow(SUBSCRIBER_V6, STRANGER_V6);
    let syn_v6 = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(STRANGER_V6)).syn();
    let waits_v6 = pending(0, 60, v6).v6();
    let from = |resolver, to, name, records: &[Vec<u8>]| {
        FrameBuilder::udp(at(resolver), at(to)).payload(&with_records(name, records))
    };
    let to_v4 = |records: &[Vec<u8>]| from(RESOLVER, SUBSCRIBER, "moh.example", records);
    // An alias of the name, `www` in front of it, and a record that spells its owner out.
    let alias = [&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 6, 3][..], b"www\xc0\x0c"].concat();
    let mut spelled = record(STRANGER_V6);
    spelled.splice(..2, *b"\x01a\0");
    let many = vec![record(SITE); 31];
    let case = |name, answer: &FrameBuilder, expect: Expect| {
        Case::uplink(name, &syn_v6, expect.v6()).after_downlink(answer)
    };
    let strangers = || not_listed(60);
    let asks = FrameBuilder::udp(at(SUBSCRIBER), at(RESOLVER));
    let asks = asks.payload(&with_records("moh.example", &[record(STRANGER_V6)]));
    let others = from(RESOLVER, SUBSCRIBER, "moh.example.net", &[record(STRANGER_V6)]);
    vec![
        case("an address that was told by IPv4", &to_v4(&[record(STRANGER_V6)]), waits_v6.clone()),
        Case::uplink("an address that was told by IPv6", &syn(), waits(40)).after_downlink(&from(
            RESOLVER_V6,
            SUBSCRIBER_V6,
            "moh.example",
            &[record(STRANGER)],
        )),
        case("behind an alias", &to_v4(&[alias, record(STRANGER_V6)]), waits_v6.clone()),
        case("as the last", &to_v4(&[many.clone(), vec![record(STRANGER_V6)]].concat()), waits_v6.clone()),
        case("too late", &to_v4(&[many, vec![record(SITE), record(STRANGER_V6)]].concat()), strangers()),
        case("in a VLAN", &to_v4(&[record(STRANGER_V6)]).vlan(0x8100), waits_v6),
        case("another address", &to_v4(&[record(SITE_V6)]), strangers()),
        case("an owner that is spelled out", &to_v4(&[spelled]), strangers()),
        case("of a name in no rule", &others, strangers()),
        Case::uplink("in a question", &syn_v6, strangers().v6()).after(&asks),
    ]
}

/// The IPv4 subscriber is waited with until then.
fn heard_until(until_ns: u64) -> Event {
    Event::Heard(SubscriberId::of(&flow().subscriber, Family::V4), until_ns)
}

fn heard() -> Vec<Case> {
    let v6 = tcp_flow(SUBSCRIBER_V6, STRANGER_V6);
    let data = FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER)).payload_octets(10);
    let down = FrameBuilder::tcp(at(STRANGER), at(SUBSCRIBER)).payload_octets(20);
    let udp = FrameBuilder::udp(at(SUBSCRIBER), at(STRANGER)).payload_octets(8);
    let syn_v6 = FrameBuilder::tcp(at(SUBSCRIBER_V6), at(STRANGER_V6)).syn();
    let case = |name, frame: &FrameBuilder, expect| {
        Case::uplink(name, frame, expect).after_events([heard_until(NEVER_NS)])
    };
    vec![
        case("SYN", &syn(), waits(40).beginning(flow())),
        case("what follows it", &data, waits(50).going_on(flow())).after(&syn()),
        Case::downlink("its answer", &down, waits(60)).after_events([heard_until(NEVER_NS)]).after(&syn()),
        case("UDP", &udp, pending(0, 36, udp_flow(SUBSCRIBER, STRANGER))),
        Case::uplink("by IPv6", &syn_v6, pending(0, 60, v6).v6())
            .after_events([Event::Heard(SubscriberId::of(&v6.subscriber, Family::V6), NEVER_NS)]),
        case("in the middle of a connection", &data, not_listed(50)),
        Case::downlink("from a stranger, unasked", &down, not_listed(60))
            .after_events([heard_until(NEVER_NS)]),
        case("ICMP", &FrameBuilder::echo(at(SUBSCRIBER), at(STRANGER)), not_listed(28)),
        case("payload in a SYN", &syn().payload_octets(4), not_listed(44)),
        Case::uplink("long ago", &syn(), not_listed(40)).after_events([heard_until(PASSED_NS)]),
        Case::uplink("not waited with any more", &data, not_listed(50))
            .after_events([heard_until(NEVER_NS)])
            .after(&syn())
            .after_events([heard_until(PASSED_NS)]),
    ]
}

/// What becomes of a flow that is waited with.
fn learned() -> Vec<Case> {
    let data = FrameBuilder::tcp(at(SUBSCRIBER), at(STRANGER));
    let told = |name, verdict: Promise, expect| {
        Case::uplink(name, &data, expect)
            .after_events([heard_until(NEVER_NS)])
            .after(&syn())
            .after_events([Event::Told(verdict)])
    };
    // A packet that looked its address up a moment too early is free by the verdict, and has no tag yet.
    let free = Expect { class: None, code_point: None, ..free(SITE_RULE, 40) };
    vec![
        told("in no rule", Promise::new(0, NOT_LISTED), not_listed(40)),
        told("in a rule", Promise::new(SITE_RULE, ADDRESS), free),
    ]
}
