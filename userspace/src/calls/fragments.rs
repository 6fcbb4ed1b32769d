//! Datagrams that came in fragments, put together again (RFC 791, section 3.2; RFC 8200, section 4.5).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use tollfree_wire::stream::{Assembly, Limits};

/// Datagrams that are put together at once. Reason: signalling is seldom fragmented, and its fragments follow each other;
/// past this, the oldest is given up.
pub const DATAGRAMS_MAX: usize = 256;
/// Octets of a datagram's payload. Reason: as much as an IP datagram holds.
const OCTETS_MAX: usize = u16::MAX as usize;
/// Gaps at once. Reason: 64 KiB in fragments of the least size that IPv6 carries, every other one of which is missing.
const PIECES_MAX: usize = 32;
/// How long a datagram's fragments are waited for, in nanoseconds. Reason: what the kernel holds for them
/// ([`tollfree_core::limits::FRAGMENT_LIFETIME_NS`]).
const LIFETIME_NS: u64 = tollfree_core::limits::FRAGMENT_LIFETIME_NS;

/// What names a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DatagramKey {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Identification field.
    pub identification: u32,
    /// IP protocol number.
    pub protocol: u8,
}

/// One fragment's place and payload.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Where it belongs in the datagram's payload, in octets.
    pub offset: usize,
    /// Whether it is not the last.
    pub has_more: bool,
    /// From the transport header on, in the first.
    pub payload: &'a [u8],
}

#[derive(Debug)]
struct Datagram {
    since_ns: u64,
    octets: Assembly,
    /// How long the payload is, once the last fragment came.
    end: Option<usize>,
}

/// Datagrams of which some fragments came.
#[derive(Debug, Default)]
pub struct Fragments {
    datagrams: HashMap<DatagramKey, Datagram>,
    /// In the order in which they began; those that are complete or given up are in it until they come to the front.
    order: VecDeque<DatagramKey>,
}

impl Fragments {
    /// Takes a fragment that came at `now_ns`, and gives the datagram's payload once it is whole.
    ///
    /// Fragments that say different things of the same octets are an attempt to show the receiver another datagram: it is
    /// given up.
    pub fn take(&mut self, now_ns: u64, key: DatagramKey, fragment: Fragment<'_>) -> Option<Vec<u8>> {
        self.make_room(now_ns);
        let datagram = self.datagrams.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            let limits = Limits { octets: OCTETS_MAX, pieces: PIECES_MAX };
            Datagram { since_ns: now_ns, octets: Assembly::new(limits), end: None }
        });
        let end = fragment.offset + fragment.payload.len();
        let has_ended = !fragment.has_more && datagram.end.replace(end).is_some_and(|before| before != end);
        let is_whole = match datagram.octets.put(fragment.offset, fragment.payload) {
            Ok(put) if put.cut_octets == 0 && !has_ended => {
                let whole = datagram
                    .end
                    .map(|end| (datagram.octets.contiguous().len(), end, datagram.octets.reach()));
                match whole {
                    // Octets behind the last fragment's end.
                    Some((_, end, reach)) if reach > end => None,
                    Some((held, end, _)) => Some(held == end),
                    None => Some(false),
                }
            }
            _ => None,
        };
        match is_whole {
            Some(false) => None,
            Some(true) => self.datagrams.remove(&key).map(|datagram| datagram.octets.contiguous().to_vec()),
            None => {
                self.datagrams.remove(&key);
                None
            }
        }
    }

    /// Gives up what waits for too long, and the oldest where there are as many as may be.
    fn make_room(&mut self, now_ns: u64) {
        while let Some(oldest) = self.order.front() {
            let is_waiting = self
                .datagrams
                .get(oldest)
                .is_some_and(|datagram| now_ns.saturating_sub(datagram.since_ns) < LIFETIME_NS);
            if is_waiting && self.order.len() < DATAGRAMS_MAX {
                return;
            }
            self.datagrams.remove(oldest);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(identification: u32) -> DatagramKey {
        let (source, destination) = ([10, 20, 0, 11].into(), [192, 0, 2, 10].into());
        DatagramKey { source, destination, identification, protocol: 17 }
    }

    #[test]
    fn conflicting_fragments_give_nothing() {
        for second in [
            Fragment { offset: 4, has_more: false, payload: b"XXXX" },
            Fragment { offset: 2, has_more: false, payload: b"cX" },
            Fragment { offset: 8, has_more: false, payload: b"" },
        ] {
            let mut fragments = Fragments::default();
            assert_eq!(
                fragments.take(1, key(1), Fragment { offset: 4, has_more: false, payload: b"efgh" }),
                None
            );
            let second_result = fragments.take(1, key(1), second);
            assert_eq!(second_result, None);
            let rest = Fragment { offset: 0, has_more: true, payload: b"abcd" };
            let whole = fragments.take(1, key(1), rest);
            assert!(whole.is_none() || second.offset == 8, "{second:?}");
        }
    }

    #[test]
    fn fragments_wait_for_a_while_and_in_a_bounded_number() {
        let first = Fragment { offset: 0, has_more: true, payload: b"ab" };
        let last = Fragment { offset: 2, has_more: false, payload: b"cd" };
        let mut fragments = Fragments::default();
        fragments.take(0, key(1), first);
        assert_eq!(fragments.take(LIFETIME_NS - 1, key(1), last).as_deref(), Some(&b"abcd"[..]));
        fragments.take(0, key(2), first);
        assert_eq!(fragments.take(LIFETIME_NS, key(2), last), None);
        for identification in 0..100_000 {
            fragments.take(LIFETIME_NS, key(identification), first);
        }
        assert!(fragments.datagrams.len() <= DATAGRAMS_MAX && fragments.order.len() <= DATAGRAMS_MAX);
    }

    proptest! {
        /// In any order, and with some sent twice, the datagram is what it was.
        #[test]
        fn datagrams_come_back(
            payload in prop::collection::vec(any::<u8>(), 1..300),
            size in (1_usize..8).prop_map(|eights| eights * 8),
            order in prop::collection::vec(any::<u16>(), 40),
        ) {
            let mut parts: Vec<_> = payload.chunks(size).enumerate().collect();
            let count = parts.len();
            parts.sort_by_key(|(index, _)| order[*index % order.len()]);
            prop_assume!(count <= PIECES_MAX);
            let mut fragments = Fragments::default();
            let mut whole = None;
            for (index, part) in parts {
                let fragment = Fragment { offset: index * size, has_more: index + 1 < count, payload: part };
                prop_assert_eq!(whole.take(), None::<Vec<u8>>);
                whole = fragments.take(1, key(1), fragment);
            }
            prop_assert_eq!(whole, Some(payload));
        }
    }
}
