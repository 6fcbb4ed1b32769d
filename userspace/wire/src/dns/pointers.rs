//! How far compression pointers lead (RFC 1035, section 4.1.4).

/// Pointers in a row that a name may lead through. Reason: each leads to a label at least, and a name's 255 octets have
/// room for 127.
pub(super) const POINTERS_MAX: u16 = 127;

/// What is not there, or is neither a label's length, nor a pointer, nor the end of a name.
const NOWHERE: u16 = u16::MAX;

/// The most pointers in a row that anything in the message leads through, whether it is a name or not. Takes a time in
/// proportion to the message's length, where decoding names that lead through thousands of pointers does not.
pub(super) fn longest(octets: &[u8]) -> u16 {
    let ends = ends(octets);
    let mut depths = vec![0_u16; octets.len()];
    let mut longest = 0;
    for place in 0..octets.len() {
        let Some(target) = pointer(octets, place) else { continue };
        // Pointers lead back: what they lead through is known already.
        let end = usize::from(ends.get(target).copied().unwrap_or(NOWHERE));
        let behind = if end < place { depths[end] } else { 0 };
        depths[place] = behind.saturating_add(1);
        longest = longest.max(depths[place]);
    }
    longest
}

/// For each place, where labels that begin there end: at a zero or a pointer.
fn ends(octets: &[u8]) -> Vec<u16> {
    let mut ends = vec![NOWHERE; octets.len()];
    for (place, octet) in octets.iter().enumerate().rev() {
        ends[place] = match octet {
            0 | 0xc0.. => u16::try_from(place).unwrap_or(NOWHERE),
            1..=63 => ends.get(place + 1 + usize::from(*octet)).copied().unwrap_or(NOWHERE),
            64..=0xbf => NOWHERE,
        };
    }
    ends
}

/// Where the pointer at this place points, if it is one.
fn pointer(octets: &[u8], place: usize) -> Option<usize> {
    let [high @ 0xc0..=0xff, low] = *octets.get(place..)?.first_chunk()? else { return None };
    Some(usize::from(u16::from_be_bytes([high & 0x3f, low])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chains_are_counted() {
        assert_eq!(longest(b""), 0);
        assert_eq!(longest(b"\x02vn\x00"), 0);
        assert_eq!(longest(b"\x02vn\x00\xc0\x00"), 1);
        assert_eq!(longest(b"\x02vn\x00\x03moh\xc0\x00\x01x\xc0\x04\xc0\x0a"), 3);
        assert_eq!(longest(b"\xc0\x00"), 1, "to itself: a fault that the decoder finds");
        assert_eq!(longest(b"\xc0\x02\xc0\x00"), 2, "forth and back: another");
        let chain: Vec<u8> =
            (0..9000_u16).flat_map(|step| (0xc000 | (2 * step.saturating_sub(1))).to_be_bytes()).collect();
        // Fourteen bits reach the pointer at 16382; one more points there.
        assert_eq!(longest(&chain), (1 << 14) / 2 + 1);
    }

    /// By following each pointer until it ends.
    fn naive(octets: &[u8]) -> u16 {
        let follow = |mut place: usize| {
            let mut count = 0;
            while let Some(mut target) = pointer(octets, place) {
                count += 1;
                while let Some(length @ 1..=63) = octets.get(target) {
                    target += 1 + usize::from(*length);
                }
                if target >= place {
                    break;
                }
                place = target;
            }
            count
        };
        (0..octets.len()).map(follow).max().unwrap_or_default()
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_is_followed(
            octets in prop::collection::vec(prop_oneof![Just(0xc0), 0_u8..80, any::<u8>()], 0..200),
        ) {
            prop_assert_eq!(longest(&octets), naive(&octets));
        }
    }
}
