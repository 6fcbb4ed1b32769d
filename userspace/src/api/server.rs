//! Answering.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot};

use super::calls::{self, Access, CallRequest, Calls};
use super::numbers::{self, NumbersSource};
use super::problem::{not_allowed, not_found};
use super::token::Token;
use crate::identity::radius::SecretError;
use crate::status::{Status, encode};

/// Octets of a request's body. Reason: a call that is told of has about 500.
const BODY_OCTETS_MAX: usize = 16 * 1024;

/// Who may use the socket: root alone, because status names subscribers.
const SOCKET_MODE: u32 = 0o600;

/// Where status is asked for; the reply is `None` when it could not be read.
pub type StatusSource = mpsc::Sender<oneshot::Sender<Result<Status, String>>>;

/// Where answers about numbers and calls come from.
#[derive(Clone)]
pub struct ApiSources {
    /// Numbers that are free to call.
    pub numbers: NumbersSource,
    /// Whoever follows calls.
    pub calls: mpsc::Sender<CallRequest>,
}

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The socket.
    #[error("cannot listen on {path}: {source}; check gateway.run_dir")]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The metrics' address.
    #[error("cannot listen on {address}: {source}; check export.prometheus.listen")]
    Metrics {
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The API's address.
    #[error("cannot listen on {address}: {source}; check api.listen")]
    Api {
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The API's token.
    #[error("api.token_file: {0}")]
    Token(#[from] SecretError),
}

/// Serves status, and numbers and calls where there are `sources`, on a Unix socket; the future ends with an error or never.
///
/// # Errors
/// [`ServerError::Socket`].
pub fn serve_socket(
    path: &Path,
    source: StatusSource,
    sources: Option<&ApiSources>,
) -> Result<impl Future<Output = io::Result<()>> + use<>, ServerError> {
    let listen = || {
        // The lock is held, so a socket that is there is a dead controller's.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
        Ok(listener)
    };
    let listener = listen().map_err(|source| ServerError::Socket { path: path.to_owned(), source })?;
    let status = Router::new().route("/v1/status", get(answer_status)).with_state(source);
    let router = match sources {
        Some(sources) => status.merge(api(sources, Access::Local)),
        None => status,
    };
    Ok(axum::serve(listener, router).into_future())
}

/// Serves numbers and calls over the network, calls to whoever has the token; the future ends with an error or never.
///
/// # Errors
/// [`ServerError::Api`], [`ServerError::Token`].
pub async fn serve_api(
    address: SocketAddr,
    token_file: Option<&Path>,
    sources: &ApiSources,
) -> Result<impl Future<Output = io::Result<()>> + use<>, ServerError> {
    let access = match token_file {
        Some(path) => Access::Token(Token::load(path)?),
        None => Access::Nobody,
    };
    let listener = TcpListener::bind(address).await.map_err(|source| ServerError::Api { address, source })?;
    Ok(axum::serve(listener, api(sources, access)).into_future())
}

pub(super) fn api(sources: &ApiSources, access: Access) -> Router {
    let numbers = Router::new()
        .route("/v1/numbers", get(numbers::all))
        .route("/v1/numbers/{number}", get(numbers::one))
        .with_state(Arc::clone(&sources.numbers));
    let calls = Router::new()
        .route("/v1/calls", get(calls::list))
        .route("/v1/calls/{id}", put(calls::open).delete(calls::close))
        .with_state(Calls { requests: sources.calls.clone(), access });
    numbers
        .merge(calls)
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(BODY_OCTETS_MAX))
}

/// Serves `GET /metrics`; the future ends with an error or never.
///
/// # Errors
/// [`ServerError::Metrics`].
pub async fn serve_metrics(
    address: SocketAddr,
    source: StatusSource,
) -> Result<impl Future<Output = io::Result<()>> + use<>, ServerError> {
    let listener =
        TcpListener::bind(address).await.map_err(|source| ServerError::Metrics { address, source })?;
    let router = Router::new().route("/metrics", get(answer_metrics)).with_state(source);
    Ok(axum::serve(listener, router).into_future())
}

async fn answer_status(State(source): State<StatusSource>) -> Response {
    match ask(&source).await {
        Ok(status) => Json(status).into_response(),
        Err(message) => (StatusCode::SERVICE_UNAVAILABLE, message).into_response(),
    }
}

async fn answer_metrics(State(source): State<StatusSource>) -> Response {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    match ask(&source).await.and_then(|status| encode(&status).map_err(|error| error.to_string())) {
        Ok(text) => ([(header::CONTENT_TYPE, content_type)], text).into_response(),
        Err(message) => (StatusCode::SERVICE_UNAVAILABLE, message).into_response(),
    }
}

async fn ask(source: &StatusSource) -> Result<Status, String> {
    let (reply, answer) = oneshot::channel();
    let ended = || "the controller is ending".to_owned();
    source.send(reply).await.map_err(|_| ended())?;
    answer.await.map_err(|_| ended())?
}
