//! Noticing that policies changed.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::RunError;
use super::engine::Command;
use crate::policy;

/// How long the directory must be quiet before it is read. Reason: an editor writes a file in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How long a directory that is never quiet waits at most.
const PATIENCE: usize = 5;

/// Reads the policy directory when it changes, or when asked to.
#[derive(Debug)]
pub(super) struct Watcher {
    events: Option<Sender<()>>,
    notifier: Option<RecommendedWatcher>,
    reader: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(super) fn start(directory: &Path, commands: SyncSender<Command>) -> Result<Self, RunError> {
        let (events, changes) = channel();
        let sender = events.clone();
        let failed = |source| RunError::Watch { path: directory.to_owned(), source };
        let mut notifier = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // The reader may have ended already.
                let _ = sender.send(());
            }
        })
        .map_err(failed)?;
        notifier.watch(directory, RecursiveMode::NonRecursive).map_err(failed)?;
        let directory = directory.to_owned();
        let reader = std::thread::spawn(move || read_on_change(&directory, &changes, &commands));
        Ok(Self { events: Some(events), notifier: Some(notifier), reader: Some(reader) })
    }

    /// Reads the directory now.
    pub(super) fn reload(&self) {
        if let Some(events) = &self.events {
            let _ = events.send(());
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Both senders go, then the reader ends.
        drop(self.notifier.take());
        drop(self.events.take());
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read_on_change(directory: &Path, changes: &Receiver<()>, commands: &SyncSender<Command>) {
    while changes.recv().is_ok() {
        for _ in 0..PATIENCE {
            match changes.recv_timeout(QUIET) {
                Ok(()) => while changes.try_recv().is_ok() {},
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        if commands.send(Command::Policy(policy::load(directory))).is_err() {
            return;
        }
    }
}
