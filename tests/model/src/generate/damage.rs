//! What happens to frames on their way.

use super::random::Random;
use crate::arrival::Arrival;

/// Octets at the beginning in which most bits are flipped: where headers are.
const HEADERS: usize = 128;

/// Mostly nothing.
pub(super) fn damage(random: &mut Random, arrival: &mut Arrival) {
    match random.below(100) {
        0..8 => flip(random, &mut arrival.octets),
        8..12 => overwrite(random, &mut arrival.octets),
        12..18 => truncate(random, &mut arrival.octets),
        18..20 => {
            let count = random.below(HEADERS);
            arrival.octets.extend(random.octets(count));
        }
        20..24 => {
            // A capture cut short: the frame was longer on the wire.
            truncate(random, &mut arrival.octets);
            return;
        }
        _ => {}
    }
    arrival.wire_octets = arrival.octets.len();
}

fn flip(random: &mut Random, octets: &mut [u8]) {
    for _ in 0..*random.pick(&[1, 1, 2, 5]) {
        let bit = random.below(8);
        if let Some(octet) = place(random, octets) {
            *octet ^= 1 << bit;
        }
    }
}

fn overwrite(random: &mut Random, octets: &mut [u8]) {
    let value = random.octet();
    let value = *random.pick(&[0, 0xff, 0x80, value]);
    if let Some(octet) = place(random, octets) {
        *octet = value;
    }
}

fn place<'a>(random: &mut Random, octets: &'a mut [u8]) -> Option<&'a mut u8> {
    let bound = if random.chance(900) { octets.len().min(HEADERS) } else { octets.len() };
    let index = random.below(bound.max(1));
    octets.get_mut(index)
}

fn truncate(random: &mut Random, octets: &mut Vec<u8>) {
    let bound = octets.len().max(1);
    octets.truncate(random.below(bound));
}
