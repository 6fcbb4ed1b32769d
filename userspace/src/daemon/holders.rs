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
use crate::identity::journal::{Earlier, Said, SessionJournal, State};
use crate::identity::radius::{Clients, Listener, RadiusCounters, Received};
use crate::identity::{Bindings, Change, Identity, IdentityStatus, SessionLimits, SubscriberFile};
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

/// Opens the journal of sessions, if a listener hears of any, and reads what an earlier controller kept in it.
pub(super) fn open_journal(config: &Config, boot_id: &str) -> (Arc<SessionJournal>, Earlier) {
    if config.identity.radius.is_none() {
        return Default::default();
    }
    let path = config.gateway.state_dir.join("sessions.sqlite");
    let (journal, earlier) = SessionJournal::open(&path, boot_id, Timestamp::now());
    (Arc::new(journal), earlier)
}

/// Addresses and their holders.
pub(super) struct Holders {
    bindings: Bindings,
    file: Option<SeenFile>,
    radius: Option<Arc<RadiusCounters>>,
    journal: Arc<SessionJournal>,
    /// The last event that was taken.
    taken: i64,
    /// What has changed since the last records, first come first.
    changes: Vec<Change>,
    /// How many of them, the first, the counters were not cut for in time: what they grew by is both holders'.
    mixed: usize,
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
    /// Reads the file of subscribers, if there is one, and what an earlier controller kept of sessions.
    pub(super) fn load(
        config: &Config,
        counters: Option<Arc<RadiusCounters>>,
        journal: Arc<SessionJournal>,
        earlier: Earlier,
    ) -> Result<Self, RunError> {
        let IdentityConfig { file, radius } = &config.identity;
        let silence_max = radius.as_ref().map_or(NO_SESSIONS, |radius| {
            SignedDuration::try_from(radius.session_timeout).unwrap_or(SignedDuration::MAX)
        });
        let limits = SessionLimits { silence_max, ..SessionLimits::default() };
        let mut holders = Self::new(Bindings::new(&config.pools, limits), journal);
        holders.radius = counters;
        holders.file = file.clone().map(|path| SeenFile { path, modified: None });
        holders.read_file()?;
        // Who had them before is not known.
        holders.changes.clear();
        holders.restore(earlier);
        Ok(holders)
    }

    fn new(bindings: Bindings, journal: Arc<SessionJournal>) -> Self {
        Self {
            bindings,
            file: None,
            radius: None,
            taken: journal.last(),
            journal,
            changes: Vec::new(),
            mixed: 0,
            split_from: Instant::now(),
            expire_at: Instant::now() + EXPIRE_INTERVAL,
        }
    }

