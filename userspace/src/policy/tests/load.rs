//! What is read, and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tollfree_core::plan::RuleClass;

use super::super::{HiddenName, Mode, Policy, Site};
use super::*;
use crate::policy::CallTerms;
use crate::resolve::Dnssec;

/// A policy that has as many faults as fit.
const FAULTY: &str = r#"
[policy]
id = "Not An Id"
legal_basis = ""
valid_from = 2020-04-03T00:00:00+07:00
valid_until = 2020-02-01T00:00:00+07:00
gateways = []
colour = "red"
mode = "try"

[[site]]
id = "twice"
domains = ["*.moh.gov.vn", "ｍｏｈ.gov.vn", "203.0.113.7", "moh.gov.vn", "*.com.vn", "github.io", "*"]
networks = ["203.0.113.7/24", "0.0.0.0/0", "12.0.0.0/7", 7]
ports = ["443", "tcp/0"]
evidence = "name-and-address"
hidden_name = "show"
class = "gratis"
rating_group = -1
daily_ceiling = "2 GiB"

[[site]]
id = "twice"

[[hotline]]
id = "twice"
country = "XX"
numbers = ["+8419003228", "11"]
media_networks = ["198.51.100.0"]
rating_group = "9100"

[[hotlines]]
id = "x"
"#;

/// Faults, with the directory's own path taken out.
fn faults(directory: &Path) -> String {
    let shown = load(directory).expect_err("the policies have faults").to_string();
    shown.replace(&directory.to_string_lossy().into_owned(), "policies")
}

#[test]
fn every_fault_of_every_file_is_told() {
    let directory = directory(&[
        ("faulty.toml", FAULTY),
        ("syntax.toml", "[policy\nid = \"x\"\nid =\n"),
        ("empty.toml", ""),
    ]);
    golden("policy_faults", &faults(directory.path()));
}

#[test]
fn the_example_is_valid_and_says_what_the_order_says() {
    let set = loaded(&[("vn-covid19-2020.toml", EXAMPLE)]);
    let [policy] = set.policies.as_slice() else { panic!("one policy") };
    assert_eq!(policy.valid_from, instant("2020-01-31T17:00:00Z"));
    assert_eq!(policy.valid_until, Some(instant("2020-04-03T16:59:59Z")));
    assert_eq!(policy.authority, "Bộ Thông tin và Truyền thông");
    assert_eq!(policy.sites[0].domains[1].to_string(), "ncov.moh.gov.vn");
    assert_eq!(policy.sites[1].class, RuleClass::FreePriority);
    assert_eq!(policy.hotlines[0].numbers[1].as_str(), "19009095");
    assert_eq!(set.files[0].bytes, EXAMPLE.as_bytes());
}

#[test]
fn only_toml_files_that_are_not_hidden_are_read() {
    let good = policy("a", FROM, NETWORK);
    let directory =
        directory(&[("a.toml", &good), (".b.toml", "bad"), ("c.toml~", "bad"), ("README", "bad")]);
    let set = load(directory.path()).expect("one good file");
    assert_eq!(set.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a.toml"]);
}

#[test]
fn the_digest_changes_with_names_and_contents_and_nothing_else() {
    let (a, b) = (policy("a", FROM, NETWORK), policy("b", FROM, NETWORK));
    let digest = |files: &[(&str, &str)]| loaded(files).digest;
    let set = digest(&[("a.toml", &a), ("b.toml", &b)]);
    assert_eq!(set, digest(&[("b.toml", &b), ("a.toml", &a), (".hidden.toml", "")]));
    assert_ne!(set, digest(&[("a.toml", &b), ("b.toml", &a)]));
    assert_ne!(set, digest(&[("a.toml", &a)]));
    assert_ne!(set, digest(&[("a.toml", &a), ("b.toml", &format!("{b}# more\n"))]));
}

#[test]
fn what_cannot_be_read_is_told_with_its_path() {
    let directory = directory(&[]);
    fs::create_dir(directory.path().join("d.toml")).expect("a directory");
    fs::write(directory.path().join("e.toml"), b"[policy]\nid = \"\xff\"\n").expect("a file");
    let shown = faults(directory.path());
    assert!(shown.contains("policies/d.toml:1:1: this is not a regular file"), "{shown}");
    assert!(shown.contains("policies/e.toml:2:7: the file is not UTF-8"), "{shown}");
    let shown = faults(&directory.path().join("missing"));
    assert!(shown.starts_with("policies:1:1: cannot be read"), "{shown}");
}

#[test]
fn two_files_cannot_have_the_same_policy() {
    let a = policy("same", FROM, NETWORK);
    let shown = faults(directory(&[("a.toml", &a), ("b.toml", &a)]).path());
    assert!(
        shown.starts_with("policies/b.toml:2:6: \"same\": the policy in policies/a.toml has the same id")
    );
}

#[test]
fn local_times_and_evidence_left_out_are_refused() {
    for (time, fault) in [
        ("2020-02-01T00:00:00", "2020-02-01T00:00:00: the time has no offset from UTC"),
        ("2020-02-01", "2020-02-01: the time has no offset from UTC"),
        ("\"2020-02-01T00:00:00Z\"", "this is of type string, not a date and time with offset"),
    ] {
        let shown =
            faults(directory(&[("a.toml", &policy("a", &format!("valid_from = {time}"), NETWORK))]).path());
        assert!(shown.contains(fault), "{shown}");
    }
    let without = policy("a", FROM, NETWORK).replace("evidence = \"address\"\n", "");
    let shown = faults(directory(&[("a.toml", &without)]).path());
    assert!(shown.starts_with("policies/a.toml:7:1: [[site]]: `evidence` is missing"), "{shown}");
}

#[test]
fn every_key_but_the_optional_ones_is_missed() {
    let is_setting = |line: &str| line.contains(" = ") && !line.starts_with('#');
    let lines: Vec<_> = EXAMPLE.lines().collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| is_setting(line)) {
        let without = [&lines[..index], &lines[index + 1..]].concat().join("\n");
        let optional = line.starts_with("valid_until = ") || line.starts_with("ports = ");
        let loaded = load(directory(&[("a.toml", &without)]).path());
        assert_eq!(loaded.is_ok(), optional, "without {line}");
    }
}

