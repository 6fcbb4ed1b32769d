//! One dialog of a call (RFC 3261, section 12): an INVITE that is forked has several.

use serde::{Deserialize, Serialize};

use super::media::Refusal;
use super::mismatch::Mismatch;
use super::sdp::Session;
use super::sip::{Body, Message, Method};
use super::stream::Stream;
use super::tracker::Direction;

/// Requests of one direction that wait for their final response. Reason: an INVITE, a PRACK and an UPDATE may be open at
/// once; of more, the oldest is given up.
const PENDING_MAX: usize = 4;

/// A dialog, named by the tag of the far end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leg {
    /// The tag of the far end.
    pub(super) tag: String,
    /// Whether a 2xx made it a confirmed dialog; before, it is an early one.
    pub(super) is_confirmed: bool,
    /// Whether a reliable response answered the INVITE's offer: a later description in a 2xx then says nothing (RFC 3261,
    /// section 13.2.1).
    pub(super) is_answered: bool,
    pub(super) uplink: Side,
    pub(super) downlink: Side,
    /// An offer in a response, which the ACK or a PRACK answers (RFC 3261, section 13.2.1; RFC 3262, section 5).
    pub(super) late: Option<Late>,
    /// What is negotiated now.
    pub(super) streams: Vec<Stream>,
}

/// An offer that came with a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Late {
    /// Who must answer: the direction of the INVITE.
    pub(super) asked: Direction,
    /// The INVITE's number.
    pub(super) sequence: u32,
    pub(super) offer: Session,
}

/// The requests of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Side {
    /// The highest `CSeq` number of a request that is followed.
    pub(super) sequence: Option<u32>,
    /// Those without final response.
    pub(super) pending: Vec<Pending>,
}

/// A transaction that may change the streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) sequence: u32,
    pub(super) kind: PendingKind,
    pub(super) branch: String,
    pub(super) offer: Offer,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PendingKind {
    Invite,
    Update,
    Prack,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Offer {
    /// In the request.
    Made(Session),
    /// There is none in the request, or the request answered one.
    Absent,
    /// A reliable provisional response answered it.
    Answered,
    /// It is of no use.
    Refused(Refusal),
}

impl PendingKind {
    pub(super) fn of(method: Method<'_>) -> Option<Self> {
        match method {
            Method::Invite => Some(Self::Invite),
            Method::Update => Some(Self::Update),
            Method::Prack => Some(Self::Prack),
            _ => None,
        }
    }
}

impl Pending {
    pub(super) fn new(message: &Message<'_>, kind: PendingKind) -> Self {
        let offer = match session(message) {
            Ok(Some(session)) => Offer::Made(session),
            Ok(None) => Offer::Absent,
            Err(refusal) => Offer::Refused(refusal),
        };
        Self { sequence: message.cseq.number, kind, branch: message.branch.to_owned(), offer }
    }
}

/// A message's session description, if it has a body.
pub(super) fn session(message: &Message<'_>) -> Result<Option<Session>, Refusal> {
    match message.body() {
        Body::None => Ok(None),
        Body::Sdp(body) => Session::parse(body).map(Some).map_err(|_| Refusal::Malformed),
        Body::Other => Err(Refusal::NotSdp),
    }
}

impl Leg {
    /// The dialog that a response to the INVITE with this number opens.
    pub(super) fn new(tag: &str, sequence: u32) -> Self {
        Self {
            tag: tag.to_owned(),
            is_confirmed: false,
            is_answered: false,
            uplink: Side { sequence: Some(sequence), pending: Vec::new() },
            downlink: Side::default(),
            late: None,
            streams: Vec::new(),
        }
    }

    pub(super) fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Uplink => &mut self.uplink,
            Direction::Downlink => &mut self.downlink,
        }
    }

    /// The late offer that a request of `direction` may answer.
    pub(super) fn take_late(&mut self, direction: Direction, sequence: Option<u32>) -> Option<Session> {
        let is_awaited = |late: &mut Late| {
            late.asked == direction && sequence.is_none_or(|sequence| sequence == late.sequence)
        };
        self.late.take_if(is_awaited).map(|late| late.offer)
    }
}

impl Side {
    /// Whether a request was seen before; numbers only grow (RFC 3261, section 12.2.2).
    pub(super) fn repeats(&self, message: &Message<'_>) -> Result<bool, Mismatch> {
        let Some(sequence) = self.sequence.filter(|sequence| message.cseq.number <= *sequence) else {
            return Ok(false);
        };
        if message.cseq.number < sequence || message.cseq.method == Method::Bye {
            return Err(Mismatch::Sequence);
        }
        match self.pending.iter().find(|pending| pending.sequence == sequence) {
            Some(pending) if pending.branch != message.branch => Err(Mismatch::Branch),
            _ => Ok(true),
        }
    }

    pub(super) fn open(&mut self, pending: Pending) {
        self.sequence = Some(pending.sequence);
        if self.pending.len() == PENDING_MAX {
            self.pending.remove(0);
        }
        self.pending.push(pending);
    }

    /// The place of the transaction that a response belongs to; `None`: to one that is over.
    pub(super) fn find(&self, message: &Message<'_>) -> Result<Option<usize>, Mismatch> {
        let number = message.cseq.number;
        let Some(place) = self.pending.iter().position(|pending| pending.sequence == number) else {
            return match self.sequence {
                Some(sequence) if number <= sequence => Ok(None),
                _ if self.pending.is_empty() => Err(Mismatch::Unasked),
                _ => Err(Mismatch::Sequence),
            };
        };
        let pending = &self.pending[place];
        if PendingKind::of(message.cseq.method) != Some(pending.kind) {
            return Err(Mismatch::Sequence);
        }
        if pending.branch != message.branch {
            return Err(Mismatch::Branch);
        }
        Ok(Some(place))
    }
}
