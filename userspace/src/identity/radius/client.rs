//! Who may tell of sessions.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use prefix_trie::PrefixMap;

use super::secret::{Secret, SecretError};
use crate::config::RadiusClientConfig;

/// Secrets by client's address; the longest prefix counts.
#[derive(Debug, Default)]
pub struct Clients(PrefixMap<Ipv6Net, Secret>);

impl Clients {
    /// Reads each client's secret.
    ///
    /// # Errors
    /// The first secret that cannot be used.
    pub fn load(clients: &[RadiusClientConfig]) -> Result<Self, SecretError> {
        let secret = |client: &RadiusClientConfig| Ok((client.address, Secret::load(&client.secret_file)?));
        Ok(clients.iter().map(secret).collect::<Result<Vec<_>, SecretError>>()?.into_iter().collect())
    }

    /// The secret of the client at `address`, if it is one.
    pub fn secret(&self, address: IpAddr) -> Option<&Secret> {
        self.0.get_lpm(&mapped(address.to_canonical().into())).map(|(_, secret)| secret)
    }
}

impl FromIterator<(IpNet, Secret)> for Clients {
    fn from_iter<I: IntoIterator<Item = (IpNet, Secret)>>(clients: I) -> Self {
        Self(clients.into_iter().map(|(network, secret)| (mapped(network), secret)).collect())
    }
}

/// Both families in one table: IPv4 as IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2).
fn mapped(network: IpNet) -> Ipv6Net {
    match network {
        IpNet::V6(v6) => v6,
        IpNet::V4(v4) => Ipv6Net::new_assert(v4.network().to_ipv6_mapped(), 96 + v4.prefix_len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_has_the_secret() {
        let secret = |text: &str| Secret::new(text.into()).expect("not empty");
        let clients = [("10.0.0.0/24", "net"), ("10.0.0.7/32", "host"), ("2001:db8::/32", "six")];
        let clients: Clients =
            clients.iter().map(|(net, text)| (net.parse().expect("a network"), secret(text))).collect();
        for (address, wanted) in [
            ("10.0.0.8", Some("net")),
            ("10.0.0.7", Some("host")),
            ("::ffff:10.0.0.7", Some("host")),
            ("2001:db8::1", Some("six")),
            ("10.0.1.1", None),
            ("2001:db9::1", None),
        ] {
            let found = clients.secret(address.parse().expect("an address"));
            assert_eq!(found, wanted.map(secret).as_ref(), "{address}");
        }
    }
}