#[test]
fn a_policy_ends_after_it_begins() {
    let ends = |until: &str| format!("{FROM}\nvalid_until = {until}");
    assert!(
        load(directory(&[("a.toml", &policy("a", &ends("2020-02-01T00:00:01Z"), NETWORK))]).path()).is_ok()
    );
    // The same instant in another offset.
    let shown =
        faults(directory(&[("a.toml", &policy("a", &ends("2020-02-01T07:00:00+07:00"), NETWORK))]).path());
    assert!(shown.contains("the policy ends at 2020-02-01T00:00:00Z"), "{shown}");
}

proptest::proptest! {
    #[test]
    fn any_octets_are_refused_without_a_panic(octets: Vec<u8>) {
        proptest::prop_assert!(Policy::read("x", &octets, &mut BTreeMap::new()).is_err());
    }

    /// Cuts and changes a valid file anywhere, so that the inner parsers are reached.
    #[test]
    fn a_damaged_file_is_read_or_refused_without_a_panic(
        at in 0..EXAMPLE.len(),
        text in "\\PC{0,8}",
        cut in 0..20_usize,
    ) {
        let mut octets = EXAMPLE.as_bytes().to_vec();
        octets.splice(at..(at + cut).min(EXAMPLE.len()), text.bytes());
        match Policy::read("x", &octets, &mut BTreeMap::new()) {
            Ok(policy) => {
                proptest::prop_assert!(policy.valid_until.is_none_or(|end| policy.valid_from < end));
                let lists = |site: &Site| !site.domains.is_empty() || !site.networks.is_empty();
                proptest::prop_assert!(policy.sites.iter().all(lists));
            }
            Err(faults) => proptest::prop_assert!(!faults.is_empty()),
        }
    }
}

#[test]
fn what_sites_ask_of_names_is_read() {
    let listed = "domains = [\"moh.gov.vn\"]\ndnssec = \"required\"\ncname_suffixes = [\"GOV.vn\"]";
    let policies = loaded(&[("a.toml", &policy("a", FROM, listed))]);
    let names = policies.names_at(instant("2020-03-01T00:00:00Z"));
    let terms = names.get("moh.gov.vn").expect("it is listed");
    assert_eq!(terms.dnssec(Dnssec::Off), Dnssec::Required);
    assert!(terms.is_foreign("cdn.example") && !terms.is_foreign("www.gov.vn"));
    for (site, fault) in [
        (format!("{NETWORK}\ndnssec = \"off\""), "there are no `domains`"),
        (format!("{NETWORK}\ncname_suffixes = []"), "there are no `domains`"),
        ("domains = [\"moh.gov.vn\"]\ndnssec = \"maybe\"".to_owned(), "\"opportunistic\""),
    ] {
        let directory = directory(&[("a.toml", &policy("a", FROM, &site))]);
        let shown = faults(directory.path());
        assert!(shown.contains(fault), "{shown}");
    }
}

