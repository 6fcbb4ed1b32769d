//! How names are resolved.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tollfree_core::plan::Local;

use super::dnssec::Dnssec;
use super::hygiene::{Hygiene, Refusal};
use crate::config::{NameServer, ResolverConfig};

/// How names are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverSettings {
    /// The trusted resolvers, in order of preference.
    pub servers: Vec<NameServer>,
    /// PEM file of the authorities that may sign for servers that are asked by TLS; read only if there are such.
    pub tls_ca: PathBuf,
    /// How long one server may take for one question, retransmissions and aliases included.
    pub timeout: Duration,
    /// Floor of an answer's lifetime.
    pub min_ttl: Duration,
    /// Cap of an answer's lifetime.
    pub max_ttl: Duration,
    /// How long an address stays in use past its lifetime.
    pub grace: Duration,
    /// How long an address stays in use past its lifetime while no answer can be had.
    pub stale: Duration,
    /// Questions a second, at most.
    pub rate: u32,
    /// What is asked of the signatures of names whose sites do not say.
    pub dnssec: Dnssec,
    /// File of DNSKEY records that are trusted; `None`: the keys of the root.
    pub trust_anchor: Option<PathBuf>,
    /// Which addresses answers may bring in.
    pub hygiene: Hygiene,
}

impl ResolverSettings {
    /// What `gateway.toml` says; answers may not bring in what `own` has, as of
    /// [`local_prefixes`](crate::dataplane::local_prefixes).
    pub fn new<'a>(config: &ResolverConfig, own: impl IntoIterator<Item = (&'a IpNet, &'a Local)>) -> Self {
        let refused = |local: &Local| match local {
            Local::Own => Refusal::Gateway,
            _ => Refusal::Carrier,
        };
        Self {
            servers: config.servers.clone(),
            tls_ca: config.tls_ca.clone(),
            timeout: config.timeout,
            min_ttl: config.min_ttl,
            max_ttl: config.max_ttl,
            grace: config.grace,
            stale: config.stale,
            rate: config.rate,
            dnssec: config.dnssec,
            trust_anchor: config.trust_anchor.clone(),
            hygiene: Hygiene {
                // Sites on private addresses are listed by network: an answer must not lead there.
                allow_private: false,
                own: own.into_iter().map(|(network, local)| (*network, refused(local))).collect(),
            },
        }
    }

    /// A lifetime within floor and cap.
    pub fn bounded(&self, ttl: Duration) -> Duration {
        ttl.max(self.min_ttl).min(self.max_ttl)
    }
}
