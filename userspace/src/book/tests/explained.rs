//! Why an address was free.

use std::fs;
use std::path::Path;

use super::*;
use crate::audit::{Digest, policy_digest};
use crate::ledger::Ledger;

const POLICY: &str = r#"[policy]
id = "vn-covid19-2020"
legal_basis = "05/CT-BTTTT"
authority = "Bộ Thông tin và Truyền thông"
valid_from = 2020-02-01T00:00:00+07:00
valid_until = 2020-04-03T23:59:59+07:00

[[site]]
id = "moh-portal"
domains = ["moh.gov.vn"]
evidence = "address"
class = "free"
rating_group = 9001

[[site]]
id = "command-centre"
networks = ["203.0.113.0/24", "203.0.113.64/26"]
ports = ["udp/8801-8810", "tcp/443"]
evidence = "address"
class = "priority"
rating_group = 9002

[[hotline]]
id = "moh-hotline"
country = "VN"
numbers = ["19003228"]
media_networks = ["198.51.100.0/25"]
rating_group = 9100
"#;

/// The same, only tried out, of other networks.
const OBSERVED: &str = r#"[policy]
id = "vn-trial"
legal_basis = "trial"
authority = "VNPT"
mode = "observe"
valid_from = 2020-02-01T00:00:00+07:00

[[site]]
id = "trial"
networks = ["192.0.2.0/24", "203.0.113.64/26"]
evidence = "address"
class = "free"
rating_group = 9003
"#;

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../tests/golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The state of a gateway that had `moh.gov.vn` at two addresses for some days in March.
fn write_state(state: &Path) -> Outcome {
    let files = [("trial.toml", OBSERVED.as_bytes()), ("vn.toml", POLICY.as_bytes())];
    let digest = Digest(policy_digest(&files)).to_string();
    let kept = state.join("audit/policies").join(&digest);
    fs::create_dir_all(&kept)?;
    fs::write(kept.join("vn.toml"), POLICY)?;
    fs::write(kept.join("trial.toml"), OBSERVED)?;
    let mut ledger = Ledger::open(&state.join("ledger.sqlite"))?;
    for rule in ["moh-portal", "command-centre", "moh-hotline"] {
        ledger.rule_number("vn-covid19-2020", rule)?;
    }
    let empty = Digest(policy_digest::<&str, &[u8]>(&[])).to_string();
    ledger.record_epoch(1, &empty, time("2020-01-31T17:00:00Z"), 0)?;
    ledger.record_epoch(2, &digest, time("2020-02-07T02:10:24Z"), 2)?;
    let opened = |last, since, chain: &[&str]| {
        let answer = Answer {
            learned_at: time(since),
            ttl: Duration::from_mins(5),
            security: Security::Secure,
            resolver: Some(resolver()),
            chain: chain.iter().map(|alias| (*alias).to_owned()).collect(),
        };
        let (name, since) = ("moh.gov.vn".to_owned(), time(since));
        let address = [198, 51, 100, last].into();
        HoldingEvent::Opened(Holding { address, name, rule: 1, since, source: Source::Resolver, answer })
    };
    let name = || "moh.gov.vn".to_owned();
    let address = IpAddr::from([198, 51, 100, 207]);
    ledger.record_holdings(
        2,
        &[
            opened(207, "2020-03-01T00:00:00Z", &["www.moh.gov.vn", "edge.cdn.example"]),
            HoldingEvent::Shared {
                address,
                name: name(),
                other: "bank.example".into(),
                at: time("2020-03-02T00:00:00Z"),
            },
            opened(208, "2020-03-02T00:00:00Z", &[]),
            HoldingEvent::Closed { address, name: name(), rule: 1, at: time("2020-03-03T00:00:00.5Z") },
            HoldingEvent::Unshared { address, at: time("2020-03-04T00:00:00Z") },
        ],
    )?;
    Ok(())
}

