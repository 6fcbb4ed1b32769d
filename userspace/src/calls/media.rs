//! From an offer and its answer to the streams that are free (RFC 3264, section 6).

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::sdp::{MediaSection, SectionKind, Session};
use super::stream::{Stream, StreamKind};

/// Free sections of one kind in one dialog. Reason: a voice call has one; a second would double what a cheat carries.
pub const SECTIONS_PER_KIND_MAX: usize = 1;
/// 5-tuples that one section may have: the default path, those of ICE, and control. Reason: two of a phone's addresses
/// to two of a border controller's, each with control.
pub const PATHS_PER_SECTION_MAX: usize = 8;

/// Why media of a call to a hotline is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(usize)]
pub enum Refusal {
    /// The message that should hold the offer or answer has none.
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
    /// Video, where the rule does not have `video = true`, or something else.
    #[error("a stream is neither audio nor video that the rule allows")]
    NotAudio = 5,
    /// Not RTP, or two different things.
    #[error("a stream is not RTP")]
    NotRtp = 6,
    /// The subscriber's end is not the address that his signalling comes from.
    #[error("the subscriber's media address is not his own")]
    SubscriberAddress = 7,
    /// The other end is outside the rule's `media_networks`.
    #[error("the remote media address is outside the rule's media_networks")]
    RemoteAddress = 8,
    /// More than [`SECTIONS_PER_KIND_MAX`] at once, or than are kept for one call.
    #[error("the call has more streams than can be free")]
    TooManyStreams = 9,
    /// When the call was answered, the policy no longer listed its number under the same rule.
    #[error("the number is no longer listed")]
    NoLongerListed = 10,
    /// More ends ring for one INVITE than are followed.
    #[error("more ends ring than are followed")]
    TooManyDialogs = 11,
}

impl Refusal {
    /// How many there are.
    pub const COUNT: usize = 12;

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
        "too-many-dialogs",
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
    /// What may be free.
    pub(super) streams: Vec<Stream>,
    /// Why other streams, or all, may not.
    pub(super) refusals: Vec<Refusal>,
}

impl Negotiated {
    /// Nothing is free.
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self { streams: Vec::new(), refusals: vec![refusal] }
    }
}

/// Whose streams may be free, and where to.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// Where the subscriber's signalling comes from.
    pub(super) subscriber: IpAddr,
    /// The rule's `media_networks`.
    pub(super) networks: &'a [IpNet],
    /// Whether video may be free.
    pub(super) has_video: bool,
}

/// Pairs the two ends' descriptions section by section. Which of them was the offer does not matter.
pub(super) fn pair(ours: &Session, theirs: &Session, bounds: Bounds<'_>) -> Negotiated {
    if ours.streams.len() != theirs.streams.len() {
        return Negotiated::refused(Refusal::StreamCount);
    }
    let mut negotiated = Negotiated::default();
    let mut free = Vec::new();
    let mut is_held = false;
    for (ours, theirs) in ours.streams.iter().zip(&theirs.streams) {
        match paths(ours, theirs, bounds) {
            Paths::Rejected => {}
            Paths::Held => is_held = true,
            Paths::Refused(refusal) => negotiated.refusals.push(refusal),
            Paths::Open(_)
                if free.iter().filter(|kind| **kind == ours.kind).count() >= SECTIONS_PER_KIND_MAX =>
            {
                negotiated.refusals.push(Refusal::TooManyStreams);
            }
            Paths::Open(paths) => {
                free.push(ours.kind);
                let new = paths
                    .into_iter()
                    .filter(|path| !negotiated.streams.iter().any(|s| s.ends() == path.ends()));
                let new: Vec<_> = new.collect();
                negotiated.streams.extend(new);
            }
        }
    }
    if negotiated == Negotiated::default() && !is_held {
        negotiated.refusals.push(Refusal::NoStream);
    }
    negotiated
}

/// Where a section's packets go.
enum Paths {
    /// Nowhere: it is rejected.
    Rejected,
    /// Nowhere for now (RFC 3264, section 8.4; the unspecified address is the older way).
    Held,
    /// Where they may not go free.
    Refused(Refusal),
    /// By these 5-tuples.
    Open(Vec<Stream>),
}

