//! The kernel programs: XDP on each gateway interface, and tc behind it.
#![no_std]
#![no_main]
// Inline assembly hides offsets from the optimiser and adds atomically; see `xdp_bytes` and `maps`.
#![feature(asm_experimental_arch)]

mod class;
mod maps;
mod scratch;
mod tables;
mod tagging;
mod xdp_bytes;

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use aya_ebpf::helpers::generated::bpf_xdp_load_bytes;
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use tollfree_core::bytes::Bytes;
use tollfree_core::control::Control;
use tollfree_core::counter::CounterKey;
use tollfree_core::decide::{Decision, decide};
use tollfree_core::event::Copy;
use tollfree_core::interface::Role;
use tollfree_core::limits::COPY_OCTETS_MAX;
use tollfree_core::packet::{self, Start};
use tollfree_core::settings::Settings;
use tollfree_core::stat::Stat;

use crate::tables::Maps;
use crate::xdp_bytes::{XdpBytes, opaque};

/// Counts, decides and tags one packet. Every packet passes.
#[xdp]
// In the entry point itself: a function of its own would return the same number always, which the compiler drops, and
// the verifier refuses what is left in its place.
#[inline(always)]
pub fn tollfree(context: XdpContext) -> u32 {
    let settings = maps::settings();
    let bytes = XdpBytes::new(&context);
    let control = maps::control();
    let role = Role::from_number(settings.role);
    let frame_octets = bytes.frame_octets() as u32;
    maps::count_total(control, settings.interface_slot, frame_octets);
    let tables = Maps { slot: control.slot(), flows_per_subscriber: settings.flows_per_subscriber };
    let Some(work) = scratch::work() else { return XDP_PASS };
    let packet = match packet::parse_in(work, &bytes, Start::Ethernet, 0, &tables, &mut ()) {
        Ok(packet) => packet,
        Err(reason) => {
            count(control, role, &settings, &Decision::unattributed(reason), frame_octets, 0);
            return XDP_PASS;
        }
    };
    let decision = decide(&tables, role, settings.sip_port as u16, packet);
    count(control, role, &settings, &decision, frame_octets, decision.volume_octets(packet));
    if decision.copy {
        copy(&context, control, role, frame_octets);
    }
    tagging::apply(&context, &settings, packet, &decision);
    XDP_PASS
}

/// Puts the tag from the XDP metadata into the skb.
#[classifier]
pub fn tollfree_tc(context: TcContext) -> i32 {
    tagging::to_skb(&context);
    // TC_ACT_UNSPEC: go on with whatever else is attached here.
    -1
}

#[inline(always)]
fn count(
    control: Control,
    role: Role,
    settings: &Settings,
    decision: &Decision,
    frame_octets: u32,
    volume_octets: u32,
) {
    let bucket = decision.reason.bucket();
    let key = CounterKey::new(decision.subscriber, control.epoch(), decision.rule, bucket, decision.reason);
    let bucket = if decision.flow == 0 {
        maps::count_usage(control.bank(), &key, role, volume_octets, bucket)
    } else {
        maps::count_pending(control.bank(), &key, decision.flow, role, volume_octets)
    };
    maps::count_bucket(control, settings.interface_slot, bucket, frame_octets, volume_octets);
}

/// Bounds a length that is counted from zero.
const COPY_OCTETS_MASK: usize = COPY_OCTETS_MAX - 1;
const _: () = assert!(COPY_OCTETS_MAX.is_power_of_two(), "a mask bounds what is copied");

/// Gives the whole frame to userspace. A full ring buffer loses the copy, never the packet, and is counted.
#[inline(always)]
fn copy(context: &XdpContext, control: Control, role: Role, frame_octets: u32) {
    // Bounded by a mask on a hidden value, which stays as it is from 1 to the most there may be: Linux 6.1's verifier
    // does not learn from a comparison with zero that a length is at least one.
    let copied_octets = opaque((frame_octets as usize).min(COPY_OCTETS_MAX));
    let copied_octets = (copied_octets.wrapping_sub(1) & COPY_OCTETS_MASK) + 1;
    let Some(mut entry) = maps::COPIES.reserve::<Copy>(0) else {
        maps::stat(Stat::CopyLost);
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: `record` points to a reserved record of this size, and each field is written before it is submitted;
    // the helper writes at most `COPY_OCTETS_MAX` octets into `frame`. JUSTIFICATION: the record is too large for
    // the stack, so it is filled in place.
    let loaded = unsafe {
        (*record).at_ns = bpf_ktime_get_coarse_ns();
        (*record).role = role as u32;
        (*record).epoch = control.epoch();
        (*record).frame_octets = frame_octets;
        (*record).copied_octets = copied_octets as u32;
        bpf_xdp_load_bytes(context.ctx, 0, (&raw mut (*record).frame).cast(), copied_octets as u32)
    };
    if loaded == 0 {
        entry.submit(0);
        maps::stat(Stat::CopySent);
    } else {
        entry.discard(0);
        maps::stat(Stat::CopyLost);
    }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier would refuse a program in which this can be reached.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
