//! What billing and regulators get: metrics, CSV files, the audit log.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::calls::HOTLINE;
use super::survive::{MSISDN, Unnamed};
use crate::address::{Family, SUBSCRIBERS, subscriber_name};
use crate::audit;
use crate::command;
use crate::gateway::{GATEWAY_ID, METRICS};
use crate::laboratory::Laboratory;
use crate::records::{self, Records, Row};
use crate::report::Report;
use crate::status::Status;
use crate::volume::Usage;

/// Copies with one byte changed, each in another file; every byte of every file is a test of the verifier itself.
const FORGERIES: usize = 16;
/// Digests that the log is asked for; the reload phase makes a hundred, all alike.
const DIGESTS_ASKED: usize = 8;

/// Looks at the metrics, ends the daemon in order, then reads what it left. `media` is that of the only free call.
pub(super) fn run(lab: &mut Laboratory, report: &mut Report, media: Usage, unnamed: &Unnamed) -> Result<()> {
    check_metrics(lab, report)?;
    let status = lab.at_rest()?.status;
    lab.gateway.stop()?;
    let records = Records::read(&lab.gateway.export_directory(), GATEWAY_ID)?;
    check_records(report, &status, &records)?;
    check_names(report, &status, &records, unnamed)?;
    check_calls(report, media, &records)?;
    check_audit(lab, report, &records)
}

fn check_metrics(lab: &Laboratory, report: &mut Report) -> Result<()> {
    let mut curl = lab.network.topology.gateway.command("curl");
    let metrics = command::run(curl.args(["--silent", "--fail", &format!("http://{METRICS}/metrics")]), "")?;
    let mut promtool = std::process::Command::new("promtool");
    let verdict = command::output(promtool.args(["check", "metrics"]), &metrics, command::QUICK)?;
    let complaints = format!("{}{}", verdict.stdout, verdict.stderr);
    report.check("6-promtool-complaints", "", complaints.trim());
    report.check("6-promtool-accepts", Some(0), verdict.status.code());
    let names_subscribers = (0..SUBSCRIBERS)
        .flat_map(|index| Family::ALL.map(|family| crate::address::subscriber(index, family)))
        .any(|address| metrics.contains(&address.to_string()));
    report.check("6-metrics-name-no-subscriber", false, names_subscribers);
    report.figure("metrics_lines", metrics.lines().count());
    Ok(())
}

fn check_records(report: &mut Report, status: &Status, records: &Records) -> Result<()> {
    for bucket in ["free", "charged", "pending", "unattributed", "overflow"] {
        let expected = status.usage(|counter| counter.bucket == bucket);
        let measured = records.sum(|row| row.get("bucket").is_some_and(|name| name == bucket))?;
        report.check(format!("6-csv-sum-{bucket}"), expected, measured);
    }
    let differing = differing(status, records)?;
    report.check("6-csv-subscribers-that-differ", Vec::<String>::new(), differing);
    report.check("6-csv-torn-records", 0, records.torn()?);
    let numbers = records.numbers()?;
    let gapless = (1..).zip(&numbers).all(|(expected, number)| expected == *number);
    report.check("6-csv-records-without-gap", true, gapless);
    report.check("6-csv-has-records", true, !numbers.is_empty());
    report.figure("csv_records", numbers.len());
    Ok(())
}

/// The gateway was told once whose an address is, before the daemon was killed: all that came later is that person's.
fn check_names(report: &mut Report, status: &Status, records: &Records, unnamed: &Unnamed) -> Result<()> {
    let name = subscriber_name(0, Family::V4);
    let all = status.usage(|counter| counter.is_of(&name));
    for (check, msisdn, expected) in
        [("6-csv-named", MSISDN, all - unnamed.0), ("6-csv-unnamed", "", unnamed.0)]
    {
        let measured =
            records.sum(|row| field(row, "subscriber") == name && field(row, "msisdn") == msisdn)?;
        report.check(check, expected, measured);
    }
    Ok(())
}

/// The subscribers, buckets and reasons of whom status and records do not say the same.
fn differing(status: &Status, records: &Records) -> Result<Vec<String>> {
    let mut sums: BTreeMap<[String; 4], [Usage; 2]> = BTreeMap::new();
    for counter in &status.counters {
        let key = [&counter.subscriber, &counter.bucket, &counter.reason, &counter.rule_id].map(Clone::clone);
        sums.entry(key).or_default()[0] += counter.usage();
    }
    for row in &records.usage {
        let key = ["subscriber", "bucket", "reason", "rule_id"].map(|column| field(row, column).to_owned());
        sums.entry(key).or_default()[1] += records::delta(row)?;
    }
    // What is nobody's has a dash, and is compared by bucket.
    let differing =
        sums.into_iter().filter(|([who, ..], [status, records])| who.contains('/') && status != records);
    Ok(differing.map(|(key, sums)| format!("{key:?}: {sums:?}")).collect())
}

fn field<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).map_or("", String::as_str)
}

/// One call was free, so there is one call record, of that number, with its media's volume.
fn check_calls(report: &mut Report, media: Usage, records: &Records) -> Result<()> {
    report.check("5-call-records", 1, records.calls.len());
    let numbers = records.calls.iter().map(|row| field(row, "number").to_owned());
    report.check("5-call-record-number", vec![HOTLINE.to_owned()], numbers.collect());
    let measured = records.calls.iter().map(records::media).collect::<Result<Vec<_>>>()?;
    report.check("5-call-record-media", vec![media], measured);
    Ok(())
}

fn check_audit(lab: &Laboratory, report: &mut Report, records: &Records) -> Result<()> {
    let log = lab.gateway.audit_directory();
    report.check("6-audit-faults", Vec::new(), audit::faults(&lab.gateway, &log)?);
    let genuine = audit::verify(&lab.gateway, &log, None)?;
    report.check("6-audit-verifies", Some(0), genuine.status.code());
    let files = audit::files(&log)?;
    let mut accepted = Vec::new();
    let step = files.len().div_ceil(FORGERIES).max(1);
    for (number, victim) in files.iter().enumerate().step_by(step) {
        let copy = lab.network.directory().join(format!("forged-{number}"));
        audit::forge(&log, &copy, victim)?;
        if audit::verify(&lab.gateway, &copy, None)?.status.success() {
            accepted.push(victim.display().to_string());
        }
    }
    report.check("6-audit-has-files", true, !files.is_empty());
    report.check("6-audit-forgeries-accepted", Vec::new(), accepted);
    report.figure("audit_files", files.len());
    check_digests(lab, report, records)
}

/// What the log says was in force when a record's interval began is the policy whose digest the record carries.
fn check_digests(lab: &Laboratory, report: &mut Report, records: &Records) -> Result<()> {
    let mut digests: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in &records.usage {
        digests.entry(field(row, "policy_digest")).or_insert(row);
    }
    let step = digests.len().div_ceil(DIGESTS_ASKED).max(1);
    let [mut carried, mut named] = [Vec::new(), Vec::new()];
    for (digest, row) in digests.iter().step_by(step) {
        let at = row.get("started_at").context("no column started_at")?;
        let log = lab.gateway.audit_directory();
        carried.push(Some((*digest).to_owned()));
        named.push(audit::digest_in_force(&lab.gateway, &log, at)?);
    }
    report.check("6-csv-carries-digests", true, digests.len() > 1 && !digests.contains_key(""));
    report.check("6-audit-names-the-digests", carried, named);
    report.figure("policy_digests", digests.len());
    Ok(())
}
