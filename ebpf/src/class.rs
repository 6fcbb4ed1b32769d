//! What a remote address is: one function, which the kernel's verifier follows once, whatever calls it.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_map_lookup_elem;
use aya_ebpf::maps::{Array, HashMap};
use tollfree_core::address::{Address, Family};
use tollfree_core::plan::ClassEntry;
use tollfree_core::prefix::{LongLengths, Look, PrefixKey, PrefixTables, leading_words};

use crate::xdp_bytes::opaque;
use crate::{maps, scratch};

/// The prefixes of both plans.
struct Prefixes;

impl PrefixTables for Prefixes {
    #[inline(always)]
    fn short_lengths(&self, look: &Look) -> u64 {
        array_value(&maps::SHORT_LENGTHS, look)
    }

    #[inline(always)]
    fn long_lengths(&self, look: &Look) -> LongLengths {
        array_value(&maps::LONG_LENGTHS, look)
    }

    #[inline(always)]
    fn filter(&self, look: &Look) -> u64 {
        array_value(&maps::PREFIX_FILTER, look)
    }

    #[inline(always)]
    fn prefix(&self, look: &Look) -> Option<ClassEntry> {
        let map: *const HashMap<PrefixKey, ClassEntry> = &raw const maps::PREFIXES;
        // SAFETY: hiding a reference's address changes nothing of it. JUSTIFICATION: the compiler would work out the key's
        // place before the loop and keep it on the stack.
        let look = unsafe { &*(opaque(core::ptr::from_ref(look) as usize) as *const Look) };
        // SAFETY: as in `array_value`; userspace replaces entries, each whole. JUSTIFICATION: likewise.
        unsafe { lookup::<ClassEntry>(map.cast(), look.key().as_ptr().cast()) }
    }
}

/// The value at the lookup's index, which is read where it is: the map's own type would put it on the stack.
#[inline(always)]
fn array_value<T: Copy + Default + 'static>(map: &'static Array<T>, look: &Look) -> T {
    // SAFETY: the key is one of the map's type. JUSTIFICATION: see there.
    unsafe { lookup((&raw const *map).cast(), look.index().as_ptr().cast()) }.unwrap_or_default()
}

/// # Safety
/// As [`lookup_in_place`].
#[inline(always)]
unsafe fn lookup<T: Copy + 'static>(map: *const c_void, key: *const c_void) -> Option<T> {
    // SAFETY: the caller's. JUSTIFICATION: see there.
    unsafe { lookup_in_place(map, key) }.copied()
}

/// A value where it is, by a key where that is.
///
/// # Safety
/// `map` is a map's symbol, of values of this type, and `key` points to one of its keys.
#[inline(always)]
pub unsafe fn lookup_in_place<T: 'static>(map: *const c_void, key: *const c_void) -> Option<&'static T> {
    // SAFETY: the helper gives null or a value of the map, which lives until the program ends. JUSTIFICATION: helpers are
    // foreign functions.
    unsafe { bpf_map_lookup_elem(map.cast_mut(), key).cast::<T>().as_ref() }
}

/// What the longest prefix that covers `address` says, in the plan of `slot`.
#[inline(always)]
pub fn class(slot: u32, address: &Address, family: Family) -> ClassEntry {
    let [first, second, third, fourth] = leading_words(address, family);
    let packed = tollfree_class(
        slot << 1 | family as u32,
        (first as u64) << 32 | second as u64,
        (third as u64) << 32 | fourth as u64,
    );
    ClassEntry { flags: packed as u32, match_set: (packed >> 32) as u32 }
}

/// Arguments and result are numbers alone, and the symbol is global: the verifier then checks this function once, for any
/// arguments, and not again for each state that a packet may be in when it comes here. Inlined, Linux 6.1's followed it
/// through six hundred thousand instructions.
///
/// `place` is the slot, and in its lowest bit the family; the rest is the address's [`leading_words`]. The result's lower half is the flags,
/// the upper the match set.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tollfree_class(place: u32, leading: u64, trailing: u64) -> u64 {
    let Some(look) = scratch::look() else { return 0 };
    let family = if place & 1 == 0 { Family::V4 } else { Family::V6 };
    let words = [(leading >> 32) as u32, leading as u32, (trailing >> 32) as u32, trailing as u32];
    let class = look.class_of(&Prefixes, place >> 1, words, family);
    (class.match_set as u64) << 32 | class.flags as u64
}
