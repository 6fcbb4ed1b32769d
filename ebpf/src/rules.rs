//! Which of an address's rules has a number: one function, which the kernel's verifier follows once, as it does
//! [`crate::class`]'s.

use tollfree_core::decide::search_place;

use crate::tables::Maps;

/// The place of a rule in the plan of `slot`, if the match set has it for this port.
#[inline(always)]
pub fn place_of(slot: u32, match_set: u32, protocol: u8, remote_port: u16, rule: u32) -> Option<u16> {
    match tollfree_place(slot, match_set, (protocol as u32) << 16 | remote_port as u32, rule) {
        0 => None,
        place => Some((place - 1) as u16),
    }
}

/// `port` is the port, and above it the protocol. The result is the place plus one; 0: none.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tollfree_place(slot: u32, match_set: u32, port: u32, rule: u32) -> u32 {
    let tables = Maps { slot, flows_per_subscriber: 0 };
    match search_place(&tables, match_set, (port >> 16) as u8, port as u16, rule) {
        Some(place) => place as u32 + 1,
        None => 0,
    }
}
