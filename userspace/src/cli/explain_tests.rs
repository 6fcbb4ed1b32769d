//! Numbers and names are explained from a gateway's state, at any time.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::audit::{Digest, policy_digest};
use crate::book::{Answer, Holding, HoldingEvent, Source};
use crate::config::{GatewayConfig, SignallingConfig};
use crate::ledger::Ledger;
use crate::resolve::Security;

type Outcome = Result<(), Box<dyn Error>>;

const POLICY: &str = r#"[policy]
id = "vn-covid19-2020"
legal_basis = "05/CT-BTTTT"
authority = "Bộ Thông tin và Truyền thông"
valid_from = 2020-02-01T00:00:00+07:00
valid_until = 2020-04-03T23:59:59+07:00

[[site]]
id = "moh-portal"
domains = ["moh.gov.vn", "*.moh.gov.vn"]
evidence = "name-and-address"
class = "free"
rating_group = 9001

[[hotline]]
id = "moh-hotline"
country = "VN"
numbers = ["19003228", "115"]
media_networks = ["198.51.100.0/25", "2001:db8:7000::/48"]
rating_group = 9100
video = true
messages = true
"#;

/// The same order, tried out on one more number.
const OBSERVED: &str = r#"[policy]
id = "vn-trial"
legal_basis = "trial"
authority = "VNPT"
mode = "observe"
valid_from = 2020-02-01T00:00:00+07:00

[[hotline]]
id = "trial"
country = "VN"
numbers = ["19003228", "19009095"]
media_networks = ["198.51.100.128/25"]
rating_group = 9101
"#;

const MARCH: &str = "2020-03-02T12:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../tests/golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn gateway(state: &Path) -> GatewayConfig {
    GatewayConfig {
        id: "gw1".into(),
        region: None,
        state_dir: state.to_owned(),
        run_dir: state.to_owned(),
        bpffs: state.to_owned(),
    }
}

fn signalling() -> SignallingConfig {
    SignallingConfig {
        proxies: vec![[192, 0, 2, 10].into()],
        domains: vec!["ims.example.vn".parse().expect("a name")],
        port: 5060,
    }
}

/// A gateway whose second activation has both policies; `ncov.moh.gov.vn` had an address for a day.
fn write_state(state: &Path) -> Outcome {
    let files = [("trial.toml", OBSERVED.as_bytes()), ("vn.toml", POLICY.as_bytes())];
    let digest = Digest(policy_digest(&files)).to_string();
    let kept = state.join("audit/policies").join(&digest);
    fs::create_dir_all(&kept)?;
    for (name, text) in files {
        fs::write(kept.join(name), text)?;
    }
    let mut ledger = Ledger::open(&state.join("ledger.sqlite"))?;
    for (policy, rule) in
        [("vn-covid19-2020", "moh-portal"), ("vn-covid19-2020", "moh-hotline"), ("vn-trial", "trial")]
    {
        ledger.rule_number(policy, rule)?;
    }
    let empty = Digest(policy_digest::<&str, &[u8]>(&[])).to_string();
    ledger.record_epoch(1, &empty, time("2020-01-31T17:00:00Z"), 0)?;
    ledger.record_epoch(2, &digest, time("2020-02-07T02:10:24Z"), 3)?;
    let (address, name) = (IpAddr::from([198, 51, 100, 207]), "ncov.moh.gov.vn".to_owned());
    let since = time("2020-03-02T00:00:00Z");
    let answer = Answer {
        learned_at: since,
        ttl: Duration::from_mins(5),
        security: Security::Secure,
        resolver: Some([192, 0, 2, 53].into()),
        chain: Vec::new().into(),
    };
    let holding = Holding { address, name: name.clone(), rule: 1, since, source: Source::Wire, answer };
    let closed = HoldingEvent::Closed { address, name, rule: 1, at: time("2020-03-03T00:00:00Z") };
    ledger.record_holdings(2, &[HoldingEvent::Opened(holding), closed])?;
    Ok(())
}

