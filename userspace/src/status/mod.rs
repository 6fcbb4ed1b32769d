//! What the gateway has done and is doing, as one consistent account.

mod metrics;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollfree_core::address::Family;
use tollfree_core::address::SubscriberId;
use tollfree_core::counter::Usage;
use tollfree_core::flow::{NO_RULE, Verdict};
use tollfree_core::interface::InterfaceUsage;
use tollfree_core::reason::{Bucket, Reason};

pub use metrics::encode;
pub use table::render;

use crate::book::BookStatus;
use crate::dataplane::{Attached, Cut, InterfaceCut};
use crate::identity::IdentityStatus;
use crate::ledger::Standing;
use crate::policy::PlanRule;
use crate::resolve;

/// The answer to `tollfree status --json`. All counts are as of one instant, since the kernel's maps were made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The gateway's id.
    pub gateway: String,
    /// Version of the controller.
    pub version: String,
    /// The kernel's boot id.
    pub boot_id: String,
    /// The maps' instance, in hexadecimal.
    pub instance: String,
    /// When this was read.
    pub at: Timestamp,
    /// The activation in force.
    pub epoch: u32,
    /// SHA-256 of the policy in force, in hexadecimal.
    pub policy_digest: String,
    /// Faults of the policy directory as it is now, if it cannot be put in force.
    pub policy_faults: Vec<String>,
    /// Rules in force.
    pub rules: Vec<RuleStatus>,
    /// Each interface's counts.
    pub interfaces: Vec<InterfaceStatus>,
    /// Volume by bucket.
    pub totals: BTreeMap<String, Volume>,
    /// Volume by subscriber, bucket, reason and rule, over all epochs.
    pub counters: Vec<CounterStatus>,
    /// Payload of rules' TCP flows that was sent before: billed like any, and counted here once more.
    pub sent_again: Vec<SentAgainStatus>,
    /// Flows to listed addresses.
    pub flows: FlowsStatus,
    /// How the counts agree.
    pub reconciliation: Reconciliation,
    /// Each name's addresses.
    pub names: Vec<NameStatus>,
    /// The address book.
    #[serde(default)]
    pub book: BookStatus,
    /// Who has which address.
    pub identity: IdentityStatus,
    /// Free calls.
    pub calls: CallsStatus,
    /// What passing packets tell of names.
    #[serde(default)]
    pub evidence: EvidenceStatus,
    /// Volume of which no evidence told whether it is free.
    #[serde(default)]
    pub at_risk: AtRisk,
    /// Event counters.
    pub stats: BTreeMap<String, u64>,
    /// What wants an operator's attention.
    pub alarms: Vec<String>,
    /// Records.
    pub ledger: LedgerStatus,
    /// The transparency log.
    pub audit: AuditStatus,
}

/// Packets, and octets on the basis that the field says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// How many.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
}

/// A rule in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleStatus {
    /// Permanent number.
    pub rule: u32,
    /// The policy's id.
    pub policy: String,
    /// The rule's id in the policy.
    pub rule_id: String,
    /// `free`, `free-priority` or `priority`.
    pub class: String,
    /// Rating group (RFC 8506).
    pub rating_group: u32,
}

/// One interface; octets are frame octets, from the Ethernet header on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// `access` or `core`; `mirror` where both directions arrive on it.
    pub role: String,
    /// `native` or `generic`; `af-packet` where it is observed without XDP.
    pub mode: String,
    /// Counted as frames arrived.
    pub seen: Volume,
    /// The sum over all buckets.
    pub buckets: Volume,
    /// The NIC's own count since the program was attached.
    pub nic: Volume,
    /// `seen` less `buckets`; always 0.
    pub difference_packets: i64,
    /// `seen` less `buckets`; always 0.
    pub difference_octets: i64,
    /// `nic` less `seen`; 0 once traffic rests.
    pub nic_difference_packets: i64,
    /// `nic` less `seen`; 0 once traffic rests.
    pub nic_difference_octets: i64,
    /// Packets that arrived while the program was being attached: `nic` is uncertain by so many.
    pub nic_uncertain_packets: u64,
}

/// One counter; octets are volume (inner IP length).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterStatus {
    /// Address or prefix; `-` where there is no subscriber.
    pub subscriber: String,
    /// Bucket.
    pub bucket: String,
    /// Reason.
    pub reason: String,
    /// The rule's permanent number; 0 where no rule is concerned.
    pub rule: u32,
    /// The rule's policy; empty where no rule is concerned.
    pub policy: String,
    /// The rule's id; empty where no rule is concerned.
    pub rule_id: String,
    /// Rating group; 0 where no rule is concerned.
    pub rating_group: u32,
    /// From the subscriber.
    pub uplink_packets: u64,
    /// From the subscriber.
    pub uplink_octets: u64,
    /// To the subscriber.
    pub downlink_packets: u64,
    /// To the subscriber.
    pub downlink_octets: u64,
}

