//! One call: its dialog (RFC 3261, section 12), and the offers that wait for their answers.

use std::net::SocketAddr;

use tollfree_core::flow::FlowKey;
use tollfree_core::plan::RuleClass;

use super::hotline::{HotlineMatch, Hotlines};
use super::media::{self, Negotiated, Refusal};
use super::record::{CallRecord, Cause, caller};
use super::sdp::Session;
use super::sip::{Body, Message, Method};
use super::tracker::{At, Direction};

/// Why a message that names a followed call changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Mismatch {
    /// From or to another address or port than the INVITE.
    Socket = 0,
    /// The tag of the other end is not the one that answered, or is absent.
    Tag = 1,
    /// A response, repeated request or CANCEL of another transaction.
    Branch = 2,
    /// A `CSeq` that is used up or was never asked.
    Sequence = 3,
    /// A response to nothing that was asked.
    Unasked = 4,
    /// A request within a dialog that no answer has made yet.
    Early = 5,
}

impl Mismatch {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// The words for metrics, by number.
    pub const NAMES: [&'static str; Self::COUNT] =
        ["socket", "tag", "branch", "sequence", "unasked", "early"];

    /// Its place among the counters, below [`Mismatch::COUNT`].
    pub const fn number(self) -> usize {
        self as usize
    }

    /// The word for metrics.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }
}

/// What a message does to its call.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing that matters here.
    Nothing,
    /// It was seen before.
    Retransmission,
    /// These streams are negotiated, and no others.
    Negotiated(Negotiated),
    /// The call is over.
    End(Cause),
}

/// What names a call: `Call-ID`, and the tag of the subscriber's end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CallKey {
    pub(super) call_id: String,
    pub(super) local_tag: String,
}

/// The two ends of the signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sockets {
    pub(super) subscriber: SocketAddr,
    pub(super) proxy: SocketAddr,
}

/// A call to a hotline.
#[derive(Debug)]
pub(super) struct Call {
    /// As dialled, to ask the policy again.
    pub(super) dialled: String,
    pub(super) rule: u32,
    /// What the rule gave when the streams were last negotiated.
    pub(super) class: RuleClass,
    pub(super) number: String,
    caller: String,
    pub(super) sockets: Sockets,
    pub(super) invited: At,
    pub(super) answered: Option<At>,
    /// The tag of the end that answered.
    remote_tag: Option<String>,
    pub(super) is_cancelled: bool,
    uplink: Side,
    downlink: Side,
    /// What is free now.
    pub(super) streams: Vec<FlowKey>,
    /// What was free at some time.
    pub(super) media: Vec<FlowKey>,
    refusals: Vec<Refusal>,
}

/// The requests of one direction.
#[derive(Debug, Default)]
struct Side {
    /// The highest `CSeq` number of a request that is followed.
    sequence: Option<u32>,
    /// An INVITE or UPDATE without final response.
    pending: Option<Pending>,
}

/// A transaction that may change the streams.
#[derive(Debug)]
struct Pending {
    sequence: u32,
    is_invite: bool,
    branch: String,
    offer: Offer,
}

#[derive(Debug)]
enum Offer {
    /// In the request.
    Made(Session),
    /// In the 2xx to an INVITE without one; the answer comes with the ACK (RFC 3261, section 13.2.1).
    Late(Session),
    /// There is none in the request.
    Absent,
    /// It is of no use.
    Refused(Refusal),
}

impl Pending {
    fn new(message: &Message<'_>) -> Self {
        let offer = match session(message) {
            Ok(Some(session)) => Offer::Made(session),
            Ok(None) => Offer::Absent,
            Err(refusal) => Offer::Refused(refusal),
        };
        Self {
            sequence: message.cseq.number,
            is_invite: message.cseq.method == Method::Invite,
            branch: message.branch.to_owned(),
            offer,
        }
    }
}

/// A message's session description, if it has a body.
fn session(message: &Message<'_>) -> Result<Option<Session>, Refusal> {
    match message.body() {
        Body::None => Ok(None),
        Body::Sdp(body) => Session::parse(body).map(Some).map_err(|_| Refusal::Malformed),
        Body::Other => Err(Refusal::NotSdp),
    }
}