fn number(state: &Path, text: &str, at: &str) -> super::super::number::NumberExplanation {
    let asked = AskedNumber::read(text).expect(text);
    let then = PolicyThen::read(&gateway(state), About::Rules, time(at)).expect("a state");
    explain_number(&asked, then, &signalling())
}

fn name(state: &Path, text: &str, at: &str) -> super::super::name::NameExplanation {
    let name: DomainName = text.parse().expect(text);
    let then = PolicyThen::read(&gateway(state), About::Name(name.as_str()), time(at)).expect("a state");
    explain_name(&name, then)
}

#[test]
fn a_number_is_explained_in_any_form_at_any_time() -> Outcome {
    use CallResult::{Free, NotListed, Observed, OtherNetwork};
    let directory = tempfile::tempdir()?;
    write_state(directory.path())?;
    for (text, at, wanted) in [
        ("19003228", MARCH, Free),
        ("+84 1900-3228", MARCH, Free),
        ("008419003228", MARCH, Free),
        ("tel:+84-1900-3228", MARCH, Free),
        ("tel:19003228;phone-context=+84", MARCH, Free),
        ("tel:19003228;phone-context=ims.example.vn", MARCH, Free),
        ("sip:19003228@ims.example.vn;user=phone", MARCH, Free),
        ("sip:19003228@192.0.2.10", MARCH, Free),
        ("sip:19003228@elsewhere.example", MARCH, OtherNetwork),
        ("tel:19003228;phone-context=elsewhere.example", MARCH, OtherNetwork),
        ("115", MARCH, Free),
        ("19009095", MARCH, Observed),
        ("1900322", MARCH, NotListed),
        ("190032280", MARCH, NotListed),
        ("02432191219", MARCH, NotListed),
        ("+12125550123", MARCH, NotListed),
        ("5", MARCH, NotListed),
        // Before the activation, before any, and at the policy's end.
        ("19003228", "2020-02-07T02:10:23Z", NotListed),
        ("19003228", "2020-01-01T00:00:00Z", NotListed),
        ("115", "2020-04-03T16:59:58Z", Free),
        ("115", "2020-04-03T16:59:59Z", NotListed),
    ] {
        let told = number(directory.path(), text, at);
        assert_eq!(told.result, wanted, "{text} at {at}: {told:?}");
    }
    Ok(())
}

#[test]
fn a_name_is_explained_by_the_rules_that_cover_it() -> Outcome {
    use Explained::{Charged, Unknown, WithName};
    let directory = tempfile::tempdir()?;
    write_state(directory.path())?;
    for (text, at, wanted) in [
        ("ncov.moh.gov.vn", MARCH, WithName),
        ("NCOV.MOH.GOV.VN.", MARCH, WithName),
        ("moh.gov.vn", MARCH, WithName),
        ("xmoh.gov.vn", MARCH, Unknown),
        ("moh.gov.vn.example", MARCH, Unknown),
        ("ncov.moh.gov.vn", "2020-01-01T00:00:00Z", Charged),
        ("ncov.moh.gov.vn", "2020-05-01T00:00:00Z", Charged),
        ("moh.gov.vn", "2020-05-01T00:00:00Z", Unknown),
    ] {
        let told = name(directory.path(), text, at);
        assert_eq!(told.result, wanted, "{text} at {at}: {told:?}");
    }
    Ok(())
}

#[test]
fn explanations_read_as_documented() -> Outcome {
    let directory = tempfile::tempdir()?;
    write_state(directory.path())?;
    let state = directory.path();
    let listed = number(state, "sip:+8419003228@ims.example.vn;user=phone", MARCH);
    golden("explain_number", &listed.to_string());
    golden("explain_number_json", &serde_json::to_string_pretty(&listed)?);
    golden("explain_number_emergency", &number(state, "115", MARCH).to_string());
    golden("explain_number_not_listed", &number(state, "1900322", MARCH).to_string());
    golden("explain_name", &name(state, "ncov.moh.gov.vn", MARCH).to_string());
    golden("explain_name_before", &name(state, "ncov.moh.gov.vn", "2020-01-01T00:00:00Z").to_string());
    Ok(())
}
