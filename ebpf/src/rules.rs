//! Which of an address's rules has a number: one function, which the kernel's verifier follows once, as it does
//! [`crate::class`]'s.

use aya_ebpf::maps::Array;
use tollfree_core::plan::{MatchSet, RuleEntry, match_set_index, rule_index};
use tollfree_core::sought::Sought;

use crate::class::lookup_in_place;
use crate::{maps, scratch};

/// The place of a rule in the plan of `slot`, if the match set has it for this port of the protocol with this bit.
#[inline(always)]
pub fn place_of(slot: u32, match_set: u32, bit: u16, remote_port: u16, rule: u32) -> Option<u16> {
    let wanted = (rule as u64) << 32 | (bit as u64) << 16 | remote_port as u64;
    match tollfree_place(match_set << 1 | slot, wanted) {
        0 => None,
        place => Some((place - 1) as u16),
    }
}

/// `set` is the match set, and in its lowest bit the slot; `wanted` is the port, above it the protocol's bit, and above that
/// the rule: each argument more is kept on the stack. The result is the place plus one; 0: none.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tollfree_place(set: u32, wanted: u64) -> u32 {
    let Some(sought) = scratch::sought() else { return 0 };
    sought.begin(set & 1, (wanted >> 32) as u32, (wanted >> 16) as u16, wanted as u16);
    let Some(set) = value::<MatchSet>(&maps::MATCH_SETS, sought, match_set_index(set & 1, set >> 1)) else {
        return 0;
    };
    sought.place_in(set, |place| {
        let entry = value::<RuleEntry>(&maps::RULES, sought, rule_index(sought.slot(), place));
        entry.map(|entry| entry.rule)
    })
}

/// The value at `index`, which is in the place for looking up, not on the stack.
#[inline(always)]
fn value<T: 'static>(map: &'static Array<T>, sought: &Sought, index: u32) -> Option<&'static T> {
    // SAFETY: the map has values of this type, and such keys. JUSTIFICATION: see there.
    unsafe { lookup_in_place((&raw const *map).cast(), sought.key(index).cast()) }
}
