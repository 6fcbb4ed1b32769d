//! The version of everything that crosses between the planes, and its description.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Raised with any change to a map's key, value, meaning or name. The controller touches no pinned map of another
/// version.
pub const LAYOUT_VERSION: u32 = 5;

/// Value of `LAYOUT`, the map that is read before any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LayoutEntry {
    /// [`LAYOUT_VERSION`] of the controller that made the maps; 0 in maps that nobody has claimed yet.
    pub version: u32,
    /// Zero.
    pub reserved: u32,
    /// Drawn at random when the maps are made: counters of another instance started from zero again.
    pub instance: u64,
}

#[cfg(feature = "user")]
mod user {
    use crate::{address, counter, event, flow, interface, plan, prefix, quota, settings};

    macro_rules! structs {
        ($($path:path { $($field:ident),* $(,)? })*) => {
            $(
                // SAFETY: `IntoBytes` and `FromBytes` are derived for it, so it has no padding and any bytes make
                // a valid value. JUSTIFICATION: aya asks for its own marker trait.
                unsafe impl aya::Pod for $path {}
            )*

            /// Size and fields of each struct in the maps, with offset and size of each field, in octets.
            pub const STRUCTS: &[(&str, usize, &[(&str, usize, usize)])] = &[$(
                (stringify!($path), size_of::<$path>(), &[$(
                    (stringify!($field), core::mem::offset_of!($path, $field), {
                        const fn size_of_field<T>(_: fn(&$path) -> &T) -> usize { size_of::<T>() }
                        size_of_field(|value| &value.$field)
                    }),
                )*]),
            )*];
        };
    }

    // SAFETY: it is one word, of which any value is valid. JUSTIFICATION: aya asks for its own marker trait.
    unsafe impl aya::Pod for flow::Promise {}

    structs! {
        address::SubscriberId { words }
        counter::CounterKey { subscriber, epoch, rule, bucket, reason, reserved }
        counter::Usage { uplink_packets, uplink_octets, downlink_packets, downlink_octets }
        event::CopyHead { at_ns, flow, role, kind, epoch, rule, frame_octets, copied_octets }
        flow::FlowKey { subscriber, remote, subscriber_port, remote_port, protocol }
        counter::PendingKey { flow, subscriber, epoch, rule }
        flow::FlowEntry { number, opened_ns, last_seen_ns, usage, promise, uplink, downlink }
        flow::SubscriberFlows { opened }
        flow::FragmentKey { source, destination, identification, protocol }
        flow::FragmentEntry { seen_ns, source_port, destination_port, reserved }
        flow::GrantEntry { rule, class, valid_until_ns, silence_ns, octets_per_second, flags }
        interface::InterfaceUsage { packets, frame_octets, octets }
        interface::InterfaceEntry { ifindex, role, mode, reserved, nic_packets, nic_octets, nic_uncertain_packets }
        super::LayoutEntry { version, reserved, instance }
        plan::ClassEntry { flags, match_set }
        plan::MatchSet { matchers }
        plan::RuleEntry { rule, class, valid_until_ns, ceiling_octets, evidence, flags }
        prefix::PrefixKey { slot, family, length, words }
        prefix::LongLengths { longest, others }
        quota::QuotaKey { subscriber, rule, reserved }
        quota::QuotaEntry { used_octets, day_ends_ns }
        settings::Settings { interface_slot, role, sip_port, dscp_at, flows_per_subscriber, tags }
        settings::TagMetadata { mark, priority }
    }
}

#[cfg(feature = "user")]
pub use user::STRUCTS;
