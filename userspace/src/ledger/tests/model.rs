//! The ledger against a naive model: a list of all packets, each with where it must be booked in the end.

use proptest::prelude::*;

use super::full_disk::{limit, unlimit};
use super::*;

/// Whose usage, under which rule (0: none), how booked, under which instance.
type Place = (u64, String, String, u32, u32, String);

const HOSTS: u8 = 3;
const FLOWS: u64 = 6;
/// Of flows to addresses that are listed, and the rule that verdicts name for those that are learned.
const RULE: u32 = 1;
const LEARNED_RULE: u32 = 2;
const VERDICTS: [Reason; 3] = [Reason::NameAndAddress, Reason::OtherName, Reason::Undecided];

/// One packet that arrived.
#[derive(Clone, Debug)]
struct Arrived {
    instance: u64,
    host: u8,
    owner: String,
    epoch: u32,
    octets: u64,
    booked: Booked,
}

#[derive(Clone, Copy, Debug)]
enum Booked {
    At(u32, Reason),
    /// Where the flow's verdict says, once it does.
    With(u64),
}

/// How a close ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The controller takes out what it may.
    TakeOut,
    /// It dies after the commit; the ledger is opened anew.
    DieBefore,
    /// It dies when it has taken entries out of one bank.
    DieBetween,
    FullDisk(u8),
    ReadOnly,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Packet {
        host: u8,
        free: bool,
        octets: u16,
    },
    FlowPacket {
        flow: u64,
        octets: u16,
    },
    Verdict {
        flow: u64,
        verdict: usize,
    },
    Activate(End),
    HandOver {
        host: u8,
        end: End,
    },
    Close(End),
    /// The machine is started anew; the end is that of settling what was pending.
    NewInstance(End),
}

/// The kernel's maps, in two banks, and everything that ever arrived.
struct World {
    instance: u64,
    epoch: u32,
    bank: usize,
    counters: [Counters; 2],
    pending: [BTreeMap<PendingKey, Usage>; 2],
    verdicts: BTreeMap<u64, Reason>,
    owners: BTreeMap<u8, SubscriberIdentity>,
    handovers: u32,
    arrived: Vec<Arrived>,
    /// Verdicts of earlier instances, as of their last close.
    decided: BTreeMap<(u64, u64), Reason>,
}

/// Every other flow was opened while its address was being learned.
const fn is_learned(flow: u64) -> bool {
    flow % 2 == 1
}

/// The rule that a flow counts under while its verdict is `reason`. A flow of which nothing is found out is learned to be in
/// no rule.
const fn rule_of(flow: u64, reason: Reason) -> u32 {
    match (is_learned(flow), reason) {
        (false, _) => RULE,
        (true, Reason::AwaitingEvidence | Reason::Undecided) => 0,
        (true, _) => LEARNED_RULE,
    }
}

fn merged_banks<K: Ord + Copy>(banks: &[BTreeMap<K, Usage>; 2]) -> BTreeMap<K, Usage> {
    let mut sum = banks[0].clone();
    for (key, usage) in &banks[1] {
        *sum.entry(*key).or_default() += *usage;
    }
    sum
}

/// Has the next change of the ledger fail, if it is to.
fn fail_as(ledger: &Ledger, end: End) -> Outcome {
    match end {
        End::FullDisk(pages) => limit(ledger, pages.into())?,
        End::ReadOnly => ledger.connection.pragma_update(None, "query_only", true)?,
        End::TakeOut | End::DieBefore | End::DieBetween => {}
    }
    Ok(())
}

fn mend(ledger: &Ledger) -> Outcome {
    unlimit(ledger)?;
    Ok(ledger.connection.pragma_update(None, "query_only", false)?)
}

impl World {
    fn new() -> Self {
        Self {
            instance: 7,
            epoch: 1,
            bank: 0,
            counters: Default::default(),
            pending: Default::default(),
            verdicts: BTreeMap::new(),
            owners: BTreeMap::new(),
            handovers: 0,
            arrived: Vec::new(),
            decided: BTreeMap::new(),
        }
    }