/// Payload of one rule's TCP flows that was sent before; octets are TCP payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentAgainStatus {
    /// The rule's permanent number.
    pub rule: u32,
    /// The rule's policy.
    pub policy: String,
    /// The rule's id.
    pub rule_id: String,
    /// Segments from subscribers.
    pub uplink_segments: u64,
    /// Their octets that were sent before.
    pub uplink_octets: u64,
    /// Segments to subscribers.
    pub downlink_segments: u64,
    /// Their octets that were sent before.
    pub downlink_octets: u64,
}

/// Flows to listed addresses, as of the last time that they were looked after: some seconds ago at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowsStatus {
    /// Flows that go on.
    pub open: u64,
    /// Those of them that await evidence.
    pub awaiting_evidence: u64,
    /// Subscribers and rules that are past a daily ceiling today.
    pub past_ceiling: u64,
}

/// How the counts agree, over all interfaces. All are 0 when all is well; sums are of absolute differences, so that
/// one cannot hide another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// Packets seen, less packets in buckets, on each interface; and all packets seen, less packets of all counters.
    pub difference_packets: i64,
    /// Frame octets seen, less frame octets in buckets, on each interface; and the volume in all interfaces' buckets,
    /// less the volume of all counters.
    pub difference_octets: i64,
    /// The NICs' packets, less packets seen; while traffic flows, what arrived since the cut.
    pub nic_difference_packets: i64,
    /// The NICs' octets, less frame octets seen.
    pub nic_difference_octets: i64,
}

/// One name and family.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NameStatus {
    /// The domain name.
    pub name: String,
    /// `A` or `AAAA`.
    pub family: String,
    /// Addresses held for it.
    pub addresses: Vec<String>,
    /// The aliases that the last good answer went through, in order; empty if the name has the addresses itself.
    pub chain: Vec<String>,
    /// Those of them that lead to where a site's `cname_suffixes` do not approve of.
    pub foreign: Vec<String>,
    /// When the last good answer came.
    pub learned_at: Option<Timestamp>,
    /// When it is asked for again.
    pub expires_at: Option<Timestamp>,
    /// Whether the last good answer has outlived its TTL.
    pub stale: bool,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// What validation said of the last answer: `unchecked`, `secure`, `insecure`, `indeterminate` or `bogus`.
    pub dnssec: Option<String>,
    /// Addresses of the last answer that are not used, each with the reason.
    pub refused: BTreeMap<String, String>,
    /// How many addresses were not used, over all answers.
    pub refused_total: u64,
    /// Whether the site offers Encrypted `ClientHello`; `None` if it publishes no HTTPS record.
    pub ech: Option<bool>,
    /// Addresses that its HTTPS records hint at; they are not free by that.
    pub hints: Vec<String>,
    /// Where its HTTPS records in `AliasMode` lead, in order; likewise.
    #[serde(default)]
    pub service_chain: Vec<String>,
}

/// Free calls.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CallsStatus {
    /// Calls followed now.
    pub active: u64,
    /// Media streams that are free now.
    pub granted: u64,
    /// Events, by name.
    pub stats: BTreeMap<String, u64>,
}

/// What passing packets tell of names.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EvidenceStatus {
    /// Questions heard that subscribers asked trusted resolvers.
    pub questions: u64,
    /// Answers heard that were believed.
    pub lessons: u64,
    /// Addresses that they changed in the plan in force.
    pub learned: u64,
    /// Messages that taught nothing, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Flows whose name is looked for now.
    pub waiting: u64,
    /// Flows that were decided, by reason.
    pub decisions: BTreeMap<String, u64>,
    /// What their packets showed, and what was passed over, by name.
    #[serde(default)]
    pub found: BTreeMap<String, u64>,
    /// Of those, how long it took from the first payload to the verdict: how many took so many microseconds at most, by the
    /// numbers of [`EvidenceStatus::LATENCY_US`]; the last: more.
    pub latency: [u64; EvidenceStatus::LATENCY_US.len() + 1],
    /// Microseconds that all of them took together.
    pub latency_sum_us: u64,
    /// Flows that were not looked into, because there were too many.
    pub full: u64,
    /// Copies that could not be read.
    pub unread: u64,
    /// Copies of signalling that found their queue full.
    pub dropped_signalling: u64,
    /// What the kernel refused.
    pub failures: u64,
}

impl EvidenceStatus {
    /// Upper ends of the latency histogram, in microseconds. Reason: a handshake's round trip is in it, from a data centre's
    /// to a satellite's.
    pub const LATENCY_US: [u64; 9] =
        [500, 1000, 5000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];

