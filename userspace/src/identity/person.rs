//! Who somebody is.

use serde::{Deserialize, Serialize};

use super::imsi::Imsi;
use super::msisdn::Msisdn;

/// An MSISDN, an IMSI, or both; never neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    msisdn: Option<Msisdn>,
    imsi: Option<Imsi>,
}

impl Identity {
    /// The identity of these two; `None` if there is neither.
    pub fn new(msisdn: Option<Msisdn>, imsi: Option<Imsi>) -> Option<Self> {
        (msisdn.is_some() || imsi.is_some()).then_some(Self { msisdn, imsi })
    }

    /// The telephone number, if it is known.
    pub fn msisdn(&self) -> Option<Msisdn> {
        self.msisdn
    }

    /// The subscription, if it is known.
    pub fn imsi(&self) -> Option<Imsi> {
        self.imsi
    }

    /// What `newer` says, and `older` where that says nothing.
    pub(super) fn merge(newer: Option<Self>, older: Option<Self>) -> Option<Self> {
        let (Some(newer), Some(older)) = (newer, older) else { return newer.or(older) };
        Self::new(newer.msisdn.or(older.msisdn), newer.imsi.or(older.imsi))
    }
}