    fn owner(&self, host: u8) -> String {
        self.owners.get(&host).and_then(|owner| owner.msisdn.clone()).unwrap_or_default()
    }

    fn count(&mut self, host: u8, rule: u32, reason: Reason, usage: Usage) {
        let key = key(host, self.epoch, rule, reason);
        *self.counters[self.bank].entry(key).or_default() += usage;
    }

    fn arrive(&mut self, host: u8, octets: u64, booked: Booked) {
        let (instance, owner, epoch) = (self.instance, self.owner(host), self.epoch);
        self.arrived.push(Arrived { instance, host, owner, epoch, octets, booked });
    }

    fn packet(&mut self, host: u8, free: bool, size: u64) {
        let (rule, reason) = if free { (RULE, Reason::Address) } else { (0, Reason::NotListed) };
        self.count(host, rule, reason, octets(size));
        self.arrive(host, size, Booked::At(rule, reason));
    }

    fn flow_packet(&mut self, flow: u64, size: u64) {
        let host = u8::try_from(flow % u64::from(HOSTS)).unwrap_or_default();
        if let Some(reason) = self.verdicts.get(&flow).copied() {
            self.count(host, rule_of(flow, reason), reason, octets(size));
            return self.arrive(host, size, Booked::At(rule_of(flow, reason), reason));
        }
        let rule = rule_of(flow, Reason::AwaitingEvidence);
        let key = PendingKey { flow, subscriber: subscriber(host), epoch: self.epoch, rule };
        *self.pending[self.bank].entry(key).or_default() += octets(size);
        self.arrive(host, size, Booked::With(flow));
    }

    /// Reads everything and closes, as the daemon does; `to` is the epoch that comes into force with the cut.
    fn close(
        &mut self,
        directory: &Path,
        mut ledger: Ledger,
        only: Option<u8>,
        to: u32,
        end: End,
    ) -> Result<(Ledger, bool), Box<dyn Error>> {
        let cut = TestCut {
            instance: self.instance,
            epoch: self.epoch,
            counters: merged_banks(&self.counters),
            pending: merged_banks(&self.pending),
            verdicts: self.verdicts.clone(),
            verdict_rules: self
                .verdicts
                .iter()
                .filter(|(flow, _)| is_learned(**flow))
                .map(|(flow, reason)| (*flow, rule_of(*flow, *reason)))
                .collect(),
            owners: self.owners.clone(),
            only: only.map(|host| BTreeSet::from([subscriber(host)])),
            arrived_packets: Some(
                self.arrived.iter().filter(|packet| packet.instance == self.instance).count() as u64,
            ),
            ..TestCut::default()
        };
        self.bank = 1 - self.bank;
        self.epoch = to;
        fail_as(&ledger, end)?;
        let closed = cut.close(&mut ledger);
        mend(&ledger)?;
        let closed = match (end, closed) {
            (End::FullDisk(_), Err(LedgerError::DiskFull)) | (End::ReadOnly, Err(LedgerError::ReadOnly)) => {
                return Ok((ledger, false));
            }
            (_, closed) => closed?,
        };
        assert_eq!(closed.difference_packets, 0, "every packet is counted");
        assert_eq!(closed.is_complete, only.is_none());
        if closed.is_complete {
            self.check(&ledger)?;
        }
        match end {
            End::DieBefore => {}
            End::DieBetween => self.take_out(&closed, 1),
            End::TakeOut | End::FullDisk(_) | End::ReadOnly => self.take_out(&closed, 2),
        }
        if matches!(end, End::DieBefore | End::DieBetween) {
            drop(ledger);
            ledger = Ledger::open(&directory.join("ledger.sqlite"))?;
        }
        Ok((ledger, true))
    }

