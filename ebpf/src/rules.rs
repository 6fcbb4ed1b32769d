//! Which of an address's rules has a number: one function, which the kernel's verifier follows once, as it does
//! [`crate::class`]'s.

use crate::scratch;
use crate::tables::Maps;

/// The place of a rule in the plan of `slot`, if the match set has it for this port of the protocol with this bit.
#[inline(always)]
pub fn place_of(slot: u32, match_set: u32, bit: u16, remote_port: u16, rule: u32) -> Option<u16> {
    match tollfree_place(match_set << 1 | slot, (bit as u32) << 16 | remote_port as u32, rule) {
        0 => None,
        place => Some((place - 1) as u16),
    }
}

/// `set` is the match set, and in its lowest bit the slot; `port` is the port, and above it the protocol's bit. The result is
/// the place plus one; 0: none.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tollfree_place(set: u32, port: u32, rule: u32) -> u32 {
    let Some(sought) = scratch::sought() else { return 0 };
    let tables = Maps { slot: set & 1, flows_per_subscriber: 0 };
    sought.place_of(&tables, set >> 1, (port >> 16) as u16, port as u16, rule)
}
