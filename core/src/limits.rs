//! Every bound of the data plane, with its unit and its reason.

/// How far into a frame a header may begin, in octets. Reason: the verifier must know a bound before an offset is
/// added to the packet pointer; 511 leaves room for every header chain the parser accepts.
pub const OFFSET_MAX: usize = 511;

/// How far into a frame a part of a DNS message may begin that is read there, in octets. Reason: as [`OFFSET_MAX`]; a
/// datagram that is in no fragment ends before.
pub const MESSAGE_OFFSET_MAX: usize = 2047;

/// VLAN tags read, 802.1Q or 802.1ad. Reason: 802.1ad with 802.1Q inside is two; more are nobody's carrier network.
pub const VLAN_TAGS_MAX: usize = 2;

/// MPLS labels read. Reason: transport, service, entropy indicator and entropy label (RFC 6790).
pub const MPLS_LABELS_MAX: usize = 4;

/// Tunnels looked into, one inside the other. Reason: a mobile carrier's user plane over a fabric is two; one to spare.
pub const TUNNELS_MAX: usize = 3;

/// GTP-U extension headers read. Reason: TS 29.281, clause 5.2 defines fewer for user packets.
pub const GTPU_EXTENSIONS_MAX: usize = 4;

/// Prefixes that are ends of the carrier's tunnels, of one family.
pub const TRANSPORT_PREFIXES_MAX: u32 = 4096;

/// Datagrams whose first fragment is remembered. Reason: forgetting one charges its rest, so this need not be exact.
pub const FRAGMENTS_MAX: u32 = 65_536;

/// How long a first fragment is remembered, in nanoseconds. Reason: RFC 8200, section 4.5 gives a datagram a minute.
pub const FRAGMENT_LIFETIME_NS: u64 = 60 * 1_000_000_000;

/// IPv6 extension headers read in front of the upper layer. Reason: RFC 8200, section 4.1 recommends at most seven.
pub const IPV6_EXTENSIONS_MAX: usize = 7;

/// Matchers (rule and port range) that apply to one address. Reason: the kernel walks them for each packet of a
/// candidate address, so the walk must be short; compilation refuses a policy that needs more.
pub const MATCHERS_MAX: usize = 16;

/// Different sets of matchers in one plan. Reason: addresses share sets, so there are about as many as rules.
pub const MATCH_SETS_MAX: u32 = 4096;

/// Rules in one plan. Reason: South Africa's national list had almost a thousand sites.
pub const RULES_MAX: u32 = 4096;

/// Plans held at once: the one in force and the one being built.
pub const PLAN_SLOTS: u32 = 2;

/// Prefixes of one family in one plan. Reason: ten times the largest published list; about 100 octets of kernel
/// memory each, taken only when used.
pub const CLASS_PREFIXES_MAX: u32 = 262_144;

/// Prefixes of subscriber pools and own addresses of one family.
pub const LOCAL_PREFIXES_MAX: u32 = 4096;

/// Interfaces one gateway counts.
pub const INTERFACES_MAX: u32 = 32;

/// Counter banks: one is written while the other rests and is read.
pub const BANKS: u32 = 2;

/// Counter entries of one bank unless configured otherwise (subscribers times buckets in use).
pub const COUNTERS_DEFAULT: u32 = 262_144;

/// Counters kept for what no longer fits, by rule and reason. Reason: one per rule, twice over.
pub const OVERFLOW_MAX: u32 = 8192;

/// Flows to candidate addresses unless configured otherwise.
pub const FLOWS_DEFAULT: u32 = 262_144;

/// Flows of one subscriber unless configured otherwise. Reason: a household behind one address opens some hundred; a
/// port scan opens as many as it can, and must not take others' room.
pub const FLOWS_PER_SUBSCRIBER_DEFAULT: u32 = 1024;

/// Flows that await evidence at once, in one bank. Reason: evidence comes in the first packets, so few wait.
pub const PENDING_DEFAULT: u32 = 65_536;

/// Subscribers and rules with a daily ceiling, of one day.
pub const QUOTAS_DEFAULT: u32 = 262_144;

/// How long a TCP flow may rest, in nanoseconds. Reason: RFC 5382, REQ-5, asks address translators for two hours and
/// four minutes.
pub const FLOW_REST_TCP_NS: u64 = 124 * 60 * 1_000_000_000;

/// How long a TCP flow may rest that nobody answered. Reason: RFC 5382, REQ-5, gives a connection that is being
/// opened four minutes.
pub const FLOW_REST_TCP_OPENING_NS: u64 = 4 * 60 * 1_000_000_000;

/// How long a TCP flow lingers that both sides finished, or one reset. Reason: the last acknowledgements and what is sent again; Linux gives
/// a connection half a minute for its last one.
pub const FLOW_REST_TCP_CLOSED_NS: u64 = 30 * 1_000_000_000;

