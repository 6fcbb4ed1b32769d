//! Arrays of the kernel's whose memory this process shares.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::Map;
use memmap2::{MmapOptions, MmapRaw};

use super::DataplaneError;

/// Octets of a page, of which mappings are multiples. Reason: the smallest there is; the kernel rounds up to its own.
const PAGE_OCTETS: usize = 4096;

/// An array map of eight-octet words, in this process's memory.
///
/// Mapped, because the map's update call copies octet by octet as far as it promises, so that a packet could see half
/// of a word, and because reading a large array by calls takes one call a word.
#[derive(Debug)]
pub(super) struct MappedWords {
    mapping: MmapRaw,
    words: usize,
}

impl MappedWords {
    /// Maps the first `words` words of an array map that was made to be mapped.
    ///
    /// # Errors
    /// [`DataplaneError::Io`] where the kernel's array is smaller.
    pub(super) fn open(map: &Map, name: &str, words: usize) -> Result<Self, DataplaneError> {
        let Map::Array(data) = map else {
            return Err(DataplaneError::MissingMap { map: name.into() });
        };
        let mapping = MmapOptions::new()
            .len((words * size_of::<u64>()).next_multiple_of(PAGE_OCTETS))
            .map_raw(data.fd().as_fd().as_raw_fd())
            .map_err(DataplaneError::io(format!("mapping the {name} map into memory")))?;
        Ok(Self { mapping, words })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, readable and writable, at least as long as `words` words, and lives as
        // long as `self`; the kernel programs only read it. JUSTIFICATION: there is no other way to store a word at once.
        unsafe { std::slice::from_raw_parts(self.mapping.as_mut_ptr().cast_const().cast(), self.words) }
    }

    /// The word at `index`; 0 where there is none.
    pub(super) fn load(&self, index: usize) -> u64 {
        self.words().get(index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Stores the word at `index`, if there is one.
    pub(super) fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.words().get(index) {
            word.store(value, Ordering::Release);
        }
    }

    /// Adds bits to the word at `index`, if there is one, which nobody else stores.
    pub(super) fn or(&self, index: usize, bits: u64) {
        let before = self.load(index);
        if before & bits != bits {
            self.store(index, before | bits);
        }
    }

    /// Makes the words from `first` on these. Only those that differ are written.
    pub(super) fn store_all(&self, first: usize, values: impl IntoIterator<Item = u64>) {
        for (word, value) in self.words().iter().skip(first).zip(values) {
            if word.load(Ordering::Relaxed) != value {
                word.store(value, Ordering::Release);
            }
        }
    }
}
