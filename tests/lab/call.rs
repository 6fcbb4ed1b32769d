//! What `tollfree calls --json` says, as far as the lab reads it.

use serde::Deserialize;

use crate::volume::{Usage, Volume};

/// A call that goes on.
#[derive(Clone, Debug, Deserialize)]
pub struct LiveCall {
    /// Its `Call-ID`.
    pub call_id: String,
    /// Whether, that is when, it was answered.
    pub answered_at: Option<String>,
    /// What is free now.
    pub streams: Vec<serde_json::Value>,
}

/// A call that ended.
#[derive(Clone, Debug, Deserialize)]
pub struct PastCall {
    /// Names it for ever.
    pub uid: String,
    /// Its `Call-ID`.
    pub call_id: String,
    /// The rule's name in its policy.
    pub rule_id: String,
    /// The hotline's number.
    pub number: String,
    /// Why it ended.
    pub cause: String,
    /// When its INVITE was seen.
    pub invited_at: String,
    /// When it ended.
    pub ended_at: String,
    uplink_packets: i64,
    uplink_octets: i64,
    downlink_packets: i64,
    downlink_octets: i64,
    uplink_packets_lost: i64,
    downlink_packets_lost: i64,
}

impl PastCall {
    /// How many packets its media lost, from the subscriber and to him.
    pub const fn packets_lost(&self) -> [i64; 2] {
        [self.uplink_packets_lost, self.downlink_packets_lost]
    }

    /// What its media carried.
    pub const fn media(&self) -> Usage {
        Usage {
            uplink: Volume { packets: self.uplink_packets, octets: self.uplink_octets },
            downlink: Volume { packets: self.downlink_packets, octets: self.downlink_octets },
        }
    }
}
