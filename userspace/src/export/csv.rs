//! CSV files for billing (RFC 4180, lines end in a line feed).
//!
//! Each closed interval that has records becomes `GATEWAY-records-NNNNNNNNNN.csv`, numbered by interval; an
//! interval without records has no file. Calls become `GATEWAY-calls-NNNNNNNNNN.csv`. A file appears at once
//! and whole, and never changes. A consumer finds a lost file by a gap in the `record` or `call` numbers of a
//! gateway, and by a counter whose `_previous` is not the `_cumulative` it saw last. A file that appears
//! twice is the same to the last octet.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tollfree_core::counter::Usage;

use crate::ledger::{CallFile, Change, Interval, Ledger, LedgerError, Record, StoredCall};

/// Columns of a file of records. Empty `subscriber`: nobody's; empty `rule`, `policy`, `rule_id`,
/// `rating_group`: none; empty `msisdn`, `imsi`: not known. A delta of a pending account may be negative. Times are RFC 3339 in UTC; octets are inner IP length.
pub const RECORD_COLUMNS: [&str; 30] = [
    "interval",
    "record",
    "gateway",
    "boot_id",
    "instance",
    "started_at",
    "closed_at",
    "epoch",
    "policy_digest",
    "subscriber",
    "msisdn",
    "imsi",
    "bucket",
    "reason",
    "rule",
    "policy",
    "rule_id",
    "rating_group",
    "uplink_packets_delta",
    "uplink_octets_delta",
    "downlink_packets_delta",
    "downlink_octets_delta",
    "uplink_packets_cumulative",
    "uplink_octets_cumulative",
    "downlink_packets_cumulative",
    "downlink_octets_cumulative",
    "uplink_packets_previous",
    "uplink_octets_previous",
    "downlink_packets_previous",
    "downlink_octets_previous",
];

/// Columns of a file of calls. Empty `answered_at`: it was not answered; empty `proxy`: the API opened it; empty
/// `charging_id`: not known.
pub const CALL_COLUMNS: [&str; 23] = [
    "call",
    "gateway",
    "call_id",
    "rule",
    "policy",
    "rule_id",
    "number",
    "caller",
    "subscriber",
    "proxy",
    "invited_at",
    "answered_at",
    "ended_at",
    "cause",
    "epoch",
    "policy_digest",
    "uplink_packets",
    "uplink_octets",
    "downlink_packets",
    "downlink_octets",
    "uid",
    "caller_asserted",
    "charging_id",
];

/// Why files could not be published. What was published before stays so; the rest is tried again next time.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The ledger could not be read or marked.
    #[error("publishing: the ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// A file could not be written, renamed or synced.
    #[error(
        "publishing: cannot write {}: {source}; check that the directory exists, is writable and has room",
        path.display()
    )]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The gateway's id cannot be part of a file name.
    #[error(
        "publishing: the gateway id {gateway:?} is no file name: use letters, digits, `.`, `_` and `-` only"
    )]
    Gateway {
        /// The id.
        gateway: String,
    },
}

/// What was published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The new files, in order.
    pub files: Vec<PathBuf>,
    /// Records in them.
    pub records: u64,
    /// Calls in them.
    pub calls: u64,
}

/// Writes what the ledger has not marked as published into `directory`, and marks it.
///
/// Each file is written beside its place under a hidden name, synced, renamed, and the directory synced; only
/// then is it marked. After a crash in between it is written again, with the same octets.
///
/// # Errors
///
/// [`PublishError`]; files published before the error stay published.
pub fn publish(ledger: &mut Ledger, directory: &Path) -> Result<Published, PublishError> {
    let mut published = Published::default();
    for interval in ledger.unpublished_intervals()? {
        let file = records_file(ledger, directory, &interval)?;
        ledger.mark_interval_published(interval.interval)?;
        published.files.push(file);
        published.records += interval.records;
    }
    for calls in ledger.unpublished_call_files()? {
        let (file, count) = calls_file(ledger, directory, &calls)?;
        ledger.mark_calls_published(calls.file)?;
        published.files.push(file);
        published.calls += count;
    }
    Ok(published)
}

