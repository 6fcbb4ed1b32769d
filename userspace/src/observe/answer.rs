//! Answering for status as the controller does, so that `tollfree status` and Prometheus need not know the difference.

use tokio::sync::{mpsc, oneshot};

use super::error::ObserveError;
use super::settings::Answering;
use crate::api;
use crate::daemon::Lock;
use crate::status::Status;

/// Requests that may wait. Reason: a handful of people and one Prometheus.
const REQUESTS_MAX: usize = 64;

/// Somebody who wants to know.
pub(super) type Request = oneshot::Sender<Result<Status, String>>;

/// What is asked.
pub(super) struct Requests {
    inbox: mpsc::Receiver<Request>,
    /// Kept, so that the inbox never ends.
    _source: mpsc::Sender<Request>,
    /// No controller may answer in the same place.
    _lock: Option<Lock>,
}

impl Requests {
    /// Answers where `answering` says, if it says so. Must be called within a tokio runtime.
    pub(super) async fn serve(answering: Option<&Answering>) -> Result<Self, ObserveError> {
        let (source, inbox) = mpsc::channel(REQUESTS_MAX);
        let mut lock = None;
        if let Some(Answering { run_dir, metrics }) = answering {
            let taken = Lock::take(run_dir).map_err(|error| ObserveError::Controller(Box::new(error)))?;
            lock = Some(taken);
            tokio::spawn(api::serve_socket(&api::socket_path(run_dir), source.clone(), None)?);
            if let Some(address) = metrics {
                tokio::spawn(api::serve_metrics(*address, source.clone()).await?);
            }
        }
        Ok(Self { inbox, _source: source, _lock: lock })
    }

    /// The next one; nothing is lost if this is dropped before.
    pub(super) async fn next(&mut self) -> Option<Request> {
        self.inbox.recv().await
    }
}
