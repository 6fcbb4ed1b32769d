//! What a server may do wrong: addresses that are in use stay, and status tells.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::svcb::{EchConfigList, SvcParamKey, SvcParamValue};
use hickory_resolver::proto::rr::rdata::{A, CNAME, HTTPS, SVCB};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use jiff::Timestamp;

use super::super::answer::ServiceHints;
use super::super::moment::Moment;
use super::super::resolver::{Resolver, ResolverError};
use super::super::schedule::Scheduler;
use super::super::slot::ADDRESSES_MAX;
use super::super::status::NameStatus;
use super::super::terms::NameTerms;
use super::scripted::{Scripted, answer};
use super::*;

const NAME: &str = "moh.gov.example";
/// Records of 31 octets each (a name of 17 is not compressed) that all but fill a message of 65,535 octets.
const FULL: u16 = 2100;

fn asking(servers: &[SocketAddr]) -> ResolverSettings {
    ResolverSettings { servers: servers.iter().map(|server| (*server).into()).collect(), ..settings() }
}

fn a(owner: &Name, [third, last]: [u8; 2]) -> Record {
    Record::from_rdata(owner.clone(), 300, RData::A(A::new(203, 0, third, last)))
}

fn alias(owner: &Name, target: &str) -> Record {
    let target = Name::from_ascii(target).expect("a name");
    Record::from_rdata(owner.clone(), 300, RData::CNAME(CNAME(target)))
}

fn asked(request: &Message) -> Name {
    request.queries[0].name().clone()
}

fn code(mut message: Message, code: ResponseCode) -> Message {
    message.metadata.response_code = code;
    message
}

/// Each name leads to the next: `0.example`, `1.example` and so on.
fn endless(request: Message) -> Message {
    let owner = asked(&request);
    let number = owner.iter().next().and_then(|label| std::str::from_utf8(label).ok()?.parse::<u32>().ok());
    let next = format!("{}.example.", number.map_or(0, |number| number + 1));
    let record = alias(&owner, &next);
    answer(request, vec![record])
}

fn circle(request: Message) -> Message {
    let owner = asked(&request);
    let b = Name::from_ascii("b.example.").expect("a name");
    let records = if owner == b {
        vec![
            alias(&b, "moh.gov.example."),
            alias(&Name::from_ascii("moh.gov.example.").expect("a name"), "b.example."),
        ]
    } else {
        vec![alias(&owner, "b.example."), alias(&b, "moh.gov.example.")]
    };
    answer(request, records)
}

/// What comes of the name, of which one address is known, after a server's answer; the questions' times are played.
async fn after(
    script: impl Fn(Message, bool) -> Option<Message> + Send + Sync + 'static,
) -> Result<(Outcome, NameStatus), Box<dyn Error>> {
    let server = Scripted::start(script).await?;
    let settings = ResolverSettings { timeout: Duration::from_millis(500), ..asking(&[server.address]) };
    let resolver = Resolver::new(&settings)?;
    let start = Moment { monotonic: Instant::now(), wall: Timestamp::constant(1_580_515_200, 0) };
    let mut scheduler = Scheduler::new(&settings, Vec::new());
    scheduler.set_names(&BTreeMap::from([(NAME.to_owned(), NameTerms::default())]), start);
    let question = question(NAME, Kind::A);
    scheduler.answered(&question, found(&[1], 300, &[]), start, 0);
    let later = Moment {
        monotonic: start.monotonic + Duration::from_mins(5),
        wall: start.wall.checked_add(Duration::from_mins(5))?,
    };
    let outcome = resolver.lookup(&question, Dnssec::Off).await;
    scheduler.answered(&question, outcome.clone(), later, 0);
    scheduler.expire(later.monotonic);
    let status = scheduler.resolved(later.monotonic).status.swap_remove(0);
    Ok((outcome, status))
}

