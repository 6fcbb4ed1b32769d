//! Addresses that belong to one holder.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use tollfree_core::address::{Family, SubscriberId};

/// Bits of a subscriber's id, and of an IPv6 subscriber's prefix.
const SUBSCRIBER_BITS: u8 = 64;
/// Where IPv4 addresses begin among subscribers' ids (see [`SubscriberId`]).
const V4_FIRST: u64 = 0x0000_ffff_0000_0000;
/// Bits in front of an IPv4 address there.
const V4_BITS: u8 = 32;
/// IPv6 networks that could be taken for IPv4 addresses there. IANA reserves it, and no pool is in it.
const RESERVED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 8);

/// A network of one or more subscribers: an IPv4 network, or an IPv6 network of /64 or shorter.
///
/// It is a prefix of [`SubscriberId`]s, so one table holds both families. Ordered by first address, then by length:
/// a block comes before the blocks in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "IpNet", into = "IpNet")]
pub struct Block {
    first: u64,
    length: u8,
}

impl Block {
    /// The subscribers who have addresses of `network`, whose host bits are ignored. An IPv6 network longer than /64 is
    /// taken for the /64 that it is in, because that is what a subscriber is. `None` for what touches `::/8`.
    pub fn new(network: IpNet) -> Option<Self> {
        let (first, length) = match network {
            IpNet::V4(v4) => (V4_FIRST | u64::from(v4.network().to_bits()), V4_BITS + v4.prefix_len()),
            IpNet::V6(v6) if RESERVED.contains(&v6) || v6.contains(&RESERVED) => return None,
            IpNet::V6(v6) => (high_bits(v6.network()), v6.prefix_len().min(SUBSCRIBER_BITS)),
        };
        Some(Self { first, length })
    }

    /// The one subscriber with this id.
    pub fn of(subscriber: SubscriberId) -> Self {
        Self { first: u64::from_be_bytes(subscriber.octets()), length: SUBSCRIBER_BITS }
    }

    /// The subscriber, if the block is exactly one.
    pub fn subscriber(&self) -> Option<SubscriberId> {
        (self.length == SUBSCRIBER_BITS).then(|| SubscriberId::from_octets(self.first.to_be_bytes()))
    }

    /// Whether the subscriber is one of the block's.
    pub fn holds(&self, subscriber: SubscriberId) -> bool {
        self.covers(&Self::of(subscriber))
    }

    /// Whether `other` is this block or a part of it.
    pub fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && (self.first..=self.last()).contains(&other.first)
    }

    /// The network's family.
    pub fn family(&self) -> Family {
        if self.length >= V4_BITS && self.first >> V4_BITS == V4_FIRST >> V4_BITS {
            Family::V4
        } else {
            Family::V6
        }
    }

    /// As a network.
    pub fn network(&self) -> IpNet {
        let network = match self.family() {
            Family::V4 => {
                // The high half is V4_FIRST's.
                let [.., a, b, c, d] = self.first.to_be_bytes();
                Ipv4Net::new(Ipv4Addr::new(a, b, c, d), self.length - V4_BITS).map(IpNet::from)
            }
            Family::V6 => {
                let address = Ipv6Addr::from_bits(u128::from(self.first) << u64::BITS);
                Ipv6Net::new(address, self.length).map(IpNet::from)
            }
        };
        network.expect("a family's prefix length is within its bounds by construction")
    }

    /// The last subscriber, as a number.
    pub(super) fn last(&self) -> u64 {
        self.first | u64::MAX.checked_shr(self.length.into()).unwrap_or(0)
    }

    /// Both halves; `None` if the block is one subscriber.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let length = self.length + 1;
        let upper = 1_u64.checked_shl(u32::from(SUBSCRIBER_BITS.checked_sub(length)?))?;
        Some([Self { first: self.first, length }, Self { first: self.first | upper, length }])
    }

    /// As a key of a trie.
    pub(super) fn key(&self) -> (u64, u8) {
        (self.first, self.length)
    }

    /// What [`Block::key`] gave.
    pub(super) fn from_key(&(first, length): &(u64, u8)) -> Self {
        Self { first, length }
    }
}

/// Of `blocks`, those that are in no other one, each once, in order.
pub(super) fn outermost(mut blocks: Vec<Block>) -> Vec<Block> {
    blocks.sort_unstable();
    let mut kept: Vec<Block> = Vec::with_capacity(blocks.len());
    for block in blocks {
        if kept.last().is_none_or(|last| !last.covers(&block)) {
            kept.push(block);
        }
    }
    kept
}

fn high_bits(address: Ipv6Addr) -> u64 {
    let mut high = [0; 8];
    high.copy_from_slice(&address.octets()[..8]);
    u64::from_be_bytes(high)
}

