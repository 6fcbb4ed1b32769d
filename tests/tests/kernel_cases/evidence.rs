//! Rules that ask for a name: what is pending, and what becomes of it.

use tollfree_benches::frame::FrameBuilder;
use tollfree_core::flow::{FlowKey, Promise};
use tollfree_core::plan::RuleClass;
use tollfree_core::reason::Reason;

use crate::case::{Case, Expect, charged, free, free_priority, pending, priority};
use crate::event::Event;
use crate::world::{
    NAMED, NAMED_CAPPED_RULE, NAMED_HOSPITAL, NAMED_HOSPITAL_RULE, NAMED_OBSERVED, NAMED_OBSERVED_RULE,
    NAMED_RULE, OBSERVED, OBSERVED_RULE, SHARED, SITE, SITE_RULE, SUBSCRIBER, TWO_NAMES, at, port, tcp_flow,
};

/// Reasons by number, as userspace writes them; the last is none.
const NAME_AND_ADDRESS: u32 = 3;
const HIDDEN_NAME_FREE: u32 = 4;
const UNDECIDED_FREE: u32 = 5;
const OTHER_NAME: u32 = 36;
const HIDDEN_NAME: u32 = 37;
const UNDECIDED: u32 = 38;
const OBSERVED_REASON: u32 = 40;
const UNKNOWN: u32 = 9999;

pub(crate) fn cases() -> Vec<Case> {
    [awaited(), told(), kept(), missed(), not_asked(), hidden(), shared(), observed(), two_rules()]
        .into_iter()
        .flatten()
        .collect()
}

fn up() -> FrameBuilder {
    FrameBuilder::tcp(at(SUBSCRIBER), at(NAMED))
}

fn down() -> FrameBuilder {
    FrameBuilder::tcp(at(NAMED), at(SUBSCRIBER))
}

fn flow() -> FlowKey {
    tcp_flow(SUBSCRIBER, NAMED)
}

fn awaits(volume_octets: u32) -> Expect {
    pending(NAMED_RULE, volume_octets, flow())
}

fn named(volume_octets: u32) -> Expect {
    free(NAMED_RULE, volume_octets).because(Reason::NameAndAddress)
}

fn because(reason: Reason) -> Expect {
    charged(reason, 40).by(NAMED_RULE)
}

fn awaited() -> Vec<Case> {
    let other = port(SUBSCRIBER, 40_001);
    vec![
        Case::uplink("SYN awaits evidence", &up().syn(), awaits(40).beginning(flow())),
        Case::downlink("the answer awaits it too", &down(), awaits(40).going_on(flow())).after(&up().syn()),
        Case::uplink("payload awaits it too", &up().payload_octets(500), awaits(540)).after(&up().syn()),
        Case::uplink(
            "each flow awaits its own",
            &FrameBuilder::tcp(at(&other), at(NAMED)).syn(),
            pending(NAMED_RULE, 40, tcp_flow(&other, NAMED)),
        )
        .after(&up().syn()),
        Case::uplink("a flow that begins anew awaits anew", &up().syn(), awaits(40).beginning(flow()))
            .after(&up().syn())
            .after(&up().rst()),
        Case::uplink("without a flow nothing is awaited", &up(), because(Reason::NoFlow)),
        Case::downlink("nor for a stranger", &down(), because(Reason::NoFlow)),
    ]
}

/// The subscriber's next packet after evidence said this.
fn told() -> Vec<Case> {
    let case = |name, verdict, expect| {
        Case::uplink(name, &up(), expect)
            .after(&up().syn())
            .after_events([Event::Told(Promise::new(NAMED_RULE, verdict))])
    };
    vec![
        case("the rule's name", NAME_AND_ADDRESS, named(40).going_on(flow())),
        case("another name", OTHER_NAME, because(Reason::OtherName)),
        case("no name came", UNDECIDED, because(Reason::Undecided)),
        case("a verdict that nobody knows", UNKNOWN, because(Reason::Undecided)),
        Case::downlink("the rule's name, downlink", &down(), named(40))
            .after(&up().syn())
            .after_events([Event::Told(Promise::new(NAMED_RULE, NAME_AND_ADDRESS))]),
        Case::uplink("another flow awaits still", &up().syn(), awaits(40))
            .after(&FrameBuilder::tcp(at(&port(SUBSCRIBER, 40_001)), at(NAMED)).syn())
            .after_events([Event::Told(Promise::new(NAMED_RULE, NAME_AND_ADDRESS))]),
    ]
}