    /// Counts a flow that was decided, and how long it took since its first payload, if it had any.
    pub fn decided(&mut self, reason: Reason, latency: Option<Duration>) {
        *self.decisions.entry(reason.name().into()).or_default() += 1;
        let Some(latency) = latency else { return };
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let place = Self::LATENCY_US.iter().position(|end| micros <= *end).unwrap_or(Self::LATENCY_US.len());
        self.latency[place] += 1;
        self.latency_sum_us = self.latency_sum_us.saturating_add(micros);
    }
}

/// Volume of which no evidence told whether it is free: because copies were lost, or the controller was slow or dead, or
/// nothing came that could have told it. All of it is in the buckets too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRisk {
    /// It is still waited for.
    pub pending: Volume,
    /// Charged, although it may be what a rule frees.
    pub charged: Volume,
    /// Free, because the rule frees what hides its name, although it may be a stranger's.
    pub free: Volume,
}

impl AtRisk {
    /// Of all counters.
    pub fn of(standing: &Standing) -> Self {
        let mut at_risk = Self::default();
        for ((_, _, reason, _), usage) in standing {
            let sum = match Reason::from_number(*reason) {
                Some(Reason::AwaitingEvidence) => &mut at_risk.pending,
                Some(Reason::Undecided) => &mut at_risk.charged,
                Some(Reason::UndecidedFree) => &mut at_risk.free,
                _ => continue,
            };
            sum.packets += usage.packets();
            sum.octets += usage.octets();
        }
        at_risk
    }
}

/// Records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// Closed intervals.
    pub intervals: u64,
    /// Records in them.
    pub records: u64,
    /// Why the last interval was not recorded, if it was not.
    pub last_error: Option<String>,
    /// Why the last files were not written, if they were not.
    pub export_error: Option<String>,
}

/// The transparency log.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuditStatus {
    /// Entries.
    pub size: u64,
    /// The verifier key, in note form.
    pub verifier_key: String,
}

/// What a rule's number stands for.
#[derive(Clone, Debug, Default)]
pub struct RuleName {
    /// Policy id.
    pub policy: String,
    /// Rule id.
    pub rule_id: String,
    /// Rating group; 0 for a rule that is not in force any more.
    pub rating_group: u32,
}

/// What a cut alone knows: what was pending of a flow that is decided stands where its verdict puts it.
pub fn standing(cut: &Cut) -> Standing {
    let mut sums = Standing::new();
    for (key, usage) in &cut.counters {
        *sums.entry((key.subscriber, key.bucket, key.reason, key.rule)).or_default() += *usage;
    }
    for (key, usage) in &cut.pending {
        let awaiting = Verdict { rule: NO_RULE, reason: Reason::AwaitingEvidence };
        let Verdict { rule, reason } = cut.verdicts.get(&key.flow).copied().unwrap_or(awaiting);
        let rule = if rule == NO_RULE { key.rule } else { rule };
        let place = (key.subscriber, reason.bucket() as u16, reason as u16, rule);
        *sums.entry(place).or_default() += *usage;
    }
    sums
}

/// Counters, in words.
pub fn counters(standing: &Standing, name: impl Fn(u32) -> RuleName) -> Vec<CounterStatus> {
    standing
        .iter()
        .map(|(&(subscriber, bucket, reason, rule), usage)| {
            let name = if rule == 0 { RuleName::default() } else { name(rule) };
            CounterStatus {
                subscriber: subscriber_text(subscriber),
                bucket: bucket_name(bucket).into(),
                reason: Reason::from_number(reason).map_or("unknown", Reason::name).into(),
                rule,
                policy: name.policy,
                rule_id: name.rule_id,
                rating_group: name.rating_group,
                uplink_packets: usage.uplink_packets,
                uplink_octets: usage.uplink_octets,
                downlink_packets: usage.downlink_packets,
                downlink_octets: usage.downlink_octets,
            }
        })
        .collect()
}

/// What was sent again, in words.
pub fn sent_again(cut: &Cut, name: impl Fn(u32) -> RuleName) -> Vec<SentAgainStatus> {
    cut.sent_again
        .iter()
        .map(|(&rule, usage)| {
            let RuleName { policy, rule_id, .. } = name(rule);
            SentAgainStatus {
                rule,
                policy,
                rule_id,
                uplink_segments: usage.uplink_packets,
                uplink_octets: usage.uplink_octets,
                downlink_segments: usage.downlink_packets,
                downlink_octets: usage.downlink_octets,
            }
        })
        .collect()
}

