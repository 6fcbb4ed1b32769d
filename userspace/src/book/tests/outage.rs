//! A site whose answers live for a second and rotate, and a resolver that is gone for ten minutes: the resolver's schedule
//! and the book together.

use super::*;
use crate::config::ResolverConfig;
use crate::resolve::{Kind, NameTerms, Outcome, Question, Scheduler};
use tollfree_core::plan::Local;

const NAME: &str = "moh.vn";
/// When no server answers, in seconds.
const OUTAGE: std::ops::Range<u64> = 1000..1600;
/// How long a subscriber's connection lasts, in seconds.
const CONNECTION: u64 = 900;

/// Every five seconds, as the next question comes by default: a subscriber asks too, and connects to what he is told. His
/// connections last for a quarter of an hour. None of them ever loses its address.
#[test]
fn no_connection_loses_its_address() {
    let own: [(&ipnet::IpNet, &Local); 0] = [];
    let settings = ResolverSettings::new(&ResolverConfig::default(), own);
    let mut play = Play::with(&settings, Rules::of(MOH));
    let mut scheduler = Scheduler::new(&settings, Vec::new());
    scheduler.set_names(&BTreeMap::from([(NAME.to_owned(), NameTerms::default())]), play.start);
    let question = Question { name: NAME.into(), kind: Kind::A };
    let mut connections: Vec<(u64, IpAddr)> = Vec::new();
    for second in (0..3000).step_by(5) {
        let now = play.at(second);
        let turn = u8::try_from(second / 5 % 64).expect("small");
        let outcome = if OUTAGE.contains(&second) {
            Outcome::Failed { error: "no answer".into() }
        } else {
            Outcome::Addresses {
                addresses: vec![address(turn)],
                ttl: Duration::from_secs(1),
                aliases: Vec::new(),
                security: Security::Unchecked,
            }
        };
        scheduler.due(now.monotonic, usize::MAX);
        scheduler.answered(&question, outcome, now, 0);
        scheduler.expire(now.monotonic);
        play.book.take_resolved(&Arc::new(scheduler.resolved(now.monotonic)), now);
        if !OUTAGE.contains(&second) {
            // He is told another one.
            let other = address((turn + 32) % 64);
            let lesson = play.lesson(second, NAME, &[], &[(other, 1)]);
            assert_eq!(play.book.learn(&lesson).refused, [], "at {second}");
            connections.push((second, other));
        }
        connections.retain(|(began, _)| second - began < CONNECTION);
        let used: HashSet<IpAddr> = connections.iter().map(|(_, address)| *address).collect();
        play.book.set_used(used.clone(), now);
        let held: BTreeSet<IpAddr> = play.held(second, NAME).into_iter().collect();
        let lost: Vec<_> = used.iter().filter(|address| !held.contains(address)).collect();
        assert!(lost.is_empty(), "{lost:?} lost at {second}");
    }
}
