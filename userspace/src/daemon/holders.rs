//! Who has which address, and since when records have to say so.
//!
//! What a message changes holds from the moment in which the counters are cut for it: until then, octets are the former
//! holder's. A cut costs reading all counters, so changes that come close together share one; how close, follows from
//! what the last one cost.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tollfree_core::address::SubscriberId;

use super::RunError;
use super::engine::Command;
use crate::config::{Config, IdentityConfig};
use crate::identity::radius::{Clients, Listener, RadiusCounters, Received};
use crate::identity::{Bindings, Change, Event, Identity, IdentityStatus, SessionLimits, SubscriberFile};
use crate::ledger::SubscriberIdentity;

/// From one cut for changed addresses to the next, at least.
const SPLIT_SPACING_MIN: Duration = Duration::from_millis(100);
/// Which part of the time such cuts may take: one of so many.
const SPLIT_PARTS: u32 = 10;
/// How often sessions that fell silent are looked for.
const EXPIRE_INTERVAL: Duration = Duration::from_mins(1);
/// Messages that may wait for the engine. Reason: past that, access servers send again.
const MESSAGES_MAX: usize = 1024;
/// Session limits' default for a gateway without a listener: there are none.
const NO_SESSIONS: SignedDuration = SignedDuration::from_hours(24);

/// Addresses and their holders.
pub(super) struct Holders {
    bindings: Bindings,
    file: Option<SeenFile>,
    radius: Option<Arc<RadiusCounters>>,
    /// What has changed since the last records, first come first.
    changes: Vec<Change>,
    /// Not before this are the counters cut again.
    split_from: Instant,
    expire_at: Instant,
}

/// The file of subscribers, as it was when it was read.
struct SeenFile {
    path: PathBuf,
    modified: Option<SystemTime>,
}

impl Holders {
    /// Reads the file of subscribers, if there is one.
    pub(super) fn load(config: &Config, counters: Option<Arc<RadiusCounters>>) -> Result<Self, RunError> {
        let IdentityConfig { file, radius } = &config.identity;
        let silence_max = radius.as_ref().map_or(NO_SESSIONS, |radius| {
            SignedDuration::try_from(radius.session_timeout).unwrap_or(SignedDuration::MAX)
        });
        let limits = SessionLimits { silence_max, ..SessionLimits::default() };
        let mut holders = Self {
            bindings: Bindings::new(&config.pools, limits),
            file: file.clone().map(|path| SeenFile { path, modified: None }),
            radius: counters,
            changes: Vec::new(),
            split_from: Instant::now(),
            expire_at: Instant::now() + EXPIRE_INTERVAL,
        };
        holders.read_file()?;
        // Who had them before is not known.
        holders.changes.clear();
        Ok(holders)
    }

    /// Reads the file again, if it has changed.
    pub(super) fn read_file(&mut self) -> Result<(), RunError> {
        let Some(SeenFile { path, modified }) = &mut self.file else { return Ok(()) };
        let now_modified = std::fs::metadata(&*path).and_then(|data| data.modified()).ok();
        if modified.is_some() && *modified == now_modified {
            return Ok(());
        }
        let file = SubscriberFile::load(path)?;
        *modified = now_modified;
        self.changes.extend(self.bindings.set_file(&file, Timestamp::now()));
        Ok(())
    }

    /// Takes what an access server said.
    pub(super) fn take(&mut self, event: &Event, at: Timestamp) {
        self.changes.extend(self.bindings.apply(event, at));
    }

    /// Forgets sessions that fell silent.
    pub(super) fn expire(&mut self) {
        if self.expire_at <= Instant::now() {
            self.expire_at = Instant::now() + EXPIRE_INTERVAL;
            self.changes.extend(self.bindings.expire(Timestamp::now()));
        }
    }

    /// When the counters have to be cut for changed addresses, if any have changed.
    pub(super) fn split_at(&self) -> Option<Instant> {
        (!self.changes.is_empty()).then_some(self.split_from)
    }

    /// The counters were cut for changed addresses, or an attempt failed, which took so long.
    pub(super) fn split_took(&mut self, took: Duration) {
        self.split_from = Instant::now() + SPLIT_SPACING_MIN.max(took * SPLIT_PARTS);
    }

    /// Whether the address has changed hands since the last records.
    pub(super) fn has_changed(&self, subscriber: SubscriberId) -> bool {
        self.changes.iter().any(|change| change.block.holds(subscriber))
    }

    /// Whether it has, and somebody had it before: what he began is not the next one's.
    pub(super) fn has_been_left(&self, subscriber: SubscriberId) -> bool {
        let first = self.changes.iter().find(|change| change.block.holds(subscriber));
        first.is_some_and(|change| {
            change.before.is_some() && change.before != self.bindings.identity(subscriber)
        })
    }

    /// What has changed is in the records.
    pub(super) fn recorded(&mut self) {
        self.changes.clear();
    }

    /// Who had an address until now, as far as records go.
    pub(super) fn until_now(&self, subscriber: SubscriberId) -> Option<SubscriberIdentity> {
        let first = self.changes.iter().find(|change| change.block.holds(subscriber));
        let identity = first.map_or_else(|| self.bindings.identity(subscriber), |change| change.before);
        identity.map(|identity| of_ledger(&identity))
    }

    /// For status.
    pub(super) fn status(&self) -> IdentityStatus {
        IdentityStatus {
            bindings: self.bindings.status(),
            radius: self.radius.as_ref().map(|counters| counters.status()),
        }
    }
}

fn of_ledger(identity: &Identity) -> SubscriberIdentity {
    SubscriberIdentity {
        msisdn: identity.msisdn().map(|msisdn| msisdn.to_string()),
        imsi: identity.imsi().map(|imsi| imsi.to_string()),
    }
}

/// The listener for access servers, bound: what can fail is done before a packet is touched.
pub(super) struct Radius {
    listener: Listener,
    received: mpsc::Receiver<Received>,
}

impl Radius {
    /// Binds the listener, if one is configured.
    pub(super) async fn bind(config: &IdentityConfig) -> Result<Option<Self>, RunError> {
        let Some(radius) = &config.radius else { return Ok(None) };
        let clients = Clients::load(&radius.clients)?;
        let (sender, received) = mpsc::channel(MESSAGES_MAX);
        let listener = Listener::bind(&radius.listen, clients, sender).await?;
        Ok(Some(Self { listener, received }))
    }

    pub(super) fn counters(&self) -> Arc<RadiusCounters> {
        self.listener.counters()
    }

    /// Listens, and hands what it hears to the engine.
    pub(super) fn listen(self, commands: std::sync::mpsc::SyncSender<Command>) {
        let Self { listener, mut received } = self;
        tokio::spawn(async move {
            if let Err(error) = listener.run().await {
                tracing::error!("RADIUS accounting: {error}");
            }
        });
        tokio::spawn(async move {
            while let Some(message) = received.recv().await {
                let commands = commands.clone();
                let sent =
                    tokio::task::spawn_blocking(move || commands.send(Command::Identity(Box::new(message))));
                if !matches!(sent.await, Ok(Ok(()))) {
                    return;
                }
            }
        });
    }
}