    /// Goes on where an earlier controller was. What it heard after the last records was not cut for.
    fn restore(&mut self, earlier: Earlier) {
        let Earlier { state: State { kept, unrecorded }, events, recorded } = earlier;
        for kept in kept {
            self.bindings.restore(kept);
        }
        self.changes = unrecorded;
        for (number, Said { event, at }) in events.iter().enumerate() {
            let changes = self.bindings.apply(event, *at);
            if number >= recorded {
                self.changes.extend(changes);
            }
        }
        self.mixed = self.changes.len();
        self.bindings.reset_counts();
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
    pub(super) fn take(&mut self, Received { said: Said { event, at }, number }: &Received) {
        self.changes.extend(self.bindings.apply(event, *at));
        self.taken = *number;
    }

    /// Keeps what is known for a controller after this one.
    pub(super) fn keep(&self) -> Result<(), RunError> {
        let state = || State { kept: self.bindings.kept(), unrecorded: self.changes.clone() };
        Ok(self.journal.tend(Timestamp::now(), self.taken, state)?)
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
        self.mixed = 0;
        self.journal.recorded(self.taken);
    }

    /// The counters could not be recorded when addresses had changed hands: what they grow by from now on is the next
    /// holder's, and cannot be told from what came before.
    pub(super) fn not_recorded(&mut self) {
        self.mixed = self.changes.len();
    }

    /// Who had an address until now, as far as records go; `None`: not known, or not one alone.
    pub(super) fn until_now(&self, subscriber: SubscriberId) -> Option<SubscriberIdentity> {
        let first = self.changes.iter().position(|change| change.block.holds(subscriber));
        let identity = match first {
            None => self.bindings.identity(subscriber),
            Some(first) if first < self.mixed => None,
            Some(first) => self.changes[first].before,
        };
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
    pub(super) async fn bind(
        config: &IdentityConfig,
        journal: &Arc<SessionJournal>,
    ) -> Result<Option<Self>, RunError> {
        let Some(radius) = &config.radius else { return Ok(None) };
        let clients = Clients::load(&radius.clients)?;
        let (sender, received) = mpsc::channel(MESSAGES_MAX);
        let listener = Listener::bind(&radius.listen, clients, sender, Arc::clone(journal)).await?;
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tempfile::TempDir;

    use super::*;
    use crate::identity::{Block, Event, Moment, Nas, Report, SessionKey};

    /// What a controller that begins knows of who has addresses.
    fn begin(directory: &TempDir) -> Holders {
        let path = directory.path().join("sessions.sqlite");
        let (journal, earlier) = SessionJournal::open(&path, "a boot", Timestamp::now());
        let pools = ["10.20.0.0/16".parse().expect("a network")];
        let mut holders = Holders::new(Bindings::new(&pools, SessionLimits::default()), Arc::new(journal));
        holders.restore(earlier);
        holders
    }

    /// An access server says that `address` is somebody's now, in the session of his number.
    fn tell(holders: &mut Holders, address: u8, person: u8) {
        let mut received = None;
        let hand_on = |said, number| received = Some(Received { said, number });
        holders.journal.append(said(address, person), hand_on);
        holders.take(&received.expect("it is handed on"));
    }

    /// The last digit of whoever records of an address name now.
    fn named(holders: &Holders, address: u8) -> Option<char> {
        holders.until_now(subscriber(address))?.msisdn?.chars().last()
    }

    fn said(address: u8, person: u8) -> Said {
        let nas = Nas { address: None, identifier: Some("pgw1".into()) };
        let at = Timestamp::now();
        let report = Report {
            session: SessionKey { nas, id: person.to_string().into() },
            identity: Identity::new(format!("8490123456{person}").parse().ok(), None),
            blocks: vec![Block::from(IpAddr::from([10, 20, 0, address]))],
            moment: Moment::new(at, 0, None),
        };
        Said { event: Event::Alive(report), at }
    }

    fn subscriber(address: u8) -> SubscriberId {
        Block::from(IpAddr::from([10, 20, 0, address])).subscriber().expect("one address")
    }

    #[test]
    fn what_an_address_used_until_now_is_the_former_holders() {
        let directory = TempDir::new().expect("a directory");
        let mut holders = begin(&directory);
        tell(&mut holders, 11, 1);
        assert_eq!((named(&holders, 11), holders.split_at().is_some()), (None, true));
        holders.recorded();
        assert_eq!((named(&holders, 11), holders.split_at().is_some()), (Some('1'), false));
        tell(&mut holders, 11, 2);
        assert_eq!(named(&holders, 11), Some('1'));
        assert!(holders.has_been_left(subscriber(11)));
        holders.recorded();
        assert_eq!(named(&holders, 11), Some('2'));
    }

    #[test]
    fn what_two_holders_used_together_is_nobodys() {
        let directory = TempDir::new().expect("a directory");
        let mut holders = begin(&directory);
        for address in [11, 12] {
            tell(&mut holders, address, address - 10);
        }
        holders.recorded();
        tell(&mut holders, 11, 3);
        holders.not_recorded();
        tell(&mut holders, 12, 4);
        assert_eq!((named(&holders, 11), named(&holders, 12)), (None, Some('2')));
        holders.recorded();
        assert_eq!((named(&holders, 11), named(&holders, 12)), (Some('3'), Some('4')));
    }

    #[test]
    fn the_next_controller_knows_who_has_which_address() {
        let directory = TempDir::new().expect("a directory");
        let mut holders = begin(&directory);
        tell(&mut holders, 11, 1);
        tell(&mut holders, 12, 2);
        holders.recorded();
        tell(&mut holders, 12, 3);
        // As after a kill: the file is not closed.
        let mut next = begin(&directory);
        assert_eq!(named(&next, 11), Some('1'));
        // When he got it, nobody looked at the counters.
        assert_eq!((named(&next, 12), next.split_at().is_some()), (None, true));
        assert!(next.has_been_left(subscriber(12)));
        next.recorded();
        assert_eq!(named(&next, 12), Some('3'));
        tell(&mut next, 11, 4);
        next.keep().expect("room");
        assert_eq!(named(&begin(&directory), 11), None);
        next.recorded();
        assert_eq!(named(&begin(&directory), 11), Some('4'));
        assert_eq!(next.status().bindings.late, 0);
    }
}
