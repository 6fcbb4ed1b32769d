//! The longest prefix that covers an address, at a cost that does not grow with the number of prefixes.
//!
//! Prefixes lie in one hash map, by length and leading bits. Which lengths are worth a look is told by two arrays: one
//! by the first sixteen bits of an address, for prefixes of up to 32 bits; one by a hash of an IPv6 address's first 32,
//! for longer ones. And which prefixes are there at all is told by a filter of one bit for each. So what no rule lists is
//! mostly found out without a look into the hash map, and what is listed costs one.

use core::cell::Cell;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::address::{Address, Family};
use crate::limits::{CLASS_PREFIXES_MAX, PLAN_SLOTS};
use crate::plan::ClassEntry;

/// Entries of `PREFIXES`: both families of each plan.
pub const PREFIXES_MAX: u32 = PLAN_SLOTS * FAMILIES * CLASS_PREFIXES_MAX;
/// Entries of `SHORT_LENGTHS`.
pub const SHORT_LENGTHS_MAX: u32 = PLAN_SLOTS * FAMILIES * REGIONS;
/// Entries of `LONG_LENGTHS`.
pub const LONG_LENGTHS_MAX: u32 = PLAN_SLOTS * REGIONS;

/// Entries of `PREFIX_FILTER`.
pub const FILTER_WORDS_MAX: u32 = PLAN_SLOTS << FILTER_WORD_BITS;

const FAMILIES: u32 = 2;
/// Bits of a word's place in the filter of one plan. Reason: 8 mebibits, so that with a hundred thousand prefixes one
/// test in eighty passes in vain, and with the most there may be one in sixteen.
const FILTER_WORD_BITS: u32 = 17;
/// Bits of a place in a word of the filter.
const FILTER_BIT_BITS: u32 = u64::BITS.trailing_zeros();
/// Regions that addresses are in, by their first bits or a hash of them. Reason: half a mebioctet of lengths for each
/// family, which processors keep near, and about one of a hundred thousand prefixes in each.
const REGIONS: u32 = 1 << REGION_BITS;
const REGION_BITS: u32 = 16;
/// Bits of a prefix that is short; an IPv4 prefix always is.
const SHORT_BITS: u32 = 32;
/// Bits of an address.
const LONG_BITS: u32 = 128;
/// Lengths that [`LongLengths::longest`] tells of.
const WORD_BITS: u32 = 64;
/// Short lengths of one region: from 17 to 32, and one of those up to 16.
const SHORT_LENGTHS_IN_REGION: u32 = SHORT_BITS - REGION_BITS + 1;
/// 2^32 divided by the golden ratio: neighbours are in regions far from each other (Knuth, volume 3, section 6.4).
const SPREAD: u32 = 0x9e37_79b9;
/// The same of 2^64, and two more odd numbers without a pattern: they carry every bit of a key into the highest bits.
const MIX: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// Key of `PREFIXES`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct PrefixKey {
    /// The plan's slot.
    pub slot: u8,
    /// [`Family`], by number.
    pub family: u8,
    /// Bits of the prefix.
    pub length: u16,
    /// The address's octets in network byte order, as they lie in memory, an IPv4 address's in the first word; zero
    /// from `length` on.
    pub words: [u32; 4],
}

impl PrefixKey {
    /// The prefix of `length` bits that `address` is in. Bits past `length` need not be zero.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "slots are two")]
    pub const fn of(slot: u32, family: Family, length: u32, address: &Address) -> Self {
        let key = Self { slot: slot as u8, family: family as u8, length: 0, words: [0; 4] };
        key.with(length, leading_words(address, family))
    }

    /// Of the same slot and family, the prefix of `length` bits of these.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "lengths are at most 128")]
    const fn with(self, length: u32, words: [u32; 4]) -> Self {
        let [first, second, third, fourth] = words;
        let masks = &MASKS[length as usize % MASKS.len()];
        let words = [first & masks[0], second & masks[1], third & masks[2], fourth & masks[3]];
        Self { length: length as u16, words, ..self }
    }

    /// The place of its word in `PREFIX_FILTER`, and the bit there, which others may have too.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "what is left has few bits")]
    pub const fn filter_place(&self) -> (u32, u64) {
        let [first, second, third, fourth] = self.words;
        let leading = (first as u64) << u32::BITS | second as u64;
        let trailing = (third as u64) << u32::BITS | fourth as u64;
        let kind = (self.family as u64) << u16::BITS | self.length as u64;
        let mixed = leading.wrapping_mul(MIX[0]) ^ trailing ^ kind;
        let mixed = mixed.rotate_left(u32::BITS).wrapping_mul(MIX[1]);
        let mixed = (mixed ^ mixed >> u32::BITS).wrapping_mul(MIX[2]);
        let place = mixed >> (u64::BITS - FILTER_WORD_BITS - FILTER_BIT_BITS);
        let index = (self.slot as u32) << FILTER_WORD_BITS | (place >> FILTER_BIT_BITS) as u32;
        (index, 1 << (place & (u64::BITS as u64 - 1)))
    }
}

