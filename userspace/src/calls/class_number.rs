//! A class by its number, which is permanent.

use serde::{Deserialize, Deserializer, Serializer};
use tollfree_core::plan::RuleClass;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(super) fn serialize<S: Serializer>(class: &RuleClass, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(*class as u32)
}

pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<RuleClass, D::Error> {
    u32::deserialize(deserializer).map(RuleClass::from_number)
}
