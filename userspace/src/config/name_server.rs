//! Name servers, from text.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use rustls::pki_types::ServerName;

use super::defaults::{DNS_PORT, DNS_TLS_PORT};
use super::fault::ConfigFault;
use super::value::{is_host, listen};

/// What is written before a server that is asked by TLS.
const TLS_SCHEME: &str = "tls://";

/// A server that is trusted to resolve names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Where it answers.
    pub address: SocketAddr,
    /// `None`: it is asked by UDP and TCP. Else by TLS (RFC 7858), and its certificate must be for this host name or
    /// address.
    pub tls_name: Option<String>,
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tls_name {
            Some(name) => write!(f, "{TLS_SCHEME}{}#{name}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

impl From<SocketAddr> for NameServer {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls_name: None }
    }
}

/// A name server: an address, or an address and a port; after `tls://`, and with `#` and the name in its certificate,
/// one that is asked by TLS.
pub(super) fn name_server(text: &str) -> Result<NameServer, ConfigFault> {
    let Some(rest) = text.strip_prefix(TLS_SCHEME) else {
        return Ok(socket(text, DNS_PORT, &ConfigFault::NameServer)?.into());
    };
    let (address, name) = match rest.split_once('#') {
        Some((address, name)) => (address, Some(name)),
        None => (rest, None),
    };
    let address = socket(address, DNS_TLS_PORT, &ConfigFault::TlsNameServer)?;
    let name = name.map_or_else(|| address.ip().to_string(), str::to_owned);
    if ServerName::try_from(name.as_str()).is_err() {
        return Err(ConfigFault::TlsNameServer);
    }
    Ok(NameServer { address, tls_name: Some(name) })
}

fn socket(text: &str, port: u16, otherwise: &ConfigFault) -> Result<SocketAddr, ConfigFault> {
    let server = match text.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port),
        Err(_) => listen(text).map_err(|_| otherwise.clone())?,
    };
    if is_host(&server.ip()) { Ok(server) } else { Err(ConfigFault::Address) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn server(address: &str, tls_name: Option<&str>) -> NameServer {
        let address = address.parse().expect("a socket address");
        NameServer { address, tls_name: tls_name.map(str::to_owned) }
    }

    #[test]
    fn ports_are_those_of_the_protocol_unless_others_are_written() {
        assert_eq!(name_server("192.0.2.53"), Ok(server("192.0.2.53:53", None)));
        assert_eq!(name_server("2001:db8::53"), Ok(server("[2001:db8::53]:53", None)));
        assert_eq!(name_server("[2001:db8::53]:5353"), Ok(server("[2001:db8::53]:5353", None)));
        // RFC 7858, section 3.1: port 853.
        let named = Some("dns.example");
        assert_eq!(name_server("tls://192.0.2.53#dns.example"), Ok(server("192.0.2.53:853", named)));
        assert_eq!(name_server("tls://192.0.2.53:8853#dns.example"), Ok(server("192.0.2.53:8853", named)));
        assert_eq!(name_server("tls://2001:db8::53#dns.example"), Ok(server("[2001:db8::53]:853", named)));
        let by_address = Some("192.0.2.53");
        assert_eq!(name_server("tls://192.0.2.53"), Ok(server("192.0.2.53:853", by_address)));
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in ["", "dns.example", "192.0.2.53:0", "192.0.2.53:65536", "[2001:db8::53]", "192.0.2.53#a"]
        {
            assert_eq!(name_server(text), Err(ConfigFault::NameServer), "{text}");
        }
        for text in ["tls://", "tls://dns.example", "tls://192.0.2.53#", "tls://192.0.2.53#a b"] {
            assert_eq!(name_server(text), Err(ConfigFault::TlsNameServer), "{text}");
        }
        for text in ["0.0.0.0", "::", "224.0.0.251:5353", "tls://0.0.0.0#a.example"] {
            assert_eq!(name_server(text), Err(ConfigFault::Address), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_written_the_same(text in "(tls://)?[0-9.:\\[\\]a-f]{0,24}(#[a-z0-9.:-]{0,12})?") {
            if let Ok(server) = name_server(&text) {
                prop_assert!(server.address.port() != 0 && !server.address.ip().is_unspecified());
                prop_assert_eq!(name_server(&server.to_string()), Ok(server));
            }
        }
    }
}
