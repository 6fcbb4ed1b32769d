//! Asking.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::calls::LiveCall;
use crate::status::Status;

/// How long an answer may take. Reason: a cut of full counter tables takes seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no controller answers on {path}: {source}; is `tollfree run` running with this configuration?")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not for this user: status names subscribers.
    #[error("asking the controller on {path} needs root: run it with sudo")]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// It took too long.
    #[error("the controller did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Timeout,
    /// It answered, but not with status.
    #[error("the controller could not answer: {0}")]
    Refused(String),
    /// The connection failed.
    #[error("asking the controller: {0}")]
    Http(#[from] hyper::Error),
}

/// Asks the controller for its status.
///
/// # Errors
/// [`ClientError`].
pub async fn status(socket: &Path) -> Result<Status, ClientError> {
    timeout(ANSWER_TIMEOUT, ask(socket, "/v1/status")).await.map_err(|_| ClientError::Timeout)?
}

/// Asks the controller for the calls that go on.
///
/// # Errors
/// [`ClientError`].
pub async fn calls(socket: &Path) -> Result<Vec<LiveCall>, ClientError> {
    timeout(ANSWER_TIMEOUT, ask(socket, "/v1/calls")).await.map_err(|_| ClientError::Timeout)?
}

async fn ask<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|source| {
        let path = socket.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed { path },
            _ => ClientError::NotRunning { path, source },
        }
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "tollfree")
        .body(Empty::<Bytes>::new())
        .map_err(|error| ClientError::Refused(error.to_string()))?;
    let response = sender.send_request(request).await?;
    let succeeded = response.status().is_success();
    let body = response.into_body().collect().await?.to_bytes();
    connection.abort();
    if !succeeded {
        return Err(ClientError::Refused(String::from_utf8_lossy(&body).into_owned()));
    }
    serde_json::from_slice(&body).map_err(|error| ClientError::Refused(error.to_string()))
}
