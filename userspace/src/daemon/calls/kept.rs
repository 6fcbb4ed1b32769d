//! Calls as the journal has them, and as the ledger gets them.

use serde::{Deserialize, Serialize};
use tollfree_core::address::{Address, Family, SubscriberId};

use crate::calls::{CallRecord, MediaUsage, SavedCall, Stream};
use crate::ledger::{CallRow, Kept};
use crate::status::subscriber_text;

/// A call that ended, as it waits in the journal for the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EndedCall {
    pub(super) record: CallRecord,
    pub(super) epoch: u32,
    pub(super) media: MediaUsage,
}

/// A call that goes on, as the journal has it.
#[derive(Serialize, Deserialize)]
pub(super) struct GoingCall {
    pub(super) call: SavedCall,
    pub(super) epoch: u32,
    /// What its streams carried that are no longer free.
    pub(super) carried: Vec<(Stream, MediaUsage)>,
}

/// What a controller before this one left.
pub(super) enum Past {
    Going(Box<GoingCall>),
    Ended(Box<EndedCall>),
}

/// Reads what a controller before this one kept.
pub(super) fn read_kept(kept: &Kept) -> Result<Past, serde_json::Error> {
    if kept.is_ended {
        serde_json::from_str(&kept.state).map(|call| Past::Ended(Box::new(call)))
    } else {
        serde_json::from_str(&kept.state).map(|call| Past::Going(Box::new(call)))
    }
}

/// The ledger's row of a call.
pub(super) fn row(gateway: &str, ended: &EndedCall) -> CallRow {
    let record = &ended.record;
    let family = if record.subscriber.is_ipv4() { Family::V4 } else { Family::V6 };
    CallRow {
        uid: Some(record.uid.clone()),
        gateway: gateway.to_owned(),
        call_id: record.call_id.clone(),
        rule: record.rule,
        number: record.number.clone(),
        caller: record.caller.clone(),
        is_caller_asserted: record.is_caller_asserted,
        charging_id: record.charging_id.clone(),
        subscriber: subscriber_text(SubscriberId::of(&Address::from(record.subscriber), family)),
        proxy: record.proxy.map(|proxy| proxy.ip()),
        invited_at: record.invited,
        answered_at: record.answered,
        ended_at: record.ended,
        cause: record.cause.name().into(),
        epoch: ended.epoch,
        media: ended.media,
    }
}
