//! When rules had addresses.

use std::net::IpAddr;

use super::*;
use crate::book::{Holding, HoldingEvent};

fn address() -> IpAddr {
    [203, 0, 113, 7].into()
}

fn held(name: &str, rule: u32, since: i64) -> Holding {
    let answer = Answer {
        learned_at: at(since),
        ttl: Duration::from_mins(5),
        security: Security::Secure,
        resolver: Some([192, 0, 2, 53].into()),
        chain: Arc::from(["edge.example".to_owned()]),
    };
    Holding { address: address(), name: name.into(), rule, since: at(since), source: Source::Wire, answer }
}

fn closed(name: &str, rule: u32, second: i64) -> HoldingEvent {
    HoldingEvent::Closed { address: address(), name: name.into(), rule, at: at(second) }
}

/// Name, rule, begin and end of a holding.
type Span = (String, u32, Timestamp, Option<Timestamp>);

fn spans(path: &Path) -> Result<Vec<Span>, LedgerError> {
    let past = Past::read(&path.join("ledger.sqlite"), About::Address(address()))?;
    Ok(past.holdings.into_iter().map(|held| (held.name, held.rule, held.from_at, held.to_at)).collect())
}

#[test]
fn holdings_are_intervals_that_begin_and_end_once() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let opened = |name, rule, since| HoldingEvent::Opened(held(name, rule, since));
    ledger.record_holdings(1, &[opened("a.example", 1, 10), opened("a.example", 2, 10)])?;
    // Told again, it goes on as it began.
    ledger.record_holdings(2, &[opened("a.example", 1, 20), closed("a.example", 2, 70)])?;
    ledger.record_holdings(2, &[closed("a.example", 2, 80), opened("a.example", 2, 90)])?;
    let span = |rule, from, to: Option<i64>| ("a.example".to_owned(), rule, at(from), to.map(at));
    assert_eq!(spans(directory.path())?, [span(1, 10, None), span(2, 10, Some(70)), span(2, 90, None)]);
    let past = Past::read(&directory.path().join("ledger.sqlite"), About::Address(address()))?;
    let [first, ..] = &past.holdings[..] else { return Err("a holding expected".into()) };
    assert_eq!((first.policy.as_str(), first.rule_id.as_str()), ("vn-covid19-2020", "moh-portal"));
    assert_eq!((first.source, first.security, first.ttl_seconds), (Source::Wire, Security::Secure, 300));
    assert_eq!((first.resolver, first.epoch), (Some([192, 0, 2, 53].into()), 1));
    assert_eq!(first.chain, ["edge.example"]);
    let digests = [0, 59, 60, 999].map(|second| past.epoch_at(at(second)).map(|epoch| epoch.epoch));
    assert_eq!(digests, [Some(1), Some(1), Some(2), Some(2)]);
    assert_eq!(past.epoch_at(at(-1)), None);
    let other = Past::read(&directory.path().join("ledger.sqlite"), About::Address([203, 0, 113, 8].into()))?;
    assert_eq!((other.holdings, other.sharings), (Vec::new(), Vec::new()));
    Ok(())
}

#[test]
fn a_start_ends_what_an_earlier_controller_left_open() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    for holding in [held("a.example", 1, 10), held("b.example", 1, 10)] {
        ledger.record_holdings(1, &[HoldingEvent::Opened(holding)])?;
    }
    let shared = |other: &str| (address(), "a.example".to_owned(), other.to_owned());
    let (_, name, other) = shared("x.example");
    ledger.record_holdings(1, &[HoldingEvent::Shared { address: address(), name, other, at: at(15) }])?;
    assert_eq!(ledger.shared_addresses()?, [(address(), "x.example".to_owned())]);
    // It was killed; b is not held any longer, and c is.
    let now = [held("a.example", 1, 5), held("c.example", 2, 5)];
    ledger.settle_holdings(2, at(70), &now, &[shared("y.example")])?;
    let span = |name: &str, rule, from, to: Option<i64>| (name.to_owned(), rule, at(from), to.map(at));
    let wanted =
        [span("a.example", 1, 10, None), span("b.example", 1, 10, Some(70)), span("c.example", 2, 70, None)];
    assert_eq!(spans(directory.path())?, wanted);
    assert_eq!(ledger.shared_addresses()?, [(address(), "x.example".to_owned())], "it goes on as it began");
    ledger.settle_holdings(2, at(80), &[], &[])?;
    assert!(spans(directory.path())?.iter().all(|(.., to)| to.is_some()));
    let past = Past::read(&directory.path().join("ledger.sqlite"), About::Address(address()))?;
    let ends: Vec<_> = past.sharings.iter().map(|one| (one.from_at, one.to_at)).collect();
    assert_eq!(ends, [(at(15), Some(at(80)))]);
    Ok(())
}

#[test]
fn an_unknown_rule_leaves_nothing_half_written() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = ledger(directory.path())?;
    let events = [held("a.example", 1, 10), held("a.example", 99, 10)].map(HoldingEvent::Opened);
    assert!(ledger.record_holdings(1, &events).is_err());
    assert!(ledger.record_holdings(99, &events[..1]).is_err());
    assert_eq!(spans(directory.path())?, []);
    Ok(())
}
