//! The texts say what the code does: nothing that exists is left out, and what they show works.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tollfree::config::Config;
use tollfree::export::csv::{CALL_COLUMNS, RECORD_COLUMNS};
use tollfree::ledger::{CloseReason, InterfaceCut, IntervalClose, Ledger};
use tollfree::policy;
use tollfree::status::{Status, encode};
use tollfree_core::address::{Address, Family, SubscriberId};
use tollfree_core::counter::{CounterKey, Usage};
use tollfree_core::interface::Role;
use tollfree_core::reason::{Bucket, Reason};
use tollfree_core::stat::Stat;

type Outcome = Result<(), Box<dyn Error>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> Result<String, Box<dyn Error>> {
    Ok(fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))?)
}

/// The content of each fenced block of `language`.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("\n```{language}\n");
    text.split(start.as_str()).skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0)).collect()
}

/// The cells of each row of a text's tables, without their padding.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'))
        .map(|line| line.split('|').map(str::trim).collect())
}

/// Words between backticks in the first cells of all tables.
fn first_cells(text: &str) -> BTreeSet<&str> {
    rows(text)
        .filter_map(|row| row.first().copied())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

fn exit_codes() -> Result<BTreeSet<u8>, Box<dyn Error>> {
    let source = text("userspace/src/exit.rs")?;
    let codes = source.lines().filter_map(|line| line.strip_suffix(',')?.split_once(" = ")?.1.parse().ok());
    let codes: BTreeSet<u8> = codes.collect();
    assert!(codes.contains(&0) && codes.len() > 10, "the codes were not found in the source: {codes:?}");
    Ok(codes)
}

#[test]
fn example_configuration_is_accepted() -> Outcome {
    let path = root().join("docs/examples/gateway.toml");
    let config = Config::load(&path)?;
    assert_eq!(config.interfaces.len(), 2);
    assert!(!config.resolver.servers.is_empty() && !config.signalling.proxies.is_empty());
    assert!(config.export.csv_directory.is_some() && config.export.prometheus_listen.is_some());
    Ok(())
}

/// Keys of `gateway.toml` in the operators' text, `tag.CLASS` for each of its tables.
fn documented_keys() -> Result<BTreeSet<String>, Box<dyn Error>> {
    let operators = text("docs/operators.md")?;
    let section = operators.split("\n## gateway.toml").nth(1).and_then(|rest| rest.split("\n## ").next());
    Ok(first_cells(section.ok_or("no section on gateway.toml")?).into_iter().map(str::to_owned).collect())
}

#[test]
fn the_example_and_the_operators_table_have_the_same_keys() -> Outcome {
    let example: toml::Table = text("docs/examples/gateway.toml")?.parse()?;
    let mut keys = BTreeSet::new();
    for (section, content) in &example {
        collect_keys(section, content, &mut keys);
    }
    let classes = ["free-priority", "free", "priority"].map(|class| format!("tag.{class}."));
    let general = |key: String| {
        let rest = classes.iter().find_map(|class| key.strip_prefix(class.as_str()));
        rest.map(|rest| format!("tag.CLASS.{rest}")).unwrap_or(key)
    };
    assert_eq!(keys.into_iter().map(general).collect::<BTreeSet<_>>(), documented_keys()?);
    Ok(())
}

fn collect_keys(path: &str, value: &toml::Value, keys: &mut BTreeSet<String>) {
    let tables: Vec<&toml::Table> = match value {
        toml::Value::Table(table) => vec![table],
        toml::Value::Array(items) => items.iter().filter_map(toml::Value::as_table).collect(),
        _ => Vec::new(),
    };
    if tables.is_empty() {
        keys.insert(path.to_owned());
    }
    for (key, value) in tables.into_iter().flatten() {
        collect_keys(&format!("{path}.{key}"), value, keys);
    }
}

#[test]
fn every_key_that_is_read_is_in_the_operators_table() -> Outcome {
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for key in documented_keys()? {
        let (table, leaf) = key.rsplit_once('.').ok_or("a key outside of a table")?;
        documented.entry(table.replace("CLASS", "free")).or_default().insert(leaf.to_owned());
        let section = key.split('.').next().unwrap_or_default();
        documented.entry(String::new()).or_default().insert(section.to_owned());
    }
    let tables: BTreeSet<String> = documented.keys().cloned().collect();
    for (table, leaves) in documented {
        let mut known = known_keys(&table)?;
        if table == "tag" {
            // Tables of their own.
            known.retain(|key| !["free", "free-priority", "priority"].contains(&key.as_str()));
        } else if !table.is_empty() {
            known.retain(|key| !tables.contains(&format!("{table}.{key}")));
        }
        assert_eq!(known, leaves, "in [{table}]");
    }
    Ok(())
}

/// What is known in a table, as the fault of an unknown key tells; the empty name is the document.
fn known_keys(table: &str) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let header = match table {
        "" => String::new(),
        "interface" | "transport" | "identity.radius_client" => format!("[[{table}]]"),
        _ => format!("[{table}]"),
    };
    let Err(faults) = Config::parse("x", format!("{header}\nunknown = 1\n").as_bytes()) else {
        return Err("an unknown key was accepted".into());
    };
    let faults = faults.as_slice().iter().filter(|fault| fault.message.starts_with("unknown:"));
    let known: Option<BTreeSet<_>> = faults
        .filter_map(|fault| fault.help.split_once("known here: "))
        .map(|(_, known)| known.split(", ").map(str::to_owned).collect())
        .next();
    Ok(known.ok_or_else(|| format!("[{table}] does not say what is known there"))?)
}

