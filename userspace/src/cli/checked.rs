//! What `tollfree check` has to say.

use std::fmt;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::policy::suffix::{LIST_SHA256, LIST_VERSION};
use crate::policy::{DomainPattern, Evidence, Plan, Policy, PolicySet, Site};
use crate::resolve::Dnssec;

/// What was found. In text, or in JSON with these fields.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    /// What is wrong; if anything is, nothing follows but the list.
    faults: Vec<Diagnostic>,
    /// Which names no policy may list.
    public_suffix_list: ListShown,
    /// What is in force if this is: see `tollfree status`.
    policy_digest: Option<String>,
    policies: usize,
    rules_in_force: usize,
    /// Of all policies, in force or not, in the order of the files.
    sites: Vec<SiteShown>,
}

/// Which public suffix list is compiled in.
#[derive(Debug, Serialize)]
struct ListShown {
    version: &'static str,
    sha256: &'static str,
}

/// A site, as far as its names go.
#[derive(Debug, Serialize)]
struct SiteShown {
    policy: String,
    rule_id: String,
    /// `enforce` or `observe`.
    mode: &'static str,
    evidence: &'static str,
    /// `charge` or `free`; none where the evidence is the address alone.
    hidden_name: Option<&'static str>,
    /// What is asked of the signatures of its names: `off`, `opportunistic` or `required`.
    dnssec: &'static str,
    names: Vec<NameShown>,
}

/// A name, or a wildcard, that a site lists.
#[derive(Debug, Serialize)]
struct NameShown {
    /// As it is on the wire, with A-labels.
    pattern: String,
    /// With U-labels, where they differ and do not look like another name.
    unicode: Option<String>,
    covers: Covers,
    /// What is learned of it must be proven by the gateway first: it asks for each name that subscribers ask for.
    proven_first: bool,
}

/// What is meant by a name.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Covers {
    /// The name alone.
    Itself,
    /// What is below it; the same site lists the name itself, too.
    Below,
    /// What is below it, and nothing of the site lists the name itself.
    BelowOnly,
}

const LIST: ListShown = ListShown { version: LIST_VERSION, sha256: LIST_SHA256 };

impl Checked {
    /// Policies without a fault, and what they compile to.
    /// `dnssec` is what the gateway asks of the signatures of names whose sites do not say.
    pub(super) fn of(policies: &PolicySet, plan: &Plan, dnssec: Dnssec) -> Self {
        let sites = policies.policies.iter().flat_map(|policy| policy.sites.iter().map(move |s| (policy, s)));
        Self {
            faults: Vec::new(),
            public_suffix_list: LIST,
            policy_digest: Some(policies.digest.to_string()),
            policies: policies.policies.len(),
            rules_in_force: plan.rules.len(),
            sites: sites.map(|(policy, site)| SiteShown::of(policy, site, dnssec)).collect(),
        }
    }

    /// Something is wrong.
    pub(super) fn refused(faults: &Diagnostics) -> Self {
        Self {
            faults: faults.as_slice().to_vec(),
            public_suffix_list: LIST,
            policy_digest: None,
            policies: 0,
            rules_in_force: 0,
            sites: Vec::new(),
        }
    }
}

impl SiteShown {
    fn of(policy: &Policy, site: &Site, dnssec: Dnssec) -> Self {
        let dnssec = site.dnssec.unwrap_or(dnssec);
        let by_name = site.evidence == Evidence::NameAndAddress;
        Self {
            policy: policy.id.clone(),
            rule_id: site.id.clone(),
            mode: policy.mode.name(),
            evidence: site.evidence.name(),
            hidden_name: by_name.then(|| site.hidden_name.name()),
            dnssec: dnssec.name(),
            names: site.domains.iter().map(|pattern| NameShown::of(pattern, site, dnssec)).collect(),
        }
    }
}

impl NameShown {
    fn of(pattern: &DomainPattern, site: &Site, dnssec: Dnssec) -> Self {
        let lists_itself = site.domains.iter().any(|listed| listed.covers(pattern.name()));
        Self {
            pattern: pattern.to_string(),
            unicode: pattern.unicode(),
            covers: match pattern {
                DomainPattern::Exact(_) => Covers::Itself,
                DomainPattern::Below(_) if lists_itself => Covers::Below,
                DomainPattern::Below(_) => Covers::BelowOnly,
            },
            proven_first: dnssec == Dnssec::Required && matches!(pattern, DomainPattern::Below(_)),
        }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sites.iter().try_for_each(|site| site.fmt(f))?;
        let ListShown { version, sha256 } = self.public_suffix_list;
        writeln!(f, "public suffix list {version}, sha256:{sha256}")?;
        let digest = self.policy_digest.as_deref().unwrap_or("none");
        writeln!(f, "{} policies, {} rules in force now; digest {digest}", self.policies, self.rules_in_force)
    }
}

