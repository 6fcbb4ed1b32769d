//! What parsing and deciding hold, in a map.

use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use tollfree_core::event::Copy;
use tollfree_core::flow::FlowEntry;
use tollfree_core::limits::{SECOND_NS, SPARED_COPIES_MAX};
use tollfree_core::names::Asked;
use tollfree_core::packet::Work;
use tollfree_core::prefix::Look;
use tollfree_core::sought::Sought;

/// Not on the stack, which is 512 octets.
#[map]
static SCRATCH: PerCpuArray<Work> = PerCpuArray::with_max_entries(1, 0);

/// A flow that is opened, likewise.
#[map]
static SCRATCH_FLOW: PerCpuArray<FlowEntry> = PerCpuArray::with_max_entries(1, 0);

/// A remote address that is looked up, likewise: a [`Look`], whose cells must not be shared, as words, which may be.
#[map]
static SCRATCH_LOOK: PerCpuArray<[u64; LOOK_WORDS]> = PerCpuArray::with_max_entries(1, 0);
const LOOK_WORDS: usize = size_of::<Look>() / size_of::<u64>();

/// This CPU's place for looking an address up.
#[inline(always)]
pub fn look() -> Option<&'static Look> {
    let look = SCRATCH_LOOK.get_ptr(0)?;
    // SAFETY: as in `flow`; what it holds is in cells. JUSTIFICATION: likewise.
    Some(unsafe { &*look.cast() })
}

/// A rule that is looked for, likewise: a [`Sought`], as words for the same reason.
#[map]
static SCRATCH_SOUGHT: PerCpuArray<[u64; SOUGHT_WORDS]> = PerCpuArray::with_max_entries(1, 0);
const SOUGHT_WORDS: usize = size_of::<Sought>().div_ceil(size_of::<u64>());

/// This CPU's place for looking a rule up.
#[inline(always)]
pub fn sought() -> Option<&'static Sought> {
    let sought = SCRATCH_SOUGHT.get_ptr(0)?;
    // SAFETY: as in `look`. JUSTIFICATION: likewise.
    Some(unsafe { &*sought.cast() })
}

/// This CPU's place for a flow that is opened.
#[inline(always)]
pub fn flow() -> Option<&'static mut FlowEntry> {
    let flow = SCRATCH_FLOW.get_ptr_mut(0)?;
    // SAFETY: nobody else uses this CPU's value until the program ends; any octets are an entry. JUSTIFICATION: map values
    // are pointers.
    Some(unsafe { &mut *flow })
}

/// A frame on its way to userspace, likewise.
#[map]
static SCRATCH_COPY: PerCpuArray<Copy> = PerCpuArray::with_max_entries(1, 0);

/// What one program leaves for the next. Pinned, because the two may have been loaded for different interfaces.
#[map]
static ASKED: PerCpuArray<Asked> = PerCpuArray::pinned(1, 0);

/// Copies that were made of what is not listed: since when, in nanoseconds, and how many.
#[map]
static SPARED: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Whether one more copy can be spared for what is not listed.
#[inline(always)]
pub fn spares_copy() -> bool {
    // SAFETY: the helper takes no arguments. JUSTIFICATION: helpers are foreign functions.
    let now_ns = unsafe { bpf_ktime_get_coarse_ns() };
    let Some(spared) = SPARED.get_ptr_mut(0) else { return false };
    // SAFETY: as in `flow`; any octets are numbers. JUSTIFICATION: map values are pointers.
    let [since_ns, count] = unsafe { &mut *spared };
    if now_ns.wrapping_sub(*since_ns) >= SECOND_NS {
        (*since_ns, *count) = (now_ns, 0);
    }
    *count += 1;
    *count <= SPARED_COPIES_MAX
}

/// This CPU's place for a frame on its way to userspace.
#[inline(always)]
pub fn copy() -> Option<&'static mut Copy> {
    let copy = SCRATCH_COPY.get_ptr_mut(0)?;
    // SAFETY: nobody else uses this CPU's value until the program ends; any octets are a copy. JUSTIFICATION: map values are
    // pointers.
    Some(unsafe { &mut *copy })
}

/// This CPU's place for what one program leaves for the next.
#[inline(always)]
pub fn asked() -> Option<&'static mut Asked> {
    let asked = ASKED.get_ptr_mut(0)?;
    // SAFETY: nobody else uses this CPU's value until the program that is called ends; any octets are valid. JUSTIFICATION:
    // map values are pointers.
    Some(unsafe { &mut *asked })
}

/// This CPU's; `None` never happens, but the verifier wants it asked.
#[inline(always)]
pub fn work() -> Option<&'static mut Work> {
    let work = SCRATCH.get_ptr_mut(0)?;
    // SAFETY: nobody else uses this CPU's value until the program ends; it is what parsing left in it, or all zero, as
    // the map was made, which `Work` says is valid. JUSTIFICATION: map values are pointers.
    Some(unsafe { &mut *work })
}