fn paths(ours: &MediaSection, theirs: &MediaSection, bounds: Bounds<'_>) -> Paths {
    let Some((our_address, their_address)) = ours.address.zip(theirs.address) else {
        return Paths::Rejected;
    };
    if ours.port == 0 || theirs.port == 0 {
        return Paths::Rejected;
    }
    let kind = match (ours.kind, theirs.kind) {
        (SectionKind::Audio, SectionKind::Audio) => StreamKind::Audio,
        (SectionKind::Video, SectionKind::Video) if bounds.has_video => StreamKind::Video,
        _ => return Paths::Refused(Refusal::NotAudio),
    };
    if !ours.is_rtp || !theirs.is_rtp {
        return Paths::Refused(Refusal::NotRtp);
    }
    if ours.is_inactive || theirs.is_inactive || is_held_address(our_address, their_address, bounds) {
        return Paths::Held;
    }
    let mut free = Vec::new();
    let default = (SocketAddr::new(our_address, ours.port), SocketAddr::new(their_address, theirs.port));
    let refusal = match check(default.0, default.1, bounds) {
        Ok(()) => {
            free.push(Stream { subscriber: default.0, remote: default.1, kind });
            free.extend(control(ours, theirs, default, bounds));
            None
        }
        Err(refusal) => Some(refusal),
    };
    free.extend(candidate_paths(ours, theirs, kind, bounds));
    free.truncate(PATHS_PER_SECTION_MAX);
    match refusal {
        Some(refusal) if free.is_empty() => Paths::Refused(refusal),
        _ => Paths::Open(free),
    }
}

/// The unspecified address for one end, where the other end's is as it must be: a call on hold.
fn is_held_address(ours: IpAddr, theirs: IpAddr, bounds: Bounds<'_>) -> bool {
    (ours.is_unspecified() && is_listed(theirs, bounds))
        || (theirs.is_unspecified() && ours == bounds.subscriber)
}

fn is_listed(remote: IpAddr, bounds: Bounds<'_>) -> bool {
    bounds.networks.iter().any(|network| network.contains(&remote))
}

/// Whether packets between the two may be free.
fn check(ours: SocketAddr, theirs: SocketAddr, bounds: Bounds<'_>) -> Result<(), Refusal> {
    if ours.ip() != bounds.subscriber {
        Err(Refusal::SubscriberAddress)
    } else if ours.is_ipv4() != theirs.is_ipv4() || !is_listed(theirs.ip(), bounds) {
        Err(Refusal::RemoteAddress)
    } else {
        Ok(())
    }
}

/// Control of the default path, where it has ports of its own: those of `a=rtcp`, or the next (RFC 3550, section 11).
fn control(
    ours: &MediaSection,
    theirs: &MediaSection,
    default: (SocketAddr, SocketAddr),
    bounds: Bounds<'_>,
) -> Option<Stream> {
    if ours.has_rtcp_mux && theirs.has_rtcp_mux {
        return None;
    }
    let end = |section: &MediaSection, default: SocketAddr| match section.rtcp {
        Some((port, address)) if port != 0 => Some(SocketAddr::new(address.unwrap_or(default.ip()), port)),
        Some(_) => None,
        None => Some(SocketAddr::new(default.ip(), default.port().checked_add(1)?)),
    };
    let (subscriber, remote) = (end(ours, default.0)?, end(theirs, default.1)?);
    check(subscriber, remote, bounds).is_ok().then_some(Stream {
        subscriber,
        remote,
        kind: StreamKind::Control,
    })
}

/// The pairs that ICE may choose (RFC 8445, section 6.1.2.2), as far as they may be free.
fn candidate_paths(
    ours: &MediaSection,
    theirs: &MediaSection,
    kind: StreamKind,
    bounds: Bounds<'_>,
) -> Vec<Stream> {
    let mut paths = Vec::new();
    for one in &ours.candidates {
        for other in theirs.candidates.iter().filter(|other| other.component == one.component) {
            let kind = if one.component == 1 { kind } else { StreamKind::Control };
            if check(one.socket, other.socket, bounds).is_ok() {
                paths.push(Stream { subscriber: one.socket, remote: other.socket, kind });
            }
        }
    }
    paths
}
