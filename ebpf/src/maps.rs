//! All maps, and counting in them.

use core::arch::asm;

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, BPF_NOEXIST};
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{
    Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, PerCpuHashMap, ProgramArray, RingBuf,
};
use tollfree_core::address::{Address, SubscriberId};
use tollfree_core::control::Control;
use tollfree_core::counter::{CounterKey, PendingKey, Usage};
use tollfree_core::flow::{
    FlowCells, FlowEntry, FlowKey, FragmentEntry, FragmentKey, GrantEntry, Promise, SubscriberFlows,
};
use tollfree_core::interface::{InterfaceEntry, InterfaceUsage, Role, bucket_index, totals_index};
use tollfree_core::layout::LayoutEntry;
use tollfree_core::limits::{
    BANKS, COPIES_RING_OCTETS, COUNTERS_DEFAULT, FLOWS_DEFAULT, FRAGMENTS_MAX, GRANTS_MAX, HEARD_MAX,
    INTERFACES_MAX, LOCAL_PREFIXES_MAX, MATCH_SETS_MAX, NAMES_MAX, OVERFLOW_MAX, PENDING_DEFAULT, PLAN_SLOTS,
    QUOTAS_DEFAULT, RULES_MAX, TEXT_INTERVAL_NS, TEXTS_MAX, TRANSPORT_PREFIXES_MAX,
};
use tollfree_core::places::{heard_place, remote_place, signalled_place, text_place};
use tollfree_core::plan::{ClassEntry, MatchSet, RuleEntry};
use tollfree_core::prefix::{
    FILTER_WORDS_MAX, LONG_LENGTHS_MAX, LongLengths, PREFIXES_MAX, PrefixKey, SHORT_LENGTHS_MAX,
};
use tollfree_core::quota::{QuotaCells, QuotaEntry, QuotaKey};
use tollfree_core::reason::Bucket;
use tollfree_core::settings::Settings;
use tollfree_core::stat::Stat;

/// Written by the loader; one program is loaded for each interface.
#[unsafe(no_mangle)]
static SETTINGS: Settings = Settings::DEFAULT;

/// This interface's settings.
#[inline(always)]
pub fn settings() -> Settings {
    // SAFETY: reads a static. JUSTIFICATION: volatile, or the compiler would keep the value from before the loader
    // wrote it.
    unsafe { (&raw const SETTINGS).read_volatile() }
}

#[map]
pub static LAYOUT: Array<LayoutEntry> = Array::pinned(1, 0);
/// One word, stored by the controller through its own mapping of the map's memory.
#[map]
static CONTROL: Array<u64> = Array::pinned(1, BPF_F_MMAPABLE);
#[map]
pub static INTERFACES: Array<InterfaceEntry> = Array::pinned(INTERFACES_MAX, 0);