#[test]
fn a_site_that_lists_a_wildcard_has_a_say_in_names_below_it() {
    let exact = policy("a", FROM, "domains = [\"www.moh.gov.vn\", \"*.moh.gov.vn\"]");
    let wildcard = policy("b", FROM, "domains = [\"*.moh.gov.vn\"]\ndnssec = \"required\"");
    let policies = loaded(&[("a.toml", &exact), ("b.toml", &wildcard)]);
    let now = instant("2020-03-01T00:00:00Z");
    let names = policies.names_at(now);
    // A wildcard is nothing that could be asked for.
    assert_eq!(names.keys().collect::<Vec<_>>(), ["www.moh.gov.vn"]);
    assert_eq!(names["www.moh.gov.vn"].dnssec(Dnssec::Off), Dnssec::Required);
    let terms = policies.terms_at(now);
    assert!(!terms.is_empty() && loaded(&[("a.toml", &policy("a", FROM, NETWORK))]).terms_at(now).is_empty());
    let learned = "a.moh.gov.vn".parse().expect("a name");
    assert!(terms.covers(&learned) && !terms.covers(&"moh.gov.vn".parse().expect("a name")));
    assert_eq!(terms.of_name(&learned).dnssec(Dnssec::Off), Dnssec::Required);
}

#[test]
fn hidden_names_are_charged_unless_a_site_that_asks_for_names_says_otherwise() {
    let site = |evidence: &str, hidden_name: &str| {
        let site = format!("domains = [\"moh.gov.vn\"]\n{hidden_name}");
        policy("a", FROM, &site).replace("evidence = \"address\"", &format!("evidence = \"{evidence}\""))
    };
    for (hidden_name, read) in [
        ("", HiddenName::Charge),
        ("hidden_name = \"charge\"", HiddenName::Charge),
        ("hidden_name = \"free\"", HiddenName::Free),
    ] {
        let set = loaded(&[("a.toml", &site("name-and-address", hidden_name))]);
        assert_eq!(set.policies[0].sites[0].hidden_name, read, "{hidden_name}");
    }
    for hidden_name in ["charge", "free"] {
        let text = site("address", &format!("hidden_name = \"{hidden_name}\""));
        let shown = faults(directory(&[("a.toml", &text)]).path());
        let fault =
            format!("policies/a.toml:13:15: \"{hidden_name}\": `hidden_name` is about names on the wire");
        assert!(shown.starts_with(&fault), "{shown}");
    }
    assert_eq!(
        loaded(&[("a.toml", &site("address", ""))]).policies[0].sites[0].hidden_name,
        HiddenName::Charge
    );
}

#[test]
fn a_policy_is_enforced_unless_it_says_otherwise() {
    for (mode, read) in
        [("", Mode::Enforce), ("mode = \"enforce\"", Mode::Enforce), ("mode = \"observe\"", Mode::Observe)]
    {
        let set = loaded(&[("a.toml", &policy("a", &format!("{FROM}\n{mode}"), NETWORK))]);
        assert_eq!(set.policies[0].mode, read, "{mode}");
    }
}

#[test]
fn aliases_lead_below_names_not_wildcards() {
    let site = "domains = [\"moh.gov.vn\"]\ncname_suffixes = [\"*.edge.example\"]";
    let shown = faults(directory(&[("a.toml", &policy("a", FROM, site))]).path());
    assert!(
        shown.contains("a wildcard is not possible here\n  help: write one name, without `*.`"),
        "{shown}"
    );
}

/// A policy with one hotline, which has these keys too.
fn hotline(keys: &str) -> String {
    let hotline = "[[hotline]]\nid = \"h\"\ncountry = \"VN\"\nnumbers = [\"115\"]\n\
                   media_networks = [\"198.51.100.0/25\"]\nrating_group = 1\n";
    format!("{}\n{hotline}{keys}\n", policy("a", FROM, NETWORK))
}

#[test]
fn what_hotlines_bound_is_read() {
    let keys = "rate = \"64 kbit/s\"\nvideo = true\nvideo_rate = \"1 Mbit/s\"\nmax_duration = \"30m\"\n\
                calls_per_subscriber = 2\nmessages = true";
    let terms = CallTerms {
        audio_octets_per_second: 8_000,
        video_octets_per_second: Some(125_000),
        duration_max: std::time::Duration::from_mins(30),
        calls_per_subscriber_max: 2,
        has_messages: true,
    };
    for (keys, terms) in [
        (keys, terms),
        ("", CallTerms::default()),
        ("video = false\nmessages = false", CallTerms::default()),
        ("video = true", CallTerms { video_octets_per_second: Some(250_000), ..CallTerms::default() }),
    ] {
        let policies = loaded(&[("a.toml", &hotline(keys))]);
        assert_eq!(policies.policies[0].hotlines[0].terms, terms, "{keys}");
        assert!(policies.policies[0].hotlines[0].numbers[0].is_emergency());
    }
    for (keys, fault) in [
        ("video_rate = \"1 Mbit/s\"", "`video_rate` without `video = true`"),
        ("video = \"yes\"", "true or false"),
        ("rate = \"1 kbit/s\"", "not a rate"),
        ("max_duration = \"25h\"", "not a length of time"),
        ("calls_per_subscriber = 0", "not between 1 and 1000"),
    ] {
        let directory = directory(&[("a.toml", &hotline(keys))]);
        let shown = faults(directory.path());
        assert!(shown.contains(fault), "{shown}");
    }
}
