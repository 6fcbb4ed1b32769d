//! One call: its INVITE, the dialogs that come of it (RFC 3261, section 12), and what they negotiate.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tollfree_core::plan::RuleClass;

use super::class_number;
use super::hotline::{HotlineMatch, Hotlines};
use super::key::{CallKey, remote_tag};
use super::leg::{Late, Leg, Offer, Pending, PendingKind, session};
use super::limits::TrackerLimits;
use super::media::{self, Bounds, Refusal};
use super::mismatch::Mismatch;
use super::record::{CallRecord, Cause, caller};
use super::sdp::Session;
use super::sip::{Message, Method};
use super::stream::{Granted, Stream};
use super::tracker::{At, Direction, after};
use crate::policy::CallTerms;

/// Dialogs of one INVITE. Reason: a hotline's desks ring together, a few at a time; more are not followed.
const LEGS_MAX: usize = 8;
/// Streams kept for one call over its life. Reason: each hold, transfer and change of network makes two, with control;
/// past this, a cheat is probing ports.
pub const MEDIA_PER_CALL_MAX: usize = 32;
/// How much longer than its interval a session lives here, in seconds. Reason: the end that gives up sends BYE at the
/// latest 32 s before the interval ends, and BYE is tried for 32 s (RFC 4028, section 10; RFC 3261, section 17.1.2).
const SESSION_MARGIN_SECONDS: u64 = 32;

/// What a message does to its call.
#[derive(Debug)]
pub(super) enum Step {
    /// What is negotiated may be other than before; and why some of it is not free.
    Changed(Vec<Refusal>),
    /// It was seen before.
    Retransmission,
    /// The call is over.
    End(Cause),
}

impl Step {
    const NOTHING: Self = Self::Changed(Vec::new());
}

/// The two ends of the signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sockets {
    pub(super) subscriber: SocketAddr,
    /// `None`: the API opened the call.
    pub(super) proxy: Option<SocketAddr>,
}

/// Which request of which dialog a response belongs to.
#[derive(Clone, Copy)]
struct Answered {
    /// The dialog's place among the call's.
    place: usize,
    /// Which way the request went.
    asked: Direction,
    /// Its place among those that wait.
    found: usize,
}

/// A call to a hotline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Call {
    /// See [`CallRecord::uid`].
    pub(super) uid: String,
    /// As dialled, to ask the policy again.
    pub(super) dialled: String,
    pub(super) rule: u32,
    /// What the rule gave when the streams were last negotiated.
    #[serde(with = "class_number")]
    pub(super) class: RuleClass,
    pub(super) terms: CallTerms,
    pub(super) number: String,
    caller: String,
    is_caller_asserted: bool,
    charging_id: Option<String>,
    pub(super) sockets: Sockets,
    pub(super) invited: At,
    /// When a provisional response came last.
    pub(super) progressed: Option<At>,
    pub(super) answered: Option<At>,
    /// When media before the answer was first free.
    early_since: Option<At>,
    /// When the session is over unless it is refreshed.
    pub(super) session_ends_ns: Option<u64>,
    pub(super) is_cancelled: bool,
    /// Whether it comes from a controller before this one, and no message has shown since that it goes on.
    pub(super) is_restored: bool,
    /// The INVITE that opens the call, until it fails.
    invite: Option<Pending>,
    invite_sequence: u32,
    legs: Vec<Leg>,
    /// What is free now.
    pub(super) granted: Vec<Granted>,
    /// What was free at some time.
    pub(super) media: Vec<Stream>,
    refusals: Vec<Refusal>,
}

/// What a call is opened with, beside its hotline.
pub(super) struct Opening {
    pub(super) at: At,
    pub(super) sockets: Sockets,
    pub(super) dialled: String,
    pub(super) caller: String,
    pub(super) is_caller_asserted: bool,
    pub(super) charging_id: Option<String>,
}

