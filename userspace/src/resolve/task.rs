//! The task that keeps names resolved.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_core::{OsRng, RngCore};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::sleep_until;

use super::answer::{Answered, Outcome, Question};
use super::dnssec::Dnssec;
use super::moment::Moment;
use super::resolver::Resolver;
use super::schedule::Scheduler;
use super::status::Resolved;
use super::terms::NameTerms;

/// Questions under way at once. Reason: at the default rate, answers may take an eighth of a second each.
pub const LOOKUPS_MAX: usize = 64;

/// From one published state to the next, at least. Reason: a state holds all names; ten thousand of them, answered one
/// by one, are not told of one by one.
pub const PUBLISH_INTERVAL: Duration = Duration::from_millis(200);

/// Answers questions.
pub trait Lookup: Send + Sync + 'static {
    /// Asks, and waits no longer than its own timeout. With `dnssec`, answers are validated.
    fn lookup(&self, question: &Question, dnssec: Dnssec) -> impl Future<Output = Answered> + Send;
}

impl Lookup for Resolver {
    async fn lookup(&self, question: &Question, dnssec: Dnssec) -> Answered {
        self.ask(question, dnssec).await
    }
}

/// Resolves `names` until `shutdown` is done or the sender of `names` is gone.
///
/// `resolved` always holds the latest state; its receivers are woken when addresses change, not when only a
/// lifetime or an error does. What the scheduler has saved of the names is published at once.
pub async fn run<L: Lookup>(
    lookup: Arc<L>,
    mut scheduler: Scheduler,
    mut names: watch::Receiver<BTreeMap<String, NameTerms>>,
    resolved: watch::Sender<Arc<Resolved>>,
    shutdown: impl Future<Output = ()>,
) {
    tokio::pin!(shutdown);
    let mut lookups = Lookups::default();
    let mut publish_at = Instant::now();
    let mut has_news = false;
    scheduler.set_names(&names.borrow_and_update().clone(), Moment::now());
    loop {
        let now = Instant::now();
        scheduler.expire(now);
        for (question, dnssec) in scheduler.due(now, lookups.room()) {
            lookups.start(Arc::clone(&lookup), question, dnssec);
        }
        has_news |= scheduler.take_changed();
        if has_news && publish_at <= now {
            publish(&resolved, scheduler.resolved(now));
            has_news = false;
            publish_at = now + PUBLISH_INTERVAL;
        }
        let next = scheduler.next_event(now).into_iter().chain(has_news.then_some(publish_at)).min();
        tokio::select! {
            () = &mut shutdown => return,
            changed = names.changed() => {
                if changed.is_err() {
                    return;
                }
                scheduler.set_names(&names.borrow_and_update().clone(), Moment::now());
            }
            Some((question, answered)) = lookups.next() => {
                scheduler.answered(&question, answered, Moment::now(), OsRng.next_u32());
            }
            () = sleep_until(next.unwrap_or(now).into()), if next.is_some() => {}
        }
    }
}

/// The questions under way; dropping it ends them.
#[derive(Default)]
struct Lookups {
    tasks: JoinSet<Answered>,
    /// By task, so that a task that ends badly still has its question answered.
    questions: HashMap<Id, Question>,
}

impl Lookups {
    fn room(&self) -> usize {
        LOOKUPS_MAX.saturating_sub(self.tasks.len())
    }

    fn start<L: Lookup>(&mut self, lookup: Arc<L>, question: Question, dnssec: Dnssec) {
        let asked = question.clone();
        let task = self.tasks.spawn(async move { lookup.lookup(&asked, dnssec).await });
        self.questions.insert(task.id(), question);
    }

    /// The next question that is done; `None` if none is under way. Nothing is lost if this is dropped
    /// before.
    async fn next(&mut self) -> Option<(Question, Answered)> {
        let (id, answered) = match self.tasks.join_next_with_id().await? {
            Ok(done) => done,
            Err(error) => {
                let failed = Outcome::Failed { error: format!("the lookup broke off: {error}") };
                (error.id(), failed.into())
            }
        };
        Some((self.questions.remove(&id)?, answered))
    }
}

