//! What a plan's rules make of candidates' packets.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::reason::Reason;

use crate::case::{Case, charged, free, free_priority, priority};
use crate::world::{
    CONFERENCE, CONFERENCE_RULE, CONFERENCE_V6, ENDED, ENDED_FIRST, ENDED_RULE, FIRST_RULE, FULL_SET,
    HOSPITAL, HOSPITAL_RULE, INNER, MEDIA_SITE, OUTER, SECOND_RULE, SITE, SITE_RULE, SITE_V6, SUBSCRIBER,
    SUBSCRIBER_V6, TWO_RULES, at, filling, port,
};

pub(crate) fn cases() -> Vec<Case> {
    [uplink(), downlink(), ports(), order(), times(), full_table()].into_iter().flatten().collect()
}

fn tcp(from: &str, to: &str) -> FrameBuilder {
    FrameBuilder::tcp(at(from), at(to))
}

fn udp(from: &str, to: &str) -> FrameBuilder {
    FrameBuilder::udp(at(from), at(to)).payload_octets(100)
}

/// What opens a TCP flow.
fn syn(from: &str, to: &str) -> FrameBuilder {
    tcp(from, to).syn()
}

fn uplink() -> Vec<Case> {
    vec![
        Case::uplink("free", &syn(SUBSCRIBER, SITE), free(SITE_RULE, 40)),
        Case::uplink("free, IPv6", &syn(SUBSCRIBER_V6, SITE_V6), free(SITE_RULE, 60).v6()),
        Case::uplink(
            "free, with priority",
            &udp(SUBSCRIBER, CONFERENCE),
            free_priority(CONFERENCE_RULE, 128),
        ),
        Case::uplink(
            "free, with priority, IPv6",
            &udp(SUBSCRIBER_V6, CONFERENCE_V6),
            free_priority(CONFERENCE_RULE, 148).v6(),
        ),
        Case::uplink("priority only", &syn(SUBSCRIBER, HOSPITAL), priority(HOSPITAL_RULE, 40)),
    ]
}

fn downlink() -> Vec<Case> {
    let no_flow = |octets, rule| charged(Reason::NoFlow, octets).by(rule);
    let opened = syn(SUBSCRIBER, SITE);
    vec![
        Case::downlink("nobody asked", &tcp(SITE, SUBSCRIBER), no_flow(40, SITE_RULE)),
        Case::downlink("nobody asked, IPv6", &tcp(SITE_V6, SUBSCRIBER_V6), no_flow(60, SITE_RULE).v6()),
        Case::downlink("asked", &tcp(SITE, SUBSCRIBER), free(SITE_RULE, 40)).after(&opened),
        Case::downlink("asked, IPv6", &tcp(SITE_V6, SUBSCRIBER_V6), free(SITE_RULE, 60).v6())
            .after(&syn(SUBSCRIBER_V6, SITE_V6)),
        Case::downlink(
            "asked from another port",
            &tcp(SITE, &port(SUBSCRIBER, 40001)),
            no_flow(40, SITE_RULE),
        )
        .after(&opened),
        Case::downlink("asked by UDP, answered by TCP", &tcp(TWO_RULES, SUBSCRIBER), no_flow(40, FIRST_RULE))
            .after(&udp(SUBSCRIBER, TWO_RULES)),
        Case::downlink("asked another site", &tcp(SITE, SUBSCRIBER), no_flow(40, SITE_RULE))
            .after(&syn(SUBSCRIBER, TWO_RULES)),
        Case::downlink("priority, asked", &tcp(HOSPITAL, SUBSCRIBER), priority(HOSPITAL_RULE, 40))
            .after(&syn(SUBSCRIBER, HOSPITAL)),
        Case::downlink("priority, nobody asked", &tcp(HOSPITAL, SUBSCRIBER), no_flow(40, HOSPITAL_RULE)),
    ]
}