#[test]
fn every_exit_code_is_documented() -> Outcome {
    let operators = text("docs/operators.md")?;
    let table = operators.split("## Exit codes").nth(1).ok_or("no section on exit codes")?;
    let listed: BTreeSet<u8> = rows(table).filter_map(|row| row.first()?.parse().ok()).collect();
    assert_eq!(listed, exit_codes()?);
    Ok(())
}

#[test]
fn every_exit_code_is_in_the_help() -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_tollfree")).arg("--help").output()?;
    let help = String::from_utf8(output.stdout)?;
    let section = help.split("Exit codes:").nth(1).and_then(|rest| rest.split("\n\n").next());
    let words: BTreeSet<&str> = section.ok_or("no exit codes in the help")?.split_whitespace().collect();
    for code in exit_codes()? {
        assert!(words.contains(code.to_string().as_str()), "the help lacks exit code {code}:\n{help}");
    }
    Ok(())
}

#[test]
fn every_bucket_and_reason_is_in_the_billing_text() -> Outcome {
    let billing = text("docs/billing.md")?;
    let rows: Vec<_> = rows(&billing).collect();
    for bucket in Bucket::ALL {
        let (number, name) = ((bucket as u16).to_string(), format!("`{}`", bucket.name()));
        assert!(rows.iter().any(|row| row.starts_with(&[&number, &name])), "no row `| {number} | {name} |`");
    }
    for reason in Reason::ALL {
        let (number, name) = ((*reason as u16).to_string(), format!("`{}`", reason.name()));
        let wanted = [number.as_str(), &name, reason.bucket().name()];
        assert!(rows.iter().any(|row| row.starts_with(&wanted)), "no row {wanted:?}");
    }
    Ok(())
}

#[test]
fn every_column_is_in_the_billing_text() -> Outcome {
    let billing = text("docs/billing.md")?;
    let (records, calls) = billing.split_once("## Calls").ok_or("no section on calls")?;
    let records = records.split("## Records").nth(1).ok_or("no section on records")?;
    for (section, columns) in [(records, RECORD_COLUMNS.as_slice()), (calls, CALL_COLUMNS.as_slice())] {
        let documented = first_cells(section);
        for column in columns {
            assert!(documented.contains(column), "docs/billing.md lacks the column `{column}`");
        }
    }
    Ok(())
}

