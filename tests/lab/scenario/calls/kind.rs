//! The kinds of calls that are tried.

use super::agents::Target;
use super::script::{self, Step};

/// Longer than the gateway needs to read a message and to write a grant, on a busy machine: media that is to be free begins
/// after it, and has ended so long before what changes it.
const MARGIN_MILLISECONDS: u32 = 1000;
/// As long as a clip.
const CLIP_MILLISECONDS: u32 = 400;
/// From ringing to giving up.
const RING_MILLISECONDS: u32 = 300;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Answered; the caller talks, and hangs up.
    Answered,
    /// The same, but the caller does not wait with his media.
    Hasty,
    /// Answered, held, and resumed.
    Held,
    /// Answered; then both ends move their media to other ports.
    Moved,
    /// 486.
    Refused,
    /// The caller gives up.
    Cancelled,
    /// Nobody answers, and the exchange gives up: 408.
    Unanswered,
}

impl Kind {
    /// Those of a day.
    pub(super) const ALL: [Self; 6] =
        [Self::Answered, Self::Held, Self::Moved, Self::Refused, Self::Cancelled, Self::Unanswered];

    /// As the caller says it in `From`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Hasty => "hasty",
            Self::Held => "held",
            Self::Moved => "moved",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Unanswered => "unanswered",
        }
    }

    /// The cause that its record must have: see docs/billing.md.
    pub(super) const fn cause(self) -> &'static str {
        match self {
            Self::Answered | Self::Hasty | Self::Held | Self::Moved => "hangup-subscriber",
            Self::Refused | Self::Unanswered => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// The final status of its INVITE.
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::Answered | Self::Hasty | Self::Held | Self::Moved => 200,
            Self::Refused => 486,
            Self::Unanswered => 408,
            Self::Cancelled => 487,
        }
    }

    /// How many clips are played in it.
    pub(super) const fn clips(self) -> u32 {
        match self {
            Self::Answered | Self::Hasty => 1,
            Self::Held | Self::Moved => 2,
            Self::Refused | Self::Unanswered | Self::Cancelled => 0,
        }
    }

    /// How many calls a caller makes at a time: more where they last longer, so that all callers need about as long.
    pub(super) const fn at_a_time(self, target: Target) -> u32 {
        match (self, target) {
            (Self::Held, _) => 8,
            (Self::Moved, _) => 7,
            (Self::Answered | Self::Hasty, Target::Hotline) => 5,
            (Self::Answered | Self::Hasty | Self::Unanswered, Target::Other) => 6,
            (Self::Unanswered, Target::Hotline) | (Self::Refused | Self::Cancelled, Target::Other) => 4,
            (Self::Refused | Self::Cancelled, Target::Hotline) => 3,
        }
    }

    /// The script of its caller.
    pub(super) fn script(self) -> String {
        const OFFER: Step = Step::Invite { direction: "sendrecv", ahead: 0 };
        const MARGIN: Step = Step::Pause(MARGIN_MILLISECONDS);
        const CLIP: [Step; 2] = [Step::Talk, Step::Pause(CLIP_MILLISECONDS + MARGIN_MILLISECONDS)];
        let answered = |step| [step, Step::Expect(200), Step::Ack, MARGIN];
        let end = [Step::Bye, Step::Expect(200)];
        let again = |direction, ahead| answered(Step::Invite { direction, ahead });
        let steps = match self {
            Self::Answered => [&answered(OFFER)[..], &CLIP, &end].concat(),
            Self::Hasty => [&answered(OFFER)[..3], &CLIP, &end].concat(),
            Self::Held => {
                let (hold, resume) = (again("sendonly", 0), again("sendrecv", 0));
                [&answered(OFFER)[..], &CLIP, &hold, &resume, &CLIP, &end].concat()
            }
            Self::Moved => [&answered(OFFER)[..], &CLIP, &again("sendrecv", 2), &CLIP, &end].concat(),
            Self::Refused | Self::Unanswered => vec![OFFER, Step::Expect(self.status()), Step::AckFailure],
            Self::Cancelled => vec![
                OFFER,
                Step::Expect(180),
                Step::Pause(RING_MILLISECONDS),
                Step::Cancel,
                // That of CANCEL itself: two of the exchange's processes may send it and the other in any order.
                Step::Maybe(200),
                Step::Expect(self.status()),
                Step::AckFailure,
            ],
        };
        script::render(self.name(), &steps)
    }
}