/// Value of `LONG_LENGTHS`: lengths of the IPv6 prefixes in a region that are longer than 32 bits. Bit 0 is the
/// longest that its word tells of, and each further bit one bit shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LongLengths {
    /// Lengths from 128 to 65.
    pub longest: u64,
    /// Lengths from 64 to 33.
    pub others: u64,
}

impl LongLengths {
    /// Adds a length from 33 to 128; other lengths are none of these.
    pub const fn add(&mut self, length: u32) {
        if length > SHORT_BITS && length <= WORD_BITS {
            self.others |= length_bit(WORD_BITS, length);
        } else if length > WORD_BITS && length <= LONG_BITS {
            self.longest |= length_bit(LONG_BITS, length);
        }
    }
}

/// What prefixes are looked up in: maps in the kernel, collections in userspace. Keys are in the lookup, because the
/// kernel's helpers want a place to read them from.
pub trait PrefixTables {
    /// The word of `SHORT_LENGTHS` at [`Look::index`].
    fn short_lengths(&self, look: &Look) -> u64;
    /// The value of `LONG_LENGTHS` at [`Look::index`].
    fn long_lengths(&self, look: &Look) -> LongLengths;
    /// The word of `PREFIX_FILTER` at [`Look::index`].
    fn filter(&self, look: &Look) -> u64;
    /// The entry of `PREFIXES` with [`Look::key`].
    fn prefix(&self, look: &Look) -> Option<ClassEntry>;
}

/// What a lookup holds. In memory of its own, because the kernel program's stack has no room; in cells, because what is
/// read from them again after a call need not be kept on the stack across it.
#[derive(Debug)]
#[repr(C)]
pub struct Look {
    /// First, so that its place is the whole's.
    index: Cell<u32>,
    key: Cell<PrefixKey>,
    /// The address, as keys have it.
    words: Cell<[u32; 4]>,
    /// What bit 0 of `lengths` stands for. Not a constant in the program: of one, the compiler would know words that are
    /// zero, and make a call of writing them, for which the kernel program's stack has no room either.
    longest: Cell<u32>,
    /// Lengths that are still to be tried.
    lengths: Cell<u64>,
    /// Those to be tried after them.
    others: Cell<u64>,
    /// The bit of `key` in its word of the filter.
    bit: Cell<u64>,
}

impl Look {
    /// Of nothing yet.
    pub const fn new() -> Self {
        Self {
            index: Cell::new(0),
            key: Cell::new(PrefixKey { slot: 0, family: 0, length: 0, words: [0; 4] }),
            words: Cell::new([0; 4]),
            longest: Cell::new(0),
            lengths: Cell::new(0),
            others: Cell::new(0),
            bit: Cell::new(0),
        }
    }

    /// The place in an array that is looked at.
    #[inline(always)]
    pub const fn index(&self) -> &Cell<u32> {
        &self.index
    }

    /// The prefix that is looked for.
    #[inline(always)]
    pub const fn key(&self) -> &Cell<PrefixKey> {
        &self.key
    }

    /// What the longest prefix that covers an address says, in the plan of `slot`; not listed where none does. `words` are
    /// the address's, by [`leading_words`].
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "slots are two")]
    pub fn class_of<T: PrefixTables>(
        &self,
        tables: &T,
        slot: u32,
        words: [u32; 4],
        family: Family,
    ) -> ClassEntry {
        self.words.set(words);
        self.key.set(PrefixKey { slot: slot as u8, family: family as u8, length: 0, words });
        if matches!(family, Family::V6) {
            self.index.set(long_region(slot, words[0]));
            let lengths = tables.long_lengths(self);
            self.others.set(lengths.others);
            if let Some(class) = self.first(tables, lengths.longest, LONG_BITS, WORD_BITS) {
                return class;
            }
            let others = self.others.get();
            if let Some(class) = self.first(tables, others, WORD_BITS, WORD_BITS - SHORT_BITS) {
                return class;
            }
        }
        let PrefixKey { slot, family, .. } = self.key.get();
        let [leading, ..] = self.words.get();
        self.index.set(short_region(u32::from(slot), u32::from(family), leading));
        let lengths = tables.short_lengths(self);
        self.first(tables, lengths, SHORT_BITS, SHORT_LENGTHS_IN_REGION).unwrap_or_default()
    }

    /// The first prefix that covers the address, of at most `count` lengths: bit 0 is `longest`, each further bit one less.
    #[inline(always)]
    fn first<T: PrefixTables>(
        &self,
        tables: &T,
        lengths: u64,
        longest: u32,
        count: u32,
    ) -> Option<ClassEntry> {
        self.lengths.set(lengths);
        self.longest.set(longest);
        for _ in 0..count {
            let lengths = self.lengths.get();
            if lengths == 0 {
                return None;
            }
            self.lengths.set(lengths & (lengths - 1));
            let length = self.longest.get() - lengths.trailing_zeros();
            let key = self.key.get().with(length, self.words.get());
            let (index, bit) = key.filter_place();
            self.key.set(key);
            self.index.set(index);
            self.bit.set(bit);
            if tables.filter(self) & self.bit.get() != 0
                && let Some(class) = tables.prefix(self)
            {
                return Some(class);
            }
        }
        None
    }
}

