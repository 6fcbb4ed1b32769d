//! Subscribers, in ranges by what they do, so that afterwards it can be said of each range what must not have happened.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::Family;

/// What subscribers of a range do. One that is never free is so under every policy that the scenario writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Opens flows to sites that are listed, at times.
    Browses,
    /// The same, with datagrams in fragments.
    Fragments,
    /// The same, while the address changes hands.
    ChangesHands,
    /// Goes to addresses that no policy lists.
    GoesElsewhere,
    /// Never sends; listed sites send to him.
    IsSentTo,
    /// Sends to listed sites TCP headers that are cut.
    CutsHeaders,
    /// Sends to listed sites echo requests, and errors about flows that never were.
    Pings,
    /// Sends to listed sites payload in SYN and RST.
    SmugglesInSyn,
    /// Sends to the signalling proxy what is no signalling.
    CallsNobody,
    /// Sends to listed sites what is neither TCP nor UDP nor ICMP.
    SpeaksOtherwise,
}

/// Subscribers of each habit and IP version: more than there are counters, all in all.
pub(super) const OF_EACH: u8 = 100;
/// Those of them that half of all traffic is of.
const REGULARS: u8 = 10;

/// The index of some subscriber.
pub(super) fn any(random: &mut fastrand::Rng) -> u8 {
    if random.bool() { random.u8(0..REGULARS) } else { random.u8(0..OF_EACH) }
}

impl Habit {
    /// All.
    pub(super) const ALL: [Self; 10] = [
        Self::Browses,
        Self::Fragments,
        Self::ChangesHands,
        Self::GoesElsewhere,
        Self::IsSentTo,
        Self::CutsHeaders,
        Self::Pings,
        Self::SmugglesInSyn,
        Self::CallsNobody,
        Self::SpeaksOtherwise,
    ];

    /// What checks call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Browses => "browses",
            Self::Fragments => "fragments",
            Self::ChangesHands => "changes-hands",
            Self::GoesElsewhere => "goes-elsewhere",
            Self::IsSentTo => "is-sent-to",
            Self::CutsHeaders => "cuts-headers",
            Self::Pings => "pings",
            Self::SmugglesInSyn => "smuggles-in-syn",
            Self::CallsNobody => "calls-nobody",
            Self::SpeaksOtherwise => "speaks-otherwise",
        }
    }

    /// Whether nothing of it may ever be free.
    pub(super) const fn is_never_free(self) -> bool {
        !matches!(self, Self::Browses | Self::Fragments | Self::ChangesHands)
    }

    /// The address of a subscriber of this habit, in the lab's pools.
    pub(super) const fn address(self, index: u8, family: Family) -> IpAddr {
        let range = self as u8;
        match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::new(10, 20, range, index)),
            Family::V6 => {
                let group = u16::from_be_bytes([range, index]);
                IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x20, group, 0, 0, 0, 1))
            }
        }
    }

    /// The habit of a subscriber as status names him; `None` if he is none of these.
    pub(super) fn of(subscriber: &str) -> Option<Self> {
        let (address, _) = subscriber.split_once('/')?;
        Self::at(address.parse().ok()?).map(|(habit, _)| habit)
    }

    /// The habit of the subscriber who has an address, and his index; `None` if he is none of these.
    pub(super) fn at(address: IpAddr) -> Option<(Self, u8)> {
        let [range, index] = match address {
            IpAddr::V4(v4) if v4.octets()[..2] == [10, 20] => [v4.octets()[2], v4.octets()[3]],
            IpAddr::V6(v6) if v6.segments()[..3] == [0x2001, 0xdb8, 0x20] => v6.segments()[3].to_be_bytes(),
            _ => return None,
        };
        Some((*Self::ALL.get(usize::from(range))?, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_is_known_by_his_address() {
        for habit in Habit::ALL {
            for index in [0, OF_EACH - 1] {
                let v4 = habit.address(index, Family::V4);
                assert_eq!(Habit::of(&format!("{v4}/32")), Some(habit));
                let IpAddr::V6(v6) = habit.address(index, Family::V6) else { panic!("IPv6") };
                let [a, b, c, d, ..] = v6.segments();
                let prefix = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0);
                assert_eq!(Habit::of(&format!("{prefix}/64")), Some(habit));
            }
        }
        for other in ["-", "", "10.21.0.1/32", "10.20.200.1/32", "2001:db8:21::/64"] {
            assert_eq!(Habit::of(other), None);
        }
    }
}