/// How long any other flow may rest. Reason: RFC 4787, REQ-5, recommends five minutes.
pub const FLOW_REST_NS: u64 = 5 * 60 * 1_000_000_000;

/// How long any other flow may rest that nobody answered. Reason: RFC 4787, REQ-5, asks for two minutes at least.
pub const FLOW_REST_OPENING_NS: u64 = 2 * 60 * 1_000_000_000;

/// How long a flow may await evidence, in nanoseconds. Reason: a handshake that takes longer is given up by most clients.
pub const EVIDENCE_WAIT_NS: u64 = 30 * 1_000_000_000;

/// How many packets of a flow that awaits evidence are copied. Reason: a hello of TLS with post-quantum keys, sent octet by
/// octet, and the answers to it.
pub const EVIDENCE_PACKETS_MAX: u64 = 4096;

/// How much of such a flow is copied, in octets of volume each way. Reason: a hello may fill several TLS records of 16 KiB
/// (RFC 8446, section 5.1).
pub const EVIDENCE_OCTETS_MAX: u64 = 128 * 1024;

/// How long after an answer its subscriber's new flows are waited with, in nanoseconds. Reason: userspace learns within
/// milliseconds; a controller that is slow still has time, one that is dead keeps nobody's volume undecided for long.
pub const HEARD_NS: u64 = 5 * 1_000_000_000;

/// Records of an answer in which the kernel looks for addresses. Reason: an answer of 1232 octets, which resolvers keep to,
/// has at most 41 with an IPv6 address; names that are served from so many places are none of the first.
pub const ANSWER_RECORDS_MAX: usize = 32;

/// Places for subscribers who have just been answered and for the addresses in answers; a power of two. Reason: two that
/// share one cost nothing but work, and so many are not in answers within [`HEARD_NS`] about names that rules list.
pub const HEARD_MAX: u32 = 65_536;

/// Names that rules list, and names below which they list all, as the kernel knows them. Reason: ten thousand domains and
/// as many that are about to go, several times over.
pub const NAMES_MAX: u32 = 65_536;

/// A second, in nanoseconds.
pub const SECOND_NS: u64 = 1_000_000_000;

/// DNS messages about names that no rule lists which are copied in a second, on one CPU. Reason: they tell which addresses
/// strangers share, and what is popular comes again; more would take room from what evidence needs.
pub const SPARED_COPIES_MAX: u64 = 2000;

/// How many sequence numbers an RTP stream may leave out and still be the same source's. Reason: RFC 3550, appendix A.1.
pub const RTP_DROPOUT_MAX: u16 = 3000;

/// How far behind the highest sequence number an RTP packet may come and still be one that was late. Reason: as above.
pub const RTP_MISORDER_MAX: u16 = 100;

/// How long after a message of his a subscriber's media may await its call, in nanoseconds. Reason: as [`HEARD_NS`].
pub const SIGNALLED_NS: u64 = HEARD_NS;

/// How many packets of a stream that awaits its call are copied. Reason: one suffices; the others are in case it is lost.
pub const MEDIA_COPIES_MAX: u64 = 8;

/// How long after a SIP MESSAGE of his a subscriber's next one is not waited with, in nanoseconds. Reason: each is kept
/// until it is decided, so one subscriber must not fill the table; RFC 3261 sends none again sooner than after 500 ms.
pub const TEXT_INTERVAL_NS: u64 = 250_000_000;

/// Places for subscribers who have just sent a SIP MESSAGE; a power of two. Reason: two that share one are charged for
/// messages of the same quarter of a second, under a reason of their own.
pub const TEXTS_MAX: u32 = 65_536;

/// What a free call's stream may be ahead of its rate, in octets of volume. Reason: a jitter buffer's worth and a burst at
/// the beginning; a tenth of a minute of speech.
pub const MEDIA_BURST_OCTETS: u64 = 64 * 1024;

/// How long after its end an entry is taken out, in nanoseconds. Reason: no packet that saw it alive is under way any
/// more, by several orders of magnitude.
pub const UPKEEP_MARGIN_NS: u64 = 5 * 1_000_000_000;

/// A day, in nanoseconds.
pub const DAY_NS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// Media streams of free calls at once.
pub const GRANTS_MAX: u32 = 65_536;

/// Octets of one packet copied to userspace. Reason: a SIP message in one datagram is at most one MTU; a jumbo
/// frame's worth is cut, and the cut is marked.
pub const COPY_OCTETS_MAX: usize = 2048;

/// Octets of the ring buffer to userspace; a power of two. Reason: ten thousand hellos or answers, a second of a busy
/// gateway's.
pub const COPIES_RING_OCTETS: u32 = 16 * 1024 * 1024;
