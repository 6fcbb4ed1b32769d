//! How much was carried.

use serde::{Deserialize, Serialize};

/// Packets and octets. Signed, because differences that should never be negative are shown when they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Packets.
    pub packets: i64,
    /// Octets: IP length of packets, frame length of interfaces.
    pub octets: i64,
}

impl std::ops::AddAssign for Volume {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.octets += other.octets;
    }
}

impl std::ops::Add for Volume {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl std::ops::Sub for Volume {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { packets: self.packets - other.packets, octets: self.octets - other.octets }
    }
}

impl std::iter::Sum for Volume {
    fn sum<I: Iterator<Item = Self>>(volumes: I) -> Self {
        volumes.fold(Self::default(), std::ops::Add::add)
    }
}

impl std::fmt::Display for Volume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} octets in {} packets", self.octets, self.packets)
    }
}

/// Both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// From the subscriber.
    pub uplink: Volume,
    /// To the subscriber.
    pub downlink: Volume,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.uplink += other.uplink;
        self.downlink += other.downlink;
    }
}

impl std::ops::Sub for Usage {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { uplink: self.uplink - other.uplink, downlink: self.downlink - other.downlink }
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), |mut sum, usage| {
            sum += usage;
            sum
        })
    }
}

impl Usage {
    /// Both directions together.
    pub fn total(&self) -> Volume {
        self.uplink + self.downlink
    }
}