fn records_file(ledger: &Ledger, directory: &Path, interval: &Interval) -> Result<PathBuf, PublishError> {
    let name = file_name(&interval.gateway, "records", interval.interval)?;
    let mut file = NewFile::create(directory, name)?;
    file.row(RECORD_COLUMNS)?;
    ledger.each_record(interval.interval, |record| file.row(record_fields(interval, record)))?;
    file.publish()
}

fn calls_file(ledger: &Ledger, directory: &Path, calls: &CallFile) -> Result<(PathBuf, u64), PublishError> {
    let mut file = NewFile::create(directory, file_name(&calls.gateway, "calls", calls.file)?)?;
    file.row(CALL_COLUMNS)?;
    let mut count = 0;
    ledger.each_call(calls.file, |call| {
        count += 1;
        file.row(call_fields(call))
    })?;
    Ok((file.publish()?, count))
}

fn file_name(gateway: &str, kind: &str, number: u64) -> Result<String, PublishError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if gateway.is_empty() || gateway.starts_with('.') || !gateway.chars().all(fits) {
        return Err(PublishError::Gateway { gateway: gateway.to_owned() });
    }
    Ok(format!("{gateway}-{kind}-{number:010}.csv"))
}

fn record_fields(interval: &Interval, record: &Record) -> [String; RECORD_COLUMNS.len()] {
    let [delta_up, delta_up_octets, delta_down, delta_down_octets] = change_fields(&record.delta);
    let [up, up_octets, down, down_octets] = usage_fields(&record.cumulative);
    let [previous_up, previous_up_octets, previous_down, previous_down_octets] =
        usage_fields(&record.previous);
    [
        interval.interval.to_string(),
        record.record.to_string(),
        interval.gateway.clone(),
        interval.boot_id.clone(),
        interval.instance.to_string(),
        interval.started_at.to_string(),
        interval.closed_at.to_string(),
        record.epoch.to_string(),
        record.policy_digest.clone(),
        record.subscriber.clone(),
        record.identity.msisdn.clone().unwrap_or_default(),
        record.identity.imsi.clone().unwrap_or_default(),
        record.bucket.clone(),
        record.reason.clone(),
        optional(record.rule),
        record.policy.clone().unwrap_or_default(),
        record.rule_id.clone().unwrap_or_default(),
        optional(record.rating_group),
        delta_up,
        delta_up_octets,
        delta_down,
        delta_down_octets,
        up,
        up_octets,
        down,
        down_octets,
        previous_up,
        previous_up_octets,
        previous_down,
        previous_down_octets,
    ]
}

fn call_fields(call: &StoredCall) -> [String; CALL_COLUMNS.len()] {
    let row = &call.row;
    let [up, up_octets, down, down_octets] = usage_fields(&row.media);
    [
        call.call.to_string(),
        row.gateway.clone(),
        row.call_id.clone(),
        row.rule.to_string(),
        call.policy.clone(),
        call.rule_id.clone(),
        row.number.clone(),
        row.caller.clone(),
        row.subscriber.clone(),
        optional(row.proxy),
        row.invited_at.to_string(),
        optional(row.answered_at),
        row.ended_at.to_string(),
        row.cause.clone(),
        row.epoch.to_string(),
        call.policy_digest.clone(),
        up,
        up_octets,
        down,
        down_octets,
        optional(row.uid.as_ref()),
        u8::from(row.is_caller_asserted).to_string(),
        optional(row.charging_id.as_ref()),
    ]
}

fn usage_fields(usage: &Usage) -> [String; 4] {
    [usage.uplink_packets, usage.uplink_octets, usage.downlink_packets, usage.downlink_octets]
        .map(|count| count.to_string())
}

fn change_fields(change: &Change) -> [String; 4] {
    [change.uplink_packets, change.uplink_octets, change.downlink_packets, change.downlink_octets]
        .map(|count| count.to_string())
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A file that is being written beside its place.
struct NewFile<'a> {
    directory: &'a Path,
    hidden: PathBuf,
    place: PathBuf,
    rows: csv::Writer<BufWriter<File>>,
}