impl Call {
    /// The call that an INVITE opens.
    pub(super) fn new(
        at: At,
        sockets: Sockets,
        message: &Message<'_>,
        dialled: String,
        hotline: &HotlineMatch<'_>,
    ) -> Self {
        let sequence = Some(message.cseq.number);
        Self {
            dialled,
            rule: hotline.rule,
            class: hotline.class,
            number: hotline.number.to_owned(),
            caller: caller(message.from.text),
            sockets,
            invited: at,
            answered: None,
            remote_tag: None,
            is_cancelled: false,
            uplink: Side { sequence, pending: Some(Pending::new(message)) },
            downlink: Side::default(),
            streams: Vec::new(),
            media: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// The same INVITE again, or again with credentials (RFC 3261, section 22.2).
    pub(super) fn invited_again(&mut self, message: &Message<'_>) -> Result<Step, Mismatch> {
        if let Some(repeated) = self.uplink.repeats(message)? {
            return Ok(repeated);
        }
        if self.answered.is_some() {
            return Err(Mismatch::Tag);
        }
        self.uplink.open(message);
        Ok(Step::Nothing)
    }

    /// CANCEL has the branch and number of its INVITE (RFC 3261, section 9.1). The call ends with the final
    /// response.
    pub(super) fn cancel(&mut self, message: &Message<'_>) -> Result<Step, Mismatch> {
        let pending = self.uplink.pending.as_ref().ok_or(Mismatch::Unasked)?;
        if pending.sequence != message.cseq.number {
            return Err(Mismatch::Sequence);
        }
        if pending.branch != message.branch {
            return Err(Mismatch::Branch);
        }
        self.is_cancelled = self.answered.is_none();
        Ok(Step::Nothing)
    }

    /// A request of `direction` within the dialog: INVITE, UPDATE or BYE.
    pub(super) fn request(&mut self, direction: Direction, message: &Message<'_>) -> Result<Step, Mismatch> {
        self.check_dialog(remote_tag(direction, true, message))?;
        let side = self.side(direction);
        if let Some(repeated) = side.repeats(message)? {
            return Ok(repeated);
        }
        if message.cseq.method == Method::Bye {
            return Ok(Step::End(Cause::Hangup { by: direction }));
        }
        side.open(message);
        Ok(Step::Nothing)
    }

    /// The ACK of `direction`, which may hold the answer to a late offer.
    pub(super) fn acknowledge<H: Hotlines>(
        &mut self,
        direction: Direction,
        message: &Message<'_>,
        hotlines: &H,
    ) -> Result<Step, Mismatch> {
        let is_awaited = self.side(direction).pending.as_ref().is_some_and(|pending| {
            pending.sequence == message.cseq.number && matches!(pending.offer, Offer::Late(_))
        });
        if !is_awaited {
            return Ok(Step::Nothing);
        }
        self.check_dialog(remote_tag(direction, true, message))?;
        let Some(Pending { offer: Offer::Late(offer), .. }) = self.side(direction).pending.take() else {
            return Ok(Step::Nothing);
        };
        Ok(Step::Negotiated(match session(message) {
            Ok(Some(answer)) => self.pair(direction, &answer, &offer, hotlines),
            Ok(None) => Negotiated::refused(Refusal::NoSession),
            Err(refusal) => Negotiated::refused(refusal),
        }))
    }

    /// A response that goes in `direction`, to an INVITE or UPDATE that went the other way.
    pub(super) fn respond<H: Hotlines>(
        &mut self,
        at: At,
        direction: Direction,
        message: &Message<'_>,
        status: u16,
        hotlines: &H,
    ) -> Result<Step, Mismatch> {
        let asked = direction.opposite();
        let tag = remote_tag(direction, false, message);
        if !self.check_response(asked, message, tag)? {
            return Ok(Step::Retransmission);
        }
        match status {
            ..200 => Ok(Step::Nothing),
            200..300 => {
                if self.remote_tag.is_none() {
                    self.remote_tag = Some(tag.ok_or(Mismatch::Tag)?.to_owned());
                    self.answered = Some(at);
                }
                Ok(self.accept(asked, message, hotlines))
            }
            _ => {
                self.side(asked).pending = None;
                Ok(self.reject(status))
            }
        }
    }

    /// Whether a response belongs to the transaction that is open; `false`: to one that is over.
    fn check_response(
        &mut self,
        asked: Direction,
        message: &Message<'_>,
        tag: Option<&str>,
    ) -> Result<bool, Mismatch> {
        let is_known = self.remote_tag.as_deref().is_none_or(|known| tag == Some(known));
        let side = self.side(asked);
        let Some(pending) = &side.pending else {
            let is_over = side.sequence.is_some_and(|sequence| message.cseq.number <= sequence);
            return if !is_over {
                Err(Mismatch::Unasked)
            } else if is_known {
                Ok(false)
            } else {
                Err(Mismatch::Tag)
            };
        };
        if message.cseq.number < pending.sequence {
            return Ok(false);
        }
        let is_invite = message.cseq.method == Method::Invite;
        if message.cseq.number > pending.sequence || is_invite != pending.is_invite {
            return Err(Mismatch::Sequence);
        }
        if message.branch != pending.branch {
            return Err(Mismatch::Branch);
        }
        if !is_known {
            return Err(Mismatch::Tag);
        }
        Ok(!matches!(pending.offer, Offer::Late(_)))
    }

    /// A 2xx to the transaction that `asked` opened.
    fn accept<H: Hotlines>(&mut self, asked: Direction, message: &Message<'_>, hotlines: &H) -> Step {
        let Some(mut pending) = self.side(asked).pending.take() else {
            return Step::Nothing;
        };
        let answer = match session(message) {
            Ok(answer) => answer,
            Err(refusal) => return Step::Negotiated(Negotiated::refused(refusal)),
        };
        let negotiated = match (pending.offer, answer) {
            (Offer::Made(offer), Some(answer)) => self.pair(asked, &offer, &answer, hotlines),
            (Offer::Absent, Some(offer)) if pending.is_invite => {
                pending.offer = Offer::Late(offer);
                self.side(asked).pending = Some(pending);
                return Step::Nothing;
            }
            // An UPDATE without an offer only keeps the session alive (RFC 4028).
            (Offer::Absent, _) if !pending.is_invite => return Step::Nothing,
            (Offer::Refused(refusal), _) => Negotiated::refused(refusal),
            _ => Negotiated::refused(Refusal::NoSession),
        };
        Step::Negotiated(negotiated)
    }

    /// A final response other than 2xx. Within a dialog it leaves the session as it was (RFC 3261, section
    /// 14.1).
    fn reject(&self, status: u16) -> Step {
        match status {
            _ if self.answered.is_some() => Step::Nothing,
            // The caller tries again with credentials, or with a longer session interval (RFC 4028, section
            // 7.3).
            401 | 407 | 422 if !self.is_cancelled => Step::Nothing,
            _ if self.is_cancelled => Step::End(Cause::Cancelled),
            300..=399 => Step::End(Cause::Redirected { status }),
            _ => Step::End(Cause::Rejected { status }),
        }
    }

    /// The streams that `asked`'s description and the other end's come to, under the policy in force now.
    fn pair<H: Hotlines>(
        &mut self,
        asked: Direction,
        asking: &Session,
        answering: &Session,
        hotlines: &H,
    ) -> Negotiated {
        let Some(hotline) = hotlines.find(&self.dialled).filter(|hotline| hotline.rule == self.rule) else {
            return Negotiated::refused(Refusal::NoLongerListed);
        };
        self.class = hotline.class;
        let (ours, theirs) = match asked {
            Direction::Uplink => (asking, answering),
            Direction::Downlink => (answering, asking),
        };
        media::pair(ours, theirs, self.sockets.subscriber.ip(), hotline.media)
    }

    /// Whether the message names the end that answered.
    fn check_dialog(&self, tag: Option<&str>) -> Result<(), Mismatch> {
        match self.remote_tag.as_deref() {
            None => Err(Mismatch::Early),
            Some(known) if tag == Some(known) => Ok(()),
            Some(_) => Err(Mismatch::Tag),
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Uplink => &mut self.uplink,
            Direction::Downlink => &mut self.downlink,
        }
    }

    /// Keeps a reason once.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    /// What is left of the call named `key`.
    pub(super) fn into_record(self, key: CallKey, at: At, cause: Cause) -> CallRecord {
        CallRecord {
            call_id: key.call_id,
            rule: self.rule,
            number: self.number,
            caller: self.caller,
            subscriber: self.sockets.subscriber.ip(),
            proxy: self.sockets.proxy,
            invited: self.invited.wall,
            answered: self.answered.map(|answered| answered.wall),
            ended: at.wall,
            cause,
            media: self.media,
            refusals: self.refusals,
        }
    }
}

impl Side {
    /// Whether a request was seen before; numbers only grow (RFC 3261, section 12.2.2).
    fn repeats(&self, message: &Message<'_>) -> Result<Option<Step>, Mismatch> {
        let Some(sequence) = self.sequence.filter(|sequence| message.cseq.number <= *sequence) else {
            return Ok(None);
        };
        if message.cseq.number < sequence || message.cseq.method == Method::Bye {
            return Err(Mismatch::Sequence);
        }
        match &self.pending {
            Some(pending) if pending.branch != message.branch => Err(Mismatch::Branch),
            _ => Ok(Some(Step::Retransmission)),
        }
    }

    fn open(&mut self, message: &Message<'_>) {
        self.sequence = Some(message.cseq.number);
        self.pending = Some(Pending::new(message));
    }
}

/// The tag of the far end: a request's sender is `From`, and a response keeps its request's `From`.
fn remote_tag<'a>(direction: Direction, is_request: bool, message: &Message<'a>) -> Option<&'a str> {
    if is_subscriber_from(direction, is_request) { message.to.tag } else { message.from.tag }
}

/// The tag of the subscriber's end.
pub(super) fn local_tag<'a>(
    direction: Direction,
    is_request: bool,
    message: &Message<'a>,
) -> Option<&'a str> {
    if is_subscriber_from(direction, is_request) { message.from.tag } else { message.to.tag }
}

const fn is_subscriber_from(direction: Direction, is_request: bool) -> bool {
    matches!((direction, is_request), (Direction::Uplink, true) | (Direction::Downlink, false))
}
