//! Whose packet it is.

use std::net::IpAddr;

use tollfree_core::interface::Role;
use tollfree_core::reason::Reason;

use crate::read::Innermost;
use crate::world::{World, contains};

/// The subscriber's address and the other side's.
///
/// # Errors
/// [`Reason::Own`]: no subscriber is concerned, and either side is the gateway or a neighbour. [`Reason::Spoofed`]: from the access
/// side with a source in no pool, or from the core side with one that is in a pool. [`Reason::Transit`]: from the
/// core side, and neither is in a pool.
pub(super) fn attribute(world: &World, role: Role, packet: &Innermost) -> Result<(IpAddr, IpAddr), Reason> {
    let (source, destination) = (packet.source, packet.destination);
    let own = |address| contains(&world.own, address);
    let pooled = |address| contains(&world.pools, address) && !own(address);
    match role {
        Role::Access if pooled(source) => Ok((source, destination)),
        Role::Core if pooled(destination) && !pooled(source) => Ok((destination, source)),
        _ if own(source) || own(destination) => Err(Reason::Own),
        Role::Core if !pooled(source) => Err(Reason::Transit),
        _ => Err(Reason::Spoofed),
    }
}