impl<'a> NewFile<'a> {
    fn create(directory: &'a Path, name: String) -> Result<Self, PublishError> {
        // The same hidden name each time: what a crash left behind is overwritten.
        let hidden = directory.join(format!(".{name}.new"));
        let file = File::create(&hidden).map_err(|source| write_error(&hidden, source))?;
        let rows = csv::Writer::from_writer(BufWriter::new(file));
        Ok(Self { directory, hidden, place: directory.join(name), rows })
    }

    fn row<T: AsRef<[u8]>>(&mut self, fields: impl IntoIterator<Item = T>) -> Result<(), PublishError> {
        self.rows.write_record(fields).map_err(|error| write_error(&self.hidden, error.into()))
    }

    /// Makes the file durable and visible.
    fn publish(self) -> Result<PathBuf, PublishError> {
        let Self { directory, hidden, place, rows } = self;
        let sync = || {
            let mut buffer = rows.into_inner().map_err(|error| io::Error::from(error.error().kind()))?;
            buffer.flush()?;
            buffer.get_ref().sync_all()
        };
        sync().map_err(|source| write_error(&hidden, source))?;
        fs::rename(&hidden, &place).map_err(|source| write_error(&place, source))?;
        // The rename itself must survive a power cut before the ledger says that it happened.
        let sync_directory = || File::open(directory)?.sync_all();
        sync_directory().map_err(|source| write_error(directory, source))?;
        Ok(place)
    }
}

