//! Remote addresses, by what the policies say of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::{FREE_SITE, Family, OTHER_SITE};

/// Hosts in each listed network.
const HOSTS: u8 = 14;

/// What is at a remote address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Listed by address: its first packet is free.
    ByAddress,
    /// Listed by address, with a ceiling on a day's volume.
    WithCeiling,
    /// Listed by address, with priority instead of freedom.
    WithPriority,
    /// Listed by address, in policies that come and go.
    ComesAndGoes,
    /// Listed by name; the name is to be seen, too.
    ByName,
    /// The same, with a ceiling.
    ByNameWithCeiling,
    /// On no list.
    Unlisted,
}

impl Place {
    /// Those that are listed, at times.
    pub(super) const LISTED: [Self; 6] = [
        Self::ByAddress,
        Self::WithCeiling,
        Self::WithPriority,
        Self::ComesAndGoes,
        Self::ByName,
        Self::ByNameWithCeiling,
    ];

    /// The id of its rule.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ByAddress => "by-address",
            Self::WithCeiling => "with-ceiling",
            Self::WithPriority => "with-priority",
            Self::ComesAndGoes => "comes-and-goes",
            Self::ByName => "by-name",
            Self::ByNameWithCeiling => "by-name-with-ceiling",
            Self::Unlisted => "unlisted",
        }
    }

    /// The networks that the policies list; `None` of what is listed by name, or not at all.
    pub(super) fn networks(self) -> Option<String> {
        let first = self.first_octet()?;
        Some(format!("\"203.0.113.{first}/28\", \"2001:db8:f:{first}::/64\""))
    }

    const fn first_octet(self) -> Option<u8> {
        match self {
            Self::ByAddress => Some(64),
            Self::WithCeiling => Some(80),
            Self::WithPriority => Some(96),
            Self::ComesAndGoes => Some(112),
            Self::ByName | Self::ByNameWithCeiling | Self::Unlisted => None,
        }
    }

    /// The address that most go to.
    pub(super) fn main_address(self, family: Family) -> IpAddr {
        match self {
            Self::ByName => FREE_SITE.address(family),
            Self::ByNameWithCeiling => OTHER_SITE.address(family),
            _ => host(self.first_octet(), family, 1),
        }
    }

    /// One of its addresses.
    pub(super) fn address(self, family: Family, random: &mut fastrand::Rng) -> IpAddr {
        match self {
            Self::ByName | Self::ByNameWithCeiling => self.main_address(family),
            _ => host(self.first_octet(), family, random.u8(1..=HOSTS)),
        }
    }
}

fn host(first: Option<u8>, family: Family, number: u8) -> IpAddr {
    match (family, first) {
        (Family::V4, first) => Ipv4Addr::new(203, 0, 113, first.unwrap_or(200) + number).into(),
        (Family::V6, Some(first)) => {
            // The group reads like the octet.
            let group = u16::from_str_radix(&first.to_string(), 16).unwrap_or_default();
            Ipv6Addr::new(0x2001, 0xdb8, 0xf, group, 0, 0, 0, number.into()).into()
        }
        (Family::V6, None) => Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, number.into()).into(),
    }
}
