//! What is known of all names at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;
use tollfree_core::address::Family;

use super::dnssec::Security;
use super::hygiene::Refusal;
use super::saved::SavedAddress;

/// What is known of one name in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameStatus {
    /// The name.
    pub name: String,
    /// IPv4 or IPv6.
    pub family: Family,
    /// What is in use, addresses in their grace period included.
    pub addresses: BTreeSet<IpAddr>,
    /// The aliases that the last good answer went through, in order.
    pub aliases: Vec<String>,
    /// Those of them that lead to where a site does not approve of.
    pub foreign: Vec<String>,
    /// When the last good answer came; `None` if none has.
    pub learned_at: Option<Timestamp>,
    /// Until when that answer is good.
    pub expires_at: Option<Timestamp>,
    /// Addresses are in use although no answer confirms them any longer.
    pub stale: bool,
    /// Why the last answer was not good; `None` if it was.
    pub last_error: Option<String>,
    /// What validation said of the last answer that held addresses, or was bogus; `None` if there was none.
    pub security: Option<Security>,
    /// What the last answer that held addresses held and was not used.
    pub refused: BTreeMap<IpAddr, Refusal>,
    /// Addresses not used, over all answers.
    pub refused_total: u64,
    /// Whether the site offers Encrypted `ClientHello`; `None`: it publishes no HTTPS record, or none was got.
    pub ech: Option<bool>,
    /// Addresses of this family that its HTTPS records hint at. They are not used.
    pub hints: BTreeSet<IpAddr>,
    /// Where HTTPS records in `AliasMode` lead, in order. Nothing becomes free by that.
    pub service_aliases: Vec<String>,
}

/// What is known of all names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Addresses of both families by name. A name that has none is there, with an empty set.
    pub addresses: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Each name's state in each family, by name.
    pub status: Vec<NameStatus>,
    /// What to keep for the next start.
    pub saved: Vec<SavedAddress>,
}
