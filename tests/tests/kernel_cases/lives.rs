//! How flows begin, end and begin anew, and how many one subscriber may have.
//!
//! The kernel's clock goes on while a case runs, so a flow that must go on has rested for somewhat less than it may.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::flow::FlowKey;
use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::calls::RTCP;
use crate::case::{Case, Expect, built, call, charged, free, free_priority, priority};
use crate::event::Event;
use crate::world::{
    CALLER, CONFERENCE, CONFERENCE_RULE, HOSPITAL, HOSPITAL_RULE, HOTLINE_RULE, MEDIA, SITE, SITE_RULE,
    SITE_V6, SUBSCRIBER, SUBSCRIBER_FLOWS_MAX, SUBSCRIBER_V6, at, filling, port, tcp_flow, udp_flow,
};

const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60 * SECOND_NS;
/// What a case may take.
const SLACK_NS: u64 = 20 * SECOND_NS;
/// What a flow may rest: closed; RFC 5382, REQ-5, opening and open; RFC 4787, REQ-5, at least and recommended.
const CLOSED_NS: u64 = 30 * SECOND_NS;
const TCP_OPENING_NS: u64 = 4 * MINUTE_NS;
const TCP_NS: u64 = 124 * MINUTE_NS;
const UDP_OPENING_NS: u64 = 2 * MINUTE_NS;
const UDP_NS: u64 = 5 * MINUTE_NS;

const OTHER_SUBSCRIBER: &str = "10.20.0.12:40000";
/// In the same /64 as [`SUBSCRIBER_V6`], and in the next.
const SAME_PREFIX: &str = "[2001:db8:20:11::2]:40000";
const NEXT_PREFIX: &str = "[2001:db8:20:12::1]:40000";

pub(crate) fn cases() -> Vec<Case> {
    [again(), rests_of_tcp(), rests_of_others(), bounds(), bounds_by_subscriber(), places()]
        .into_iter()
        .flatten()
        .collect()
}

fn up() -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER), at(SITE))
}

fn down() -> FrameBuilder {
    FrameBuilder::tcp(at(SITE), at(SUBSCRIBER))
}

fn flow() -> FlowKey {
    tcp_flow(SUBSCRIBER, SITE)
}

fn site() -> Expect {
    free(SITE_RULE, 40)
}

fn no_flow() -> Expect {
    charged(Reason::NoFlow, 40).by(SITE_RULE)
}

/// A SYN on the flow that these left behind, or another segment of the subscriber's.
fn again() -> Vec<Case> {
    let syn = |name, expect: Expect| Case::uplink(name, &up().syn(), expect).after(&up().syn());
    let ack = |name, expect: Expect| Case::uplink(name, &up(), expect).after(&up().syn());
    let (on, anew) = (|| site().going_on(flow()), || site().beginning(flow()));
    vec![
        Case::uplink("SYN begins", &up().syn(), anew()),
        syn("SYN again goes on", on()),
        syn("SYN again after an answer goes on", on()).after_downlink(&down()),
        syn("SYN after RST begins anew", anew()).after(&up().rst()),
        syn("SYN after RST downlink begins anew", anew()).after_downlink(&down().rst()),
        syn("SYN after one FIN goes on", on()).after(&up().fin()),
        syn("SYN after two FINs of one side goes on", on()).after(&up().fin()).after(&up().fin()),
        syn("SYN after FIN downlink goes on", on()).after_downlink(&down().fin()),
        syn("SYN after both FINs begins anew", anew()).after(&up().fin()).after_downlink(&down().fin()),
        syn("SYN again after it began anew goes on", on()).after(&up().rst()).after(&up().syn()),
        ack("ACK after RST goes on", on()).after(&up().rst()),
        ack("ACK after both FINs goes on", on()).after_downlink(&down().fin()).after(&up().fin()),
        Case::downlink("an answer after RST", &down(), on()).after(&up().syn()).after(&up().rst()),
    ]
}