#[map]
pub static LOCAL_V4: LpmTrie<u32, u32> = LpmTrie::pinned(LOCAL_PREFIXES_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static LOCAL_V6: LpmTrie<[u32; 4], u32> = LpmTrie::pinned(LOCAL_PREFIXES_MAX, BPF_F_NO_PREALLOC);

/// Ends of the carrier's tunnels, by kinds.
#[map]
pub static TRANSPORTS_V4: LpmTrie<u32, u32> = LpmTrie::pinned(TRANSPORT_PREFIXES_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static TRANSPORTS_V6: LpmTrie<[u32; 4], u32> = LpmTrie::pinned(TRANSPORT_PREFIXES_MAX, BPF_F_NO_PREALLOC);

/// Of both plans, written by the controller alone: its memory is taken as it is used.
#[map]
pub static PREFIXES: HashMap<PrefixKey, ClassEntry> = HashMap::pinned(PREFIXES_MAX, BPF_F_NO_PREALLOC);
/// Which lengths are worth a look, by region of the address space; stored by the controller through its own mapping.
#[map]
pub static SHORT_LENGTHS: Array<u64> = Array::pinned(SHORT_LENGTHS_MAX, BPF_F_MMAPABLE);
#[map]
pub static LONG_LENGTHS: Array<LongLengths> = Array::pinned(LONG_LENGTHS_MAX, BPF_F_MMAPABLE);
/// A bit for each prefix, by a hash of its key; stored likewise.
#[map]
pub static PREFIX_FILTER: Array<u64> = Array::pinned(FILTER_WORDS_MAX, BPF_F_MMAPABLE);
#[map]
pub static MATCH_SETS: Array<MatchSet> = Array::pinned(PLAN_SLOTS * MATCH_SETS_MAX, 0);
#[map]
pub static RULES: Array<RuleEntry> = Array::pinned(PLAN_SLOTS * RULES_MAX, 0);

#[map]
pub static FLOWS: HashMap<FlowKey, FlowEntry> = HashMap::pinned(FLOWS_DEFAULT, 0);
/// The number of the last flow that each CPU opened, its own part alone.
#[map]
static FLOW_NUMBERS: PerCpuArray<u64> = PerCpuArray::pinned(1, 0);
/// What evidence said, by flow number; written by userspace.
#[map]
pub static VERDICTS: HashMap<u64, Promise> = HashMap::pinned(FLOWS_DEFAULT, 0);
#[map]
static SUBSCRIBER_FLOWS: HashMap<SubscriberId, SubscriberFlows> = HashMap::pinned(FLOWS_DEFAULT, 0);
/// Written by userspace.
#[map]
static SUBSCRIBER_FLOWS_ENDED: HashMap<SubscriberId, SubscriberFlows> = HashMap::pinned(FLOWS_DEFAULT, 0);
#[map]
static QUOTAS: HashMap<QuotaKey, QuotaEntry> = HashMap::pinned(QUOTAS_DEFAULT, 0);
/// The end of some day, in nanoseconds of `CLOCK_MONOTONIC`; written by userspace.
#[map]
static DAY_ENDS: Array<u64> = Array::pinned(1, 0);
/// May forget what is oldest: a datagram that is forgotten is charged.
#[map]
pub static FRAGMENTS: LruHashMap<FragmentKey, FragmentEntry> = LruHashMap::pinned(FRAGMENTS_MAX, 0);
#[map]
pub static GRANTS: HashMap<FlowKey, GrantEntry> = HashMap::pinned(GRANTS_MAX, 0);

// Billing state: preallocated, never evicted, never reset.
#[map]
static COUNTERS_0: PerCpuHashMap<CounterKey, Usage> = PerCpuHashMap::pinned(COUNTERS_DEFAULT, 0);
#[map]
static COUNTERS_1: PerCpuHashMap<CounterKey, Usage> = PerCpuHashMap::pinned(COUNTERS_DEFAULT, 0);
#[map]
static OVERFLOW_0: PerCpuHashMap<CounterKey, Usage> = PerCpuHashMap::pinned(OVERFLOW_MAX, 0);
#[map]
static OVERFLOW_1: PerCpuHashMap<CounterKey, Usage> = PerCpuHashMap::pinned(OVERFLOW_MAX, 0);
#[map]
static PENDING_0: PerCpuHashMap<PendingKey, Usage> = PerCpuHashMap::pinned(PENDING_DEFAULT, 0);
#[map]
static PENDING_1: PerCpuHashMap<PendingKey, Usage> = PerCpuHashMap::pinned(PENDING_DEFAULT, 0);
#[map]
static INTERFACE_TOTALS: PerCpuArray<InterfaceUsage> = PerCpuArray::pinned(BANKS * INTERFACES_MAX, 0);
#[map]
static INTERFACE_BUCKETS: PerCpuArray<InterfaceUsage> =
    PerCpuArray::pinned(BANKS * INTERFACES_MAX * Bucket::COUNT, 0);
/// TCP payload that was sent before, by rule: billed like any, and counted here once more.
#[map]
static SENT_AGAIN: PerCpuHashMap<u32, Usage> = PerCpuHashMap::pinned(RULES_MAX, 0);
#[map]
static STATS: PerCpuArray<u64> = PerCpuArray::pinned(Stat::COUNT, 0);

/// Until when subscribers may know addresses that userspace is still learning, and until when it may be reading their
/// signalling, in nanoseconds of `CLOCK_MONOTONIC`; by [`heard_place`] and [`signalled_place`].
#[map]
static HEARD: Array<u64> = Array::pinned(HEARD_MAX, 0);
/// When subscribers last sent a SIP MESSAGE that was waited with, in nanoseconds of `CLOCK_MONOTONIC`; by [`text_place`].
#[map]
static TEXTS: Array<u64> = Array::pinned(TEXTS_MAX, 0);
/// Hashes of the names that rules list; written by userspace.
#[map]
pub static NAMES: HashMap<u64, u32> = HashMap::pinned(NAMES_MAX, 0);
/// The program that reads names, apart, because the verifier would follow it from each end of the other.
#[map]
pub static NAME_PROGRAMS: ProgramArray = ProgramArray::pinned(1, 0);

#[map]
pub static COPIES: RingBuf = RingBuf::pinned(COPIES_RING_OCTETS, 0);

/// What is in force for this packet, read once.
#[inline(always)]
pub fn control() -> Control {
    match CONTROL.get_ptr(0) {
        // SAFETY: `pointer` is a map value, aligned to eight octets. JUSTIFICATION: volatile, so that one packet
        // reads the word once and sees one state.
        Some(pointer) => Control(unsafe { pointer.read_volatile() }),
        None => Control(0),
    }
}

/// Adds one to an event counter.
#[inline(always)]
pub fn stat(stat: Stat) {
    if let Some(counter) = STATS.get_ptr_mut(stat as u32) {
        // SAFETY: this CPU's value; XDP is not preempted by itself. JUSTIFICATION: map values are pointers.
        unsafe { *counter += 1 };
    }
}

/// Counts a frame as it arrives, before anything is known of it.
#[inline(always)]
pub fn count_total(control: Control, slot: u32, frame_octets: u32) {
    if let Some(usage) = INTERFACE_TOTALS.get_ptr_mut(totals_index(control.bank(), slot)) {
        add_interface(usage, frame_octets, 0);
    }
}

/// Counts a frame in its interface's bucket.
#[inline(always)]
pub fn count_bucket(control: Control, slot: u32, bucket: Bucket, frame_octets: u32, volume_octets: u32) {
    if let Some(usage) = INTERFACE_BUCKETS.get_ptr_mut(bucket_index(control.bank(), slot, bucket)) {
        add_interface(usage, frame_octets, volume_octets);
    }
}

#[inline(always)]
fn add_interface(usage: *mut InterfaceUsage, frame_octets: u32, volume_octets: u32) {
    // SAFETY: as in `stat`.
    unsafe {
        (*usage).packets += 1;
        (*usage).frame_octets += frame_octets as u64;
        (*usage).octets += volume_octets as u64;
    }
}

/// Counts a packet for its subscriber, or, where he has no room, for its rule; says which bucket it came to.
#[inline(always)]
pub fn count_usage(bank: u32, key: &CounterKey, role: Role, volume_octets: u32, bucket: Bucket) -> Bucket {
    let counted = if bank == 0 {
        add_or_insert(&COUNTERS_0, key, role, volume_octets)
    } else {
        add_or_insert(&COUNTERS_1, key, role, volume_octets)
    };
    if counted { bucket } else { count_overflow(bank, key, role, volume_octets) }
}

/// Counts a packet for its flow, which awaits evidence, or, where that has no room, for its rule. `key` is its flow's
/// counter, were it not for the flow.
#[inline(always)]
pub fn count_pending(bank: u32, key: &CounterKey, flow: u64, role: Role, volume_octets: u32) -> Bucket {
    let pending = PendingKey { flow, subscriber: key.subscriber, epoch: key.epoch, rule: key.rule };
    let counted = if bank == 0 {
        add_or_insert(&PENDING_0, &pending, role, volume_octets)
    } else {
        add_or_insert(&PENDING_1, &pending, role, volume_octets)
    };
    if counted { Bucket::Pending } else { count_overflow(bank, key, role, volume_octets) }
}

/// Counts a packet for its rule.
#[inline(always)]
fn count_overflow(bank: u32, key: &CounterKey, role: Role, volume_octets: u32) -> Bucket {
    stat(Stat::CounterFull);
    let key = CounterKey { subscriber: SubscriberId::NONE, bucket: Bucket::Overflow as u16, ..*key };
    let counted = if bank == 0 {
        add_or_insert(&OVERFLOW_0, &key, role, volume_octets)
    } else {
        add_or_insert(&OVERFLOW_1, &key, role, volume_octets)
    };
    if !counted {
        stat(Stat::OverflowFull);
    }
    Bucket::Overflow
}

/// Counts payload that was sent before. A rule for which there is no room is not counted: there is room for every rule
/// of a plan.
#[inline(always)]
pub fn count_sent_again(rule: u32, role: Role, octets: u32) {
    add_or_insert(&SENT_AGAIN, &rule, role, octets);
}

#[inline(always)]
fn add_or_insert<K>(map: &PerCpuHashMap<K, Usage>, key: &K, role: Role, volume_octets: u32) -> bool {
    if add(map, key, role, volume_octets) {
        return true;
    }
    // Another CPU may make the entry in between: then it is there, whatever `insert` says.
    let _ = map.insert(key, Usage::default(), BPF_NOEXIST as u64);
    add(map, key, role, volume_octets)
}

#[inline(always)]
fn add<K>(map: &PerCpuHashMap<K, Usage>, key: &K, role: Role, volume_octets: u32) -> bool {
    let Some(usage) = map.get_ptr_mut(key) else { return false };
    // SAFETY: as in `stat`.
    unsafe {
        match role {
            Role::Access => {
                (*usage).uplink_packets += 1;
                (*usage).uplink_octets += volume_octets as u64;
            }
            Role::Core => {
                (*usage).downlink_packets += 1;
                (*usage).downlink_octets += volume_octets as u64;
            }
        }
    }
    true
}

/// The flow in its place.
#[inline(always)]
pub fn flow(key: &FlowKey) -> Option<&'static FlowCells> {
    let flow = FLOWS.get_ptr(key)?;
    // SAFETY: a live map value, of the same layout, aligned to eight octets; its fields are atomic, as other CPUs change
    // them. An entry that userspace takes out meanwhile has rested for too long, and is not written: see
    // `tollfree_core::decide`. JUSTIFICATION: map values are pointers.
    Some(unsafe { &*flow.cast() })
}

/// The next number of a flow: this CPU's, and one more than its last.
#[inline(always)]
pub fn flow_number() -> u64 {
    let Some(last) = FLOW_NUMBERS.get_ptr_mut(0) else { return 0 };
    // SAFETY: as in `stat`; the helper takes no arguments. JUSTIFICATION: map values are pointers, helpers foreign functions.
    unsafe {
        *last += 1;
        (bpf_get_smp_processor_id() as u64) << FLOW_NUMBER_CPU_BIT | *last
    }
}

/// Where the CPU begins in a flow's number. Reason: 2^48 flows of one CPU are eight years of a million a second.
const FLOW_NUMBER_CPU_BIT: u32 = 48;

/// Whether the subscriber may have one more flow. What two CPUs open at once may be one too many.
#[inline(always)]
pub fn admit_flow(subscriber: &SubscriberId, max: u32) -> bool {
    let Some(opened) = subscriber_flows(subscriber) else { return false };
    let ended = match SUBSCRIBER_FLOWS_ENDED.get_ptr(subscriber) {
        // SAFETY: a live map value. JUSTIFICATION: map values are pointers.
        Some(ended) => unsafe { (*ended).opened },
        None => 0,
    };
    // SAFETY: a live map value, aligned to eight octets. JUSTIFICATION: as above.
    let opened = unsafe { (*opened).opened };
    opened.saturating_sub(ended) < max as u64
}

/// Counts a flow that is in its place now: one that found none is not its subscriber's.
#[inline(always)]
pub fn count_flow(subscriber: &SubscriberId) {
    if let Some(opened) = subscriber_flows(subscriber) {
        // SAFETY: a live map value, aligned to eight octets. JUSTIFICATION: map values are pointers.
        unsafe { add_atomically(&raw mut (*opened).opened, 1) };
    }
}

/// How many flows were opened for a subscriber, in its place.
#[inline(always)]
fn subscriber_flows(subscriber: &SubscriberId) -> Option<*mut SubscriberFlows> {
    SUBSCRIBER_FLOWS.get_ptr_mut(subscriber).or_else(|| {
        let none = SubscriberFlows { opened: 0 };
        let _ = SUBSCRIBER_FLOWS.insert(subscriber, none, BPF_NOEXIST as u64);
        SUBSCRIBER_FLOWS.get_ptr_mut(subscriber)
    })
}

/// What a subscriber used of a rule, in its place.
#[inline(always)]
pub fn quota(key: &QuotaKey) -> Option<&'static QuotaCells> {
    let quota = match QUOTAS.get_ptr(key) {
        Some(quota) => quota,
        None => {
            let none = QuotaEntry { used_octets: 0, day_ends_ns: 0 };
            let _ = QUOTAS.insert(key, none, BPF_NOEXIST as u64);
            QUOTAS.get_ptr(key)?
        }
    };
    // SAFETY: as in `flow`; userspace takes out entries whose day has ended. JUSTIFICATION: map values are pointers.
    Some(unsafe { &*quota.cast() })
}