/// What was once found of a flow stays, as long as the flow.
fn kept() -> Vec<Case> {
    let told = || Case::uplink("told once", &up(), named(40)).after(&up().syn());
    let told = |name| Case {
        name,
        ..told().after_events([Event::Told(Promise::new(NAMED_RULE, NAME_AND_ADDRESS))]).after(&up())
    };
    vec![
        told("a verdict that was found stays")
            .after_events([Event::Told(Promise::new(NAMED_RULE, OTHER_NAME))]),
        Case {
            frame: crate::case::built(&up().syn()),
            expect: awaits(40).beginning(flow()),
            ..told("a verdict is of one flow").after(&up().rst())
        },
    ]
}

/// The flow was opened under another plan.
fn missed() -> Vec<Case> {
    let case = |name, promise| {
        Case::uplink(name, &up(), because(Reason::EvidenceMissed).going_on(flow()))
            .after(&up().syn())
            .after_events([Event::Promised(flow(), promise)])
    };
    vec![
        case("opened before the rule asked", Promise::new(NAMED_RULE, 0)),
        case("opened under another rule that did not ask", Promise::new(SITE_RULE, 0)),
        case("opened under another rule, with its name", Promise::new(SITE_RULE, NAME_AND_ADDRESS)),
        case("opened under another rule, awaiting", Promise::new(SITE_RULE, Reason::AwaitingEvidence as u32)),
        case("missed, whatever evidence says", Promise::new(NAMED_RULE, 0))
            .after_events([Event::Told(Promise::new(NAMED_RULE, NAME_AND_ADDRESS))]),
        Case::uplink("SYN on it misses it too", &up().syn(), because(Reason::EvidenceMissed))
            .after(&up().syn())
            .after_events([Event::Promised(flow(), Promise::new(NAMED_RULE, 0))]),
        Case::uplink("begun anew, it awaits", &up().syn(), awaits(40))
            .after(&up().syn())
            .after_events([Event::Promised(flow(), Promise::new(NAMED_RULE, 0))])
            .after(&up().rst()),
    ]
}

fn not_asked() -> Vec<Case> {
    let hospital = FrameBuilder::tcp(at(SUBSCRIBER), at(NAMED_HOSPITAL)).syn();
    let site = FrameBuilder::tcp(at(SUBSCRIBER), at(SITE));
    let asked = Promise::new(SITE_RULE, OTHER_NAME);
    vec![
        Case::uplink("priority asks for nothing", &hospital, priority(NAMED_HOSPITAL_RULE, 40)),
        Case::uplink("a rule that asks no longer", &site, free(SITE_RULE, 40))
            .after(&site.clone().syn())
            .after_events([Event::Promised(tcp_flow(SUBSCRIBER, SITE), asked)]),
        Case::uplink("what is named is tagged", &up(), Expect { class: Some(RuleClass::Free), ..named(40) })
            .after(&up().syn())
            .after_events([Event::Told(Promise::new(NAMED_RULE, NAME_AND_ADDRESS))]),
    ]
}

fn hidden() -> Vec<Case> {
    let told = |name, verdict, expect| {
        Case::uplink(name, &up(), expect)
            .after(&up().syn())
            .after_events([Event::Told(Promise::new(NAMED_RULE, verdict))])
    };
    vec![
        told("a name that is hidden", HIDDEN_NAME, because(Reason::HiddenName)),
        told(
            "a name that may be hidden",
            HIDDEN_NAME_FREE,
            free(NAMED_RULE, 40).because(Reason::HiddenNameFree),
        ),
        told(
            "no evidence, where names may be hidden",
            UNDECIDED_FREE,
            free(NAMED_RULE, 40).because(Reason::UndecidedFree),
        ),
        Case::uplink("a verdict for another rule", &up(), because(Reason::EvidenceMissed))
            .after(&up().syn())
            .after_events([Event::Told(Promise::new(SITE_RULE, NAME_AND_ADDRESS))]),
        Case::uplink("a verdict that frees under no rule", &up(), because(Reason::EvidenceMissed))
            .after(&up().syn())
            .after_events([Event::Told(Promise::new(0, NAME_AND_ADDRESS))]),
        Case::uplink("a verdict that charges under no rule", &up(), because(Reason::Undecided))
            .after(&up().syn())
            .after_events([Event::Told(Promise::new(0, UNDECIDED))]),
    ]
}