#[test]
fn each_time_has_its_own_explanation() -> Outcome {
    use Explained::{Charged, Free, InCalls, Observed, Priority, Unknown, WithName};
    let directory = tempfile::tempdir()?;
    write_state(directory.path())?;
    for (address, at, wanted) in [
        ("198.51.100.207", "2020-01-01T00:00:00Z", Charged),
        ("198.51.100.207", "2020-02-29T23:59:59Z", Charged),
        ("198.51.100.207", "2020-03-01T00:00:00Z", Free),
        ("198.51.100.207", "2020-03-01T23:59:59Z", Free),
        ("198.51.100.207", "2020-03-02T00:00:00Z", WithName),
        ("198.51.100.207", "2020-03-03T00:00:00.4Z", WithName),
        ("198.51.100.207", "2020-03-03T00:00:00.5Z", Charged),
        ("198.51.100.208", "2020-03-20T00:00:00Z", Free),
        // The policy has ended, though nobody was there to close what was open.
        ("198.51.100.208", "2020-04-03T16:59:58Z", Free),
        ("198.51.100.208", "2020-04-03T16:59:59Z", Charged),
        ("203.0.113.7", "2020-03-01T00:00:00Z", Priority),
        ("203.0.113.7", "2020-02-07T02:10:23Z", Unknown),
        ("198.51.100.7", "2020-03-01T00:00:00Z", InCalls),
        ("198.51.100.128", "2020-03-01T00:00:00Z", Unknown),
        ("2001:db8::7", "2020-03-01T00:00:00Z", Unknown),
        // Only observed; and where another rule gives something, that.
        ("192.0.2.7", "2020-03-01T00:00:00Z", Observed),
        ("203.0.113.70", "2020-03-01T00:00:00Z", Priority),
    ] {
        let told = explain(directory.path(), "gw1", None, address.parse()?, time(at))?;
        assert_eq!(told.result, wanted, "{address} at {at}: {told:?}");
    }
    let told = explain(directory.path(), "gw1", None, "203.0.113.70".parse()?, time("2020-03-01T00:00:00Z"))?;
    let networks: Vec<_> = told.rules.iter().filter_map(|rule| rule.network).collect();
    let narrowest = "203.0.113.64/26".parse()?;
    assert_eq!(networks, [narrowest, narrowest]);
    Ok(())
}

#[test]
fn explanations_read_as_documented() -> Outcome {
    let directory = tempfile::tempdir()?;
    write_state(directory.path())?;
    let shared =
        explain(directory.path(), "gw1", None, "198.51.100.207".parse()?, time("2020-03-02T12:00:00Z"))?;
    golden("explain_shared", &shared.to_string());
    golden("explain_shared_json", &serde_json::to_string_pretty(&shared)?);
    let ended =
        explain(directory.path(), "gw1", None, "198.51.100.207".parse()?, time("2020-03-05T00:00:00Z"))?;
    golden("explain_ended", &ended.to_string());
    let network =
        explain(directory.path(), "gw1", None, "203.0.113.70".parse()?, time("2020-03-05T00:00:00Z"))?;
    golden("explain_network", &network.to_string());
    let unknown =
        explain(directory.path(), "gw1", None, "2001:db8::7".parse()?, time("2020-01-01T00:00:00Z"))?;
    golden("explain_unknown", &unknown.to_string());
    Ok(())
}

#[test]
fn what_cannot_be_read_is_named() -> Outcome {
    let directory = tempfile::tempdir()?;
    let at = time("2020-03-01T00:00:00Z");
    let ask = || explain(directory.path(), "gw1", None, address(7), at);
    assert!(matches!(ask(), Err(ExplainError::Ledger(_))));
    write_state(directory.path())?;
    fs::remove_dir_all(directory.path().join("audit"))?;
    let error = ask().expect_err("the policy is not there").to_string();
    assert!(error.contains("audit log"), "{error}");
    Ok(())
}
