//! A frame in XDP memory.

use core::arch::asm;

use aya_ebpf::programs::XdpContext;
use tollfree_core::bytes::{Bytes, OctetsMut};
use tollfree_core::limits::{MESSAGE_OFFSET_MAX, OFFSET_MAX};

/// The packet between `data` and `data_end`; read up to the offset `REACH`.
pub struct XdpBytes<const REACH: usize = OFFSET_MAX> {
    data: usize,
    end: usize,
}

impl XdpBytes {
    /// To read headers.
    #[inline(always)]
    pub fn new(context: &XdpContext) -> Self {
        Self { data: context.data(), end: context.data_end() }
    }
}

impl XdpBytes<MESSAGE_OFFSET_MAX> {
    /// To read the message behind them.
    #[inline(always)]
    pub fn message(context: &XdpContext) -> Self {
        Self { data: context.data(), end: context.data_end() }
    }
}

/// Hides a value's origin from the optimiser, which would otherwise fold constant offsets into the packet pointer
/// in a form that the verifier refuses. The move keeps what the verifier knows of it.
#[inline(always)]
pub fn opaque(mut value: usize) -> usize {
    // SAFETY: moves a register onto itself. JUSTIFICATION: there is no other barrier the BPF back end respects.
    unsafe { asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack)) };
    value
}

/// The 32-bit word at `address`, which need not be aligned.
///
/// # Safety
/// `address..address + 4` must lie inside the packet.
#[inline(always)]
unsafe fn load_word(address: usize) -> u32 {
    let word: u64;
    // SAFETY: the caller's. JUSTIFICATION: an unaligned read is compiled into four of one octet each; the
    // instruction itself needs no alignment.
    unsafe { asm!("{0} = *(u32 *)({1} + 0)", out(reg) word, in(reg) address, options(readonly, nostack)) };
    word as u32
}

impl<const REACH: usize> XdpBytes<REACH> {
    /// Where `octets` octets begin that lie `offset` into the packet; `None` if it does not hold them.
    #[inline(always)]
    fn find(&self, offset: usize, octets: usize) -> Option<usize> {
        let offset = opaque(offset);
        if offset > REACH {
            return None;
        }
        let start = self.data + offset;
        // The sum is hidden too: for one octet the compiler would compare the start itself, which tells the verifier
        // nothing.
        if opaque(start + octets) > opaque(self.end) { None } else { Some(start) }
    }
}

impl<const REACH: usize> Bytes for XdpBytes<REACH> {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let start = self.find(offset, N)?;
        // SAFETY: `find` compared `start..start + N` with the packet's end; octets need no alignment.
        // JUSTIFICATION: packet memory can only be read through a pointer. This and the next are the two places where it is.
        Some(unsafe { (start as *const [u8; N]).read_unaligned() })
    }

    #[inline(always)]
    fn load_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let start = self.find(offset, N * 4)?;
        let mut words = [0; N];
        for index in 0..N {
            // SAFETY: `find` compared `start..start + 4 * N` with the packet's end.
            words[index] = unsafe { load_word(start + index * 4) };
        }
        Some(words)
    }

    #[inline(always)]
    fn settle<T>(&self, value: &mut T) {
        // SAFETY: moves a register onto itself; that it may write memory, which it does not, makes the compiler read
        // `value` again. JUSTIFICATION: as for `opaque`.
        unsafe { asm!("{0} = {0}", inout(reg) core::ptr::from_mut(value) => _, options(nostack)) };
    }

    #[inline(always)]
    fn frame_octets(&self) -> usize {
        self.end - self.data
    }
}

/// The packet, to be written. Asks for its bounds each time: held from one write to the next they would take registers.
pub struct XdpOctets<'a> {
    context: &'a XdpContext,
}

impl<'a> XdpOctets<'a> {
    #[inline(always)]
    pub const fn new(context: &'a XdpContext) -> Self {
        Self { context }
    }
}

impl OctetsMut for XdpOctets<'_> {
    #[inline(always)]
    fn octets_mut<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        let start = XdpBytes::new(self.context).find(offset, N)?;
        // SAFETY: the octets lie inside the packet, as `find` compared, and need no alignment; the reference borrows
        // `self`, so one lives at a time. JUSTIFICATION: packet memory can only be written through a pointer.
        Some(unsafe { &mut *(start as *mut [u8; N]) })
    }
}
