//! How identities come in, in numbers.

use serde::{Deserialize, Serialize};

/// What the status document says of identities. Never whose they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityStatus {
    /// What is known.
    pub bindings: BindingStatus,
    /// What the RADIUS listener received; `None`: there is none.
    pub radius: Option<RadiusStatus>,
}

/// What is known now, and what was ignored since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingStatus {
    /// Sessions that live.
    pub sessions: u64,
    /// Addresses or networks that they hold.
    pub leases: u64,
    /// Entries of the file that are in a pool.
    pub file_entries: u64,
    /// Entries of the file that are in none.
    pub file_out_of_pool: u64,
    /// Addresses or networks in messages that are in no pool.
    pub out_of_pool: u64,
    /// Messages, or addresses in them, that came too late.
    pub late: u64,
    /// Addresses or networks for which there was no room.
    pub full: u64,
    /// Sessions that fell silent.
    pub expired: u64,
}

/// Datagrams that came in since the start; each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RadiusStatus {
    /// Requests that were taken and answered.
    pub accepted: u64,
    /// Requests that were sent again, and answered again.
    pub duplicates: u64,
    /// Requests of a kind that says nothing of sessions or access servers; answered.
    pub ignored: u64,
    /// Requests that were not taken, because those before them still wait; not answered, so they are sent again.
    pub overloaded: u64,
    /// Datagrams from addresses of no configured client; not answered.
    pub unknown_client: u64,
    /// Requests whose authenticator the client's secret does not give; not answered.
    pub bad_authenticator: u64,
    /// Datagrams that are not Accounting-Requests as they must be; not answered.
    pub malformed: u64,
    /// Of those accepted or ignored: with a Calling-Station-Id or 3GPP-IMSI that is no MSISDN or IMSI.
    pub unreadable_identity: u64,
}
