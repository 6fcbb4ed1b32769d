//! Signed differences between balances.

use serde::Serialize;
use tollfree_core::counter::Usage;

/// How a balance changed. Negative: it went down, which only a pending account's does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Packets from the subscriber.
    pub uplink_packets: i64,
    /// Their volume in octets.
    pub uplink_octets: i64,
    /// Packets to the subscriber.
    pub downlink_packets: i64,
    /// Their volume in octets.
    pub downlink_octets: i64,
}

impl Change {
    /// From `previous` to `now`. The ledger holds no number above 2^63 - 1, so every difference fits.
    pub fn between(previous: &Usage, now: &Usage) -> Self {
        let difference = |previous: u64, now: u64| now.wrapping_sub(previous).cast_signed();
        Self {
            uplink_packets: difference(previous.uplink_packets, now.uplink_packets),
            uplink_octets: difference(previous.uplink_octets, now.uplink_octets),
            downlink_packets: difference(previous.downlink_packets, now.downlink_packets),
            downlink_octets: difference(previous.downlink_octets, now.downlink_octets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_their_sign_up_to_the_largest_number() {
        let largest = i64::MAX.cast_unsigned();
        let before = Usage { uplink_packets: 7, uplink_octets: largest, ..Usage::default() };
        let after = Usage { uplink_packets: 3, downlink_octets: largest, ..Usage::default() };
        let expected = Change {
            uplink_packets: -4,
            uplink_octets: -i64::MAX,
            downlink_packets: 0,
            downlink_octets: i64::MAX,
        };
        assert_eq!(Change::between(&before, &after), expected);
    }
}