    /// The next controller starts, as often as it takes.
    fn settle_lost(&self, directory: &Path, mut ledger: Ledger, end: End) -> Result<Ledger, Box<dyn Error>> {
        fail_as(&ledger, end)?;
        let settled = ledger.settle_lost(self.instance, at(180), &BTreeMap::new());
        mend(&ledger)?;
        match (end, settled) {
            (End::FullDisk(_), Err(LedgerError::DiskFull))
            | (End::ReadOnly, Err(LedgerError::ReadOnly))
            | (_, Ok(_)) => {}
            (_, Err(error)) => return Err(error.into()),
        }
        if matches!(end, End::DieBefore | End::DieBetween) {
            drop(ledger);
            ledger = Ledger::open(&directory.join("ledger.sqlite"))?;
        }
        ledger.settle_lost(self.instance, at(180), &BTreeMap::new())?;
        assert_eq!(ledger.settle_lost(self.instance, at(180), &BTreeMap::new())?, [], "once");
        Ok(ledger)
    }

    fn take_out(&mut self, closed: &ClosedInterval, banks: usize) {
        let epoch = self.epoch;
        let is_over = |of: u32| closed.is_complete && of < epoch;
        for counters in &mut self.counters[..banks] {
            counters.retain(|key, _| !is_over(key.epoch));
        }
        for pending in &mut self.pending[..banks] {
            pending.retain(|key, _| !is_over(key.epoch) && !closed.settled.contains(key));
        }
    }

    /// Where every packet must be by now.
    fn expected(&self) -> BTreeMap<Place, (i64, i64)> {
        let mut sums: BTreeMap<Place, (i64, i64)> = BTreeMap::new();
        for packet in &self.arrived {
            let (rule, reason) = match packet.booked {
                Booked::At(rule, reason) => (rule, reason),
                Booked::With(flow) => {
                    let (decided, otherwise) = if packet.instance == self.instance {
                        (self.verdicts.get(&flow), Reason::AwaitingEvidence)
                    } else {
                        (self.decided.get(&(packet.instance, flow)), Reason::Undecided)
                    };
                    let reason = decided.copied().unwrap_or(otherwise);
                    (rule_of(flow, reason), reason)
                }
            };
            let subscriber = format!("10.20.0.{}/32", packet.host);
            let (owner, reason) = (packet.owner.clone(), reason.name().to_owned());
            let place = (packet.instance, subscriber, owner, packet.epoch, rule, reason);
            let sum = sums.entry(place).or_default();
            *sum = (sum.0 + 1, sum.1 + packet.octets.cast_signed());
        }
        sums
    }

    /// What all records add up to.
    fn check(&self, ledger: &Ledger) -> Outcome {
        let mut sums: BTreeMap<Place, (i64, i64)> = BTreeMap::new();
        let mut balances = BTreeMap::new();
        let mut number = 0;
        for interval in ledger.unpublished_intervals()? {
            for record in records(ledger, interval.interval)? {
                number += 1;
                assert_eq!(record.record, number, "gapless");
                let rule = record.rule.unwrap_or(0);
                let account =
                    (interval.instance, record.subscriber.clone(), record.epoch, rule, record.reason.clone());
                let before = balances.insert(account, record.cumulative).unwrap_or_default();
                assert_eq!(record.previous, before, "the chain of balances");
                assert_ne!(record.delta, Change::default(), "no empty record");
                let owner = record.identity.msisdn.unwrap_or_default();
                let place = (interval.instance, record.subscriber, owner, record.epoch, rule, record.reason);
                let sum = sums.entry(place).or_default();
                *sum = (sum.0 + record.delta.uplink_packets, sum.1 + record.delta.uplink_octets);
            }
        }
        sums.retain(|_, sum| *sum != (0, 0));
        assert_eq!(sums, self.expected());
        Ok(())
    }