/// Until when a subscriber may know what userspace is still learning, or a remote address may be that.
#[inline(always)]
pub fn heard_until_ns(subscriber: SubscriberId, remote: &Address) -> u64 {
    marked_until_ns(heard_place(subscriber)).max(marked_until_ns(remote_place(remote)))
}

/// Until when userspace may be reading signalling of the subscriber's.
#[inline(always)]
pub fn signalled_until_ns(subscriber: SubscriberId) -> u64 {
    marked_until_ns(signalled_place(subscriber))
}

/// A number for a SIP MESSAGE that is to wait. What two CPUs begin at once may be one too many.
#[inline(always)]
pub fn begin_text(subscriber: SubscriberId, now_ns: u64) -> Option<u64> {
    let last_ns = TEXTS.get_ptr_mut(text_place(subscriber))?;
    // SAFETY: a live map value, aligned. JUSTIFICATION: other CPUs write it meanwhile.
    unsafe {
        if now_ns < last_ns.read_volatile().saturating_add(TEXT_INTERVAL_NS) {
            return None;
        }
        last_ns.write_volatile(now_ns);
    }
    Some(flow_number())
}

#[inline(always)]
fn marked_until_ns(place: u32) -> u64 {
    match HEARD.get_ptr(place) {
        // SAFETY: a live map value, aligned. JUSTIFICATION: other CPUs write it meanwhile.
        Some(until_ns) => unsafe { until_ns.read_volatile() },
        None => 0,
    }
}

/// Marks the place of a subscriber who is being answered, or of an address that he is told.
#[inline(always)]
pub fn hear(place: u32, until_ns: u64) {
    if let Some(place) = HEARD.get_ptr_mut(place) {
        // SAFETY: as in `marked_until_ns`. JUSTIFICATION: likewise.
        unsafe { place.write_volatile(until_ns) };
    }
}

/// The end of some day.
#[inline(always)]
pub fn day_ends_ns() -> u64 {
    match DAY_ENDS.get_ptr(0) {
        // SAFETY: a live map value. JUSTIFICATION: userspace writes it meanwhile.
        Some(ends) => unsafe { ends.read_volatile() },
        None => 0,
    }
}

/// # Safety
/// `counter` must point into a live map value, aligned to eight octets.
#[inline(always)]
pub unsafe fn add_atomically(counter: *mut u64, value: u64) {
    // SAFETY: the caller's. JUSTIFICATION: Rust offers no atomic addition on this target, which has no
    // compare-and-swap; the instruction (BPF_ATOMIC with BPF_ADD, RFC 9669 section 5.3) is there.
    unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) value, options(nostack)) };
}
