//! Faults of settings.

use std::borrow::Cow;

use ipnet::IpNet;
use tollfree_core::limits::INTERFACES_MAX;

use super::defaults::{INTERFACE_NAME_OCTETS_MAX, POOLS_MAX, RADIUS_CLIENTS_MAX, RADIUS_LISTEN_MAX};
use crate::diagnostic::Explain;
use crate::policy::network::NetworkError;

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigFault {
    /// No `[[interface]]` at all.
    #[error("no interface is configured")]
    NoInterface,
    /// More interfaces than there are slots.
    #[error("this is one interface more than the {INTERFACES_MAX} that one gateway counts")]
    TooManyInterfaces,
    /// Two of one name: every packet would be counted twice.
    #[error("another interface has the same name")]
    InterfaceTwice,
    /// The kernel knows no such name.
    #[error("this cannot be an interface's name")]
    InterfaceName,
    /// Neither access nor core.
    #[error("this role is not known")]
    Role,
    /// Not a kind of tunnel that is looked into.
    #[error("this kind of tunnel is not known")]
    TunnelKind,
    /// Not an address or network that tunnels can end in.
    #[error("this is not an end of tunnels")]
    Endpoint,
    /// A tunnel's end among subscribers.
    #[error("subscribers have addresses of this end of tunnels")]
    EndpointInPool,
    /// Neither header nor both.
    #[error("this place for the code point is not known")]
    DscpAt,
    /// A path that depends on where the program was started.
    #[error("the path is not absolute")]
    RelativePath,
    /// Not a length of time.
    #[error("this is not a length of time")]
    Duration,
    /// A length of time out of bounds.
    #[error("the time is not between {min} and {max}")]
    DurationRange { min: String, max: String },
    /// `min_ttl` above `max_ttl`.
    #[error("min_ttl is longer than max_ttl")]
    TtlOrder,
    /// Not an address, or one that nobody has.
    #[error("this is not a host's address")]
    Address,
    /// Neither an address nor an address with a port.
    #[error("this is not a name server's address")]
    NameServer,
    /// After `tls://`, not an address with the name in its certificate.
    #[error("this is not the address of a name server that is asked by TLS")]
    TlsNameServer,
    /// Not a word for what is asked of signatures.
    #[error("this does not say what is asked of signatures")]
    Dnssec,
    /// Not an address with a port.
    #[error("this is not an address with a port")]
    Socket,
    /// The unspecified address: answers could leave from another one than was asked.
    #[error("this is not one address with a port")]
    RadiusListen,
    /// More than anybody needs.
    #[error("this is one address more than the {RADIUS_LISTEN_MAX} that are listened on")]
    TooManyRadiusListen,
    /// Not where requests can come from.
    #[error("this is not a client's address")]
    RadiusClient,
    /// Two clients of one network: it would be unclear whose secret counts.
    #[error("another client has the same address")]
    RadiusClientTwice,
    /// More than anybody needs.
    #[error("this is one client more than the {RADIUS_CLIENTS_MAX} that one gateway takes")]
    TooManyRadiusClients,
    /// A listener that takes nothing.
    #[error("no client may send to this listener")]
    NoRadiusClient,
    /// Clients that nobody listens to.
    #[error("this client has nowhere to send to")]
    NoRadiusListener,
    /// Not a pool's network.
    #[error("{0}")]
    Network(NetworkError),
    /// Longer than a subscriber.
    #[error("the pool is longer than /64, and an IPv6 subscriber is a /64")]
    LongerThanSubscriber,
    /// In the block that IPv4 subscribers are told apart by.
    #[error("the pool is inside ::/8, which is reserved")]
    Reserved,
    /// Two pools with the same subscribers.
    #[error("the pool overlaps {other}")]
    PoolOverlap { other: IpNet },
    /// More pools than there is room for.
    #[error("this is one pool more than the {POOLS_MAX} that one gateway holds")]
    TooManyPools,
}

impl Explain for ConfigFault {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::NoInterface => "add an [[interface]] with `name` and `role`".into(),
            Self::TooManyInterfaces => "put the interfaces on more gateways".into(),
            Self::InterfaceTwice => "list each interface once".into(),
            Self::InterfaceName => format!(
                "write the name `ip link` shows: {INTERFACE_NAME_OCTETS_MAX} octets at most, no space, / or :"
            )
            .into(),
            Self::Role => "write \"access\" where uplink arrives, \"core\" where downlink arrives".into(),
            Self::TunnelKind => "write \"gtpu\", \"ipip\", \"gre\", \"vxlan\" or \"geneve\"".into(),
            Self::Endpoint | Self::RadiusClient => {
                "write a host's address, or a network with its host bits zero".into()
            }
            Self::EndpointInPool => "list addresses that no pool in [subscribers] holds".into(),
            Self::DscpAt => "write \"inner\", \"outer\" or \"both\"".into(),
            Self::RelativePath => "begin the path with /".into(),
            Self::Duration => "write a number and a unit, as in 500ms, 2s, 5m or 1h".into(),
            Self::DurationRange { min, max } => format!("write a time from {min} to {max}").into(),
            Self::TtlOrder => "lower min_ttl or raise max_ttl".into(),
            Self::Address => "write one IPv4 or IPv6 address, neither unspecified nor multicast".into(),
            Self::NameServer => "write 192.0.2.53, or with a port [2001:db8::53]:5353".into(),
            Self::TlsNameServer => {
                "write tls://192.0.2.53#dns.example: its address, and the name in its certificate".into()
            }
            Self::Dnssec => "write \"off\", \"opportunistic\" or \"required\"".into(),
            Self::Socket => "write 192.0.2.53:9469 or [2001:db8::53]:9469".into(),
            Self::RadiusListen => "write an address of this gateway and a port, as in 192.0.2.9:1813".into(),
            Self::TooManyRadiusListen => "list the addresses that clients send to".into(),
            Self::RadiusClientTwice => "list each address or network once".into(),
            Self::TooManyRadiusClients => "join neighbouring clients that share a secret to networks".into(),
            Self::NoRadiusClient => {
                "add an [[identity.radius_client]] with `address` and `secret_file`".into()
            }
            Self::NoRadiusListener => "add [identity.radius] with `listen`".into(),
            Self::Network(error) => error.help(),
            Self::LongerThanSubscriber => "write a prefix of /64 or shorter".into(),
            Self::Reserved => "write the network that subscribers really have".into(),
            Self::PoolOverlap { .. } => "list each address in one pool".into(),
            Self::TooManyPools => format!("join neighbouring pools, to at most {POOLS_MAX}").into(),
        }
    }
}