/// A network that is no block; see [`Block::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} touches ::/8, where no subscriber is")]
pub struct BlockError(IpNet);

impl TryFrom<IpNet> for Block {
    type Error = BlockError;

    fn try_from(network: IpNet) -> Result<Self, BlockError> {
        Self::new(network).ok_or(BlockError(network))
    }
}

impl From<Block> for IpNet {
    fn from(block: Block) -> Self {
        block.network()
    }
}

impl From<IpAddr> for Block {
    /// The subscriber who has `address`, whatever it is; see [`SubscriberId::of`].
    fn from(address: IpAddr) -> Self {
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        Self::of(SubscriberId::of(&address.into(), family))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.network().fmt(f)
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.network().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollfree_core::address::Address;

    use super::*;

    fn block(text: &str) -> Block {
        Block::new(text.parse().expect("a network")).expect("a block")
    }

    #[test]
    fn a_block_is_shown_as_its_network() {
        for (text, shown) in [
            ("10.20.0.11/32", "10.20.0.11/32"),
            ("10.20.0.0/16", "10.20.0.0/16"),
            ("10.20.0.9/24", "10.20.0.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8:20:1100::/56", "2001:db8:20:1100::/56"),
            ("2001:db8:20:11::1/128", "2001:db8:20:11::/64"),
        ] {
            assert_eq!(block(text).to_string(), shown);
        }
    }

    #[test]
    fn networks_that_could_be_taken_for_ipv4_are_none() {
        for text in ["::/0", "::/8", "0:ffff::/32", "0:ffff:a14:b::/64", "::ffff:10.20.0.11/128"] {
            assert_eq!(Block::new(text.parse().expect("a network")), None, "{text}");
        }
    }

    #[test]
    fn a_block_holds_the_subscribers_in_it() {
        let id = |text: &str| {
            let address: IpAddr = text.parse().expect("an address");
            SubscriberId::of(&Address::from(address), if address.is_ipv4() { Family::V4 } else { Family::V6 })
        };
        assert!(block("10.20.0.0/16").holds(id("10.20.255.255")));
        assert!(!block("10.20.0.0/16").holds(id("10.21.0.0")));
        assert!(block("2001:db8:20:1100::/56").holds(id("2001:db8:20:11ff::1")));
        assert!(!block("2001:db8:20:1100::/56").holds(id("2001:db8:20:1200::1")));
        assert_eq!(block("10.20.0.11/32").subscriber(), Some(id("10.20.0.11")));
        assert_eq!(block("10.20.0.10/31").subscriber(), None);
        assert_eq!(Block::from("10.20.0.11".parse::<IpAddr>().expect("an address")), block("10.20.0.11/32"));
    }

    #[test]
    fn halves_are_the_two_networks_one_bit_longer() {
        assert_eq!(block("10.20.0.10/31").halves(), Some([block("10.20.0.10/32"), block("10.20.0.11/32")]));
        let halves = [block("2001:db8::/33"), block("2001:db8:8000::/33")];
        assert_eq!(block("2001:db8::/32").halves(), Some(halves));
        assert_eq!(block("2001:db8::/64").halves(), None);
    }

    #[test]
    fn outermost_blocks_are_those_that_no_other_covers() {
        let all = ["10.0.0.1/32", "10.0.1.0/24", "10.0.0.0/24", "10.0.0.1/32", "2001:db8::/64"].map(block);
        let wanted = ["10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64"].map(block);
        assert_eq!(outermost(all.to_vec()), wanted);
    }

    proptest! {
        #[test]
        fn blocks_cover_as_their_networks_contain(a: u32, b: u32, m in 0..=32_u8, n in 0..=32_u8) {
            let net = |bits: u32, length| Ipv4Net::new(Ipv4Addr::from_bits(bits), length).expect("32 at most").trunc();
            // Near each other, because two random networks hardly ever overlap.
            let (one, other) = (net(a, m), net(a ^ (b >> 20), n));
            let (x, y) = (Block::new(one.into()).expect("IPv4"), Block::new(other.into()).expect("IPv4"));
            prop_assert_eq!(x.covers(&y), one.contains(&other));
            prop_assert_eq!(x.network(), IpNet::from(one));
        }

        #[test]
        fn any_ipv6_network_is_a_block_or_reserved(bits: u128, length in 0..=128_u8) {
            let network = Ipv6Net::new(Ipv6Addr::from_bits(bits), length).expect("128 at most");
            if let Some(block) = Block::new(network.into()) {
                prop_assert_eq!(block.network(), IpNet::from(Ipv6Net::new(network.network(), length.min(64)).expect("fits").trunc()));
                prop_assert_eq!(block.family(), Family::V6);
            } else {
                prop_assert!(network.network().segments()[0] < 0x100);
            }
        }
    }
}