/// Replaces the state; wakes the receivers only if addresses changed.
fn publish(resolved: &watch::Sender<Arc<Resolved>>, latest: Resolved) {
    resolved.send_if_modified(|current| {
        let changed = current.addresses != latest.addresses;
        *current = Arc::new(latest);
        changed
    });
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::{Semaphore, oneshot};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::resolve::{Kind, ResolverSettings, SavedAddress, Security, tests};

    /// Long enough for a slow machine; only a failing test takes it.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// Gives every name one address, once the gate lets it; breaks off on `broken`.
    struct Fake {
        gate: Semaphore,
        under_way: AtomicUsize,
        most: AtomicUsize,
        started: watch::Sender<usize>,
    }

    impl Fake {
        fn new(permits: usize) -> Arc<Self> {
            Arc::new(Self {
                gate: Semaphore::new(permits),
                under_way: AtomicUsize::new(0),
                most: AtomicUsize::new(0),
                started: watch::Sender::new(0),
            })
        }
    }

    impl Lookup for Fake {
        async fn lookup(&self, question: &Question, _: Dnssec) -> Answered {
            assert_ne!(question.name, "broken", "as it should");
            let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(under_way, Ordering::SeqCst);
            self.started.send_modify(|started| *started += 1);
            self.gate.acquire().await.expect("never closed").forget();
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            let ttl = Duration::from_hours(1);
            let address: IpAddr = match question.kind {
                Kind::A => [203, 0, 113, 7].into(),
                Kind::Aaaa => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into(),
                Kind::Https => return Outcome::Empty { exists: true, ttl: Some(ttl) }.into(),
            };
            let (aliases, security) = (Vec::new(), Security::Unchecked);
            Outcome::Addresses { addresses: vec![address], ttl, aliases, security }.into()
        }
    }

    struct Running {
        names: watch::Sender<BTreeMap<String, NameTerms>>,
        resolved: watch::Receiver<Arc<Resolved>>,
        shutdown: oneshot::Sender<()>,
        task: JoinHandle<()>,
    }

    fn start(fake: &Arc<Fake>, names: &[&str], saved: Vec<SavedAddress>) -> Running {
        let hour = Duration::from_hours(1);
        let settings = ResolverSettings { min_ttl: hour, max_ttl: hour, grace: hour, ..tests::settings() };
        let names = watch::Sender::new(set(names));
        let (sender, resolved) = watch::channel(Arc::default());
        let (shutdown, ended) = oneshot::channel();
        let ended = async move { drop(ended.await) };
        let scheduler = Scheduler::new(&settings, saved);
        let task = tokio::spawn(run(Arc::clone(fake), scheduler, names.subscribe(), sender, ended));
        Running { names, resolved, shutdown, task }
    }

    fn set(names: &[&str]) -> BTreeMap<String, NameTerms> {
        names.iter().map(|name| ((*name).to_owned(), NameTerms::default())).collect()
    }

    /// Waits until each name has as many addresses as listed.
    async fn wait(running: &mut Running, expected: &[(&str, usize)]) {
        let expected: BTreeMap<String, usize> =
            expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let reached = running.resolved.wait_for(|resolved| {
            resolved.addresses.iter().map(|(name, set)| (name.clone(), set.len())).eq(expected.clone())
        });
        tokio::time::timeout(PATIENCE, reached).await.expect("in time").expect("the task runs");
    }

    #[tokio::test]
    async fn names_come_and_go() {
        let mut running = start(&Fake::new(usize::MAX >> 3), &["a.example"], Vec::new());
        wait(&mut running, &[("a.example", 2)]).await;
        running.names.send_replace(set(&["a.example", "b.example"]));
        wait(&mut running, &[("a.example", 2), ("b.example", 2)]).await;
        running.names.send_replace(set(&["b.example"]));
        wait(&mut running, &[("b.example", 2)]).await;
        running.shutdown.send(()).expect("the task listens");
        tokio::time::timeout(PATIENCE, running.task).await.expect("in time").expect("a clean end");
    }

    #[tokio::test]
    async fn saved_addresses_are_there_before_any_answer() {
        let saved = SavedAddress {
            name: "a.example".into(),
            address: [203, 0, 113, 1].into(),
            learned_at: jiff::Timestamp::now(),
            ttl: Duration::from_hours(1),
            security: Security::Unchecked,
            resolver: None,
            aliases: Arc::new([]),
        };
        let mut running = start(&Fake::new(0), &["a.example"], vec![saved]);
        wait(&mut running, &[("a.example", 1)]).await;
        drop(running.names);
        tokio::time::timeout(PATIENCE, running.task).await.expect("in time").expect("a clean end");
    }

    #[tokio::test]
    async fn lookups_are_bounded() {
        let names: Vec<String> = (10..50).map(|number| format!("{number}.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let fake = Fake::new(0);
        let mut running = start(&fake, &names, Vec::new());
        let mut started = fake.started.subscribe();
        let full = started.wait_for(|started| *started == LOOKUPS_MAX);
        tokio::time::timeout(PATIENCE, full).await.expect("in time").expect("the task runs");
        fake.gate.add_permits(1000);
        let all: Vec<(&str, usize)> = names.iter().map(|name| (*name, 2)).collect();
        wait(&mut running, &all).await;
        assert_eq!(fake.most.load(Ordering::SeqCst), LOOKUPS_MAX);
        running.task.abort();
    }

    #[tokio::test]
    async fn a_lookup_that_breaks_off_stops_nothing() {
        let mut running = start(&Fake::new(1000), &["a.example", "broken"], Vec::new());
        wait(&mut running, &[("a.example", 2), ("broken", 0)]).await;
        // The state is replaced without waking anyone; one more name wakes.
        running.names.send_replace(set(&["a.example", "b.example", "broken"]));
        wait(&mut running, &[("a.example", 2), ("b.example", 2), ("broken", 0)]).await;
        let resolved = running.resolved.borrow().clone();
        let broken = resolved.status.iter().find(|status| status.name == "broken").expect("it is followed");
        assert!(broken.last_error.as_ref().is_some_and(|error| error.contains("broke off")));
        running.task.abort();
    }
}
