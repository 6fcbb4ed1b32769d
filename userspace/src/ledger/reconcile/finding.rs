//! What a reconciliation finds.

use serde::Serialize;

/// Something that cannot be if every packet is accounted for once. Numbers are signed where they are differences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Difference {
    /// Intervals were removed.
    #[error("interval {interval}: follows interval {before}; those between are missing")]
    IntervalGap {
        /// The interval after the gap.
        interval: u64,
        /// The one before it; 0: none.
        before: u64,
    },
    /// Records were removed or doubled.
    #[error("interval {interval}: record {found} of gateway {gateway} stands where record {due} is due")]
    RecordGap {
        /// The interval.
        interval: u64,
        /// The gateway.
        gateway: String,
        /// The record's number.
        found: u64,
        /// What it should be.
        due: u64,
    },
    /// An interval has more or fewer records than it says.
    #[error(
        "interval {interval}: says that it has {stated} records up to number {stated_last}; it has {found} up to \
         number {found_last}"
    )]
    RecordCount {
        /// The interval.
        interval: u64,
        /// How many it says.
        stated: u64,
        /// The last number it says.
        stated_last: u64,
        /// How many it has.
        found: u64,
        /// The last number found, in this or an earlier interval.
        found_last: u64,
    },
    /// A balance was changed by no record.
    #[error(
        "interval {interval}: record {record} ({account}) starts from {previous} packets, {previous_octets} octets; \
         the account's last balance is {due} packets, {due_octets} octets"
    )]
    Chain {
        /// The interval.
        interval: u64,
        /// The record's number.
        record: u64,
        /// The account, in words.
        account: String,
        /// Packets from which it starts, both directions.
        previous: u64,
        /// Octets from which it starts.
        previous_octets: u64,
        /// Packets from which it should.
        due: u64,
        /// Octets from which it should.
        due_octets: u64,
    },
    /// A balance other than a pending account's went down.
    #[error("interval {interval}: record {record} ({account}) goes down; only pending accounts may")]
    WentDown {
        /// The interval.
        interval: u64,
        /// The record's number.
        record: u64,
        /// The account, in words.
        account: String,
    },
    /// The records' sum is not what the interval says.
    #[error(
        "interval {interval}: the records up to here add up to {found} packets; the interval says {stated} ({:+})",
        i128::from(*found) - i128::from(*stated)
    )]
    Recorded {
        /// The interval.
        interval: u64,
        /// The sum of all deltas of the instance.
        found: i64,
        /// What the interval says.
        stated: i64,
    },
    /// What was counted is not recorded, or more is.
    #[error("interval {interval}: {counted} packets are counted and {recorded} are recorded ({:+})",
        i128::from(*recorded) - i128::from(*counted))]
    Counted {
        /// The interval.
        interval: u64,
        /// Packets in the kernel's counters.
        counted: i64,
        /// Packets in balances.
        recorded: i64,
    },
    /// What arrived and what is counted drifted apart.
    #[error("interval {interval}: counters less arrivals was {before:+} packets and is {now:+}")]
    Arrived {
        /// The interval.
        interval: u64,
        /// Counters less arrivals at the interval before.
        before: i64,
        /// Now.
        now: i64,
    },
    /// An interface's frames are not all in buckets, or more are.
    #[error(
        "interval {interval}, interface {interface}: buckets less arrivals was {before:+} frames, {before_octets:+} \
         octets and is {now:+} frames, {now_octets:+} octets"
    )]
    Buckets {
        /// The interval.
        interval: u64,
        /// The interface.
        interface: String,
        /// Buckets less arrivals at the interval before, in frames.
        before: i64,
        /// In octets.
        before_octets: i64,
        /// Now, in frames.
        now: i64,
        /// In octets.
        now_octets: i64,
    },
    /// Frames that the NIC counted did not reach the program, or it counted some that the NIC did not.
    #[error(
        "interval {interval}, interface {interface}: NIC less arrivals moved by {frames:+} frames and stays so; \
         {tolerance} may lie between the two readings"
    )]
    Nic {
        /// The interval.
        interval: u64,
        /// The interface.
        interface: String,
        /// By how many frames the difference moved.
        frames: i64,
        /// How many may lie between the reading of one counter and the other.
        tolerance: i64,
    },
    /// Pending usage went without a transfer.
    #[error("interval {interval}: {packets} packets, {octets} octets left ({account}) without a transfer")]
    NotTransferred {
        /// The interval.
        interval: u64,
        /// The account, in words.
        account: String,
        /// How many packets, both directions.
        packets: i64,
        /// How many octets.
        octets: i64,
    },
    /// A transfer did not arrive in the account that it was for.
    #[error(
        "interval {interval}: {packets} packets, {octets} octets that are transferred into ({account}) are not in its \
         balance"
    )]
    NotCredited {
        /// The interval.
        interval: u64,
        /// The account, in words.
        account: String,
        /// How many packets are missing, both directions.
        packets: i64,
        /// How many octets.
        octets: i64,
    },
    /// Usage under an epoch that was not in force yet.
    #[error(
        "interval {interval}: epoch {epoch} of ({account}) is later than the interval's, {interval_epoch}"
    )]
    EpochAhead {
        /// The interval.
        interval: u64,
        /// The account, in words.
        account: String,
        /// The account's epoch.
        epoch: u32,
        /// The interval's.
        interval_epoch: u32,
    },
    /// Usage under an epoch that was over.
    #[error("interval {interval}: ({account}) grew, though interval {ended_by} closed its epoch, {epoch}")]
    EpochOver {
        /// The interval.
        interval: u64,
        /// The account, in words.
        account: String,
        /// The account's epoch.
        epoch: u32,
        /// The first interval of a later epoch.
        ended_by: u64,
    },
    /// The ledger's own last cut is not what the records say.
    #[error(
        "instance {instance}: the records add up to {recorded} packets; the last cut and the closed accounts to \
         {kept} ({:+})", i128::from(*kept) - i128::from(*recorded)
    )]
    LastCut {
        /// The instance, as 16 hexadecimal digits.
        instance: String,
        /// The sum of all deltas.
        recorded: i64,
        /// What the tables of balances hold.
        kept: i64,
    },
}

/// Something worth knowing that is no difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Note {
    /// The kernel's maps were made anew.
    #[error(
        "interval {interval}: counters began anew (gateway {gateway}, boot {boot_id}, instance {instance}); of \
         what was counted before, at most what came after the last interval is lost"
    )]
    NewInstance {
        /// The first interval of the instance.
        interval: u64,
        /// The gateway.
        gateway: String,
        /// The kernel's boot id.
        boot_id: String,
        /// The instance, as 16 hexadecimal digits.
        instance: String,
    },
    /// The machine was started anew, as the boot id says, and the maps were not.
    #[error("interval {interval}: the boot id changed to {boot_id}; the counters went on")]
    NewBoot {
        /// The first interval of the boot.
        interval: u64,
        /// The kernel's boot id.
        boot_id: String,
    },
    /// An interval has growth of two epochs: the close at the activation failed, or no controller was there to do it.
    #[error(
        "interval {interval}: has usage of epoch {older} and of its own, {epoch}: the activation between them did not \
         close an interval. Each record is of one epoch all the same"
    )]
    TwoEpochs {
        /// The interval.
        interval: u64,
        /// Its epoch.
        epoch: u32,
        /// The earlier one.
        older: u32,
    },
}
