//! The lab's namespaces and the links between them.

use anyhow::Result;

use crate::address::{self, DESK, FOREIGN_PROXY, Family, PORTAL, PROXIES, RESOLVER, SITES};
use crate::command;
use crate::namespace::Namespace;
use crate::transport::Transport;

/// The gateway's interface toward the subscribers.
pub const ACCESS_INTERFACE: &str = "acc0";
/// The gateway's interface toward the internet.
pub const CORE_INTERFACE: &str = "core0";
/// The access router's interface toward the gateway.
pub const RAN_INTERFACE: &str = "gw";
/// The only interface of a subscriber, and of the internet.
pub const ONLY_INTERFACE: &str = "eth0";

/// How traffic crosses the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// Routed, as plain IP packets.
    Routed,
    /// Bridged, inside the carrier's transport: [`crate::encapsulator::Encapsulators`] around the gateway
    /// have to run for anything to pass.
    Carried,
}

/// One of the gateway's sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Toward the subscribers.
    Access,
    /// Toward the internet.
    Core,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Access, Self::Core];

    /// `access` or `core`, as in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Core => "core",
        }
    }
}

/// The interface at the other end of one of the gateway's links.
#[derive(Clone, Copy, Debug)]
pub struct FarEnd<'a> {
    /// Where it is.
    pub namespace: &'a Namespace,
    /// Its name there.
    pub interface: &'static str,
    /// Its link-layer address: everything that it sends has it as its source.
    pub mac: [u8; 6],
}

/// The network, on links whose neighbours are all static: nothing but the lab's own traffic is on the wire.
#[derive(Debug)]
pub struct Topology {
    /// By index, from 0.
    pub subscribers: Vec<Namespace>,
    /// The carrier's access side: one router.
    pub ran: Namespace,
    /// Where Tollfree runs.
    pub gateway: Namespace,
    /// All servers, on addresses of its loopback interface.
    pub internet: Namespace,
    /// The carrier's tunnel ends, if traffic is carried.
    pub transport: Option<Transport>,
}

impl Topology {
    /// Makes it, for the lab `lab`.
    ///
    /// # Errors
    /// If not root, or the kernel lacks veth, bridges or IPv6.
    pub fn create(lab: &str, crossing: Crossing) -> Result<Self> {
        let subscribers = (0..address::SUBSCRIBERS)
            .map(|index| Namespace::create(lab, &format!("sub{}", index + 1)))
            .collect::<Result<_>>()?;
        let topology = Self {
            subscribers,
            ran: Namespace::create(lab, "ran")?,
            gateway: Namespace::create(lab, "gw")?,
            internet: Namespace::create(lab, "inet")?,
            transport: match crossing {
                Crossing::Routed => None,
                Crossing::Carried => Some(Transport::create(lab)?),
            },
        };
        for (index, subscriber) in (0..).zip(&topology.subscribers) {
            connect(index, (subscriber, ONLY_INTERFACE), (&topology.ran, &ran_interface(index)))?;
        }
        let [access, core] = [(&topology.ran, RAN_INTERFACE), (&topology.internet, ONLY_INTERFACE)];
        match &topology.transport {
            None => {
                connect(RAN_LINK, access, (&topology.gateway, ACCESS_INTERFACE))?;
                connect(CORE_LINK, (&topology.gateway, CORE_INTERFACE), core)?;
                topology.gateway.shell(FORWARDING)?;
                topology.gateway.ip(GATEWAY_LINES)?;
            }
            Some(transport) => transport.connect(access, &topology.gateway, core)?,
        }
        topology.address()?;
        Ok(topology)
    }

    /// The other end of the gateway's link on this side.
    pub fn far_end(&self, side: Side) -> FarEnd<'_> {
        if let Some(transport) = &self.transport {
            return transport.far_end(side);
        }
        match side {
            Side::Access => FarEnd { namespace: &self.ran, interface: RAN_INTERFACE, mac: mac(RAN_LINK, 1) },
            Side::Core => {
                FarEnd { namespace: &self.internet, interface: ONLY_INTERFACE, mac: mac(CORE_LINK, 2) }
            }
        }
    }

    fn address(&self) -> Result<()> {
        for (index, subscriber) in (0..).zip(&self.subscribers) {
            subscriber.ip(&subscriber_lines(index))?;
            self.ran.ip(&ran_lines(index))?;
        }
        self.ran.shell(FORWARDING)?;
        self.ran.ip(RAN_LINES)?;
        self.internet.ip(INTERNET_LINES)?;
        for server in
            SITES.iter().chain([&PORTAL]).flat_map(|site| Family::ALL.map(|family| site.address(family)))
        {
            self.add_server(server)?;
        }
        RESOLVER
            .into_iter()
            .chain(Family::ALL.map(address::relay))
            .chain(PROXIES)
            .chain(DESK)
            .chain([FOREIGN_PROXY])
            .try_for_each(|server| self.add_server(server))
    }

    fn add_server(&self, server: std::net::IpAddr) -> Result<()> {
        self.internet.ip(&format!("addr add {server} dev lo {}", if server.is_ipv6() { "nodad" } else { "" }))
    }
}

