//! What a call is compared with.

use ipnet::IpNet;
use tollfree_core::plan::RuleClass;

use crate::policy::HotlineTable;

/// The hotlines of the policy in force.
pub trait Hotlines {
    /// The hotline with this number, compared whole. `dialled`: `+` and digits, or digits alone, as dialled.
    fn find(&self, dialled: &str) -> Option<HotlineMatch<'_>>;

    /// Whether a number at `domain` (host of a `sip:` URI, or `phone-context`) is one of this network's.
    ///
    /// A proxy may carry `sip:19003228@elsewhere.example` to a stranger, through the same media gateway as
    /// the hotline. The answer is yes unless overridden; that is right only where the proxies refuse foreign
    /// domains.
    fn serves(&self, domain: &str) -> bool {
        let _ = domain;
        true
    }
}

impl Hotlines for HotlineTable {
    fn find(&self, dialled: &str) -> Option<HotlineMatch<'_>> {
        let (number, entry) = self.lookup(dialled)?;
        let media = &entry.media_networks;
        Some(HotlineMatch { rule: entry.rule, class: entry.class, number: number.as_str(), media })
    }
}

/// What a policy says of a hotline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotlineMatch<'a> {
    /// The rule's permanent number.
    pub rule: u32,
    /// What the rule gives.
    pub class: RuleClass,
    /// The number in its national form, for the call record.
    pub number: &'a str,
    /// Where a call's media may go and still be free.
    pub media: &'a [IpNet],
}