impl Default for Look {
    fn default() -> Self {
        Self::new()
    }
}

/// A word of `SHORT_LENGTHS` with one more length, of at most 32: those of the prefixes within its region that are longer
/// than 16 bits, and that of the longest of those that cover the region. Prefixes are added after those that cover them.
pub const fn with_short_length(lengths: u64, length: u32) -> u64 {
    let kept = if length <= REGION_BITS { lengths & LENGTHS_WITHIN_REGION } else { lengths };
    kept | length_bit(SHORT_BITS, length)
}

/// The bits of lengths from 17 to 32.
const LENGTHS_WITHIN_REGION: u64 = length_bit(SHORT_BITS, REGION_BITS) - 1;

/// The bit of a length in a word whose bit 0 is `longest`.
const fn length_bit(longest: u32, length: u32) -> u64 {
    1 << (longest - length)
}

/// Place of an address's region in `SHORT_LENGTHS`.
#[inline(always)]
pub const fn short_index(slot: u32, address: &Address, family: Family) -> u32 {
    let [leading, ..] = leading_words(address, family);
    short_region(slot, family as u32, leading)
}

#[inline(always)]
const fn short_region(slot: u32, family: u32, leading: u32) -> u32 {
    (slot * FAMILIES + family) << REGION_BITS | u32::from_be(leading) >> (u32::BITS - REGION_BITS)
}

/// Place of an IPv6 address's region in `LONG_LENGTHS`.
#[inline(always)]
pub const fn long_index(slot: u32, address: &Address) -> u32 {
    long_region(slot, address.words[0])
}

#[inline(always)]
const fn long_region(slot: u32, leading: u32) -> u32 {
    let spread = u32::from_be(leading).wrapping_mul(SPREAD);
    slot << REGION_BITS | spread >> (u32::BITS - REGION_BITS)
}

/// How many regions a prefix of this length covers, at least one.
pub const fn regions_covered(length: u32) -> u32 {
    if length < REGION_BITS { 1 << (REGION_BITS - length) } else { 1 }
}

/// Whether a prefix of this length is told of by `SHORT_LENGTHS`.
pub const fn is_short(length: u32) -> bool {
    length <= SHORT_BITS
}

/// An address's words as keys have them: an IPv4 address's in the first, and zero after it.
#[inline(always)]
pub const fn leading_words(address: &Address, family: Family) -> [u32; 4] {
    match family {
        Family::V4 => [address.v4_word(), 0, 0, 0],
        Family::V6 => address.words,
    }
}

/// By length: the bits of each word that are among the first of a prefix of this length. A table, because working them out
/// branches for each word, and the kernel's verifier follows every branch.
///
/// More than there are lengths: the remainder of a power of two bounds an index without a branch.
static MASKS: [[u32; 4]; 256] = masks();

const fn masks() -> [[u32; 4]; 256] {
    let mut masks = [[0; 4]; 256];
    let mut length = 0;
    while length < masks.len() {
        masks[length] = [mask(length, 0), mask(length, 32), mask(length, 64), mask(length, 96)];
        length += 1;
    }
    masks
}

/// Those bits of the word that begins at bit `start` that are among the first `length`.
#[allow(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
const fn mask(length: usize, start: usize) -> u32 {
    let bits = length.saturating_sub(start);
    let bits = if bits > u32::BITS as usize { u32::BITS as usize } else { bits };
    // As many ones as `bits`, from the highest bit of the lower half on.
    (((u64::MAX << u32::BITS) >> bits) as u32).to_be()
}
