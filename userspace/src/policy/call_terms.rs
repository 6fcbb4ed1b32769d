//! What a call to a hotline may take and still be free.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::diagnostic::Explain;
use crate::document::report::Report;
use crate::document::section::Section;

/// Bits per second of a stream that may be asked for. Reason: below it no codec's packets fit with their headers; above
/// it no call's video does.
const RATE_BITS: RangeInclusive<u64> = 16_000..=50_000_000;
/// How long a call may be allowed to last. Reason: a shorter one is no call; the longest is what a lost BYE gives away.
const DURATION: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24);
/// Calls at once of one subscriber that may be allowed. Reason: a company's exchange behind one address.
const CALLS: RangeInclusive<u32> = 1..=1000;
const BITS_PER_OCTET: u64 = 8;

/// Bounds of the calls to a hotline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTerms {
    /// What a voice stream may carry each way, in octets of volume a second.
    pub audio_octets_per_second: u32,
    /// What a video stream may carry each way; `None`: video is charged.
    pub video_octets_per_second: Option<u32>,
    /// How long an answered call may last.
    pub duration_max: Duration,
    /// How many calls a subscriber (IPv4 address or IPv6 /64) may have at once.
    pub calls_per_subscriber_max: u32,
    /// Whether a text message to the number is free, too.
    pub has_messages: bool,
}

impl CallTerms {
    /// 128 kbit/s. Reason: G.711 takes 80 kbit/s with IPv4's headers, 96 kbit/s with 10 ms packets over IPv6 and SRTP;
    /// the widest voice codec in use, EVS, 128 kbit/s.
    pub const AUDIO_OCTETS_PER_SECOND: u32 = 16_000;
    /// 2 Mbit/s. Reason: 720p at 30 frames a second.
    pub const VIDEO_OCTETS_PER_SECOND: u32 = 250_000;
    /// Reason: bounds what a lost BYE gives away; hotlines' queues and advice together stay below it.
    pub const DURATION_MAX: Duration = Duration::from_hours(4);
    /// Reason: a person makes one; a household behind one address, or a second attempt, a few.
    pub const CALLS_PER_SUBSCRIBER_MAX: u32 = 4;

    /// Reads the keys of a `[[hotline]]` that say so. `None`: a fault is in the report.
    pub(super) fn read<'i>(section: &mut Section<'i>, report: &mut Report<'i>) -> Option<Self> {
        let default = Self::default();
        let present = ["rate", "video_rate", "max_duration"].map(|key| section.has(key));
        let rate = section.parsed(report, "rate", rate);
        let video = section.flag(report, "video");
        let video_span = section.header().clone();
        let video_rate = section.parsed(report, "video_rate", self::rate);
        let duration = section.parsed(report, "max_duration", duration);
        let calls = section.integer(report, "calls_per_subscriber", CALLS);
        let messages = section.flag(report, "messages");
        let found = [rate.is_some(), video_rate.is_some(), duration.is_some()];
        if present[1] && video != Some(true) {
            report.fault(&video_span, &TermsFault::VideoRate);
            return None;
        }
        if present != found {
            return None;
        }
        let video_rate = video_rate.map_or(Self::VIDEO_OCTETS_PER_SECOND, Spanned::into_inner);
        Some(Self {
            audio_octets_per_second: rate.map_or(default.audio_octets_per_second, Spanned::into_inner),
            video_octets_per_second: (video == Some(true)).then_some(video_rate),
            duration_max: duration.map_or(default.duration_max, Spanned::into_inner),
            calls_per_subscriber_max: calls.unwrap_or(default.calls_per_subscriber_max),
            has_messages: messages == Some(true),
        })
    }
}

impl Default for CallTerms {
    fn default() -> Self {
        Self {
            audio_octets_per_second: Self::AUDIO_OCTETS_PER_SECOND,
            video_octets_per_second: None,
            duration_max: Self::DURATION_MAX,
            calls_per_subscriber_max: Self::CALLS_PER_SUBSCRIBER_MAX,
            has_messages: false,
        }
    }
}

/// Text that is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsFault {
    /// Not a rate, or not one that a call can have.
    #[error("this is not a rate between 16 kbit/s and 50 Mbit/s")]
    Rate,
    /// Not a length of time, or not one that a call can have.
    #[error("this is not a length of time between 1m and 24h")]
    Duration,
    /// A rate of what is charged.
    #[error("`video_rate` without `video = true`")]
    VideoRate,
}

impl Explain for TermsFault {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Rate => "write a number and a unit, such as \"128 kbit/s\" or \"2 Mbit/s\"".into(),
            Self::Duration => "write a number and a unit, such as \"30m\" or \"4h\"".into(),
            Self::VideoRate => "add `video = true`, or remove `video_rate`".into(),
        }
    }
}

/// `128 kbit/s`, in octets a second. Units are decimal, as bit rates are.
fn rate(text: &str) -> Result<u32, TermsFault> {
    let units = [("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("bit/s", 1)];
    let read = units.into_iter().find_map(|(unit, factor)| {
        let number = text.strip_suffix(unit)?.trim_end_matches(' ');
        number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse::<u64>().ok()?.checked_mul(factor))?
    });
    let bits = read.filter(|bits| RATE_BITS.contains(bits)).ok_or(TermsFault::Rate)?;
    u32::try_from(bits / BITS_PER_OCTET).map_err(|_| TermsFault::Rate)
}

fn duration(text: &str) -> Result<Duration, TermsFault> {
    let signed: SignedDuration = text.parse().map_err(|_| TermsFault::Duration)?;
    let duration = Duration::try_from(signed).map_err(|_| TermsFault::Duration)?;
    Some(duration).filter(|duration| DURATION.contains(duration)).ok_or(TermsFault::Duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_are_decimal_and_bounded() {
        for (text, octets) in
            [("128 kbit/s", 16_000), ("2 Mbit/s", 250_000), ("64000 bit/s", 8_000), ("16kbit/s", 2_000)]
        {
            assert_eq!(rate(text), Ok(octets), "{text}");
        }
        for text in [
            "",
            "128",
            "128 kB/s",
            "-1 kbit/s",
            "+64 kbit/s",
            "15 kbit/s",
            "51 Mbit/s",
            "1.5 Mbit/s",
            "99999999999999999999 Mbit/s",
            "18446744073709551615 Mbit/s",
            " kbit/s",
        ] {
            assert_eq!(rate(text), Err(TermsFault::Rate), "{text}");
        }
    }

    #[test]
    fn durations_have_bounds() {
        assert_eq!(duration("4h"), Ok(Duration::from_hours(4)));
        for text in ["59s", "25h", "-1h", "4", ""] {
            assert_eq!(duration(text), Err(TermsFault::Duration), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_in_bounds(text in "\\PC{0,24}|[0-9]{1,20} ?[kM]?bit/s") {
            if let Ok(octets) = rate(&text) {
                prop_assert!((2_000..=6_250_000).contains(&octets));
            }
        }
    }
}
