//! How much is held, and for how long.

use std::time::Duration;

/// How long past its lifetime an address is kept because flows use it. Reason: a download or a call does not last longer;
/// without a bound, one subscriber's idle flow could keep an address free for ever.
pub const KEPT_MAX: Duration = Duration::from_hours(24);

/// How old what is known of flows may be. Reason: flows are read every few seconds; when they cannot be read, nothing is
/// kept because of them.
pub const USE_REPORT_MAX: Duration = Duration::from_mins(1);

/// How long it is remembered that a name had an address, as evidence that the address is shared. Reason: a site that lives
/// on a shared address is asked for within a week; one that has moved away should not be held against it for longer.
pub const SHARING_REMEMBERED: Duration = Duration::from_hours(7 * 24);

/// Addresses in all. Reason: half of the prefixes that one family has room for in the data plane, so that policies'
/// networks have the other half.
pub const PLACES_MAX: usize = 131_072;

/// Names in all. Reason: ten times the largest policy; some 50 MB.
pub const NAMES_MAX: usize = 131_072;

/// Addresses of names in all. Reason: two addresses a name; some 100 MB.
pub const PAIRS_MAX: usize = 262_144;

/// Names that one subscriber's answers may bring in, within [`CHANGE_WINDOW`](crate::resolve::CHANGE_WINDOW). Reason: no
/// person visits more hosts of one wildcard so fast; who asks for invented ones fills no more than this.
pub const NEW_NAMES_MAX: u32 = 512;

/// Subscribers whose new names are counted. Reason: those who ask for listed names within one window; some 5 MB.
pub const TEACHERS_MAX: usize = 65_536;

/// Names that the gateway resolves itself because subscribers asked for them and their rules ask for a proof. Reason: at the
/// shortest lifetimes by default, a tenth of what the gateway may ask in a second keeps as many fresh.
pub const WANTED_MAX: usize = 4096;

/// Unlike names that are remembered of one address as evidence of sharing. Reason: one is enough; some more outlast the
/// forgetting of the first.
pub const WITNESSES_MAX: usize = 16;

/// Addresses of which the last names are remembered although no listed name has them. Reason: a stranger may have been
/// asked for before the listed name moved to its address; some 20 MB.
pub const PASSERS_BY_MAX: usize = 65_536;

/// Names that are remembered of such an address, unless it was a listed name's. Reason: one that is of the listed name's
/// owner must not hide another.
pub(super) const PASSERS_EACH_MAX: usize = 4;

/// Aliases of listed names that are remembered of one address. Reason: more than a content network has for one site there.
pub(super) const PLACE_ALIASES_MAX: usize = 256;

/// Aliases of one answer that are remembered. Reason: twice what a resolver follows.
pub(super) const CHAIN_MAX: usize = 16;
