//! Sums by account.

use std::collections::HashMap;

use tollfree_core::counter::{CounterKey, Usage};

use super::super::Change;

/// Four signed sums: packets and octets, uplink and downlink. Wide, so that no content of a file can overflow them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum([i128; 4]);

impl Sum {
    pub(super) fn of(usage: &Usage) -> Self {
        let Usage { uplink_packets, uplink_octets, downlink_packets, downlink_octets } = *usage;
        Self([uplink_packets, uplink_octets, downlink_packets, downlink_octets].map(i128::from))
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    pub(super) fn is_zero(self) -> bool {
        self.0 == [0; 4]
    }

    /// What is below zero, as positive packets and octets of both directions; `None` if nothing is.
    pub(super) fn shortfall(self) -> Option<(i64, i64)> {
        let short = self.0.map(|value| value.min(0));
        (short != [0; 4]).then(|| (narrow(-(short[0] + short[2])), narrow(-(short[1] + short[3]))))
    }

    /// Packets of both directions.
    pub(super) fn packets(self) -> i128 {
        self.0[0] + self.0[2]
    }

    pub(super) fn change(self) -> Change {
        let [uplink_packets, uplink_octets, downlink_packets, downlink_octets] = self.0.map(narrow);
        Change { uplink_packets, uplink_octets, downlink_packets, downlink_octets }
    }
}

/// What a report says of a number that is past its bounds: the bound.
pub(super) fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// Sums by account.
pub(super) type Sums = HashMap<CounterKey, Sum>;

/// Adds to an account's sum.
pub(super) fn add(sums: &mut Sums, key: CounterKey, sum: Sum) {
    let entry = sums.entry(key).or_default();
    *entry = entry.plus(sum);
}
