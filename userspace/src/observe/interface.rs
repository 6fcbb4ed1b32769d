//! An interface whose frames can be read.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::error::ObserveError;

/// An interface that is there, is up, and gives Ethernet frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) index: u32,
}

impl Interface {
    /// The interface called `name` in this network namespace.
    pub(super) fn find(name: &str) -> Result<Self, ObserveError> {
        let entries = getifaddrs().map_err(|errno| ObserveError::runtime(errno.into()))?;
        // The list has an entry with the link-layer address of each interface.
        let mut links = entries
            .filter(|entry| entry.interface_name == name)
            .filter_map(|entry| Some((entry.flags, *entry.address?.as_link_addr()?)));
        let (flags, link) = links.next().ok_or_else(|| ObserveError::NoInterface { name: name.into() })?;
        let index = u32::try_from(link.ifindex()).unwrap_or_default();
        check(name, link.hatype(), flags)?;
        Ok(Self { name: name.into(), index })
    }
}

fn check(name: &str, hardware: u16, flags: InterfaceFlags) -> Result<(), ObserveError> {
    if hardware != libc::ARPHRD_ETHER {
        return Err(ObserveError::NotEthernet { name: name.into(), hardware });
    }
    if flags.contains(InterfaceFlags::IFF_UP) {
        Ok(())
    } else {
        Err(ObserveError::Down { name: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exit codes are those of docs/operators.md.
    #[test]
    fn what_cannot_be_observed_is_told_apart() {
        let missing = Interface::find("no-such-if0").expect_err("nobody has made it");
        assert_eq!(missing.exit() as u8, 6);
        // Every network namespace has it; its hardware type is ARPHRD_LOOPBACK.
        let loopback = Interface::find("lo").expect_err("not Ethernet");
        assert!(matches!(loopback, ObserveError::NotEthernet { hardware: 772, .. }), "{loopback}");
        assert_eq!(loopback.exit() as u8, 19);
        let down = check("eth0", 1, InterfaceFlags::IFF_BROADCAST).expect_err("it is down");
        assert!(down.to_string().contains("ip link set eth0 up"), "{down}");
        assert_eq!(down.exit() as u8, 19);
        assert!(check("eth0", 1, InterfaceFlags::IFF_UP).is_ok());
    }
}
