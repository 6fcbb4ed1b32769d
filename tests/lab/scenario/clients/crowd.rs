//! Subscribers who all open pages at the same time.

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use quinn::ClientConfig;

use super::visit::{Client, Visit};
use super::{quic, tls};
use crate::address::{SUBSCRIBERS, resolver, subscriber};
use crate::network::Network;
use crate::question::Question;

/// Pages that one subscriber opens at a time. Reason: a browser opens six connections to a host; three subscribers with
/// so many keep two processors busy.
const AT_ONCE: usize = 4;

/// What subscribers' programs know.
#[derive(Debug)]
pub(super) struct Crowd {
    /// The certificate that they trust.
    pub(super) authority: PathBuf,
    quic: ClientConfig,
}

impl Crowd {
    /// Knows the lab's servers.
    pub(super) fn new(network: &Network) -> Result<Self> {
        let authority = network.web.authority().to_owned();
        Ok(Self { quic: quic::client_config(&authority)?, authority })
    }

    /// Does all visits: each subscriber his own, in order, some at a time.
    pub(super) fn visit(&self, network: &Network, visits: &[Visit]) -> Result<()> {
        thread::scope(|scope| {
            let subscribers: Vec<_> = (0..SUBSCRIBERS)
                .map(|index| {
                    let namespace = &network.topology.subscribers[usize::from(index)];
                    scope.spawn(move || namespace.within(|| self.visit_as(index, visits)))
                })
                .collect();
            subscribers.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a panic"))?)
        })
    }

    /// In the namespace of subscriber `index`, which the threads that begin there inherit.
    fn visit_as(&self, index: u8, visits: &[Visit]) -> Result<()> {
        let queue = Mutex::new(visits.iter().filter(|visit| visit.subscriber == index));
        let next = || queue.lock().ok().and_then(|mut queue| queue.next());
        thread::scope(|scope| {
            let work = || {
                while let Some(visit) = next() {
                    self.open(visit).with_context(|| format!("{visit:?}"))?;
                }
                Ok(())
            };
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a panic"))?)
        })
    }

    /// Looks the name up and opens its page.
    fn open(&self, visit: &Visit) -> Result<()> {
        look_up(visit)?;
        match visit.client {
            Client::Quinn => quic::open(visit, &self.quic),
            _ => tls::open(visit, &self.authority),
        }
    }
}

/// Asks the carrier's resolver. In the subscriber's namespace.
pub(super) fn look_up(visit: &Visit) -> Result<()> {
    let (own, family) = (subscriber(visit.subscriber, visit.family), visit.family);
    let address = Question::ask(own, resolver(family), visit.site.name, family)?.answer()?;
    ensure!(address == Some(visit.site.address(family)), "{} is at {address:?}", visit.site.name);
    Ok(())
}