#[tokio::test]
async fn what_is_wrong_is_told_and_interrupts_nothing() -> Outcomes {
    type Boxed = Box<dyn Fn(Message, bool) -> Option<Message> + Send + Sync>;
    let cases: [(Boxed, &str); 8] = [
        (
            Box::new(|request, _| Some(code(answer(request, vec![]), ResponseCode::ServFail))),
            "Server Failure",
        ),
        (Box::new(|request, _| Some(code(answer(request, vec![]), ResponseCode::Refused))), "Refused"),
        (Box::new(|request, _| Some(code(answer(request, vec![]), ResponseCode::NXDomain))), "no such name"),
        (Box::new(|request, _| Some(answer(request, vec![]))), "no A record any longer"),
        (
            Box::new(|request, _| Some(circle(request))),
            "lead in a circle: moh.gov.example → b.example → moh.gov",
        ),
        (
            Box::new(|request, _| Some(endless(request))),
            "are too many: moh.gov.example → 0.example → 1.example",
        ),
        (Box::new(|_, _| None), ""),
        // Cut over UDP, and no answer over TCP.
        (
            Box::new(|request, is_tcp| {
                let mut cut = answer(request, vec![]);
                cut.metadata.truncation = true;
                (!is_tcp).then_some(cut)
            }),
            "",
        ),
    ];
    let one: IpAddr = [203, 0, 113, 1].into();
    for (index, (script, expected)) in cases.into_iter().enumerate() {
        let (outcome, status) = after(script).await?;
        let error = status.last_error.as_deref().unwrap_or_default();
        assert!(!error.is_empty() && error.contains(expected), "case {index}: {error}");
        assert!(!matches!(outcome, Outcome::Addresses { .. }), "case {index}: {outcome:?}");
        assert_eq!(status.addresses, [one].into(), "case {index}");
        assert!(status.stale, "case {index}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_cut_is_asked_for_again_over_tcp_up_to_64_kib() -> Outcomes {
    let (outcome, status) = after(|request, is_tcp| {
        let owner = asked(&request);
        let records = (0..FULL).map(|number| a(&owner, number.to_be_bytes()));
        let mut message = answer(request, if is_tcp { records.collect() } else { vec![] });
        message.metadata.truncation = !is_tcp;
        Some(message)
    })
    .await?;
    let Outcome::Addresses { addresses, .. } = outcome else { return Err(format!("{outcome:?}").into()) };
    assert_eq!(addresses.len(), usize::from(FULL));
    assert_eq!(status.addresses.len(), ADDRESSES_MAX);
    assert!(status.addresses.contains(&IpAddr::from([203, 0, 113, 1])), "what was there stays");
    assert_eq!((status.last_error, status.stale), (None, false));
    assert_eq!(status.refused_total, u64::from(FULL) - 63);
    Ok(())
}

#[tokio::test]
async fn a_chain_is_followed_from_answer_to_answer() -> Outcomes {
    let (outcome, status) = after(|request, _| {
        let owner = asked(&request);
        let record = match owner.to_ascii().to_lowercase().as_str() {
            "moh.gov.example." => alias(&owner, "edge.example."),
            "edge.example." => alias(&owner, "node.cdn.example."),
            _ => a(&owner, [113, 7]),
        };
        Some(answer(request, vec![record]))
    })
    .await?;
    assert_eq!(outcome, found(&[7], 300, &["edge.example", "node.cdn.example"]));
    assert_eq!(status.aliases, ["edge.example", "node.cdn.example"]);
    Ok(())
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_fails() -> Outcomes {
    let broken =
        Scripted::start(|request, _| Some(code(answer(request, vec![]), ResponseCode::ServFail))).await?;
    let good = Scripted::start(|request, _| {
        let record = a(&asked(&request), [113, 7]);
        let is_a = request.queries[0].query_type() == RecordType::A;
        Some(answer(request, if is_a { vec![record] } else { vec![] }))
    })
    .await?;
    let resolver = Resolver::new(&asking(&[broken.address, good.address]))?;
    let outcome = resolver.lookup(&question(NAME, Kind::A), Dnssec::Off).await;
    assert_eq!(outcome, found(&[7], 300, &[]));
    Ok(())
}

#[tokio::test]
async fn a_server_that_says_nothing_is_named() -> Outcomes {
    assert!(matches!(Resolver::new(&settings()), Err(ResolverError::NoServers)));
    let silent = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let server = silent.local_addr()?;
    let settings = ResolverSettings { timeout: Duration::from_millis(200), ..asking(&[server]) };
    let resolver = Resolver::new(&settings)?;
    let error = resolver.probe().await.expect_err("nobody answers").to_string();
    assert!(error.contains(&server.to_string()) && error.contains("check their addresses"), "{error}");
    let outcome = resolver.lookup(&question(NAME, Kind::A), Dnssec::Off).await;
    assert!(matches!(outcome, Outcome::Failed { error } if error.contains(&server.to_string())));
    Ok(())
}

#[tokio::test]
async fn what_is_no_name_is_not_asked() -> Outcomes {
    let resolver = Resolver::new(&asking(&["127.0.0.1:1".parse()?]))?;
    for name in ["a..example", &"a".repeat(64), &"a.".repeat(128)] {
        let outcome = resolver.lookup(&question(name, Kind::A), Dnssec::Off).await;
        assert!(matches!(outcome, Outcome::Failed { error } if error.contains("no domain name")), "{name}");
    }
    Ok(())
}

fn https(owner: &Name, priority: u16, target: &str, ech: bool) -> Record {
    let params = if ech {
        vec![(SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(vec![0, 1, 2])))]
    } else {
        Vec::new()
    };
    let target = Name::from_ascii(target).expect("a name");
    Record::from_rdata(owner.clone(), 300, RData::HTTPS(HTTPS(SVCB::new(priority, target, params))))
}

/// What a site says of its service by way of other names (RFC 9460, section 2.4.2).
#[tokio::test]
async fn service_aliases_are_followed_up_to_a_bound() -> Outcomes {
    let server = Scripted::start(|request, _| {
        let owner = asked(&request);
        let name = owner.to_ascii().to_lowercase();
        let records = match name.as_str() {
            "moh.gov.example." => vec![https(&owner, 0, "pool.example.", false)],
            "pool.example." => {
                vec![https(&owner, 1, ".", false), https(&owner, 0, "node.cdn.example.", false)]
            }
            "node.cdn.example." => vec![https(&owner, 1, ".", true)],
            "gone.example." => vec![https(&owner, 0, ".", false)],
            "dead-end.example." => vec![https(&owner, 0, "nothing.example.", false)],
            "round.example." => vec![https(&owner, 0, "about.example.", false)],
            "about.example." => vec![https(&owner, 0, "round.example.", false)],
            "named.example." => vec![
                alias(&owner, "moh.gov.example."),
                https(&Name::from_ascii("moh.gov.example.").expect("a name"), 0, "pool.example.", false),
            ],
            _ if name.ends_with(".endless.example.") => {
                let number: u32 = name.split('.').next().and_then(|label| label.parse().ok()).unwrap_or(0);
                vec![https(&owner, 0, &format!("{}.endless.example.", number + 1), false)]
            }
            _ => vec![],
        };
        Some(answer(request, records))
    })
    .await?;
    let resolver = Resolver::new(&asking(&[server.address]))?;
    let ask = async |name: &str| resolver.lookup(&question(name, Kind::Https), Dnssec::Off).await;
    let service = |ech, aliases: &[&str]| Outcome::Service {
        hints: ServiceHints {
            ech,
            addresses: std::collections::BTreeSet::new(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        },
        ttl: Duration::from_mins(5),
    };
    assert_eq!(ask("moh.gov.example").await, service(true, &["pool.example", "node.cdn.example"]));
    assert_eq!(ask("node.cdn.example").await, service(true, &[]));
    assert_eq!(ask("gone.example").await, service(false, &[]));
    assert_eq!(ask("dead-end.example").await, service(false, &["nothing.example"]));
    assert_eq!(
        ask("named.example").await,
        service(true, &["pool.example", "node.cdn.example"]),
        "by way of a CNAME"
    );
    for (name, expected) in [
        ("round.example", "round.example → about.example → round.example"),
        ("0.endless.example", "8.endless"),
    ] {
        let outcome = ask(name).await;
        assert!(
            matches!(&outcome, Outcome::Failed { error } if error.contains(expected)),
            "{name}: {outcome:?}"
        );
    }
    Ok(())
}

/// Octets that are no answer to the question.
#[tokio::test]
async fn answers_to_another_question_are_not_taken() -> Outcomes {
    let (outcome, status) = after(|mut request, _| {
        let stranger = Name::from_ascii("bank.example.").expect("a name");
        request.queries[0].set_name(stranger.clone());
        Some(answer(request, vec![a(&stranger, [113, 66])]))
    })
    .await?;
    assert!(!matches!(outcome, Outcome::Addresses { .. }), "{outcome:?}");
    assert_eq!(status.addresses, [IpAddr::from([203, 0, 113, 1])].into());
    assert!(status.stale && status.last_error.is_some());
    Ok(())
}
