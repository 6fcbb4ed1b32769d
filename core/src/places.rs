//! Where subscribers and addresses have their places in tables that are read by a hash of them. Two may have one place.

use crate::address::{Address, SubscriberId};
use crate::limits::{HEARD_MAX, TEXTS_MAX};

/// The place in `HEARD` of a subscriber.
#[inline(always)]
pub const fn heard_place(subscriber: SubscriberId) -> u32 {
    place(both(subscriber.words))
}

/// The place in `HEARD` of a subscriber who is signalling; another than his place as one who is answered.
#[inline(always)]
pub const fn signalled_place(subscriber: SubscriberId) -> u32 {
    place(both(subscriber.words) ^ SIGNALLED)
}
/// Tells those who signal from those who are answered: any number.
const SIGNALLED: u64 = 0x7369_676e_616c_6c65;

/// The place in `TEXTS` of a subscriber.
#[inline(always)]
pub const fn text_place(subscriber: SubscriberId) -> u32 {
    heard_place(subscriber) & (TEXTS_MAX - 1)
}
const _: () =
    assert!(TEXTS_MAX.is_power_of_two() && TEXTS_MAX <= HEARD_MAX, "as many places as its bits can tell");

/// The place in `HEARD` of a remote address; another than that of the subscriber who would have it.
#[inline(always)]
pub const fn remote_place(remote: &Address) -> u32 {
    let [first, second, third, fourth] = remote.words;
    place(
        (both([first, second]) ^ REMOTE).wrapping_mul(GOLDEN).rotate_left(REMOTE_TURN)
            ^ both([third, fourth]),
    )
}
/// Tells remote addresses from subscribers: any number.
const REMOTE: u64 = 0x746f_6c6c_6672_6565;
/// By how much the halves of an address are turned against each other.
const REMOTE_TURN: u32 = 32;

#[inline(always)]
const fn both([upper, lower]: [u32; 2]) -> u64 {
    (upper as u64) << 32 | lower as u64
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "as many bits as places")]
const fn place(words: u64) -> u32 {
    (words.wrapping_mul(GOLDEN) >> (u64::BITS - HEARD_MAX.ilog2())) as u32
}
/// 2^64 divided by the golden ratio: its multiples are spread evenly, and best in their upper bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const _: () = assert!(HEARD_MAX.is_power_of_two(), "as many places as its bits can tell");

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;
    use crate::address::Family;

    const V4: [u8; 4] = [203, 0, 113, 7];
    const V6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

    #[test]
    fn places_tell_addresses_and_subscribers_apart_and_depend_on_every_word() {
        let address = Address::from(IpAddr::from(V4));
        let subscriber = SubscriberId::of(&address, Family::V4);
        assert_ne!(remote_place(&address), heard_place(subscriber));
        assert_ne!(signalled_place(subscriber), heard_place(subscriber));
        for octet in 0..16 {
            let mut other = V6;
            other[octet] ^= 1;
            let places = [V6, other].map(|octets| remote_place(&Address::from(IpAddr::from(octets))));
            assert_ne!(places[0], places[1], "octet {octet}");
        }
    }
}