impl fmt::Display for SiteShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, rule_id, mode, evidence, .. } = self;
        write!(f, "{policy}/{rule_id}: mode {mode}, evidence {evidence}")?;
        if let Some(hidden_name) = self.hidden_name {
            write!(f, ", hidden name {hidden_name}")?;
        }
        writeln!(f)?;
        self.names.iter().try_for_each(|name| name.fmt(f))
    }
}

impl fmt::Display for NameShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unicode {
            Some(unicode) => write!(f, "  {unicode} ({})", self.pattern)?,
            None => write!(f, "  {}", self.pattern)?,
        }
        let apex = self.pattern.trim_start_matches("*.");
        match self.covers {
            Covers::Itself => {}
            Covers::Below => write!(f, ": every name below")?,
            Covers::BelowOnly => write!(f, ": every name below, but not {apex} itself")?,
        }
        if self.proven_first {
            write!(f, "; the gateway proves each (dnssec is required) before it is free")?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::policy::tests::{instant, loaded};
    use crate::policy::{CompileInput, compile};

    const POLICY: &str = r#"
[policy]
id = "p"
legal_basis = "1"
authority = "a"
mode = "observe"
valid_from = 2020-02-01T00:00:00Z

[[site]]
id = "portal"
domains = ["moh.gov.vn", "*.moh.gov.vn", "bộytế.vn", "*.BỘYTẾ.vn.", "*.xn--80ak6aa92e.example"]
evidence = "name-and-address"
hidden_name = "free"
class = "free"
rating_group = 1

[[site]]
id = "proven"
domains = ["health.example", "*.health.example"]
dnssec = "required"
evidence = "address"
class = "free"
rating_group = 1

[[site]]
id = "network"
networks = ["203.0.113.0/24"]
evidence = "address"
class = "free"
rating_group = 1
"#;

    fn checked() -> Checked {
        let policies = loaded(&[("p.toml", POLICY)]);
        let numbers = policies.provisional_numbers();
        let plan = compile(&CompileInput::new(&policies, &numbers, instant("2020-03-01T00:00:00Z")));
        Checked::of(&policies, &plan.expect("it compiles"), Dnssec::Off)
    }

    /// By hand, from the policy above.
    const SHOWN: &str = "\
p/portal: mode observe, evidence name-and-address, hidden name free
  moh.gov.vn
  *.moh.gov.vn: every name below
  bộytế.vn (xn--byt-9jzwf.vn)
  *.bộytế.vn (*.xn--byt-9jzwf.vn): every name below
  *.xn--80ak6aa92e.example: every name below, but not xn--80ak6aa92e.example itself
p/proven: mode observe, evidence address
  health.example
  *.health.example: every name below; the gateway proves each (dnssec is required) before it is free
p/network: mode observe, evidence address
public suffix list ";

    #[test]
    fn names_are_shown_in_both_forms_and_with_what_they_cover() {
        let text = checked().to_string();
        let rest = text.strip_prefix(SHOWN).unwrap_or_else(|| panic!("{text}"));
        assert!(
            rest.starts_with(&format!("{LIST_VERSION}, sha256:{LIST_SHA256}\n1 policies, 3 rules")),
            "{rest}"
        );
    }

    #[test]
    fn json_has_the_same() {
        let json = serde_json::to_value(checked()).expect("plain data");
        assert_eq!(json["public_suffix_list"]["sha256"], LIST_SHA256);
        assert_eq!((&json["faults"], &json["policies"]), (&serde_json::json!([]), &serde_json::json!(1)));
        let names = &json["sites"][0]["names"];
        let wanted = [("moh.gov.vn", "itself"), ("*.moh.gov.vn", "below"), ("xn--byt-9jzwf.vn", "itself")];
        for (name, (pattern, covers)) in names.as_array().expect("a list").iter().zip(wanted) {
            assert_eq!((name["pattern"].as_str(), name["covers"].as_str()), (Some(pattern), Some(covers)));
        }
        assert_eq!(names[2]["unicode"], "bộytế.vn");
        assert_eq!(names[4]["covers"], "below-only");
        assert_eq!(json["sites"][1]["hidden_name"], serde_json::Value::Null);
        assert_eq!(
            (&json["sites"][0]["dnssec"], &json["sites"][1]["dnssec"]),
            (&"off".into(), &"required".into())
        );
        let proven_first = [0, 1].map(|name| json["sites"][1]["names"][name]["proven_first"].as_bool());
        assert_eq!(
            (proven_first, names[1]["proven_first"].as_bool()),
            ([Some(false), Some(true)], Some(false))
        );
    }

    #[test]
    fn faults_are_told_beside_the_list() {
        let fault =
            Diagnostic { file: "f".into(), line: 1, column: 2, message: "m".into(), help: "h".into() };
        let json =
            serde_json::to_value(Checked::refused(&Diagnostics::new(vec![fault]))).expect("plain data");
        assert_eq!(json["faults"][0]["column"], 2);
        assert_eq!(json["public_suffix_list"]["version"], LIST_VERSION);
    }
}
