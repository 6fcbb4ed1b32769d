//! Giving frames to userspace.

use core::slice;

use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use aya_ebpf::helpers::generated::bpf_xdp_load_bytes;
use aya_ebpf::programs::XdpContext;
use tollfree_core::address::SubscriberId;
use tollfree_core::control::Control;
use tollfree_core::decide::Decision;
use tollfree_core::event::{CopyHead, CopyKind};
use tollfree_core::interface::Role;
use tollfree_core::limits::{COPY_OCTETS_MAX, SIGNALLED_NS};
use tollfree_core::places::signalled_place;
use tollfree_core::stat::Stat;

use crate::xdp_bytes::{XdpBytes, opaque};
use crate::{maps, scratch};

/// Bounds a length that is counted from zero.
const COPY_OCTETS_MASK: usize = COPY_OCTETS_MAX - 1;
const _: () = assert!(COPY_OCTETS_MAX.is_power_of_two(), "a mask bounds what is copied");

/// What the subscriber's message negotiates may begin before userspace has read it.
#[inline(always)]
pub fn signal(subscriber: SubscriberId) {
    // SAFETY: the helper takes no arguments. JUSTIFICATION: helpers are foreign functions.
    let now_ns = unsafe { bpf_ktime_get_coarse_ns() };
    maps::hear(signalled_place(subscriber), now_ns + SIGNALLED_NS);
}

/// Gives the whole frame to userspace. A full ring buffer loses the copy, never the packet, and is counted.
#[inline(always)]
pub fn send(context: &XdpContext, control: Control, role: Role, kind: CopyKind, decision: &Decision) {
    let stat = if try_send(context, control, role, kind, decision).is_some() {
        Stat::CopySent
    } else {
        Stat::CopyLost
    };
    maps::stat(stat);
}

#[inline(always)]
fn try_send(
    context: &XdpContext,
    control: Control,
    role: Role,
    kind: CopyKind,
    decision: &Decision,
) -> Option<()> {
    let frame_octets = tollfree_core::bytes::Bytes::frame_octets(&XdpBytes::new(context));
    // Bounded by a mask on a hidden value, which stays as it is from 1 to the most there may be: Linux 6.1's verifier
    // does not learn from a comparison with zero that a length is at least one.
    let copied_octets = opaque(frame_octets.min(COPY_OCTETS_MAX));
    let copied_octets = (copied_octets.wrapping_sub(1) & COPY_OCTETS_MASK) + 1;
    let copy = scratch::copy()?;
    // SAFETY: the helper takes no arguments. JUSTIFICATION: helpers are foreign functions.
    copy.head.at_ns = unsafe { bpf_ktime_get_coarse_ns() };
    copy.head.flow = decision.flow;
    copy.head.role = role as u32;
    copy.head.kind = kind as u32;
    copy.head.epoch = control.epoch();
    copy.head.rule = decision.rule;
    copy.head.frame_octets = frame_octets as u32;
    copy.head.copied_octets = copied_octets as u32;
    let frame = (&raw mut copy.frame).cast();
    // SAFETY: the helper writes `copied_octets` octets into `frame`, which has room for as many as the mask lets through.
    // JUSTIFICATION: as above.
    if unsafe { bpf_xdp_load_bytes(context.ctx, 0, frame, copied_octets as u32) } != 0 {
        return None;
    }
    // SAFETY: a `Copy` has this many octets, all of them set. JUSTIFICATION: a record ends with the frame.
    let record = unsafe {
        slice::from_raw_parts((&raw const *copy).cast::<u8>(), size_of::<CopyHead>() + copied_octets)
    };
    maps::COPIES.output::<[u8]>(record, 0).ok()
}
