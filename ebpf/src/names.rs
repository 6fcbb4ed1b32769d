//! DNS between subscribers and trusted resolvers.

use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use aya_ebpf::programs::XdpContext;
use tollfree_core::address::SubscriberId;
use tollfree_core::decide::Decision;
use tollfree_core::event::CopyKind;
use tollfree_core::interface::Role;
use tollfree_core::limits::HEARD_NS;
use tollfree_core::names::{self, Asked, Names};
use tollfree_core::packet::Packet;
use tollfree_core::places::{heard_place, remote_place};
use tollfree_core::reason::Reason;

use crate::xdp_bytes::XdpBytes;
use crate::{copies, maps, scratch};

/// The only program in `NAME_PROGRAMS`.
const NAME_PROGRAM: u32 = 0;

/// Has the other program look at the datagram; does not come back if that is there.
#[inline(always)]
pub fn ask(context: &XdpContext, role: Role, decision: &Decision, packet: &Packet) {
    let Some(asked) = scratch::asked() else { return };
    asked.subscriber = decision.subscriber;
    asked.role = role as u32;
    asked.transport_offset = packet.transport_offset as u32;
    // SAFETY: the program that is called reads `asked` alone. JUSTIFICATION: a program that is called may be of another
    // context's kind; this one is XDP too.
    unsafe { maps::NAME_PROGRAMS.tail_call(context, NAME_PROGRAM) };
}

/// A subscriber who is answered may open a flow to an address that userspace has not learned.
#[inline(always)]
pub fn hear(role: Role, subscriber: SubscriberId) {
    if matches!(role, Role::Core) {
        maps::hear(heard_place(subscriber), until_ns());
    }
}

/// Until when what is heard now is waited with.
#[inline(always)]
fn until_ns() -> u64 {
    // SAFETY: the helper takes no arguments. JUSTIFICATION: helpers are foreign functions.
    unsafe { bpf_ktime_get_coarse_ns() + HEARD_NS }
}

struct Listed;

impl Names for Listed {
    #[inline(always)]
    fn has(&self, hash: u64) -> bool {
        // SAFETY: only whether it is there is asked. JUSTIFICATION: the map's API leaves that to its user.
        unsafe { maps::NAMES.get(hash) }.is_some()
    }
}

/// Reads the datagram that [`ask`] was asked about. What is about no listed name is copied as far as can be spared: it tells
/// whose addresses are strangers' too.
#[inline(always)]
pub fn read(context: &XdpContext) {
    let Some(asked) = scratch::asked() else { return };
    let Asked { subscriber, role, transport_offset, reading } = asked;
    let role = Role::from_number(*role);
    let bytes = XdpBytes::message(context);
    let message = names::message_offset(*transport_offset as usize);
    if names::is_listed(&bytes, message, reading, &Listed) {
        hear(role, *subscriber);
        // He may have another address, of the other family, from which he connects.
        if matches!(role, Role::Core) {
            names::each_address(&bytes, message, reading, |remote| {
                maps::hear(remote_place(remote), until_ns());
            });
        }
    } else if !scratch::spares_copy() {
        return;
    }
    let decision = Decision { subscriber: *subscriber, ..Decision::unattributed(Reason::Dns) };
    copies::send(context, maps::control(), role, CopyKind::Names, &decision);
}
