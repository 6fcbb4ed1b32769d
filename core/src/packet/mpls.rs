//! MPLS label stack (RFC 3032).

use super::trace::{Layer, Trace};
use super::{Network, ether};
use crate::bytes::Bytes;
use crate::limits::MPLS_LABELS_MAX;
use crate::reason::Reason;

const ENTRY_OCTETS: usize = 4;
const LABEL_SHIFT: u32 = 12;
const BOTTOM: u32 = 0x100;

#[inline(always)]
pub(super) fn parse<B: Bytes, L: Trace>(
    bytes: &B,
    mut offset: usize,
    end: usize,
    trace: &mut L,
) -> Result<Network, Reason> {
    for _ in 0..MPLS_LABELS_MAX {
        let entry = bytes.load(offset).map(u32::from_be_bytes).ok_or(Reason::MalformedMpls)?;
        trace.layer(Layer::Mpls(entry >> LABEL_SHIFT));
        offset += ENTRY_OCTETS;
        if entry & BOTTOM != 0 {
            // Nothing says what follows; IP says it itself (RFC 4928).
            return ether::version(bytes, offset, end);
        }
    }
    Err(Reason::MplsTooDeep)
}
