//! Addresses as the maps hold them, and the subscriber they identify.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Octets 8 to 11 of an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2); those before are zero.
const V4_MAPPED_WORD: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);

/// An IP address: IPv6 as it is, IPv4 as the IPv4-mapped IPv6 address.
///
/// Held as words, because the kernel program would otherwise move it octet by octet.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Address {
    /// The sixteen octets in network byte order, as they lie in memory.
    pub words: [u32; 4],
}

impl Address {
    /// An IPv4 address, by its octets as they lie in memory.
    #[inline(always)]
    pub const fn v4(word: u32) -> Self {
        Self { words: [0, 0, V4_MAPPED_WORD, word] }
    }

    /// An IPv6 address, by its octets as they lie in memory.
    #[inline(always)]
    pub const fn v6(words: [u32; 4]) -> Self {
        Self { words }
    }

    /// Whether it is an IPv4 address: an IPv6 one may be mapped too, but no subscriber's is (see [`SubscriberId`]).
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.words[0] == 0 && self.words[1] == 0 && self.words[2] == V4_MAPPED_WORD
    }

    /// The octets of an IPv4 address as they lie in memory; meaningless for an IPv6 one.
    #[inline(always)]
    pub const fn v4_word(&self) -> u32 {
        self.words[3]
    }

    /// The sixteen octets.
    pub fn octets(&self) -> [u8; 16] {
        zerocopy::transmute!(self.words)
    }

    /// The address, back in the standard library's terms.
    pub fn to_ip(&self) -> IpAddr {
        Ipv6Addr::from(self.octets()).to_canonical()
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::v4(u32::from_ne_bytes(v4.octets())),
            IpAddr::V6(v6) => Self::v6(zerocopy::transmute!(v6.octets())),
        }
    }
}

/// Which IP version a packet speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromZeros)]
#[repr(u8)]
pub enum Family {
    /// IPv4 (RFC 791).
    V4 = 0,
    /// IPv6 (RFC 8200).
    V6 = 1,
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
    /// The eight octets in network byte order, as they lie in memory.
    pub words: [u32; 2],
}

impl SubscriberId {
    /// No subscriber: the key of what is not attributed to anyone.
    pub const NONE: Self = Self { words: [0; 2] };

    /// The subscriber with these octets, in network byte order.
    pub fn from_octets(octets: [u8; 8]) -> Self {
        Self { words: zerocopy::transmute!(octets) }
    }

    /// The eight octets, in network byte order.
    pub fn octets(&self) -> [u8; 8] {
        zerocopy::transmute!(self.words)
    }

    /// The subscriber that `address` belongs to.
    #[inline(always)]
    pub const fn of(address: &Address, family: Family) -> Self {
        match family {
            Family::V4 => Self { words: [V4_MAPPED_WORD, address.words[3]] },
            Family::V6 => Self { words: [address.words[0], address.words[1]] },
        }
    }

    /// The subscriber's address or prefix, and its prefix length; `None` for [`SubscriberId::NONE`].
    pub fn prefix(&self) -> Option<(IpAddr, u8)> {
        match self.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0] => None,
            [0, 0, 0xff, 0xff, a, b, c, d] => Some((Ipv4Addr::new(a, b, c, d).into(), 32)),
            o => {
                let mut v6 = [0; 16];
                v6[..8].copy_from_slice(&o);
                Some((Ipv6Addr::from(v6).into(), 64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
