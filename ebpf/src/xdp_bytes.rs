//! A frame in XDP memory.

use core::arch::asm;

use aya_ebpf::programs::XdpContext;
use tollfree_core::bytes::Bytes;
use tollfree_core::limits::OFFSET_MAX;

/// The packet between `data` and `data_end`.
pub struct XdpBytes {
    data: usize,
    end: usize,
}

impl XdpBytes {
    #[inline(always)]
    pub fn new(context: &XdpContext) -> Self {
        Self { data: context.data(), end: context.data_end() }
    }
}

/// Hides a value's origin from the optimiser, which would otherwise fold constant offsets into the packet pointer
/// in a form that the verifier refuses. The move keeps what the verifier knows of it.
#[inline(always)]
fn opaque(mut value: usize) -> usize {
    // SAFETY: moves a register onto itself. JUSTIFICATION: there is no other barrier the BPF back end respects.
    unsafe { asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack)) };
    value
}

impl Bytes for XdpBytes {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let offset = opaque(offset);
        if offset > OFFSET_MAX {
            return None;
        }
        let start = self.data + offset;
        if start + N > opaque(self.end) {
            return None;
        }
        // SAFETY: `start..start + N` lies between `data` and `data_end`, as just compared; octets need no
        // alignment. JUSTIFICATION: packet memory can only be read through a pointer. This is the one place.
        Some(unsafe { (start as *const [u8; N]).read_unaligned() })
    }

    #[inline(always)]
    fn frame_octets(&self) -> u32 {
        (self.end - self.data) as u32
    }
}