/// The subscriber's ACK after such a rest.
fn rests_of_tcp() -> Vec<Case> {
    let case = |name, rest_ns, expect| Case::uplink(name, &up(), expect).after(&up().syn()).resting(rest_ns);
    let answered = |name, rest_ns, expect| {
        let case = Case::uplink(name, &up(), expect).after(&up().syn());
        case.after_downlink(&down()).resting(rest_ns)
    };
    let closed = |name, rest_ns, expect| {
        let case = Case::uplink(name, &up(), expect).after(&up().syn());
        case.after_downlink(&down().rst()).resting(rest_ns)
    };
    let on = || site().going_on(flow());
    vec![
        case("unanswered", TCP_OPENING_NS - SLACK_NS, on()),
        case("unanswered for too long", TCP_OPENING_NS, no_flow()),
        answered("answered", TCP_NS - SLACK_NS, on()),
        answered("answered, for too long", TCP_NS, no_flow()),
        closed("closed", CLOSED_NS - SLACK_NS, on()),
        closed("closed for too long", CLOSED_NS, no_flow()),
        case("unanswered, twice", TCP_OPENING_NS - SLACK_NS, on())
            .after(&up())
            .resting(TCP_OPENING_NS - SLACK_NS),
        Case::downlink("too late an answer", &down(), no_flow()).after(&up().syn()).resting(TCP_OPENING_NS),
        Case::uplink("SYN when it is over", &up().syn(), site().beginning(flow()))
            .after(&up().syn())
            .resting(TCP_OPENING_NS),
    ]
}

fn rests_of_others() -> Vec<Case> {
    let up = || FrameBuilder::udp(at(SUBSCRIBER), at(CONFERENCE));
    let down = || FrameBuilder::udp(at(CONFERENCE), at(SUBSCRIBER));
    let key = udp_flow(SUBSCRIBER, CONFERENCE);
    let conference = || free_priority(CONFERENCE_RULE, 28);
    let no_flow = charged(Reason::NoFlow, 28).by(CONFERENCE_RULE);
    let unanswered =
        |name, rest_ns, expect| Case::downlink(name, &down(), expect).after(&up()).resting(rest_ns);
    let answered = |name, rest_ns, expect| {
        Case::downlink(name, &down(), expect).after(&up()).after_downlink(&down()).resting(rest_ns)
    };
    let voice = FrameBuilder::udp(at(MEDIA), at(CALLER)).payload(&RTCP);
    vec![
        unanswered("UDP, unanswered", UDP_OPENING_NS - SLACK_NS, conference().going_on(key)),
        unanswered("UDP, unanswered for too long", UDP_OPENING_NS, no_flow.clone()),
        answered("UDP, answered", UDP_NS - SLACK_NS, conference().going_on(key)),
        answered("UDP, answered, for too long", UDP_NS, no_flow),
        Case::uplink("UDP when it is over", &up(), conference().beginning(key)).after(&up()).resting(UDP_NS),
        Case::downlink(
            "a call's stream when it is over",
            &voice,
            call(HOTLINE_RULE, 36).beginning(udp_flow(CALLER, MEDIA)),
        )
        .after_downlink(&voice)
        .resting(UDP_NS),
    ]
}

/// SYNs of a subscriber from so many ports.
fn opened(subscriber: &str, site: &str, count: u16) -> Vec<Event> {
    let syn = |number| {
        let from = port(subscriber, 10_000 + number);
        Event::Frame(Role::Access, built(&FrameBuilder::tcp(at(&from), at(site)).syn()))
    };
    (0..count).map(syn).collect()
}

fn full() -> Expect {
    charged(Reason::SubscriberFlowsFull, 40).by(SITE_RULE)
}

