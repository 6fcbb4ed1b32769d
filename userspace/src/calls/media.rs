//! From an offer and its answer to the streams that are free (RFC 3264, section 6).

use std::net::IpAddr;

use ipnet::IpNet;
use tollfree_core::address::Address;
use tollfree_core::flow::FlowKey;
use tollfree_core::packet::protocol;

use super::sdp::{Session, Stream};

/// Free streams of one call at once. Reason: a voice call has one; a second would double what a cheat
/// carries.
pub const STREAMS_PER_CALL_MAX: usize = 1;

/// Why media of a call to a hotline is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(usize)]
pub enum Refusal {
    /// The message that should hold the offer or answer has none, or holds it in a reliable provisional
    /// response.
    #[error("there is no offer or no answer")]
    NoSession = 0,
    /// A body that is not `application/sdp` alone.
    #[error("the body is not a session description")]
    NotSdp = 1,
    /// [`super::sdp::SdpFault`].
    #[error("the session description cannot be read")]
    Malformed = 2,
    /// The answer has another number of streams than the offer, so they do not pair.
    #[error("offer and answer have different numbers of streams")]
    StreamCount = 3,
    /// Each stream is rejected.
    #[error("no stream is accepted")]
    NoStream = 4,
    /// Video or something else.
    #[error("a stream is not audio")]
    NotAudio = 5,
    /// Not RTP, or two different things.
    #[error("a stream is not RTP")]
    NotRtp = 6,
    /// The subscriber's end is not the address that his signalling comes from: another's, or a held call's.
    #[error("the subscriber's media address is not his own")]
    SubscriberAddress = 7,
    /// The other end is outside the rule's `media_networks`.
    #[error("the remote media address is outside the rule's media_networks")]
    RemoteAddress = 8,
    /// More than [`STREAMS_PER_CALL_MAX`] at once, or than are kept for one call.
    #[error("the call has more streams than can be free")]
    TooManyStreams = 9,
    /// When the call was answered, the policy no longer listed its number under the same rule.
    #[error("the number is no longer listed")]
    NoLongerListed = 10,
}

impl Refusal {
    /// How many there are.
    pub const COUNT: usize = 11;

    /// The words for metrics and records, by number.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "no-session",
        "not-sdp",
        "malformed",
        "stream-count",
        "no-stream",
        "not-audio",
        "not-rtp",
        "subscriber-address",
        "remote-address",
        "too-many-streams",
        "no-longer-listed",
    ];

    /// Its place among the counters, below [`Refusal::COUNT`].
    pub const fn number(self) -> usize {
        self as usize
    }

    /// The word for metrics and records.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }
}

/// What an offer and its answer come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Negotiated {
    /// What may be free; at most [`STREAMS_PER_CALL_MAX`].
    pub(super) keys: Vec<FlowKey>,
    /// Why other streams, or all, may not.
    pub(super) refusals: Vec<Refusal>,
}

impl Negotiated {
    /// Nothing is free.
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self { keys: Vec::new(), refusals: vec![refusal] }
    }
}

/// Pairs the two ends' descriptions stream by stream. Which of them was the offer does not matter.
///
/// `subscriber`: where his signalling comes from. `networks`: the rule's `media_networks`.
pub(super) fn pair(ours: &Session, theirs: &Session, subscriber: IpAddr, networks: &[IpNet]) -> Negotiated {
    if ours.streams.len() != theirs.streams.len() {
        return Negotiated::refused(Refusal::StreamCount);
    }
    let mut negotiated = Negotiated::default();
    for (ours, theirs) in ours.streams.iter().zip(&theirs.streams) {
        match key(ours, theirs, subscriber, networks) {
            Some(Ok(key)) if negotiated.keys.len() < STREAMS_PER_CALL_MAX => negotiated.keys.push(key),
            Some(Ok(_)) => negotiated.refusals.push(Refusal::TooManyStreams),
            Some(Err(refusal)) => negotiated.refusals.push(refusal),
            None => {}
        }
    }
    if negotiated == Negotiated::default() {
        negotiated.refusals.push(Refusal::NoStream);
    }
    negotiated
}

/// The 5-tuple of one stream; `None` where it is rejected.
fn key(
    ours: &Stream,
    theirs: &Stream,
    subscriber: IpAddr,
    networks: &[IpNet],
) -> Option<Result<FlowKey, Refusal>> {
    let (our_address, their_address) = ours.address.zip(theirs.address)?;
    if ours.port == 0 || theirs.port == 0 {
        return None;
    }
    let is_one_family = our_address.is_ipv4() == their_address.is_ipv4();
    Some(if !ours.is_audio || !theirs.is_audio {
        Err(Refusal::NotAudio)
    } else if !ours.is_rtp || !theirs.is_rtp {
        Err(Refusal::NotRtp)
    } else if our_address != subscriber {
        Err(Refusal::SubscriberAddress)
    } else if !is_one_family || !networks.iter().any(|network| network.contains(&their_address)) {
        Err(Refusal::RemoteAddress)
    } else {
        Ok(FlowKey {
            subscriber: Address::from(our_address),
            remote: Address::from(their_address),
            subscriber_port: ours.port,
            remote_port: theirs.port,
            protocol: u32::from(protocol::UDP),
        })
    })
}