fn ports() -> Vec<Case> {
    let not_listed = |octets| charged(Reason::PortNotListed, octets);
    vec![
        Case::uplink("another port", &tcp(SUBSCRIBER, &port(SITE, 80)), not_listed(40)),
        Case::uplink("the port, by UDP", &udp(SUBSCRIBER, SITE), not_listed(128)),
        Case::uplink("below a range", &udp(SUBSCRIBER, &port(CONFERENCE, 8800)), not_listed(128)),
        Case::uplink(
            "a range's last",
            &udp(SUBSCRIBER, &port(CONFERENCE, 8810)),
            free_priority(CONFERENCE_RULE, 128),
        ),
        Case::uplink("above a range", &udp(SUBSCRIBER, &port(CONFERENCE, 8811)), not_listed(128)),
        Case::uplink("in a range, by TCP", &tcp(SUBSCRIBER, CONFERENCE), not_listed(40)),
        Case::uplink(
            "the subscriber's port is not asked",
            &tcp(&port(SUBSCRIBER, 443), &port(SITE, 80)),
            not_listed(40),
        ),
        Case::downlink("another port downlink", &tcp(&port(SITE, 80), SUBSCRIBER), not_listed(40)),
    ]
}

fn order() -> Vec<Case> {
    vec![
        Case::uplink("the first rule that matches", &syn(SUBSCRIBER, TWO_RULES), free(FIRST_RULE, 40)),
        Case::uplink("else the second", &syn(SUBSCRIBER, &port(TWO_RULES, 80)), free(SECOND_RULE, 40)),
        Case::uplink("else the second, by UDP", &udp(SUBSCRIBER, TWO_RULES), free(SECOND_RULE, 128)),
        Case::uplink(
            "port 0 is in no range",
            &udp(SUBSCRIBER, &port(TWO_RULES, 0)),
            charged(Reason::PortNotListed, 128),
        ),
        Case::uplink("port 65535", &udp(SUBSCRIBER, &port(TWO_RULES, 65535)), free(SECOND_RULE, 128)),
        Case::uplink("the sixteenth matcher", &syn(SUBSCRIBER, FULL_SET), free(FIRST_RULE, 40)),
        Case::uplink(
            "behind the sixteenth",
            &tcp(SUBSCRIBER, &port(FULL_SET, 443)),
            charged(Reason::PortNotListed, 40),
        ),
        Case::uplink("a prefix", &syn(SUBSCRIBER, OUTER), free(SITE_RULE, 40)),
        Case::uplink("the longer prefix inside it", &syn(SUBSCRIBER, INNER), free(FIRST_RULE, 40)),
        Case::uplink("listed in a media network", &syn(SUBSCRIBER, MEDIA_SITE), free(FIRST_RULE, 40)),
    ]
}

fn times() -> Vec<Case> {
    let expired = |octets| charged(Reason::Expired, octets).by(ENDED_RULE);
    vec![
        Case::uplink("ended", &tcp(SUBSCRIBER, ENDED), expired(40)),
        Case::downlink("ended, and nobody asked", &tcp(ENDED, SUBSCRIBER), expired(40)),
        Case::downlink("ended, and asked", &tcp(ENDED, SUBSCRIBER), expired(40))
            .after(&syn(SUBSCRIBER, ENDED)),
        Case::uplink("the first that matches has ended", &tcp(SUBSCRIBER, ENDED_FIRST), expired(40)),
    ]
}

/// The table holds as many flows as were configured, and those go on when it is full.
fn full_table() -> Vec<Case> {
    let [first, last] = ["10.20.1.0:10000", "10.20.1.63:10015"];
    let refused = charged(Reason::FlowTableFull, 40).by(SITE_RULE);
    let full = |case: Case| case.after_events(filling(0));
    vec![
        Case::uplink("the last place", &syn(SUBSCRIBER, SITE), free(SITE_RULE, 40)).after_events(filling(1)),
        full(Case::uplink("no place left", &syn(SUBSCRIBER, SITE), refused.clone())),
        full(Case::uplink("no place for priority", &syn(SUBSCRIBER, HOSPITAL), refused.by(HOSPITAL_RULE))),
        full(Case::uplink("the first has its place", &tcp(first, SITE), free(SITE_RULE, 40).of(first))),
        full(Case::downlink("the last has its place", &tcp(SITE, last), free(SITE_RULE, 40).of(last))),
    ]
}
