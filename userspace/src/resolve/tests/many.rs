//! Ten thousand names, on a clock that does not wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use jiff::Timestamp;

use super::super::moment::Moment;
use super::super::schedule::Scheduler;
use super::super::terms::NameTerms;
use super::*;

const NAMES: usize = 10_000;
const RATE: u32 = 500;
/// Of every answer, in seconds.
const TTL: u64 = 60;
/// How long is played.
const PLAYED: Duration = Duration::from_mins(4);

#[test]
fn ten_thousand_names_are_refreshed_smoothly() {
    let start = Moment { monotonic: Instant::now(), wall: Timestamp::constant(1_580_515_200, 0) };
    let at = |since: Duration| Moment {
        monotonic: start.monotonic + since,
        wall: start.wall.checked_add(since).expect("a short test"),
    };
    let mut scheduler = Scheduler::new(&ResolverSettings { rate: RATE, ..settings() }, Vec::new());
    let names: BTreeMap<String, NameTerms> =
        (0..NAMES).map(|number| (format!("{number}.example"), NameTerms::default())).collect();
    scheduler.set_names(&names, start);
    let mut random = numbers(1);
    let mut good_until: BTreeMap<Question, Duration> = BTreeMap::new();
    let mut lately = VecDeque::new();
    let mut hints = BTreeSet::new();
    let mut since = Duration::ZERO;
    while since < PLAYED {
        let now = at(since);
        for (question, _) in scheduler.due(now.monotonic, usize::MAX) {
            lately.push_back(since);
            let outcome = if question.kind == Kind::Https {
                hints.insert(question.name.clone());
                Outcome::Empty { exists: true, ttl: None }
            } else {
                let before = good_until.insert(question.clone(), since + Duration::from_secs(TTL));
                assert!(before.is_none_or(|until| since < until), "{question:?} was late at {since:?}");
                found(&[1], TTL, &[])
            };
            scheduler.answered(&question, outcome, now, random());
        }
        while lately.front().is_some_and(|at| *at + Duration::from_secs(1) <= since) {
            lately.pop_front();
        }
        assert!(lately.len() <= RATE as usize, "{} questions in the second to {since:?}", lately.len());
        let next = scheduler.next_event(now.monotonic).expect("names are followed");
        since = next.duration_since(start.monotonic);
    }
    assert_eq!(good_until.len(), 2 * NAMES);
    assert!(good_until.values().all(|until| *until > PLAYED), "some names are not fresh at the end");
    assert_eq!(hints.len(), NAMES, "and hints had their turn");
}

/// Numbers that spread well enough, the same each time (a linear congruential generator).
fn numbers(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 32).expect("32 bits")
    }
}