    fn take(&mut self, directory: &Path, mut ledger: Ledger, step: Step) -> Result<Ledger, Box<dyn Error>> {
        match step {
            Step::Packet { host, free, octets } => self.packet(host, free, octets.into()),
            Step::FlowPacket { flow, octets } => self.flow_packet(flow, octets.into()),
            Step::Verdict { flow, verdict } => {
                self.verdicts.entry(flow).or_insert(VERDICTS[verdict]);
            }
            Step::Activate(end) => {
                let next = self.epoch + 1;
                ledger.record_epoch(next, &format!("digest-{next}"), at(0), next.into())?;
                (ledger, _) = self.close(directory, ledger, None, next, end)?;
            }
            Step::HandOver { host, end } => {
                let (kept, closed) = self.close(directory, ledger, Some(host), self.epoch, end)?;
                ledger = kept;
                if closed {
                    self.handovers += 1;
                    let msisdn = Some(format!("849{}", self.handovers));
                    self.owners.insert(host, SubscriberIdentity { msisdn, imsi: None });
                }
            }
            Step::Close(end) => (ledger, _) = self.close(directory, ledger, None, self.epoch, end)?,
            Step::NewInstance(end) => {
                (ledger, _) = self.close(directory, ledger, None, self.epoch, End::TakeOut)?;
                let old = std::mem::take(&mut self.verdicts);
                self.decided.extend(old.into_iter().map(|(flow, reason)| ((self.instance, flow), reason)));
                self.instance += 1;
                (self.counters, self.pending) = Default::default();
                ledger = self.settle_lost(directory, ledger, end)?;
            }
        }
        Ok(ledger)
    }
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => Just(End::TakeOut),
        2 => Just(End::DieBefore),
        2 => Just(End::DieBetween),
        1 => (0..3u8).prop_map(End::FullDisk),
        1 => Just(End::ReadOnly),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..HOSTS, any::<bool>(), any::<u16>())
            .prop_map(|(host, free, octets)| Step::Packet { host, free, octets }),
        8 => (0..FLOWS, any::<u16>()).prop_map(|(flow, octets)| Step::FlowPacket { flow, octets }),
        2 => (0..FLOWS, 0..VERDICTS.len()).prop_map(|(flow, verdict)| Step::Verdict { flow, verdict }),
        2 => end().prop_map(Step::Activate),
        2 => (0..HOSTS, end()).prop_map(|(host, end)| Step::HandOver { host, end }),
        4 => end().prop_map(Step::Close),
        1 => end().prop_map(Step::NewInstance),
    ]
}

fn run(steps: Vec<Step>) -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut ledger = Ledger::open(&directory.path().join("ledger.sqlite"))?;
    assert_eq!(ledger.rule_number("vn-covid19-2020", "moh-portal")?, RULE);
    assert_eq!(ledger.rule_number("vn-covid19-2020", "moh-news")?, LEARNED_RULE);
    ledger.record_epoch(1, "digest-1", at(0), 1)?;
    let mut world = World::new();
    for step in steps {
        ledger = world.take(directory.path(), ledger, step)?;
    }
    // In the end every flow is decided, and everything is taken out.
    for flow in 0..FLOWS {
        world.verdicts.entry(flow).or_insert(Reason::Undecided);
    }
    for _ in 0..2 {
        (ledger, _) = world.close(directory.path(), ledger, None, world.epoch, End::TakeOut)?;
    }
    let held: i64 = ledger.connection.query_row(
        "SELECT coalesce(sum(uplink_packets_held), 0) FROM pending",
        [],
        |row| row.get(0),
    )?;
    assert_eq!(held, 0, "nothing is left pending");
    let rows: i64 = ledger.connection.query_row(
        "SELECT count(*) FROM pending WHERE instance = ?",
        [world.instance.cast_signed()],
        |row| row.get(0),
    )?;
    assert_eq!(rows, 0, "nor is any row of a flow that is over");
    let report = reconcile(&directory.path().join("ledger.sqlite"), None)?;
    assert_eq!(report.differences, []);
    Ok(())
}

/// How many schedules are tried: `cargo xtask schedules` asks for more.
fn schedules() -> u32 {
    std::env::var("TOLLFREE_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(schedules()))]

    #[test]
    fn nothing_is_lost_or_doubled(steps in prop::collection::vec(step(), 1..80)) {
        run(steps).map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
}
