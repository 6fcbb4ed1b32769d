//! The carrier's transport: a tunnel end on either side of the gateway, and the gateway a bridge between them.

use anyhow::Result;

use crate::address::{Family, tunnel_end};
use crate::command;
use crate::namespace::Namespace;
use crate::topology::{ACCESS_INTERFACE, CORE_INTERFACE, End, FarEnd, Side, connect, mac};
use crate::topology::{CORE_LINK, RAN_LINK};

/// A tunnel end's interface away from the gateway: plain IP.
pub const PLAIN_INTERFACE: &str = "plain";
/// A tunnel end's interface toward the gateway: everything inside the transport.
pub const TRANSPORT_INTERFACE: &str = "transport";

/// The number of the link between the access side's tunnel end and the gateway.
const ACCESS_TRANSPORT_LINK: u8 = 0x12;
/// The number of the link between the gateway and the core side's tunnel end.
const CORE_TRANSPORT_LINK: u8 = 0x13;
/// The number of the link on which the gateway itself speaks with the resolver: the others carry only subscribers.
const MANAGEMENT_LINK: u8 = 0x14;

/// Largest frame payload on the transport's links, in octets: a full IP packet behind two tags and `PPPoE`.
const LINK_MTU: u16 = 1600;
/// Largest IP packet between the tunnel ends, in octets: a full inner packet does not fit, and is sent in fragments.
const PATH_MTU: u16 = 1500;

/// The tunnel ends.
#[derive(Debug)]
pub struct Transport {
    access: Namespace,
    core: Namespace,
}

impl Transport {
    /// Makes their namespaces, for the lab `lab`.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn create(lab: &str) -> Result<Self> {
        Ok(Self { access: Namespace::create(lab, "tea")?, core: Namespace::create(lab, "tec")? })
    }

    /// The tunnel end on this side, as the gateway sees it.
    pub const fn far_end(&self, side: Side) -> FarEnd<'_> {
        let mac = match side {
            Side::Access => mac(ACCESS_TRANSPORT_LINK, 1),
            Side::Core => mac(CORE_TRANSPORT_LINK, 2),
        };
        FarEnd { namespace: self.end(side), interface: TRANSPORT_INTERFACE, mac }
    }

    /// The namespace of the tunnel end on this side.
    pub const fn end(&self, side: Side) -> &Namespace {
        match side {
            Side::Access => &self.access,
            Side::Core => &self.core,
        }
    }

    /// Links everything: `access` and `core` are the ends of plain IP.
    pub(crate) fn connect(&self, access: End, gateway: &Namespace, core: End) -> Result<()> {
        connect(RAN_LINK, access, (&self.access, PLAIN_INTERFACE))?;
        connect(CORE_LINK, (&self.core, PLAIN_INTERFACE), core)?;
        let [access_end, core_end] = [&self.access, &self.core].map(|end| (end, TRANSPORT_INTERFACE));
        connect(ACCESS_TRANSPORT_LINK, access_end, (gateway, ACCESS_INTERFACE))?;
        connect(CORE_TRANSPORT_LINK, (gateway, CORE_INTERFACE), core_end)?;
        connect(MANAGEMENT_LINK, (gateway, "mgmt0"), (core.0, "mgmt0"))?;
        // Packet sockets see packets as they are in memory: with their checksums only if no interface is to add them.
        for (namespace, interface) in [access, core, access_end, core_end] {
            let offloads = ["-K", interface, "tx", "off"];
            command::run(namespace.command("ethtool").args(offloads), "")?;
        }
        gateway.shell(NO_BRIDGE_FILTER)?;
        gateway.ip(&gateway_lines())?;
        core.0.ip(MANAGEMENT_LINES)?;
        Side::ALL.into_iter().try_for_each(|side| self.end(side).ip(&end_lines(side)))
    }
}

/// Keeps the bridge from showing its frames to the IP layer, which would put fragments together.
const NO_BRIDGE_FILTER: &str = "
for family in ip ip6 arp; do
    file=/proc/sys/net/bridge/bridge-nf-call-${family}tables
    [ ! -e $file ] || echo 0 > $file
done
";

fn gateway_lines() -> String {
    format!(
        "link set {ACCESS_INTERFACE} mtu {LINK_MTU}
link set {CORE_INTERFACE} mtu {LINK_MTU}
link add name br0 type bridge forward_delay 0 mcast_snooping 0
link set br0 addrgenmode none
link set {ACCESS_INTERFACE} master br0
link set {CORE_INTERFACE} master br0
link set br0 up
addr add 10.50.0.1/30 dev mgmt0
addr add 2001:db8:50::1/64 dev mgmt0 nodad
neigh add 10.50.0.2 lladdr 02:00:00:00:14:02 dev mgmt0 nud permanent
neigh add 2001:db8:50::2 lladdr 02:00:00:00:14:02 dev mgmt0 nud permanent
route add default via 10.50.0.2 dev mgmt0
route add default via 2001:db8:50::2 dev mgmt0"
    )
}

const MANAGEMENT_LINES: &str = "addr add 10.50.0.2/30 dev mgmt0
addr add 2001:db8:50::2/64 dev mgmt0 nodad
neigh add 10.50.0.1 lladdr 02:00:00:00:14:01 dev mgmt0 nud permanent
neigh add 2001:db8:50::1 lladdr 02:00:00:00:14:01 dev mgmt0 nud permanent";

/// A tunnel end's addresses, and its way to the other.
fn end_lines(side: Side) -> String {
    let (other, other_mac) = match side {
        Side::Access => (Side::Core, "02:00:00:00:13:02"),
        Side::Core => (Side::Access, "02:00:00:00:12:01"),
    };
    let families = Family::ALL.map(|family| {
        let [own, peer] = [side, other].map(|side| tunnel_end(side, family));
        let (length, nodad) = match family {
            Family::V4 => (32, ""),
            Family::V6 => (128, "nodad"),
        };
        format!(
            "addr add {own}/{length} dev {TRANSPORT_INTERFACE} {nodad}
neigh add {peer} lladdr {other_mac} dev {TRANSPORT_INTERFACE} nud permanent
route add {peer}/{length} dev {TRANSPORT_INTERFACE} mtu lock {PATH_MTU}
"
        )
    });
    format!("link set {TRANSPORT_INTERFACE} mtu {LINK_MTU}\n{}", families.concat())
}
