use std::collections::BTreeMap;
use std::error::Error;
use std::fs;

use jiff::Timestamp;
use nix::unistd::geteuid;
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::counter::{CounterKey, PendingKey};
use tollfree_core::flow::{NO_RULE, Verdict};
use tollfree_core::reason::Reason;

use super::*;
use crate::calls::MediaUsage;
use crate::ledger::{CallRow, CloseReason, IntervalClose, SubscriberIdentity};
use crate::small_disk::small_disk;

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
        media: MediaUsage::default(),
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
    let flow = BTreeMap::from([(PendingKey { flow: 1, subscriber: subscriber(), epoch: 7, rule: 1 }, USAGE)]);
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
        media: MediaUsage {
            uplink_packets: 2,
            uplink_octets: 120,
            downlink_packets: 3,
            downlink_octets: 4000,
            uplink_packets_lost: 0,
            downlink_packets_lost: 1,
        },
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
    call,gateway,call_id,rule,policy,rule_id,number,caller,subscriber,proxy,invited_at,answered_at,ended_at,cause,epoch,policy_digest,uplink_packets,uplink_octets,downlink_packets,downlink_octets,uid,caller_asserted,charging_id,uplink_packets_lost,downlink_packets_lost
    1,gw1.hanoi,a84b4c76e66710@pc33,1,vn-covid19-2020,moh-portal,19009095,"""An, Lê"" <sip:an@example.com>",10.20.0.11/32,192.0.2.53,2020-02-01T00:00:10Z,,2020-02-01T00:00:20Z,cancelled,7,sha256:00ff,0,0,0,0,,0,,0,0
    2,gw1.hanoi,a84b4c76e66710@pc33,1,vn-covid19-2020,moh-portal,19009095,"""An, Lê"" <sip:an@example.com>",10.20.0.11/32,192.0.2.53,2020-02-01T00:00:10Z,2020-02-01T00:00:12Z,2020-02-01T00:00:20Z,bye,7,sha256:00ff,2,120,3,4000,0f,1,icid1,0,1
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

/// A disk that has no room fails the file that is being written, and no other; the next run writes what it would have.
#[test]
fn a_full_disk_publishes_nothing_by_halves() -> Outcome {
    if !geteuid().is_root() {
        eprintln!("not root: a file system of its own cannot be mounted");
        return Ok(());
    }
    let [kept, export] = [tempfile::tempdir()?, tempfile::tempdir()?];
    let mut ledger = ledger(kept.path())?;
    // The octets that are due, from a directory with room.
    let due: BTreeMap<_, _> = (0..2000).map(|number| (crowd(number), USAGE)).collect();
    close_with(&mut ledger, &due, &BTreeMap::new(), &BTreeMap::new())?;
    let interval = ledger.unpublished_intervals()?.remove(0);
    let expected = fs::read(records_file(&ledger, kept.path(), &interval)?)?;

    small_disk(export.path())?;
    let filling = export.path().join("filling");
    // All but a part of what the file needs.
    let part = expected.len() / 2;
    fs::write(&filling, vec![0; (1 << 20) - part])?;
    for _ in 0..2 {
        let error = publish(&mut ledger, export.path()).expect_err("no room");
        let PublishError::Write { path, source } = &error else { panic!("{error}") };
        assert_eq!((path.parent(), source.kind()), (Some(export.path()), io::ErrorKind::StorageFull));
        assert!(error.to_string().contains("has room"), "{error}");
        assert_eq!(visible(export.path())?, ["filling"]);
        assert_eq!(ledger.unpublished_intervals()?.len(), 1, "it is still due");
    }

    fs::remove_file(&filling)?;
    let published = publish(&mut ledger, export.path())?;
    assert_eq!((published.files.len(), published.records), (1, 2000));
    assert_eq!(fs::read(&published.files[0])?, expected);
    assert_eq!(visible(export.path())?, ["gw1.hanoi-records-0000000001.csv"]);
    assert_eq!(fs::read_dir(export.path())?.count(), 1, "nothing is left of the failures");
    Ok(())
}

/// One of many subscribers' accounts.
fn crowd(number: u16) -> CounterKey {
    let [high, low] = number.to_be_bytes();
    let subscriber =
        SubscriberId::of(&Address::from(std::net::IpAddr::from([10, 20, high, low])), Family::V4);
    CounterKey::new(subscriber, 7, 1, Reason::Address.bucket(), Reason::Address)
}

/// Names that a consumer sees in a directory.
fn visible(directory: &Path) -> Result<Vec<String>, io::Error> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.filter(|name| !matches!(name, Ok(name) if name.starts_with('.'))).collect()
}

#[test]
fn a_gateway_id_cannot_leave_the_directory() {
    for gateway in ["", "../up", ".hidden", "a/b", "gw 1", "cổng"] {
        assert!(matches!(file_name(gateway, "records", 1), Err(PublishError::Gateway { .. })), "{gateway}");
    }
}
