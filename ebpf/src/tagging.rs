//! Putting the tag into the packet, and beside it.

use aya_ebpf::helpers::bpf_xdp_adjust_meta;
use aya_ebpf::programs::{TcContext, XdpContext};
use tollfree_core::decide::Decision;
use tollfree_core::packet::Packet;
use tollfree_core::settings::{Settings, TagMetadata};
use tollfree_core::stat::Stat;
use tollfree_core::tag::{self, Tagged};

use crate::maps;
use crate::xdp_bytes::XdpOctets;

/// Tags a packet as decided: code point in the packet, mark and priority by way of XDP metadata.
#[inline(always)]
pub fn apply(context: &XdpContext, settings: &Settings, packet: &Packet, decision: &Decision) {
    match tag::apply(&mut XdpOctets::new(context), settings, packet, decision) {
        Tagged::No | Tagged::InFrame => {}
        Tagged::Cleared => maps::stat(Stat::ForgedDscp),
        Tagged::WithMetadata(metadata) => {
            if !write_metadata(context, metadata) {
                maps::stat(Stat::MetadataRefused);
            }
        }
    }
}

#[inline(always)]
fn write_metadata(context: &XdpContext, metadata: TagMetadata) -> bool {
    // SAFETY: the context is the program's own. JUSTIFICATION: helpers are foreign functions.
    if unsafe { bpf_xdp_adjust_meta(context.ctx, -(size_of::<TagMetadata>() as i32)) } != 0 {
        return false;
    }
    let start = context.metadata();
    if start + size_of::<TagMetadata>() > context.metadata_end() {
        return false;
    }
    // SAFETY: the metadata area lies in front of the packet and is large enough, as just compared; the kernel
    // aligns it to four octets. JUSTIFICATION: it can only be written through a pointer.
    unsafe { (start as *mut TagMetadata).write(metadata) };
    true
}

/// Puts the metadata that the XDP program wrote into the skb.
#[inline(always)]
pub fn to_skb(context: &TcContext) {
    let skb = context.skb.skb;
    // SAFETY: `skb` is the program's own context; the metadata is read only where the comparison shows that it is
    // there. JUSTIFICATION: context and packet memory are pointers.
    unsafe {
        let start = (*skb).data_meta as usize;
        if start + size_of::<TagMetadata>() > (*skb).data as usize {
            return;
        }
        let metadata = (start as *const TagMetadata).read();
        if metadata.mark != 0 {
            (*skb).mark = metadata.mark;
        }
        if metadata.priority != 0 {
            (*skb).priority = metadata.priority;
        }
    }
}
