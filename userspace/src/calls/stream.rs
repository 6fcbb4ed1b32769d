//! Media streams, and what makes them free.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tollfree_core::address::Address;
use tollfree_core::flow::FlowKey;
use tollfree_core::packet::protocol;

use crate::policy::CallTerms;

/// Share of a stream's rate that its control may have, as a divisor: 5 % (RFC 3550, section 6.2).
const CONTROL_DIVISOR: u32 = 20;
/// Least that control may have, in octets a second. Reason: a report each second with names and feedback (RFC 4585)
/// stays below 16 kbit/s.
const CONTROL_OCTETS_PER_SECOND_MIN: u32 = 2_000;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamKind {
    /// Voice; its control too, where they share ports (RFC 5761).
    Audio,
    /// Video, likewise.
    Video,
    /// RTCP of one of them, on ports of its own.
    Control,
}

/// A UDP 5-tuple of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stream {
    /// The subscriber's end.
    pub subscriber: SocketAddr,
    /// The other end, in the rule's `media_networks`.
    pub remote: SocketAddr,
    /// What it carries.
    pub kind: StreamKind,
}

impl Stream {
    /// As the kernel looks it up.
    pub fn key(&self) -> FlowKey {
        FlowKey {
            subscriber: Address::from(self.subscriber.ip()),
            remote: Address::from(self.remote.ip()),
            subscriber_port: self.subscriber.port(),
            remote_port: self.remote.port(),
            protocol: u32::from(protocol::UDP),
        }
    }

    /// The two ends: what no two calls may share.
    pub(super) const fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.subscriber, self.remote)
    }

    /// What it may carry, each way, in octets of volume a second.
    pub(super) fn octets_per_second(&self, terms: &CallTerms) -> u32 {
        let audio = terms.audio_octets_per_second;
        match self.kind {
            StreamKind::Audio => audio,
            StreamKind::Video => terms.video_octets_per_second.unwrap_or_default(),
            StreamKind::Control => (audio.max(terms.video_octets_per_second.unwrap_or_default())
                / CONTROL_DIVISOR)
                .max(CONTROL_OCTETS_PER_SECOND_MIN),
        }
    }
}

/// Under what a stream is free. Past any of its bounds it is charged; the kernel holds them, whatever becomes of the
/// controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The hotline's rule, by its permanent number.
    pub rule: u32,
    /// [`tollfree_core::plan::RuleClass`], by number.
    pub class: u32,
    /// When it ends, in nanoseconds of `CLOCK_MONOTONIC`.
    pub valid_until_ns: u64,
    /// What it may carry each way, in octets of volume a second.
    pub rate_octets_per_second: u32,
    /// It ends when no packet passed for so long, in nanoseconds.
    pub silence_ns: u64,
}

/// A stream that is free now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Granted {
    pub(super) stream: Stream,
    /// In nanoseconds of `CLOCK_MONOTONIC`, as the following.
    pub(super) until_ns: u64,
    /// When a packet of it passed last, as far as it is known; first, when it was granted.
    pub(super) heard_ns: u64,
}
