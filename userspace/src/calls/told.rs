//! Calls whose signalling the gateway cannot see: a border controller or IMS tells of them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::call::{Call, Opening, Sockets};
use super::hotline::{HotlineMatch, Hotlines};
use super::key::CallKey;
use super::record::Cause;
use super::stream::{Stream, StreamKind};
use super::tracker::{Action, At, Tracker, after};

/// Octets of an id that the API is given. Reason: a `Call-ID` is below 100; it is kept as long as the call.
pub const ID_OCTETS_MAX: usize = 256;

/// A call that the API is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldCall {
    /// Whose it is: the address that his media comes from.
    pub subscriber: IpAddr,
    /// What was dialled, in any form.
    pub number: String,
    /// Who calls, as the operator's own equipment says.
    pub caller: String,
    /// `icid-value` (RFC 7315, section 5.6).
    pub charging_id: Option<String>,
    /// Its media.
    pub media: Vec<ToldMedia>,
    /// How long it goes on unless it is told of again.
    pub duration: Duration,
}

/// A media stream that the API is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldMedia {
    /// The subscriber's port.
    pub subscriber_port: u16,
    /// The other end.
    pub remote: SocketAddr,
    /// What it carries.
    pub kind: StreamKind,
}

/// Why a call is not free.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToldFault {
    /// Empty, too long, or with control characters.
    #[error("the id is empty, longer than {ID_OCTETS_MAX} octets, or not printable ASCII")]
    Id,
    /// No hotline in force has it.
    #[error("{number} is not free to call under the policy in force")]
    NotListed {
        /// As given.
        number: String,
    },
    /// The same id, another call.
    #[error("a call with this id goes on, of another subscriber or to another number; close it first")]
    Conflict,
    /// No stream, or two of one kind that may stand once.
    #[error("a call has one voice stream, one video stream at most, and control of them")]
    Streams,
    /// Video that the rule does not free.
    #[error("the rule of this number does not free video")]
    Video,
    /// Port 0.
    #[error("a media port is 0")]
    Port,
    /// Outside `media_networks`, or of another family than the subscriber.
    #[error("{remote} is outside the media networks of this number's rule")]
    Remote {
        /// The other end.
        remote: SocketAddr,
    },
    /// As many calls as are allowed.
    #[error("as many calls go on as are allowed, of this subscriber or at all")]
    Full,
}

impl Tracker {
    /// Opens a call, or changes what is known of one that goes on. The same call twice is once.
    ///
    /// # Errors
    /// [`ToldFault`]: nothing is changed.
    pub fn open(
        &mut self,
        at: At,
        id: &str,
        told: &ToldCall,
        hotlines: &impl Hotlines,
    ) -> Result<Vec<Action>, ToldFault> {
        if !(1..=ID_OCTETS_MAX).contains(&id.len()) || !id.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(ToldFault::Id);
        }
        let not_listed = || ToldFault::NotListed { number: told.number.clone() };
        let hotline = hotlines.find(&told.number).ok_or_else(not_listed)?;
        let streams = streams(told, &hotline)?;
        let key = CallKey { call_id: id.to_owned(), local_tag: None };
        let subscriber = SocketAddr::new(told.subscriber, 0);
        if let Some(call) = self.calls.get_mut(&key) {
            if (call.sockets.subscriber, call.number.as_str(), call.rule)
                != (subscriber, hotline.number, hotline.rule)
            {
                return Err(ToldFault::Conflict);
            }
            call.tell(streams);
            call.is_restored = false;
        } else {
            if !self.has_room(subscriber, &hotline) {
                return Err(ToldFault::Full);
            }
            let opening = Opening {
                at,
                sockets: Sockets { subscriber, proxy: None },
                dialled: told.number.clone(),
                caller: told.caller.clone(),
                is_caller_asserted: true,
                charging_id: told.charging_id.clone(),
            };
            self.follow(key.clone(), Call::told(&key, opening, streams, &hotline));
            self.stats.answered += 1;
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.session_ends_ns = Some(after(at, told.duration));
        }
        let mut actions = Vec::new();
        self.settle(at, &key, &mut actions);
        Ok(actions)
    }

    /// Closes a call that was opened so; `None`: there is none.
    pub fn close(&mut self, at: At, id: &str) -> Option<Vec<Action>> {
        let key = CallKey { call_id: id.to_owned(), local_tag: None };
        self.calls.contains_key(&key).then(|| {
            let mut actions = Vec::new();
            self.end(at, key, Cause::Closed, &mut actions);
            actions
        })
    }
}

/// The streams that a call may have free; all or none.
fn streams(told: &ToldCall, hotline: &HotlineMatch<'_>) -> Result<Vec<Stream>, ToldFault> {
    let count = |kind| told.media.iter().filter(|media| media.kind == kind).count();
    let (audio, video) = (count(StreamKind::Audio), count(StreamKind::Video));
    if audio > 1 || video > 1 || audio + video == 0 || count(StreamKind::Control) > audio + video {
        return Err(ToldFault::Streams);
    }
    if video > 0 && hotline.terms.video_octets_per_second.is_none() {
        return Err(ToldFault::Video);
    }
    let stream = |media: &ToldMedia| {
        let remote = media.remote;
        if media.subscriber_port == 0 || remote.port() == 0 {
            return Err(ToldFault::Port);
        }
        let is_listed = hotline.media.iter().any(|network| network.contains(&remote.ip()));
        if !is_listed || remote.is_ipv4() != told.subscriber.is_ipv4() {
            return Err(ToldFault::Remote { remote });
        }
        let subscriber = SocketAddr::new(told.subscriber, media.subscriber_port);
        Ok(Stream { subscriber, remote, kind: media.kind })
    };
    told.media.iter().map(stream).collect()
}
