//! Calls: those that go on, and those that equipment which sees their signalling tells of.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::problem::Problem;
use super::token::Token;
use crate::calls::{Stream, StreamKind, ToldCall, ToldFault, ToldMedia};

/// Longest time that a call may be told of at once, in seconds. Reason: as long as a policy may let one last.
const DURATION_SECONDS_MAX: u64 = 86_400;

/// What is asked of whoever follows calls.
#[derive(Debug)]
pub enum CallRequest {
    /// Open a call, or change it.
    Open {
        /// The teller's name for it.
        id: String,
        /// What is told.
        call: Box<ToldCall>,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<(), ToldFault>>,
    },
    /// Close it.
    Close {
        /// The teller's name for it.
        id: String,
        /// Whether there was one.
        reply: oneshot::Sender<bool>,
    },
    /// Tell of all.
    List {
        /// Where the answer goes.
        reply: oneshot::Sender<Vec<LiveCall>>,
    },
}

/// A call that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCall {
    /// Names the call in its record.
    pub uid: String,
    /// `Call-ID`, or the id that the API was given.
    pub call_id: String,
    /// The rule's permanent number.
    pub rule: u32,
    /// As it is dialled within its country.
    pub number: String,
    /// Whose call it is.
    pub subscriber: IpAddr,
    /// The signalling proxy; `None`: the API opened the call.
    pub proxy: Option<IpAddr>,
    /// When it was asked for.
    pub invited_at: Timestamp,
    /// When it was answered, if it was.
    pub answered_at: Option<Timestamp>,
    /// What is free now.
    pub streams: Vec<LiveStream>,
    /// Volume of its media so far, from the subscriber.
    pub uplink_octets: u64,
    /// To the subscriber.
    pub downlink_octets: u64,
}

/// A stream that is free now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStream {
    /// What it carries.
    pub kind: StreamKind,
    /// The subscriber's end.
    pub subscriber: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

impl From<&Stream> for LiveStream {
    fn from(stream: &Stream) -> Self {
        Self { kind: stream.kind, subscriber: stream.subscriber, remote: stream.remote }
    }
}

/// The body of `PUT /v1/calls/{id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    subscriber: IpAddr,
    number: String,
    #[serde(default)]
    caller: String,
    charging_id: Option<String>,
    duration_seconds: u64,
    media: Vec<ToldStream>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldStream {
    kind: StreamKind,
    subscriber_port: u16,
    remote: SocketAddr,
}

/// Where requests go, and who may make them.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    pub(super) requests: mpsc::Sender<CallRequest>,
    pub(super) access: Access,
}

/// Who may ask of calls, and tell of them.
#[derive(Clone, Debug)]
pub(super) enum Access {
    /// Whoever reaches the socket: the file's permissions decide.
    Local,
    /// Whoever has the token.
    Token(Token),
    /// Nobody: there is no token.
    Nobody,
}

impl Calls {
    fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match &self.access {
            Access::Local => Ok(()),
            Access::Token(token) => token.check(headers),
            Access::Nobody => {
                Err(Problem::new(StatusCode::FORBIDDEN, "no-token", "set api.token_file to tell of calls"))
            }
        }
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> CallRequest) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| Problem::unavailable())?;
        answer.await.map_err(|_| Problem::unavailable())
    }
}

/// `GET /v1/calls`.
pub(super) async fn list(
    State(calls): State<Calls>,
    headers: HeaderMap,
) -> Result<Json<Vec<LiveCall>>, Problem> {
    calls.check(&headers)?;
    calls.ask(|reply| CallRequest::List { reply }).await.map(Json)
}

/// `PUT /v1/calls/{id}`.
pub(super) async fn open(
    State(calls): State<Calls>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    calls.check(&headers)?;
    let call = Box::new(told(&body)?);
    let opened = calls.ask(|reply| CallRequest::Open { id, call, reply }).await?;
    opened.map_err(|fault| refused(&fault))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /v1/calls/{id}`; a call that is closed already is closed.
pub(super) async fn close(
    State(calls): State<Calls>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    calls.check(&headers)?;
    calls.ask(|reply| CallRequest::Close { id, reply }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn told(body: &[u8]) -> Result<ToldCall, Problem> {
    let told: Told = serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "body", &format!("the body: {error}")))?;
    if !(1..=DURATION_SECONDS_MAX).contains(&told.duration_seconds) {
        let detail = format!("duration_seconds is 1 to {DURATION_SECONDS_MAX}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "duration", &detail));
    }
    let media = told.media.iter().map(|stream| ToldMedia {
        subscriber_port: stream.subscriber_port,
        remote: stream.remote,
        kind: stream.kind,
    });
    Ok(ToldCall {
        subscriber: told.subscriber,
        number: told.number,
        caller: told.caller,
        charging_id: told.charging_id,
        media: media.collect(),
        duration: Duration::from_secs(told.duration_seconds),
    })
}

fn refused(fault: &ToldFault) -> Problem {
    let (status, code) = match fault {
        ToldFault::Id => (StatusCode::BAD_REQUEST, "id"),
        ToldFault::NotListed { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "not-listed"),
        ToldFault::Conflict => (StatusCode::CONFLICT, "conflict"),
        ToldFault::Streams => (StatusCode::UNPROCESSABLE_ENTITY, "streams"),
        ToldFault::Video => (StatusCode::UNPROCESSABLE_ENTITY, "video"),
        ToldFault::Port => (StatusCode::UNPROCESSABLE_ENTITY, "port"),
        ToldFault::Remote { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "remote"),
        ToldFault::Full => (StatusCode::TOO_MANY_REQUESTS, "full"),
    };
    Problem::new(status, code, fault)
}
