//! Counter keys in words.

use std::borrow::Cow;

use tollfree_core::address::SubscriberId;
use tollfree_core::counter::{CounterKey, PendingKey};
use tollfree_core::reason::{Bucket, Reason};

/// The subscriber's address or prefix, as in `10.20.0.11/32`; empty for nobody.
pub(super) fn subscriber_name(subscriber: SubscriberId) -> String {
    subscriber.prefix().map_or_else(String::new, |(address, length)| format!("{address}/{length}"))
}

/// The bucket's word. A number that a later version counted under stays a number: its octets must not get
/// lost.
pub(super) fn bucket_name(number: u16) -> Cow<'static, str> {
    let known = Bucket::ALL.get(usize::from(number));
    known.map_or_else(|| Cow::Owned(number.to_string()), |bucket| Cow::Borrowed(bucket.name()))
}

/// The reason's word, or its number as for buckets.
pub(super) fn reason_name(number: u16) -> Cow<'static, str> {
    let known = Reason::from_number(number);
    known.map_or_else(|| Cow::Owned(number.to_string()), |reason| Cow::Borrowed(reason.name()))
}

/// The whole key, for messages.
pub(super) fn key_name(key: &CounterKey) -> String {
    format!(
        "subscriber {}, bucket {}, reason {}, rule {}, epoch {}",
        subscriber_or_none(key.subscriber),
        bucket_name(key.bucket),
        reason_name(key.reason),
        key.rule,
        key.epoch
    )
}

/// A pending key, for messages.
pub(super) fn flow_name(key: &PendingKey) -> String {
    let subscriber = subscriber_or_none(key.subscriber);
    format!("flow {}, subscriber {subscriber}, rule {}, epoch {}", key.flow, key.rule, key.epoch)
}

fn subscriber_or_none(subscriber: SubscriberId) -> String {
    let name = subscriber_name(subscriber);
    if name.is_empty() { "none".into() } else { name }
}
