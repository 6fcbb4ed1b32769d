//! What a call is compared with.

use std::net::IpAddr;

use ipnet::IpNet;
use tollfree_core::plan::RuleClass;

use crate::policy::{CallTerms, HotlineTable};

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

    /// Whether a host belongs to the operator, so that what it asserts of a caller is true (RFC 3325, section 4) and its
    /// charging identifier too. The answer is no unless overridden.
    fn trusts(&self, host: IpAddr) -> bool {
        let _ = host;
        false
    }
}

impl Hotlines for HotlineTable {
    fn find(&self, dialled: &str) -> Option<HotlineMatch<'_>> {
        let (number, entry) = self.lookup(dialled)?;
        let media = &entry.media_networks;
        let is_emergency = number.is_emergency();
        let (rule, class, terms) = (entry.rule, entry.class, entry.terms);
        Some(HotlineMatch { rule, class, number: number.as_str(), media, terms, is_emergency })
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
    /// What a call may take and still be free.
    pub terms: CallTerms,
    /// A number for emergencies: no count of calls keeps it from being free.
    pub is_emergency: bool,
}
