//! Single settings, from text.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::SignedDuration;
use tollfree_core::interface::Role;
use tollfree_core::packet::tunnel::TunnelKind;
use tollfree_core::settings::Settings;

use super::defaults::INTERFACE_NAME_OCTETS_MAX;
use super::fault::ConfigFault;
use crate::resolve::Dnssec;

/// An absolute path.
pub(super) fn absolute_path(text: &str) -> Result<PathBuf, ConfigFault> {
    let path = PathBuf::from(text);
    if path.is_absolute() && !text.contains('\0') { Ok(path) } else { Err(ConfigFault::RelativePath) }
}

/// A length of time in `range`.
pub(super) fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, ConfigFault> {
    let duration: SignedDuration = text.parse().map_err(|_| ConfigFault::Duration)?;
    let shown =
        |&duration: &Duration| format!("{:#}", SignedDuration::try_from(duration).unwrap_or_default());
    let out_of_range = || ConfigFault::DurationRange { min: shown(range.start()), max: shown(range.end()) };
    Duration::try_from(duration).ok().filter(|duration| range.contains(duration)).ok_or_else(out_of_range)
}

/// A name that Linux gives to interfaces (`dev_valid_name`).
pub(super) fn interface_name(text: &str) -> Result<String, ConfigFault> {
    let fits = (1..=INTERFACE_NAME_OCTETS_MAX).contains(&text.len());
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if !fits || text == "." || text == ".." || text.contains(odd) {
        return Err(ConfigFault::InterfaceName);
    }
    Ok(text.to_owned())
}

/// An interface's role.
pub(super) fn role(text: &str) -> Result<Role, ConfigFault> {
    [Role::Access, Role::Core].into_iter().find(|role| role.name() == text).ok_or(ConfigFault::Role)
}

/// A kind of tunnel.
pub(super) fn tunnel_kind(text: &str) -> Result<TunnelKind, ConfigFault> {
    TunnelKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or(ConfigFault::TunnelKind)
}

/// Ends of tunnels: a network, or one address.
pub(super) fn endpoint(text: &str) -> Result<IpNet, ConfigFault> {
    let net = match text.parse::<IpAddr>() {
        Ok(ip) => IpNet::from(ip),
        Err(_) => text.parse().map_err(|_| ConfigFault::Endpoint)?,
    };
    if net == net.trunc() && is_host(&net.network()) { Ok(net) } else { Err(ConfigFault::Endpoint) }
}

/// Where a RADIUS client's requests come from: a network, or one address.
pub(super) fn radius_client(text: &str) -> Result<IpNet, ConfigFault> {
    endpoint(text).map_err(|_| ConfigFault::RadiusClient)
}

/// One address of this gateway, and a port to listen on.
pub(super) fn radius_listen(text: &str) -> Result<SocketAddr, ConfigFault> {
    listen(text).ok().filter(|socket| is_host(&socket.ip())).ok_or(ConfigFault::RadiusListen)
}

/// Which headers carry the code point.
pub(super) fn dscp_at(text: &str) -> Result<u32, ConfigFault> {
    match text {
        "inner" => Ok(Settings::INNER),
        "outer" => Ok(Settings::OUTER),
        "both" => Ok(Settings::INNER | Settings::OUTER),
        _ => Err(ConfigFault::DscpAt),
    }
}

/// The address of one host.
pub(super) fn host(text: &str) -> Result<IpAddr, ConfigFault> {
    text.parse().ok().filter(is_host).ok_or(ConfigFault::Address)
}

/// What is asked of signatures.
pub(super) fn dnssec(text: &str) -> Result<Dnssec, ConfigFault> {
    Dnssec::ALL.into_iter().find(|dnssec| dnssec.name() == text).ok_or(ConfigFault::Dnssec)
}

/// An address and a port to listen on; the unspecified address listens on all.
pub(super) fn listen(text: &str) -> Result<SocketAddr, ConfigFault> {
    text.parse().ok().filter(|socket: &SocketAddr| socket.port() != 0).ok_or(ConfigFault::Socket)
}

pub(super) fn is_host(ip: &IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_a_unit_and_bounds() {
        let range = Duration::from_millis(100)..=Duration::from_hours(1);
        for (text, seconds) in [("2s", 2.0), ("500ms", 0.5), ("5m", 300.0), ("1h", 3600.0)] {
            assert_eq!(duration(text, &range), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "2", "2x", "s", "-", "1 fortnight"] {
            assert_eq!(duration(text, &range), Err(ConfigFault::Duration), "{text}");
        }
        for text in ["0s", "-2s", "99ms", "61m"] {
            assert!(matches!(duration(text, &range), Err(ConfigFault::DurationRange { .. })), "{text}");
        }
    }

    #[test]
    fn interface_names_are_those_of_linux() {
        for text in ["acc0", "eth0.100", "br-lan", "123456789012345"] {
            assert_eq!(interface_name(text).as_deref(), Ok(text));
        }
        for text in ["", ".", "..", "a/b", "a:1", "a b", "1234567890123456"] {
            assert_eq!(interface_name(text), Err(ConfigFault::InterfaceName), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_in_its_bounds(text in "\\PC{0,24}|-?[0-9]{1,20}[a-z]{0,8}") {
            let range = Duration::from_secs(1)..=Duration::from_mins(1);
            if let Ok(duration) = duration(&text, &range) {
                prop_assert!(range.contains(&duration));
            }
            if let Ok(name) = interface_name(&text) {
                prop_assert!(name.len() <= 15 && !name.contains('/'));
            }
        }
    }
}