impl Call {
    fn open(key: &CallKey, opening: Opening, hotline: &HotlineMatch<'_>) -> Self {
        Self {
            uid: key.uid(opening.at),
            dialled: opening.dialled,
            rule: hotline.rule,
            class: hotline.class,
            terms: hotline.terms,
            number: hotline.number.to_owned(),
            caller: caller(&opening.caller),
            is_caller_asserted: opening.is_caller_asserted,
            charging_id: opening.charging_id,
            sockets: opening.sockets,
            invited: opening.at,
            progressed: None,
            answered: None,
            early_since: None,
            session_ends_ns: None,
            is_cancelled: false,
            is_restored: false,
            invite: None,
            invite_sequence: 0,
            legs: Vec::new(),
            granted: Vec::new(),
            media: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// The call that an INVITE opens.
    pub(super) fn invited(
        key: &CallKey,
        opening: Opening,
        message: &Message<'_>,
        hotline: &HotlineMatch<'_>,
    ) -> Self {
        Self {
            invite: Some(Pending::new(message, PendingKind::Invite)),
            invite_sequence: message.cseq.number,
            ..Self::open(key, opening, hotline)
        }
    }

    /// The call that the API opens: answered, with these streams.
    pub(super) fn told(
        key: &CallKey,
        opening: Opening,
        streams: Vec<Stream>,
        hotline: &HotlineMatch<'_>,
    ) -> Self {
        let leg = Leg { is_confirmed: true, streams, ..Leg::new("", 0) };
        let answered = Some(opening.at);
        Self { answered, legs: vec![leg], ..Self::open(key, opening, hotline) }
    }

    /// Makes these the streams of a call that the API opened.
    pub(super) fn tell(&mut self, streams: Vec<Stream>) {
        if let Some(leg) = self.legs.first_mut() {
            leg.streams = streams;
        }
    }

    /// The same INVITE again, or again with credentials (RFC 3261, section 22.2).
    pub(super) fn invited_again(&mut self, message: &Message<'_>) -> Result<Step, Mismatch> {
        let number = message.cseq.number;
        if number < self.invite_sequence {
            return Err(Mismatch::Sequence);
        }
        if number == self.invite_sequence {
            return match &self.invite {
                Some(invite) if invite.branch != message.branch => Err(Mismatch::Branch),
                _ => Ok(Step::Retransmission),
            };
        }
        if self.answered.is_some() {
            return Err(Mismatch::Tag);
        }
        self.invite = Some(Pending::new(message, PendingKind::Invite));
        self.invite_sequence = number;
        self.legs.clear();
        Ok(Step::NOTHING)
    }

    /// CANCEL has the branch and number of its INVITE (RFC 3261, section 9.1). The call ends with the final
    /// response.
    pub(super) fn cancel(&mut self, message: &Message<'_>) -> Result<Step, Mismatch> {
        let invite = self.invite.as_ref().ok_or(Mismatch::Unasked)?;
        if invite.sequence != message.cseq.number {
            return Err(Mismatch::Sequence);
        }
        if invite.branch != message.branch {
            return Err(Mismatch::Branch);
        }
        self.is_cancelled = self.answered.is_none();
        Ok(Step::NOTHING)
    }

    /// A request of `direction` within a dialog: INVITE, UPDATE, PRACK or BYE.
    pub(super) fn request<H: Hotlines>(
        &mut self,
        direction: Direction,
        message: &Message<'_>,
        hotlines: &H,
    ) -> Result<Step, Mismatch> {
        let place = self.leg(remote_tag(direction, true, message))?;
        let leg = &mut self.legs[place];
        if leg.side(direction).repeats(message)? {
            return Ok(Step::Retransmission);
        }
        let kind = PendingKind::of(message.cseq.method);
        // Before the answer, the called end neither hangs up nor changes the INVITE (RFC 3261, sections 14.1, 15).
        let waits = kind == Some(PendingKind::Invite) || (kind.is_none() && direction == Direction::Downlink);
        if !leg.is_confirmed && waits {
            return Err(Mismatch::Early);
        }
        let Some(kind) = kind else {
            return Ok(self.hang_up(place, Cause::Hangup { by: direction }));
        };
        let mut pending = Pending::new(message, kind);
        let mut refusals = Vec::new();
        if kind == PendingKind::Prack
            && let Offer::Made(answer) = &pending.offer
            && let Some(offer) = leg.take_late(direction, None)
        {
            leg.is_answered = true;
            let answer = answer.clone();
            pending.offer = Offer::Absent;
            leg.side(direction).open(pending);
            refusals = self.negotiate(place, direction, &answer, &offer, hotlines);
        } else {
            leg.side(direction).open(pending);
        }
        Ok(Step::Changed(refusals))
    }

    /// A dialog is over; the call with its last one.
    fn hang_up(&mut self, place: usize, cause: Cause) -> Step {
        self.legs.remove(place);
        let goes_on = self.answered.is_none() || self.legs.iter().any(|leg| leg.is_confirmed);
        if goes_on { Step::NOTHING } else { Step::End(cause) }
    }

    /// The ACK of `direction`, which may hold the answer to a late offer.
    pub(super) fn acknowledge<H: Hotlines>(
        &mut self,
        direction: Direction,
        message: &Message<'_>,
        hotlines: &H,
    ) -> Result<Step, Mismatch> {
        let Ok(place) = self.leg(remote_tag(direction, true, message)) else {
            let is_awaited = self.legs.iter().any(|leg| leg.late.is_some());
            return if is_awaited { Err(Mismatch::Tag) } else { Ok(Step::NOTHING) };
        };
        let Some(offer) = self.legs[place].take_late(direction, Some(message.cseq.number)) else {
            return Ok(Step::NOTHING);
        };
        Ok(Step::Changed(match session(message) {
            Ok(Some(answer)) => self.negotiate(place, direction, &answer, &offer, hotlines),
            Ok(None) => self.refused(place, Refusal::NoSession),
            Err(refusal) => self.refused(place, refusal),
        }))
    }

    /// A response that goes in `direction`, to a request that went the other way.
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
        let number = message.cseq.number;
        if asked == Direction::Uplink {
            if number == self.invite_sequence && message.cseq.method == Method::Invite {
                return self.respond_to_invite(at, message, status, hotlines);
            }
            if number < self.invite_sequence {
                return Ok(Step::Retransmission);
            }
            if self.legs.is_empty() {
                return Err(if self.invite.is_some() { Mismatch::Sequence } else { Mismatch::Unasked });
            }
        }
        let place = self.leg(tag)?;
        let leg = &mut self.legs[place];
        let Some(found) = leg.side(asked).find(message)? else {
            return Ok(Step::Retransmission);
        };
        match status {
            ..200 if !message.is_reliable => Ok(Step::NOTHING),
            ..200 => Ok(self.accept_early(Answered { place, asked, found }, message, hotlines)),
            200..300 => {
                if matches!(message.cseq.method, Method::Invite | Method::Update) {
                    self.refresh(at, message);
                }
                Ok(self.accept(Answered { place, asked, found }, message, hotlines))
            }
            // RFC 3261, section 12.2.1.2.
            408 | 481 => Ok(self.hang_up(place, Cause::DialogLost { status })),
            // The session stays as it was (RFC 3261, section 14.1).
            _ => {
                leg.side(asked).pending.remove(found);
                Ok(Step::NOTHING)
            }
        }
    }

    /// A response to the INVITE that opens the call.
    fn respond_to_invite<H: Hotlines>(
        &mut self,
        at: At,
        message: &Message<'_>,
        status: u16,
        hotlines: &H,
    ) -> Result<Step, Mismatch> {
        let Some(invite) = &self.invite else {
            return Ok(Step::Retransmission);
        };
        if invite.branch != message.branch {
            return Err(Mismatch::Branch);
        }
        match (status, message.to.tag) {
            (..200, tag) => {
                self.progressed = Some(at);
                let Some(tag) = tag.filter(|_| status > 100 && self.answered.is_none()) else {
                    return Ok(Step::NOTHING);
                };
                Ok(self.ring(at, tag, message, hotlines))
            }
            (200..300, tag) => {
                let tag = tag.ok_or(Mismatch::Tag)?;
                self.refresh(at, message);
                Ok(self.answer(at, tag, message, hotlines))
            }
            _ if self.answered.is_some() => Ok(Step::Retransmission),
            _ => {
                self.invite = None;
                self.legs.clear();
                Ok(self.reject(status))
            }
        }
    }

    /// A provisional response, which may hold the answer, or an offer that PRACK answers (RFC 3262, section 5).
    fn ring<H: Hotlines>(&mut self, at: At, tag: &str, message: &Message<'_>, hotlines: &H) -> Step {
        let Some(place) = self.leg_or_new(tag) else {
            return Step::Changed(vec![Refusal::TooManyDialogs]);
        };
        if self.legs[place].is_answered {
            return Step::NOTHING;
        }
        // Bodies of other kinds, such as alerting tones, say nothing of media.
        let Ok(Some(described)) = session(message) else {
            return Step::NOTHING;
        };
        let offer = self.invite.as_ref().map(|invite| invite.offer.clone());
        match offer {
            Some(Offer::Made(offer)) => {
                self.legs[place].is_answered = message.is_reliable;
                let refusals = self.negotiate(place, Direction::Uplink, &offer, &described, hotlines);
                if !self.legs[place].streams.is_empty() && self.early_since.is_none() {
                    self.early_since = Some(at);
                }
                Step::Changed(refusals)
            }
            Some(Offer::Absent) if message.is_reliable => {
                let sequence = self.invite_sequence;
                let late = Late { asked: Direction::Uplink, sequence, offer: described };
                self.legs[place].late = Some(late);
                Step::NOTHING
            }
            _ => Step::NOTHING,
        }
    }

    /// A 2xx to the INVITE that opens the call. Where several ends answer, each has a dialog (RFC 3261, section
    /// 13.2.2.4).
    fn answer<H: Hotlines>(&mut self, at: At, tag: &str, message: &Message<'_>, hotlines: &H) -> Step {
        let Some(place) = self.leg_or_new(tag) else {
            return Step::Changed(vec![Refusal::TooManyDialogs]);
        };
        if std::mem::replace(&mut self.legs[place].is_confirmed, true) {
            return Step::Retransmission;
        }
        if self.answered.is_none() {
            self.answered = Some(at);
            self.legs.iter_mut().filter(|leg| !leg.is_confirmed).for_each(|leg| leg.streams.clear());
        }
        if self.legs[place].is_answered {
            return Step::NOTHING;
        }
        let offer = self.invite.as_ref().map_or(Offer::Absent, |invite| invite.offer.clone());
        Step::Changed(match (offer, session(message)) {
            (_, Err(refusal)) | (Offer::Refused(refusal), _) => self.refused(place, refusal),
            (Offer::Made(offer), Ok(Some(answer))) => {
                self.negotiate(place, Direction::Uplink, &offer, &answer, hotlines)
            }
            (Offer::Absent, Ok(Some(offer))) => {
                let (asked, sequence) = (Direction::Uplink, self.invite_sequence);
                self.legs[place].late = Some(Late { asked, sequence, offer });
                Vec::new()
            }
            // What a provisional response showed is the answer.
            _ if !self.legs[place].streams.is_empty() => Vec::new(),
            _ => self.refused(place, Refusal::NoSession),
        })
    }

    /// A reliable provisional response within a dialog: it may answer.
    fn accept_early<H: Hotlines>(
        &mut self,
        Answered { place, asked, found }: Answered,
        message: &Message<'_>,
        hotlines: &H,
    ) -> Step {
        let pending = &mut self.legs[place].side(asked).pending[found];
        let (Offer::Made(offer), Ok(Some(answer))) = (pending.offer.clone(), session(message)) else {
            return Step::NOTHING;
        };
        pending.offer = Offer::Answered;
        Step::Changed(self.negotiate(place, asked, &offer, &answer, hotlines))
    }

    /// A 2xx to a request within a dialog.
    fn accept<H: Hotlines>(
        &mut self,
        Answered { place, asked, found }: Answered,
        message: &Message<'_>,
        hotlines: &H,
    ) -> Step {
        let pending = self.legs[place].side(asked).pending.remove(found);
        let is_invite = pending.kind == PendingKind::Invite;
        Step::Changed(match (pending.offer, session(message)) {
            // A request without an offer only keeps the session alive (RFC 4028).
            (Offer::Absent, _) if !is_invite => Vec::new(),
            (Offer::Answered, _) => Vec::new(),
            (_, Err(refusal)) | (Offer::Refused(refusal), _) => self.refused(place, refusal),
            (Offer::Made(offer), Ok(Some(answer))) => self.negotiate(place, asked, &offer, &answer, hotlines),
            (Offer::Absent, Ok(Some(offer))) => {
                self.legs[place].late = Some(Late { asked, sequence: pending.sequence, offer });
                Vec::new()
            }
            (_, Ok(None)) => self.refused(place, Refusal::NoSession),
        })
    }

    /// A final response other than 2xx to the INVITE that opens the call.
    fn reject(&self, status: u16) -> Step {
        match status {
            // The caller tries again with credentials, or with a longer session interval (RFC 4028, section
            // 7.3).
            401 | 407 | 422 if !self.is_cancelled => Step::NOTHING,
            _ if self.is_cancelled => Step::End(Cause::Cancelled),
            300..=399 => Step::End(Cause::Redirected { status }),
            _ => Step::End(Cause::Rejected { status }),
        }
    }

    /// A 2xx says how long the session lasts from now on; one that does not, that it lasts until BYE (RFC 4028, section
    /// 7.2).
    fn refresh(&mut self, at: At, message: &Message<'_>) {
        self.session_ends_ns = message.session_expires.map(|seconds| {
            after(at, std::time::Duration::from_secs(u64::from(seconds) + SESSION_MARGIN_SECONDS))
        });
    }

    /// Makes a dialog's streams what `asked`'s description and the other end's come to, under the policy in force now.
    fn negotiate<H: Hotlines>(
        &mut self,
        place: usize,
        asked: Direction,
        asking: &Session,
        answering: &Session,
        hotlines: &H,
    ) -> Vec<Refusal> {
        let Some(hotline) = hotlines.find(&self.dialled).filter(|hotline| hotline.rule == self.rule) else {
            return self.refused(place, Refusal::NoLongerListed);
        };
        self.class = hotline.class;
        self.terms = hotline.terms;
        let (ours, theirs) = match asked {
            Direction::Uplink => (asking, answering),
            Direction::Downlink => (answering, asking),
        };
        let bounds = Bounds {
            subscriber: self.sockets.subscriber.ip(),
            networks: hotline.media,
            has_video: hotline.terms.video_octets_per_second.is_some(),
        };
        let negotiated = media::pair(ours, theirs, bounds);
        self.legs[place].streams = negotiated.streams;
        negotiated.refusals
    }

    /// Nothing of this dialog is free.
    fn refused(&mut self, place: usize, refusal: Refusal) -> Vec<Refusal> {
        self.legs[place].streams.clear();
        vec![refusal]
    }

    /// The dialog that a message names by the far end's tag.
    fn leg(&self, tag: Option<&str>) -> Result<usize, Mismatch> {
        let found = tag.and_then(|tag| self.legs.iter().position(|leg| leg.tag == tag));
        found.ok_or(if self.legs.is_empty() { Mismatch::Early } else { Mismatch::Tag })
    }

    /// The same, or a new one; `None`: there are [`LEGS_MAX`].
    fn leg_or_new(&mut self, tag: &str) -> Option<usize> {
        if let Some(place) = self.legs.iter().position(|leg| leg.tag == tag) {
            return Some(place);
        }
        if self.legs.len() == LEGS_MAX {
            return None;
        }
        self.legs.push(Leg::new(tag, self.invite_sequence));
        Some(self.legs.len() - 1)
    }

    /// What should be free, each with its end in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) fn wanted(&self, limits: &TrackerLimits) -> Vec<(Stream, u64)> {
        let until_ns = match (self.answered, self.early_since) {
            (Some(answered), _) => {
                after(answered, self.terms.duration_max).min(self.session_ends_ns.unwrap_or(u64::MAX))
            }
            (None, Some(early)) => after(early, limits.early_media_max),
            (None, None) => return Vec::new(),
        };
        let mut wanted: Vec<(Stream, u64)> = Vec::new();
        for stream in self.legs.iter().flat_map(|leg| &leg.streams) {
            if wanted.iter().all(|(other, _)| other.ends() != stream.ends()) {
                wanted.push((*stream, until_ns));
            }
        }
        wanted
    }

    /// Keeps who called and the charging identifier, where the operator's own equipment says so.
    pub(super) fn note_charging(&mut self, message: &Message<'_>) {
        if self.charging_id.is_none() {
            self.charging_id = message.charging_id.map(str::to_owned);
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
            uid: self.uid,
            call_id: key.call_id,
            rule: self.rule,
            number: self.number,
            caller: self.caller,
            is_caller_asserted: self.is_caller_asserted,
            charging_id: self.charging_id,
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
