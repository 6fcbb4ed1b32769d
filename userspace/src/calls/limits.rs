//! Bounds of what is followed.

use std::time::Duration;

/// Bounds of a tracker; those of single calls are the policy's ([`crate::policy::CallTerms`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerLimits {
    /// Calls followed at once.
    pub calls_max: usize,
    /// Calls to emergency numbers followed beyond those.
    pub emergency_calls_max: usize,
    /// Calls of one subscriber followed at once, if the next is to an emergency number.
    pub emergency_calls_per_subscriber_max: u32,
    /// How long an INVITE may stay without any response.
    pub response_max: Duration,
    /// How long a call may stay unanswered after the last provisional response.
    pub unanswered_max: Duration,
    /// How long media may be free before the answer.
    pub early_media_max: Duration,
    /// How long a call's media may be silent.
    pub silence_max: Duration,
}

impl TrackerLimits {
    /// Reason: half of what the kernel grants at once, about 4 KiB each.
    pub const CALLS_MAX: usize = 32_768;
    /// Reason: the other half; whoever fills the table with other calls takes none of it.
    pub const EMERGENCY_CALLS_MAX: usize = 32_768;
    /// Reason: the most that a policy may allow, for a company's exchange.
    pub const EMERGENCY_CALLS_PER_SUBSCRIBER_MAX: u32 = 1000;
    /// Reason: timer B, 64 times T1 (RFC 3261, section 17.1.1.2).
    pub const RESPONSE_MAX: Duration = Duration::from_secs(32);
    /// Reason: a proxy gives an INVITE up after three minutes (timer C, RFC 3261, section 16.6).
    pub const UNANSWERED_MAX: Duration = Duration::from_mins(3);
    /// Reason: announcements before an answer are shorter; a call that is never answered is no free pipe.
    pub const EARLY_MEDIA_MAX: Duration = Duration::from_secs(90);
    /// Reason: even where voice is suppressed, reports pass every few seconds (RFC 3550, section 6.2).
    pub const SILENCE_MAX: Duration = Duration::from_mins(1);
}

impl Default for TrackerLimits {
    fn default() -> Self {
        Self {
            calls_max: Self::CALLS_MAX,
            emergency_calls_max: Self::EMERGENCY_CALLS_MAX,
            emergency_calls_per_subscriber_max: Self::EMERGENCY_CALLS_PER_SUBSCRIBER_MAX,
            response_max: Self::RESPONSE_MAX,
            unanswered_max: Self::UNANSWERED_MAX,
            early_media_max: Self::EARLY_MEDIA_MAX,
            silence_max: Self::SILENCE_MAX,
        }
    }
}
