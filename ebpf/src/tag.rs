//! Writing the tag: code point in the packet, mark and priority by way of XDP metadata.

use aya_ebpf::helpers::bpf_xdp_adjust_meta;
use aya_ebpf::programs::{TcContext, XdpContext};
use tollfree_core::decide::Decision;
use tollfree_core::packet::Packet;
use tollfree_core::plan::RuleClass;
use tollfree_core::reason::{Bucket, Reason};
use tollfree_core::settings::{Settings, Tag, TagMetadata};
use tollfree_core::stat::Stat;

use crate::{maps, rewrite};

/// Tags a packet as decided. One that is not tagged but carries a tag's code point where tags are, which whoever sent
/// it must have forged, has it cleared: an operator's shaper acts on the tag. What is no subscriber's keeps its own.
#[inline(always)]
pub fn apply(context: &XdpContext, settings: &Settings, packet: &Packet, decision: &Decision) {
    let tag = match decision.tag {
        Some(RuleClass::Free) => &settings.tags[0],
        Some(RuleClass::FreePriority) => &settings.tags[1],
        Some(RuleClass::Priority) => &settings.tags[2],
        None => {
            let forged = forged(settings, packet);
            let may_clear = decision.reason.bucket() as u8 != Bucket::Unattributed as u8
                || decision.reason as u16 == Reason::Spoofed as u16;
            if forged != 0 && may_clear {
                rewrite::dscp(context, packet, forged, 0);
                maps::stat(Stat::ForgedDscp);
            }
            return;
        }
    };
    if tag.dscp != Tag::NO_DSCP {
        rewrite::dscp(context, packet, settings.dscp_at, tag.dscp as u8);
    }
    if tag.has_metadata() && !write_metadata(context, TagMetadata { mark: tag.mark, priority: tag.priority })
    {
        maps::stat(Stat::MetadataRefused);
    }
}

/// Which of the headers where tags are carry a tag's code point.
#[inline(always)]
fn forged(settings: &Settings, packet: &Packet) -> u32 {
    if packet.outer_ip_offset == packet.ip_offset {
        return if is_tag(settings, packet.dscp) { Settings::INNER } else { 0 };
    }
    let mut headers = 0;
    if is_tag(settings, packet.dscp) {
        headers |= Settings::INNER;
    }
    if is_tag(settings, packet.outer_dscp) {
        headers |= Settings::OUTER;
    }
    headers & settings.dscp_at
}

/// Whether a class of traffic is tagged with this code point; 0 is every packet's.
#[inline(always)]
fn is_tag(settings: &Settings, dscp: u8) -> bool {
    let dscp = dscp as u32;
    dscp != 0
        && (settings.tags[0].dscp == dscp || settings.tags[1].dscp == dscp || settings.tags[2].dscp == dscp)
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