/// A status with something in each list, so that every metric has a value.
fn status() -> Result<Status, serde_json::Error> {
    let volume = json!({ "packets": 1, "octets": 60 });
    serde_json::from_value(json!({
        "gateway": "gw", "version": "0", "boot_id": "b", "instance": "0", "at": "2020-02-01T00:00:00Z",
        "epoch": 1, "policy_digest": "00", "policy_faults": [], "rules": [],
        "interfaces": [{
            "name": "eth0", "ifindex": 2, "role": "access", "mode": "native",
            "seen": volume, "buckets": volume, "nic": volume,
            "difference_packets": 0, "difference_octets": 0,
            "nic_difference_packets": 0, "nic_difference_octets": 0, "nic_uncertain_packets": 0,
        }],
        "totals": {},
        "counters": [{
            "subscriber": "10.20.0.11/32", "bucket": "free", "reason": "address", "rule": 1, "policy": "p",
            "rule_id": "r", "rating_group": 1, "uplink_packets": 1, "uplink_octets": 60,
            "downlink_packets": 0, "downlink_octets": 0,
        }],
        "reconciliation": {
            "difference_packets": 0, "difference_octets": 0, "nic_difference_packets": 0, "nic_difference_octets": 0,
        },
        "sent_again": [{
            "rule": 1, "policy": "p", "rule_id": "r", "uplink_segments": 1, "uplink_octets": 1,
            "downlink_segments": 0, "downlink_octets": 0,
        }],
        "flows": { "open": 0, "awaiting_evidence": 0, "past_ceiling": 0 },
        "identity": {
            "bindings": {
                "sessions": 0, "leases": 0, "file_entries": 0, "file_out_of_pool": 0, "out_of_pool": 0, "late": 0,
                "full": 0, "expired": 0,
            },
            "radius": null,
        },
        "evidence": {
            "questions": 1, "lessons": 1, "learned": 1, "refused": { "wrong-id": 1 }, "waiting": 0,
            "decisions": { "name-and-address": 1 }, "latency": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0], "latency_sum_us": 400,
            "full": 0, "unread": 0, "dropped_signalling": 0, "failures": 0,
        },
        "names": [], "calls": { "active": 0, "granted": 0, "stats": {} }, "stats": { "copy-sent": 0 }, "alarms": [],
        "ledger": { "intervals": 0, "records": 0, "last_error": null, "export_error": null },
        "audit": { "size": 0, "verifier_key": "" },
    }))
}

#[test]
fn every_metric_and_label_is_in_the_billing_text() -> Outcome {
    let metrics = encode(&status()?)?;
    let served: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    let billing = text("docs/billing.md")?;
    let documented: BTreeSet<&str> =
        first_cells(&billing).into_iter().filter(|word| word.starts_with("tollfree_")).collect();
    assert_eq!(documented, served);
    let labels = metrics.lines().filter_map(|line| Some(line.split_once('{')?.1.split_once('}')?.0));
    for label in labels.flat_map(|labels| labels.split(',')) {
        let name = label.split('=').next().unwrap_or_default();
        assert!(billing.contains(&format!("`{name}`")), "docs/billing.md lacks the label `{name}`");
    }
    Ok(())
}

#[test]
fn every_field_of_status_is_in_the_operators_text() -> Outcome {
    let operators = text("docs/operators.md")?;
    let section = operators.split("## Status").nth(1).and_then(|rest| rest.split("## Alarms").next());
    let section = section.ok_or("no section on status")?;
    let documented = first_cells(section);
    let Value::Object(fields) = serde_json::to_value(status()?)? else { return Err("no object".into()) };
    for field in fields.keys() {
        assert!(documented.contains(field.as_str()), "docs/operators.md lacks the field `{field}`");
    }
    for stat in Stat::ALL {
        assert!(documented.contains(stat.name()), "docs/operators.md lacks the event `{}`", stat.name());
    }
    Ok(())
}

