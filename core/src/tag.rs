//! Tagging a packet: code points in its headers, mark and priority beside it.

use crate::bytes::OctetsMut;
use crate::decide::Decision;
use crate::packet::Packet;
use crate::plan::RuleClass;
use crate::reason::{Bucket, Reason};
use crate::rewrite;
use crate::settings::{Settings, Tag, TagMetadata};

/// What became of a packet's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// The packet is not tagged.
    No,
    /// It is not tagged, but came with a tag's code point, which was cleared.
    Cleared,
    /// It is tagged, with nothing beside the frame.
    InFrame,
    /// It is tagged, with this beside the frame.
    WithMetadata(TagMetadata),
}

/// Tags a packet as decided: writes code points into `frame`, and says what is to be written beside it.
///
/// One that is not tagged but carries a tag's code point where tags are, which whoever sent it must have forged, has it
/// cleared: an operator's shaper acts on the tag. What is no subscriber's keeps its own.
#[inline(always)]
pub fn apply<M: OctetsMut + ?Sized>(
    frame: &mut M,
    settings: &Settings,
    packet: &Packet,
    decision: &Decision,
) -> Tagged {
    let tag = match decision.tag {
        Some(RuleClass::Free) => &settings.tags[0],
        Some(RuleClass::FreePriority) => &settings.tags[1],
        Some(RuleClass::Priority) => &settings.tags[2],
        None => {
            let forged = forged(settings, packet);
            let may_clear = decision.reason.bucket() as u8 != Bucket::Unattributed as u8
                || decision.reason as u16 == Reason::Spoofed as u16;
            if forged != 0 && may_clear {
                rewrite::dscp(frame, packet, forged, 0);
                return Tagged::Cleared;
            }
            return Tagged::No;
        }
    };
    if tag.dscp != Tag::NO_DSCP {
        #[allow(clippy::cast_possible_truncation, reason = "a code point has six bits")]
        rewrite::dscp(frame, packet, settings.dscp_at, tag.dscp as u8);
    }
    if tag.has_metadata() {
        Tagged::WithMetadata(TagMetadata { mark: tag.mark, priority: tag.priority })
    } else {
        Tagged::InFrame
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
    let dscp = u32::from(dscp);
    dscp != 0
        && (settings.tags[0].dscp == dscp || settings.tags[1].dscp == dscp || settings.tags[2].dscp == dscp)
}