/// The rule trusts the address, which strangers have too.
fn shared() -> Vec<Case> {
    let up = FrameBuilder::tcp(at(SUBSCRIBER), at(SHARED));
    let flow = tcp_flow(SUBSCRIBER, SHARED);
    let told = |name, verdict, expect| {
        Case::uplink(name, &up, expect)
            .after(&up.clone().syn())
            .after_events([Event::Told(Promise::new(SITE_RULE, verdict))])
    };
    vec![
        Case::uplink(
            "SYN awaits evidence at a shared address",
            &up.clone().syn(),
            pending(SITE_RULE, 40, flow),
        ),
        told("its own name", NAME_AND_ADDRESS, free(SITE_RULE, 40).because(Reason::NameAndAddress)),
        told("a stranger's name", OTHER_NAME, charged(Reason::OtherName, 40).by(SITE_RULE)),
        Case::uplink("opened before it was known to be shared", &up, free(SITE_RULE, 40))
            .after(&up.clone().syn())
            .after_events([Event::Promised(flow, Promise::new(SITE_RULE, 0))]),
    ]
}

fn observed() -> Vec<Case> {
    let up = FrameBuilder::tcp(at(SUBSCRIBER), at(OBSERVED));
    let named = FrameBuilder::tcp(at(SUBSCRIBER), at(NAMED_OBSERVED));
    let flow = tcp_flow(SUBSCRIBER, NAMED_OBSERVED);
    let told = |name, verdict, expect| {
        Case::uplink(name, &named, expect)
            .after(&named.clone().syn())
            .after_events([Event::Told(Promise::new(NAMED_OBSERVED_RULE, verdict))])
    };
    let by = |reason| charged(reason, 40).by(NAMED_OBSERVED_RULE);
    vec![
        Case::uplink(
            "observed: charged, and known",
            &up.syn(),
            charged(Reason::Observed, 40).by(OBSERVED_RULE),
        ),
        Case::uplink("observed: awaits a name", &named.clone().syn(), pending(NAMED_OBSERVED_RULE, 40, flow)),
        told("observed: its name", NAME_AND_ADDRESS, by(Reason::Observed)),
        told("observed: told so", OBSERVED_REASON, by(Reason::Observed)),
        told("observed: another's name", OTHER_NAME, by(Reason::OtherName)),
    ]
}

/// Two rules list the address and port, and each has its own names.
fn two_rules() -> Vec<Case> {
    let up = |remote: &str| FrameBuilder::tcp(at(SUBSCRIBER), at(remote));
    let told = |name, remote: &str, frame: &FrameBuilder, verdict, expect| {
        Case::uplink(name, frame, expect)
            .after(&up(remote).syn())
            .after_events([Event::Told(Promise::new(NAMED_CAPPED_RULE, verdict))])
    };
    let second = |volume| free_priority(NAMED_CAPPED_RULE, volume).because(Reason::NameAndAddress);
    let flow = tcp_flow(SUBSCRIBER, TWO_NAMES);
    let other_port = port(TWO_NAMES, 8443);
    vec![
        Case::uplink("awaits under the first", &up(TWO_NAMES).syn(), pending(NAMED_RULE, 40, flow)),
        told("the second's name", TWO_NAMES, &up(TWO_NAMES), NAME_AND_ADDRESS, second(40)),
        told(
            "the second's name, past the second's ceiling",
            TWO_NAMES,
            &up(TWO_NAMES).payload_octets(961),
            NAME_AND_ADDRESS,
            charged(Reason::DailyCeiling, 1001).by(NAMED_CAPPED_RULE),
        ),
        told(
            "the second says that it is not its name",
            TWO_NAMES,
            &up(TWO_NAMES),
            OTHER_NAME,
            charged(Reason::OtherName, 40).by(NAMED_CAPPED_RULE),
        ),
        told(
            "a rule with that name, but not with that port",
            &other_port,
            &up(&other_port),
            NAME_AND_ADDRESS,
            because(Reason::EvidenceMissed),
        ),
        told("a rule with that name, but not with that address", NAMED, &up(NAMED), NAME_AND_ADDRESS, {
            because(Reason::EvidenceMissed)
        }),
        Case::uplink("opened under the second, awaiting", &up(TWO_NAMES), because(Reason::EvidenceMissed))
            .after(&up(TWO_NAMES).syn())
            .after_events([Event::Promised(
                flow,
                Promise::new(NAMED_CAPPED_RULE, Reason::AwaitingEvidence as u32),
            )]),
        Case::uplink("opened under the second, with its name", &up(TWO_NAMES), second(40))
            .after(&up(TWO_NAMES).syn())
            .after_events([Event::Promised(flow, Promise::new(NAMED_CAPPED_RULE, NAME_AND_ADDRESS))]),
    ]
}