#[test]
fn the_policy_shown_is_accepted() -> Outcome {
    let policies = text("docs/policies.md")?;
    let shown = blocks(&policies, "toml");
    assert_eq!(shown.len(), 1);
    let directory = TempDir::new()?;
    fs::write(directory.path().join("shown.toml"), shown[0])?;
    let set = policy::load(directory.path())?;
    assert_eq!(set.rule_keys().len(), 3);
    Ok(())
}

/// What is known in a table of a policy, as the fault of an unknown key tells, is what the text lists.
#[test]
fn every_key_of_a_policy_is_in_the_text() -> Outcome {
    let policies = text("docs/policies.md")?;
    let directory = TempDir::new()?;
    for header in ["[policy]", "[[site]]", "[[hotline]]"] {
        fs::write(directory.path().join("unknown.toml"), format!("{header}\nunknown = 1\n"))?;
        let Err(faults) = policy::load(directory.path()) else { return Err("it was accepted".into()) };
        let unknown = faults.as_slice().iter().find(|fault| fault.message.starts_with("unknown:"));
        let known = unknown.and_then(|fault| fault.help.split_once("known here: ")).ok_or("no such fault")?.1;
        let section = policies.split(&format!("\n## `{header}`")).nth(1);
        let section = section.and_then(|rest| rest.split("\n## ").next()).ok_or("no such section")?;
        assert_eq!(first_cells(section), known.split(", ").collect(), "in {header}");
    }
    Ok(())
}

/// A ledger with two closed intervals of one interface: a subscriber's 100 octets free and 40 charged.
fn make_ledger(path: &Path) -> Outcome {
    let mut ledger = Ledger::open(path)?;
    assert_eq!(ledger.rule_number("vn-covid19-2020", "moh-portal")?, 1);
    let at = "2020-02-01T00:00:00Z".parse()?;
    ledger.record_epoch(1, "00ff", at, 0)?;
    let subscriber = SubscriberId::of(&Address::from(std::net::IpAddr::from([10, 20, 0, 11])), Family::V4);
    let key = |rule, reason: Reason| CounterKey::new(subscriber, 1, rule, reason.bucket(), reason);
    let usage =
        |up, down| Usage { uplink_packets: 1, uplink_octets: up, downlink_packets: 1, downlink_octets: down };
    for (free_uplink, seen) in [(30, 2), (60, 4)] {
        let free = (key(1, Reason::Address), usage(free_uplink, 40));
        let charged = (key(0, Reason::NotListed), usage(40, 0));
        let interface = InterfaceCut {
            name: "eth0".into(),
            role: Role::Access,
            packets: seen,
            frame_octets: 200,
            bucket_packets: 4,
            bucket_frame_octets: 200,
            nic_packets: 4,
            nic_octets: 200,
        };
        ledger.close_interval(&IntervalClose {
            gateway: "gw",
            boot_id: "b",
            instance: 7,
            epoch: 1,
            started_at: at,
            closed_at: at,
            reason: CloseReason::Clock,
            cumulative: &BTreeMap::from([free, charged]),
            pending: &BTreeMap::new(),
            verdicts: &BTreeMap::new(),
            sent_again: &BTreeMap::new(),
            ceilings: &[],
            identities: &|_| None,
            only: None,
            arrived_packets: interface.packets,
            interfaces: &[interface],
            rating_groups: &BTreeMap::from([(1, 9001)]),
        })?;
    }
    Ok(())
}