/// Keeps the gateway's interfaces from merging packets: attaching XDP to a veth turns that on.
///
/// # Errors
/// If ethtool fails.
pub fn stop_merging(namespace: &Namespace, interface: &str) -> Result<()> {
    let offloads = ["tso", "off", "gso", "off", "gro", "off"];
    command::run(namespace.command("ethtool").args(["-K", interface]).args(offloads), "").map(drop)
}

/// The number of the access router's link toward the gateway; the subscribers' are below.
pub const RAN_LINK: u8 = 0x10;
/// The number of the internet's link toward the gateway.
pub const CORE_LINK: u8 = 0x11;

/// An end of a link: a namespace, and the interface in it.
pub(crate) type End<'a> = (&'a Namespace, &'a str);

/// Makes a link, with known addresses and without offloads that merge packets.
pub(crate) fn connect(link: u8, (first, first_name): End, (second, second_name): End) -> Result<()> {
    let [first_mac, second_mac] = [1, 2].map(|end| mac_text(link, end));
    first.ip(&format!(
        "link add {first_name} address {first_mac} type veth peer name {second_name} address {second_mac} netns {}",
        second.name()
    ))?;
    for (namespace, name) in [(first, first_name), (second, second_name)] {
        stop_merging(namespace, name)?;
        namespace.ip(&format!("link set {name} addrgenmode none\nlink set {name} up"))?;
    }
    Ok(())
}

/// The address of an end (1 or 2) of a link; locally administered (IEEE 802, bit 0x02 of the first octet). Known, so
/// that neighbours can be static and captures tell directions apart.
pub const fn mac(link: u8, end: u8) -> [u8; 6] {
    [0x02, 0, 0, 0, link, end]
}

fn mac_text(link: u8, end: u8) -> String {
    mac(link, end).map(|octet| format!("{octet:02x}")).join(":")
}

fn ran_interface(index: u8) -> String {
    format!("sub{}", index + 1)
}

fn subscriber_lines(index: u8) -> String {
    let [v4, v6] = Family::ALL.map(|family| address::subscriber(index, family));
    let router = mac_text(index, 2);
    format!(
        "addr add {v4}/32 dev eth0
addr add {v6}/64 dev eth0 nodad
neigh add 10.10.0.1 lladdr {router} dev eth0 nud permanent
neigh add 2001:db8:10::1 lladdr {router} dev eth0 nud permanent
route add default via 10.10.0.1 dev eth0 onlink
route add default via 2001:db8:10::1 dev eth0 onlink"
    )
}

fn ran_lines(index: u8) -> String {
    let [v4, v6] = Family::ALL.map(|family| address::subscriber(index, family));
    let (interface, subscriber) = (ran_interface(index), mac_text(index, 1));
    format!(
        "route add {v4}/32 dev {interface}
route add {v6}/128 dev {interface}
neigh add {v4} lladdr {subscriber} dev {interface} nud permanent
neigh add {v6} lladdr {subscriber} dev {interface} nud permanent"
    )
}

const FORWARDING: &str = "
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
";

const RAN_LINES: &str = "addr add 10.30.0.1/30 dev gw
addr add 2001:db8:30::1/64 dev gw nodad
neigh add 10.30.0.2 lladdr 02:00:00:00:10:02 dev gw nud permanent
neigh add 2001:db8:30::2 lladdr 02:00:00:00:10:02 dev gw nud permanent
route add default via 10.30.0.2 dev gw
route add default via 2001:db8:30::2 dev gw";

const GATEWAY_LINES: &str = "addr add 10.30.0.2/30 dev acc0
addr add 2001:db8:30::2/64 dev acc0 nodad
addr add 10.40.0.1/30 dev core0
addr add 2001:db8:40::1/64 dev core0 nodad
neigh add 10.30.0.1 lladdr 02:00:00:00:10:01 dev acc0 nud permanent
neigh add 2001:db8:30::1 lladdr 02:00:00:00:10:01 dev acc0 nud permanent
neigh add 10.40.0.2 lladdr 02:00:00:00:11:02 dev core0 nud permanent
neigh add 2001:db8:40::2 lladdr 02:00:00:00:11:02 dev core0 nud permanent
route add 10.20.0.0/16 via 10.30.0.1 dev acc0
route add 2001:db8:20::/48 via 2001:db8:30::1 dev acc0
route add default via 10.40.0.2 dev core0
route add default via 2001:db8:40::2 dev core0";

const INTERNET_LINES: &str = "addr add 10.40.0.2/30 dev eth0
addr add 2001:db8:40::2/64 dev eth0 nodad
neigh add 10.40.0.1 lladdr 02:00:00:00:11:01 dev eth0 nud permanent
neigh add 2001:db8:40::1 lladdr 02:00:00:00:11:01 dev eth0 nud permanent
route add 10.20.0.0/16 via 10.40.0.1 dev eth0
route add 2001:db8:20::/48 via 2001:db8:40::1 dev eth0";