fn write_error(path: &Path, source: io::Error) -> PublishError {
    PublishError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::error::Error;

    use jiff::Timestamp;
    use tollfree_core::address::{Address, Family, SubscriberId};
    use tollfree_core::counter::{CounterKey, PendingKey};
    use tollfree_core::flow::{NO_RULE, Verdict};
    use tollfree_core::reason::Reason;

    use super::*;
    use crate::ledger::{CallRow, CloseReason, IntervalClose, SubscriberIdentity};

    type Outcome = Result<(), Box<dyn Error>>;

    fn at(text: &str) -> Result<Timestamp, jiff::Error> {
        text.parse()
    }

    fn ledger(directory: &Path) -> Result<Ledger, Box<dyn Error>> {
        let mut ledger = Ledger::open(&directory.join("ledger.sqlite"))?;
        ledger.rule_number("vn-covid19-2020", "moh-portal")?;
        ledger.record_epoch(7, "sha256:00ff", at("2020-02-01T00:00:00+07:00")?, 0)?;
        Ok(ledger)
    }

    fn subscriber() -> SubscriberId {
        SubscriberId::of(&Address::from(std::net::IpAddr::from([10, 20, 0, 11])), Family::V4)
    }

    fn close(ledger: &mut Ledger, usage: Usage) -> Outcome {
        let key = CounterKey::new(subscriber(), 7, 1, Reason::Address.bucket(), Reason::Address);
        close_with(ledger, &BTreeMap::from([(key, usage)]), &BTreeMap::new(), &BTreeMap::new())
    }

    fn close_with(
        ledger: &mut Ledger,
        cumulative: &BTreeMap<CounterKey, Usage>,
        pending: &BTreeMap<PendingKey, Usage>,
        verdicts: &BTreeMap<u64, Verdict>,
    ) -> Outcome {
        let identity = SubscriberIdentity { msisdn: Some("84901234567".into()), imsi: Some("452041".into()) };
        ledger.close_interval(&IntervalClose {
            gateway: "gw1.hanoi",
            boot_id: "5f0c",
            instance: u64::MAX,
            epoch: 7,
            started_at: at("2020-02-01T00:00:00Z")?,
            closed_at: at("2020-02-01T00:01:00.5Z")?,
            reason: CloseReason::Clock,
            cumulative,
            pending,
            verdicts,
            sent_again: &BTreeMap::new(),
            ceilings: &[],
            // Known where something awaits evidence.
            identities: &|_| (!pending.is_empty()).then(|| identity.clone()),
            only: None,
            arrived_packets: 0,
            interfaces: &[],
            rating_groups: &BTreeMap::from([(1, 9001)]),
        })?;
        Ok(())
    }

    fn call() -> Result<CallRow, Box<dyn Error>> {
        Ok(CallRow {
            uid: None,
            gateway: "gw1.hanoi".into(),
            call_id: "a84b4c76e66710@pc33".into(),
            rule: 1,
            number: "19009095".into(),
            caller: "\"An, Lê\" <sip:an@example.com>".into(),
            is_caller_asserted: false,
            charging_id: None,
            subscriber: "10.20.0.11/32".into(),
            proxy: Some("192.0.2.53".parse()?),
            invited_at: at("2020-02-01T00:00:10Z")?,
            answered_at: None,
            ended_at: at("2020-02-01T00:00:20Z")?,
            cause: "cancelled".into(),
            epoch: 7,
            media: Usage::default(),
        })
    }

    const USAGE: Usage =
        Usage { uplink_packets: 2, uplink_octets: 120, downlink_packets: 3, downlink_octets: 4000 };

    /// The file that billing systems are told of: a change here is a change for all of them.
    #[test]
    fn records_look_as_documented() -> Outcome {
        let directory = tempfile::tempdir()?;
        let mut ledger = ledger(directory.path())?;
        close(&mut ledger, USAGE)?;
        close(&mut ledger, USAGE)?;
        close(&mut ledger, USAGE + USAGE)?;
        let published = publish(&mut ledger, directory.path())?;
        let names = ["gw1.hanoi-records-0000000001.csv", "gw1.hanoi-records-0000000003.csv"];
        assert_eq!(published.files, names.map(|name| directory.path().join(name)));
        assert_eq!((published.records, published.calls), (2, 0));
        insta::assert_snapshot!(fs::read_to_string(&published.files[1])?, @r"
        interval,record,gateway,boot_id,instance,started_at,closed_at,epoch,policy_digest,subscriber,msisdn,imsi,bucket,reason,rule,policy,rule_id,rating_group,uplink_packets_delta,uplink_octets_delta,downlink_packets_delta,downlink_octets_delta,uplink_packets_cumulative,uplink_octets_cumulative,downlink_packets_cumulative,downlink_octets_cumulative,uplink_packets_previous,uplink_octets_previous,downlink_packets_previous,downlink_octets_previous
        3,2,gw1.hanoi,5f0c,18446744073709551615,2020-02-01T00:00:00Z,2020-02-01T00:01:00.5Z,7,sha256:00ff,10.20.0.11/32,,,free,address,1,vn-covid19-2020,moh-portal,9001,2,120,3,4000,4,240,6,8000,2,120,3,4000
        ");
        Ok(())
    }

    /// A flow's usage is published as pending, then taken back and published where its verdict says.
    #[test]
    fn a_transfer_is_two_records_that_add_up_to_nothing() -> Outcome {
        let directory = tempfile::tempdir()?;
        let mut ledger = ledger(directory.path())?;
        let flow =
            BTreeMap::from([(PendingKey { flow: 1, subscriber: subscriber(), epoch: 7, rule: 1 }, USAGE)]);
        close_with(&mut ledger, &BTreeMap::new(), &flow, &BTreeMap::new())?;
        let verdict = Verdict { rule: NO_RULE, reason: Reason::OtherName };
        close_with(&mut ledger, &BTreeMap::new(), &flow, &BTreeMap::from([(1, verdict)]))?;
        let published = publish(&mut ledger, directory.path())?;
        let rows = published.files.iter().map(fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
        let rows: Vec<&str> = rows.iter().flat_map(|file| file.lines().skip(1)).collect();
        let common = "gw1.hanoi,5f0c,18446744073709551615,2020-02-01T00:00:00Z,2020-02-01T00:01:00.5Z,7,sha256:00ff,\
                      10.20.0.11/32,84901234567,452041";
        let rule = "1,vn-covid19-2020,moh-portal,9001";
        let expected = [
            format!("1,1,{common},pending,awaiting-evidence,{rule},2,120,3,4000,2,120,3,4000,0,0,0,0"),
            format!("2,2,{common},charged,other-name,{rule},2,120,3,4000,2,120,3,4000,0,0,0,0"),
            format!("2,3,{common},pending,awaiting-evidence,{rule},-2,-120,-3,-4000,0,0,0,0,2,120,3,4000"),
        ];
        assert_eq!(rows, expected);
        Ok(())
    }

    #[test]
    fn calls_look_as_documented() -> Outcome {
        let directory = tempfile::tempdir()?;
        let mut ledger = ledger(directory.path())?;
        assert_eq!(ledger.insert_call(&call()?)?, 1);
        let answered = CallRow {
            answered_at: Some(at("2020-02-01T00:00:12Z")?),
            cause: "bye".into(),
            media: USAGE,
            uid: Some("0f".into()),
            is_caller_asserted: true,
            charging_id: Some("icid1".into()),
            ..call()?
        };
        assert_eq!(ledger.insert_call(&answered)?, 2);
        assert_eq!(ledger.insert_call(&answered)?, 2, "the same call again");
        let published = publish(&mut ledger, directory.path())?;
        assert_eq!(published.files, [directory.path().join("gw1.hanoi-calls-0000000001.csv")]);
        assert_eq!((published.records, published.calls), (0, 2));
        insta::assert_snapshot!(fs::read_to_string(&published.files[0])?, @r#"
        call,gateway,call_id,rule,policy,rule_id,number,caller,subscriber,proxy,invited_at,answered_at,ended_at,cause,epoch,policy_digest,uplink_packets,uplink_octets,downlink_packets,downlink_octets,uid,caller_asserted,charging_id
        1,gw1.hanoi,a84b4c76e66710@pc33,1,vn-covid19-2020,moh-portal,19009095,"""An, Lê"" <sip:an@example.com>",10.20.0.11/32,192.0.2.53,2020-02-01T00:00:10Z,,2020-02-01T00:00:20Z,cancelled,7,sha256:00ff,0,0,0,0,,0,
        2,gw1.hanoi,a84b4c76e66710@pc33,1,vn-covid19-2020,moh-portal,19009095,"""An, Lê"" <sip:an@example.com>",10.20.0.11/32,192.0.2.53,2020-02-01T00:00:10Z,2020-02-01T00:00:12Z,2020-02-01T00:00:20Z,bye,7,sha256:00ff,2,120,3,4000,0f,1,icid1
        "#);
        Ok(())
    }

    /// A crash after the rename and before the mark: all is written again, even if more has come since.
    #[test]
    fn publishing_again_gives_the_same_octets() -> Outcome {
        let directory = tempfile::tempdir()?;
        let mut ledger = ledger(directory.path())?;
        close(&mut ledger, USAGE)?;
        ledger.insert_call(&call()?)?;
        let interval = ledger.unpublished_intervals()?.remove(0);
        let records = records_file(&ledger, directory.path(), &interval)?;
        let file = ledger.unpublished_call_files()?.remove(0);
        let (calls, _) = calls_file(&ledger, directory.path(), &file)?;
        let before = [fs::read(&records)?, fs::read(&calls)?];

        ledger.insert_call(&call()?)?;
        let again = publish(&mut ledger, directory.path())?;
        let second = directory.path().join("gw1.hanoi-calls-0000000002.csv");
        assert_eq!(again.files, [records.clone(), calls.clone(), second]);
        assert_eq!([fs::read(&records)?, fs::read(&calls)?], before);
        assert_eq!(publish(&mut ledger, directory.path())?, Published::default());
        let hidden = fs::read_dir(directory.path())?.filter_map(Result::ok);
        assert_eq!(hidden.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count(), 0);
        Ok(())
    }

    #[test]
    fn what_cannot_be_written_stays_unpublished() -> Outcome {
        let directory = tempfile::tempdir()?;
        let mut ledger = ledger(directory.path())?;
        close(&mut ledger, USAGE)?;
        let absent = directory.path().join("absent");
        assert!(matches!(publish(&mut ledger, &absent), Err(PublishError::Write { .. })));
        fs::create_dir(&absent)?;
        assert_eq!(publish(&mut ledger, &absent)?.records, 1);
        Ok(())
    }

    #[test]
    fn a_gateway_id_cannot_leave_the_directory() {
        for gateway in ["", "../up", ".hidden", "a/b", "gw 1", "cổng"] {
            assert!(
                matches!(file_name(gateway, "records", 1), Err(PublishError::Gateway { .. })),
                "{gateway}"
            );
        }
    }
}
