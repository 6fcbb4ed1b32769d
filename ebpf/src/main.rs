//! The kernel programs: XDP on each gateway interface, and tc behind it.
#![no_std]
#![no_main]
// Inline assembly hides offsets from the optimiser and adds atomically; see `xdp_bytes` and `maps`.
#![feature(asm_experimental_arch)]

mod class;
mod copies;
mod maps;
mod names;
mod rules;
mod scratch;
mod tables;
mod tagging;
mod xdp_bytes;

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use tollfree_core::bytes::Bytes;
use tollfree_core::control::Control;
use tollfree_core::counter::CounterKey;
use tollfree_core::decide::{Decision, decide};
use tollfree_core::event::CopyKind;
use tollfree_core::interface::Role;
use tollfree_core::packet::{self, Start};
use tollfree_core::settings::Settings;
use tollfree_core::stat::Stat;

use crate::tables::Maps;
use crate::xdp_bytes::XdpBytes;

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
    let kind = decision.copy as u32;
    if kind == CopyKind::Names as u32 {
        names::hear(role, decision.subscriber);
    }
    if kind == CopyKind::Signalling as u32 {
        copies::signal(decision.subscriber);
    }
    if kind != CopyKind::None as u32 && kind != CopyKind::NamesListed as u32 {
        copies::send(&context, control, role, decision.copy, &decision);
    }
    tagging::apply(&context, &settings, packet, &decision);
    // Last, because it does not come back.
    if kind == CopyKind::NamesListed as u32 {
        names::ask(&context, role, &decision, packet);
        // It came back: the other program is not there.
        maps::stat(Stat::CopyLost);
    }
    XDP_PASS
}

/// Copies a DNS message that is about a name which rules list, and waits with the subscriber who is answered. Every packet
/// passes.
#[xdp]
#[inline(always)]
pub fn tollfree_names(context: XdpContext) -> u32 {
    names::read(&context);
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

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier would refuse a program in which this can be reached.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