/// A subscriber's packets when he has as many flows as he may.
fn bounds() -> Vec<Case> {
    let first = port(SUBSCRIBER, 10_000);
    let has_all = |case: Case| case.after_events(opened(SUBSCRIBER, SITE, SUBSCRIBER_FLOWS_MAX));
    let first_up = || FrameBuilder::tcp(at(&first), at(SITE));
    let voice = FrameBuilder::udp(at(CALLER), at(MEDIA)).payload(&RTCP);
    vec![
        Case::uplink("the last flow", &up().syn(), site()).after_events(opened(
            SUBSCRIBER,
            SITE,
            SUBSCRIBER_FLOWS_MAX - 1,
        )),
        has_all(Case::uplink("one flow too many", &up().syn(), full())),
        has_all(Case::uplink("one too many, twice", &up().syn(), full())).after(&up().syn()),
        has_all(Case::downlink("an answer to one too many", &down(), no_flow())).after(&up().syn()),
        has_all(Case::uplink(
            "one too many for priority",
            &FrameBuilder::tcp(at(SUBSCRIBER), at(HOSPITAL)).syn(),
            full().by(HOSPITAL_RULE),
        )),
        has_all(Case::uplink("those that are open go on", &first_up(), site())),
        has_all(Case::uplink(
            "in the place of one that was reset",
            &first_up().syn(),
            site().beginning(tcp_flow(&first, SITE)),
        ))
        .after(&first_up().rst()),
        has_all(Case::uplink("one was reset, but nobody swept", &up().syn(), full()))
            .after(&first_up().rst()),
        has_all(Case::uplink("calls are not bounded", &voice, call(HOTLINE_RULE, 36))),
        has_all(Case::uplink("all are over, but nobody swept", &up().syn(), full())).resting(TCP_OPENING_NS),
        has_all(Case::uplink("swept", &up().syn(), site()))
            .resting(TCP_OPENING_NS)
            .after_events([Event::Swept]),
    ]
}

fn bounds_by_subscriber() -> Vec<Case> {
    let half = SUBSCRIBER_FLOWS_MAX / 2;
    let syn_v6 = |from| FrameBuilder::tcp(at(from), at(SITE_V6)).syn();
    let other = FrameBuilder::tcp(at(OTHER_SUBSCRIBER), at(SITE)).syn();
    let other_hospital = FrameBuilder::tcp(at(OTHER_SUBSCRIBER), at(HOSPITAL)).syn();
    let has_all = opened(SUBSCRIBER, SITE, SUBSCRIBER_FLOWS_MAX);
    vec![
        Case::uplink("another's flows do not count", &other, site().of(OTHER_SUBSCRIBER))
            .after_events(has_all.clone()),
        Case::uplink("nor for priority", &other_hospital, priority(HOSPITAL_RULE, 40).of(OTHER_SUBSCRIBER))
            .after_events(has_all),
        Case::uplink(
            "two addresses of one /64",
            &syn_v6(SUBSCRIBER_V6),
            charged(Reason::SubscriberFlowsFull, 60).by(SITE_RULE).v6(),
        )
        .after_events(opened(SUBSCRIBER_V6, SITE_V6, half))
        .after_events(opened(SAME_PREFIX, SITE_V6, half)),
        Case::uplink("the next /64", &syn_v6(NEXT_PREFIX), free(SITE_RULE, 60).of(NEXT_PREFIX))
            .after_events(opened(SUBSCRIBER_V6, SITE_V6, SUBSCRIBER_FLOWS_MAX)),
    ]
}

/// A flow is a subscriber's once it has a place, and no sooner.
fn places() -> Vec<Case> {
    let refused = opened(SUBSCRIBER, SITE, SUBSCRIBER_FLOWS_MAX);
    let begun_anew = (0..=SUBSCRIBER_FLOWS_MAX)
        .flat_map(|_| [up().syn(), up().rst()].map(|frame| Event::Frame(Role::Access, built(&frame))));
    vec![
        Case::uplink("what found no place does not count", &up().syn(), site())
            .after_events(filling(0))
            .after_events(refused)
            .resting(TCP_OPENING_NS)
            .after_events([Event::Swept]),
        Case::uplink(
            "a flow that began anew many times is one",
            &FrameBuilder::tcp(at(&port(SUBSCRIBER, 10_000)), at(SITE)).syn(),
            site(),
        )
        .after_events(begun_anew),
    ]
}
