//! The place of torture: a gateway that is a bridge between two silent ends, from which frames are sent by hand.
//!
//! ```text
//!  access eth0 -------- acc0 gw core0 -------- eth0 core
//!                            mgmt0
//!                              +-------- names: unbound
//! ```
//!
//! Neither end has an address, and the bridge speaks no protocol: nothing is on the wire but the generators' frames.

use anyhow::Result;

use crate::address::RESOLVER;
use crate::namespace::Namespace;
use crate::topology::{ACCESS_INTERFACE, CORE_INTERFACE, Side, connect};

use super::junk::GATEWAY;

const ACCESS_LINK: u8 = 0x20;
const CORE_LINK: u8 = 0x21;
const MANAGEMENT_LINK: u8 = 0x22;
/// The gateway's interface toward the resolver and the access servers.
const MANAGEMENT_INTERFACE: &str = "mgmt0";

/// The namespaces. Removed on drop.
#[derive(Debug)]
pub(super) struct Ground {
    /// Where uplink comes from.
    pub(super) access: Namespace,
    /// Where downlink comes from.
    pub(super) core: Namespace,
    /// Where the resolver is.
    pub(super) names: Namespace,
    /// Where Tollfree runs.
    pub(super) gateway: Namespace,
}

impl Ground {
    /// The only interface of both ends.
    pub(super) const FAR_INTERFACE: &str = "eth0";

    /// Makes it, for the lab `lab`.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn create(lab: &str) -> Result<Self> {
        let make = |role| Namespace::create(lab, role);
        let ground =
            Self { access: make("acc")?, core: make("core")?, names: make("names")?, gateway: make("gw")? };
        let Self { access, core, names, gateway } = &ground;
        for silent in [access, core, gateway] {
            silent.shell(NO_IPV6)?;
        }
        gateway.shell(NO_BRIDGE_FILTER)?;
        connect(ACCESS_LINK, (access, Self::FAR_INTERFACE), (gateway, ACCESS_INTERFACE))?;
        connect(CORE_LINK, (gateway, CORE_INTERFACE), (core, Self::FAR_INTERFACE))?;
        connect(MANAGEMENT_LINK, (gateway, MANAGEMENT_INTERFACE), (names, MANAGEMENT_INTERFACE))?;
        gateway.ip(&format!(
            "link add name br0 type bridge forward_delay 0 mcast_snooping 0
link set {ACCESS_INTERFACE} master br0
link set {CORE_INTERFACE} master br0
link set br0 up
addr add {GATEWAY}/30 dev {MANAGEMENT_INTERFACE}
route add default via 10.50.0.2 dev {MANAGEMENT_INTERFACE}"
        ))?;
        let [v4_resolver, v6_resolver] = RESOLVER;
        names.ip(&format!(
            "addr add 10.50.0.2/30 dev {MANAGEMENT_INTERFACE}
addr add {v4_resolver} dev lo
addr add {v6_resolver} dev lo nodad"
        ))?;
        Ok(ground)
    }

    /// The gateway's interface on this side.
    pub(super) const fn interface(side: Side) -> &'static str {
        match side {
            Side::Access => ACCESS_INTERFACE,
            Side::Core => CORE_INTERFACE,
        }
    }
}

/// Else interfaces would announce themselves.
const NO_IPV6: &str = "
for scope in all default; do
    echo 1 > /proc/sys/net/ipv6/conf/$scope/disable_ipv6
done
";

/// Else the bridge would show its frames to the IP layer, which puts fragments together.
const NO_BRIDGE_FILTER: &str = "
for family in ip ip6 arp; do
    file=/proc/sys/net/bridge/bridge-nf-call-${family}tables
    [ ! -e $file ] || echo 0 > $file
done
";
