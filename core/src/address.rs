//! Addresses as the maps hold them, and the subscriber they identify.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// First twelve octets of an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2).
const V4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// An IP address: IPv6 as it is, IPv4 as the IPv4-mapped IPv6 address.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Address {
    /// Network byte order.
    pub octets: [u8; 16],
}

impl Address {
    /// An IPv4 address.
    #[inline(always)]
    pub const fn v4(octets: [u8; 4]) -> Self {
        let mut mapped = [0; 16];
        mapped[10] = V4_MAPPED[10];
        mapped[11] = V4_MAPPED[11];
        mapped[12] = octets[0];
        mapped[13] = octets[1];
        mapped[14] = octets[2];
        mapped[15] = octets[3];
        Self { octets: mapped }
    }

    /// An IPv6 address.
    #[inline(always)]
    pub const fn v6(octets: [u8; 16]) -> Self {
        Self { octets }
    }

    /// The four octets of an IPv4 address; meaningless for an IPv6 one.
    #[inline(always)]
    pub const fn v4_octets(&self) -> [u8; 4] {
        [self.octets[12], self.octets[13], self.octets[14], self.octets[15]]
    }

    /// The address, back in the standard library's terms.
    pub fn to_ip(&self) -> core::net::IpAddr {
        core::net::Ipv6Addr::from(self.octets).to_canonical()
    }
}

impl From<core::net::IpAddr> for Address {
    fn from(ip: core::net::IpAddr) -> Self {
        match ip {
            core::net::IpAddr::V4(v4) => Self::v4(v4.octets()),
            core::net::IpAddr::V6(v6) => Self::v6(v6.octets()),
        }
    }
}

/// Which IP version a packet speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Family {
    /// IPv4 (RFC 791).
    V4 = 4,
    /// IPv6 (RFC 8200).
    V6 = 6,
}

/// Who pays: an IPv4 address or an IPv6 /64, in eight octets.
///
/// IPv6: the /64 prefix. IPv4: `0000:ffff:` and the address. The two cannot meet, because configuration refuses
/// pools inside `::/8`, which IANA reserves.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SubscriberId {
    /// Network byte order.
    pub octets: [u8; 8],
}

impl SubscriberId {
    /// No subscriber: the key of what is not attributed to anyone.
    pub const NONE: Self = Self { octets: [0; 8] };

    /// The subscriber that `address` belongs to.
    #[inline(always)]
    pub const fn of(address: &Address, family: Family) -> Self {
        let o = &address.octets;
        match family {
            Family::V4 => Self { octets: [0, 0, 0xff, 0xff, o[12], o[13], o[14], o[15]] },
            Family::V6 => Self { octets: [o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7]] },
        }
    }

    /// The subscriber's address or prefix, and its prefix length; `None` for [`SubscriberId::NONE`].
    pub fn prefix(&self) -> Option<(core::net::IpAddr, u8)> {
        match self.octets {
            [0, 0, 0, 0, 0, 0, 0, 0] => None,
            [0, 0, 0xff, 0xff, a, b, c, d] => Some((core::net::Ipv4Addr::new(a, b, c, d).into(), 32)),
            o => {
                let mut v6 = [0; 16];
                v6[..8].copy_from_slice(&o);
                Some((core::net::Ipv6Addr::from(v6).into(), 64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;

    #[test]
    fn subscribers_of_both_families_keep_their_prefix() {
        for (ip, family, prefix, length) in [
            ("10.20.0.11", Family::V4, "10.20.0.11", 32),
            ("2001:db8:20:11:a::1", Family::V6, "2001:db8:20:11::", 64),
        ] {
            let ip: IpAddr = ip.parse().expect("an address");
            let id = SubscriberId::of(&Address::from(ip), family);
            assert_eq!(id.prefix(), Some((prefix.parse().expect("an address"), length)));
        }
        assert_eq!(SubscriberId::NONE.prefix(), None);
    }
}