#[test]
fn the_queries_shown_give_what_the_text_says() -> Outcome {
    let directory = TempDir::new()?;
    let path = directory.path().join("ledger.sqlite");
    make_ledger(&path)?;
    let billing = text("docs/billing.md")?;
    let shown = blocks(&billing, "sql");
    let answers = shown.into_iter().map(|query| sqlite3(&path, query)).collect::<Result<Vec<_>, _>>()?;
    let wanted: [&[&str]; 7] = [
        &["100"],
        &[],
        &["vn-covid19-2020|moh-portal|9001|60|40"],
        &["0|1|100", "1|16|40"],
        &[],
        // The first interval was made so that two frames are in buckets that did not arrive.
        &["1|2020-02-01T00:00:00Z|eth0|2|0"],
        &["1|2020-02-01T00:00:00Z|00ff|0"],
    ];
    assert_eq!(answers, wanted);
    Ok(())
}

/// What the `sqlite3` command answers to a query, by line.
fn sqlite3(path: &Path, query: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let output = Command::new("sqlite3").arg("-readonly").arg(path).arg(query).output();
    let output = output.map_err(|error| format!("sqlite3, which `cargo xtask setup` installs: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !errors.is_empty() {
        return Err(format!("{query}: {errors}").into());
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

#[test]
fn a_gap_in_the_records_is_found_by_the_query_shown() -> Outcome {
    let directory = TempDir::new()?;
    let path = directory.path().join("ledger.sqlite");
    make_ledger(&path)?;
    let connection = Connection::open(&path)?;
    connection.execute("DELETE FROM records WHERE record = 2", [])?;
    let billing = text("docs/billing.md")?;
    let query =
        blocks(&billing, "sql").into_iter().find(|query| query.contains("lag(")).ok_or("no such query")?;
    assert_eq!(sqlite3(&path, query)?, ["gw|3|1"]);
    Ok(())
}

/// The kinds of differences and notes are where a reader of `--json` looks them up.
#[test]
fn every_difference_is_in_the_billing_text() -> Outcome {
    let source = text("userspace/src/ledger/reconcile/finding.rs")?;
    let billing = text("docs/billing.md")?;
    let section = billing.split("## Reconciliation").nth(1).and_then(|rest| rest.split("\n## ").next());
    let section = section.ok_or("no section on reconciliation")?;
    let names = source.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"));
    let names: Vec<&str> = names.filter(|name| name.chars().all(|c| c.is_ascii_alphabetic())).collect();
    assert!(names.len() > 10, "the kinds were not found in the source: {names:?}");
    for name in names {
        let mut kind = String::new();
        for c in name.chars() {
            if c.is_ascii_uppercase() && !kind.is_empty() {
                kind.push('-');
            }
            kind.push(c.to_ascii_lowercase());
        }
        assert!(section.contains(&format!("`{kind}`")), "docs/billing.md lacks the difference `{kind}`");
    }
    Ok(())
}

#[test]
fn the_explanations_shown_are_what_is_written() -> Outcome {
    for golden in ["explain_shared", "explain_number"] {
        let golden = text(&format!("tests/golden/{golden}.snap"))?;
        let shown = golden.splitn(3, "---\n").nth(2).ok_or("no content in the golden text")?;
        assert!(text("docs/regulators.md")?.contains(&format!("```\n{}\n```", shown.trim_end())), "{shown}");
    }
    Ok(())
}

#[test]
fn links_lead_somewhere() -> Outcome {
    for path in texts()? {
        let text = fs::read_to_string(&path)?;
        let directory = path.parent().ok_or("a text has a directory")?;
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("http") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let place = if file.is_empty() { path.clone() } else { directory.join(file) };
            assert!(place.exists(), "{}: {target} is not there", path.display());
            if !anchor.is_empty() {
                let headings = fs::read_to_string(&place)?;
                assert!(anchors(&headings).contains(anchor), "{}: {target} is no heading", path.display());
            }
        }
    }
    Ok(())
}

/// All texts.
fn texts() -> Result<Vec<PathBuf>, std::io::Error> {
    let mut texts = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for directory in ["docs", "docs/decisions"] {
        for entry in fs::read_dir(root().join(directory))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                texts.push(path);
            }
        }
    }
    Ok(texts)
}

/// What headings are linked by: lower case, words joined by hyphens, other characters left out.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let anchor = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}