/// A subscriber as records and status write it.
pub fn subscriber_text(subscriber: SubscriberId) -> String {
    subscriber.prefix().map_or_else(|| "-".into(), |(address, length)| format!("{address}/{length}"))
}

fn bucket_name(number: u16) -> &'static str {
    Bucket::ALL.into_iter().find(|bucket| *bucket as u16 == number).map_or("unknown", Bucket::name)
}

/// Volume by bucket.
pub fn totals(standing: &Standing) -> BTreeMap<String, Volume> {
    let mut totals: BTreeMap<String, Volume> =
        Bucket::ALL.into_iter().map(|bucket| (bucket.name().to_owned(), Volume::default())).collect();
    for ((_, bucket, _, _), usage) in standing {
        let total = totals.entry(bucket_name(*bucket).to_owned()).or_default();
        total.packets += usage.packets();
        total.octets += usage.octets();
    }
    totals
}

/// Each interface's counts held against each other.
pub fn interfaces(cut: &Cut, attached: &[Attached]) -> Vec<InterfaceStatus> {
    attached
        .iter()
        .filter_map(|interface| {
            let counted = cut.interfaces.get(&interface.name)?;
            let (role, mode) = (interface.role().name(), interface.mode().name());
            Some(InterfaceStatus {
                ifindex: interface.entry.ifindex,
                nic_uncertain_packets: interface.entry.nic_uncertain_packets,
                ..InterfaceStatus::new(&interface.name, role, mode, counted)
            })
        })
        .collect()
}

impl InterfaceStatus {
    /// What was counted on the interface `name`, held against each other. Its index, and how much of the NIC's count is
    /// uncertain, are left 0.
    pub fn new(name: &str, role: &str, mode: &str, counted: &InterfaceCut) -> Self {
        let seen = frames(counted.counts.seen);
        let buckets = frames(counted.counts.bucketed());
        let nic = Volume { packets: counted.nic.packets, octets: counted.nic.octets };
        Self {
            name: name.into(),
            ifindex: 0,
            role: role.into(),
            mode: mode.into(),
            seen,
            buckets,
            nic,
            difference_packets: difference(seen.packets, buckets.packets),
            difference_octets: difference(seen.octets, buckets.octets),
            nic_difference_packets: difference(nic.packets, seen.packets),
            nic_difference_octets: difference(nic.octets, seen.octets),
            nic_uncertain_packets: 0,
        }
    }
}

impl From<&PlanRule> for RuleStatus {
    fn from(rule: &PlanRule) -> Self {
        Self {
            rule: rule.entry.rule,
            policy: rule.key.policy.clone(),
            rule_id: rule.key.rule.clone(),
            class: rule.class.name().into(),
            rating_group: rule.rating_group,
        }
    }
}

impl From<&resolve::NameStatus> for NameStatus {
    fn from(name: &resolve::NameStatus) -> Self {
        Self {
            name: name.name.clone(),
            family: match name.family {
                Family::V4 => "A".into(),
                Family::V6 => "AAAA".into(),
            },
            addresses: name.addresses.iter().map(ToString::to_string).collect(),
            chain: name.aliases.clone(),
            foreign: name.foreign.clone(),
            learned_at: name.learned_at,
            expires_at: name.expires_at,
            stale: name.stale,
            last_error: name.last_error.clone(),
            dnssec: name.security.map(|security| security.name().to_owned()),
            refused: name.refused.iter().map(|(ip, why)| (ip.to_string(), why.name().to_owned())).collect(),
            refused_total: name.refused_total,
            ech: name.ech,
            hints: name.hints.iter().map(ToString::to_string).collect(),
            service_chain: name.service_aliases.clone(),
        }
    }
}

/// Sums up how the counts agree: on each interface, and between all interfaces and all counters.
pub fn reconcile(cut: &Cut, standing: &Standing, interfaces: &[InterfaceStatus]) -> Reconciliation {
    let mut sums = Reconciliation::default();
    for interface in interfaces {
        sums.difference_packets += interface.difference_packets.abs();
        sums.difference_octets += interface.difference_octets.abs();
        sums.nic_difference_packets += interface.nic_difference_packets.abs();
        sums.nic_difference_octets += interface.nic_difference_octets.abs();
    }
    let bucketed = cut.total.bucketed();
    let packets = standing.values().map(Usage::packets).sum();
    let octets = standing.values().map(Usage::octets).sum();
    sums.difference_packets += difference(cut.total.seen.packets, packets).abs();
    sums.difference_octets += difference(bucketed.octets, octets).abs();
    sums
}

fn frames(usage: InterfaceUsage) -> Volume {
    Volume { packets: usage.packets, octets: usage.frame_octets }
}

fn difference(a: u64, b: u64) -> i64 {
    a.wrapping_sub(b).cast_signed()
}
