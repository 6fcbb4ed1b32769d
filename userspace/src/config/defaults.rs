//! What holds where `gateway.toml` says nothing, and the bounds of what it may say.

use std::ops::RangeInclusive;
use std::time::Duration;

/// `gateway.state_dir`. Reason: the Filesystem Hierarchy Standard's place for state.
pub const STATE_DIR: &str = "/var/lib/tollfree";

/// `gateway.run_dir`. Reason: the Filesystem Hierarchy Standard's place for sockets.
pub const RUN_DIR: &str = "/run/tollfree";

/// `gateway.bpffs`. Reason: systemd mounts a BPF file system at `/sys/fs/bpf`.
pub const BPFFS: &str = "/sys/fs/bpf/tollfree";

/// `policy.directory`.
pub const POLICY_DIRECTORY: &str = "/etc/tollfree/policies";

/// Port of a name server (RFC 1035, section 4.2).
pub const DNS_PORT: u16 = 53;

/// Port of a name server that is asked by TLS (RFC 7858, section 3.1).
pub const DNS_TLS_PORT: u16 = 853;

/// `resolver.tls_ca`. Reason: where Debian's `ca-certificates` puts the authorities that it trusts.
pub const TLS_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// `signalling.port` (RFC 3261, section 19.1.2).
pub const SIP_PORT: u16 = 5060;

/// `resolver.timeout`. Reason: resolvers nearby answer in milliseconds; a lost datagram should not wait for
/// long.
pub const RESOLVER_TIMEOUT: Duration = Duration::from_secs(2);

/// What `resolver.timeout` may be.
pub const RESOLVER_TIMEOUT_RANGE: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_mins(1);

/// `resolver.min_ttl`. Reason: content networks answer with times to live of seconds; fewer would be a flood.
pub const MIN_TTL: Duration = Duration::from_secs(5);

/// `resolver.max_ttl`. Reason: a site that moves should be followed within the hour.
pub const MAX_TTL: Duration = Duration::from_hours(1);

/// What both may be. Reason: RFC 8767, section 4 suggests to cap times to live at days; a policy's end needs
/// less.
pub const TTL_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);

/// `resolver.grace`. Reason: subscribers' own caches lag behind the controller's.
pub const GRACE: Duration = Duration::from_mins(5);

/// What `resolver.grace` may be.
pub const GRACE_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);

/// `resolver.stale`. Reason: RFC 8767, section 5.3 suggests one to three days; the shortest of them covers an outage of a
/// night.
pub const STALE: Duration = Duration::from_hours(24);

/// What `resolver.stale` may be. Reason: after a week, an address may long be somebody else's (RFC 8767, section 6).
pub const STALE_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(7 * 24);

/// `resolver.rate`, in questions a second. Reason: ten thousand names with a time to live of a minute need 400.
pub const RESOLVER_RATE: u32 = 500;

/// What `resolver.rate` may be. Reason: fewer would keep no policy fresh, more would be a flood.
pub const RESOLVER_RATE_RANGE: RangeInclusive<u32> = 10..=10_000;

/// `identity.radius.session_timeout`. Reason: access servers report every few minutes to hours, if they do; a day bounds
/// what a lost Stop does.
pub const SESSION_TIMEOUT: Duration = Duration::from_hours(24);

/// What `identity.radius.session_timeout` may be. Reason: a shorter one ends sessions that live, a longer one bounds
/// nothing.
pub const SESSION_TIMEOUT_RANGE: RangeInclusive<Duration> =
    Duration::from_mins(5)..=Duration::from_hours(30 * 24);

/// Addresses in `identity.radius.listen`. Reason: a gateway has one or two in each of a few networks.
pub const RADIUS_LISTEN_MAX: usize = 16;

/// `[[identity.radius_client]]` tables. Reason: a carrier's relays and access servers, each listed alone.
pub const RADIUS_CLIENTS_MAX: usize = 1024;

/// `ledger.interval`.
pub const LEDGER_INTERVAL: Duration = Duration::from_mins(1);

/// What `ledger.interval` may be. Reason: shorter ones cost more than they tell, longer ones delay billing.
pub const LEDGER_INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// What `limits.counters`, `flows`, `pending` and `quotas` may be, in entries. Reason: fewer would overflow at once; more
/// than 16 Mi would take gigabytes of kernel memory on every CPU.
pub const ENTRIES_RANGE: RangeInclusive<u32> = 1024..=16_777_216;

/// What `limits.flows_per_subscriber` may be. Reason: a page of today opens dozens.
pub const FLOWS_PER_SUBSCRIBER_RANGE: RangeInclusive<u32> = 16..=1_048_576;

/// Subscriber pools. Reason: a quarter of [`tollfree_core::limits::LOCAL_PREFIXES_MAX`]; the rest is for the
/// gateway's own addresses, link-local and multicast.
pub const POOLS_MAX: usize = 1024;

/// Octets of an interface's name: Linux's `IFNAMSIZ`, less the closing zero.
pub const INTERFACE_NAME_OCTETS_MAX: usize = 15;
