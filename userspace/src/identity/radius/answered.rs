//! Requests that were answered, so that one that is sent again is answered again and not taken twice (RFC 5080, section
//! 2.2.2).

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::packet::{AUTHENTICATOR_OCTETS, Packet};

/// How long an answer is remembered. Reason: RFC 5080, section 2.2.2 asks for 5 to 30 s; an answer that is lost is asked
/// for again after seconds.
pub(super) const ANSWERED_KEPT: Duration = Duration::from_secs(30);
/// Answers that are remembered. Reason: two thousand a second for all that time, as after an access server's restart;
/// about 150 octets each.
pub(super) const ANSWERED_MAX: usize = 65_536;

/// Client, identifier and authenticator. The authenticator is a digest of all the request holds.
type Request = (SocketAddr, u8, [u8; AUTHENTICATOR_OCTETS]);

/// The answers of the last [`ANSWERED_KEPT`], at most [`ANSWERED_MAX`].
#[derive(Debug, Default)]
pub(super) struct Answered {
    order: VecDeque<(Instant, Request)>,
    requests: HashSet<Request>,
}

impl Answered {
    /// Whether the request was answered.
    pub(super) fn contains(&mut self, source: SocketAddr, packet: &Packet<'_>, now: Instant) -> bool {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= ANSWERED_KEPT) {
            self.drop_first();
        }
        self.requests.contains(&request(source, packet))
    }

    /// The request was answered.
    pub(super) fn insert(&mut self, source: SocketAddr, packet: &Packet<'_>, now: Instant) {
        let request = request(source, packet);
        if self.requests.insert(request) {
            self.order.push_back((now, request));
        }
        if self.order.len() > ANSWERED_MAX {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, request)) = self.order.pop_front() {
            self.requests.remove(&request);
        }
    }
}

fn request(source: SocketAddr, packet: &Packet<'_>) -> Request {
    (source, packet.identifier(), packet.authenticator())
}
