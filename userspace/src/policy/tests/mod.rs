//! Whole directories of policies: what is read, what is refused, what it compiles to.

use std::collections::BTreeMap;
use std::fs;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{CompileInput, HotlineTable, PolicySet, RuleKey, compile as compile_policies, load};

mod compile;
mod inherit;
mod load;

const EXAMPLE: &str = include_str!("../../../../policies/vn-covid19-2020.toml");

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().expect("a temporary directory");
    for (name, content) in files {
        fs::write(directory.path().join(name), content).expect("the file is written");
    }
    directory
}

fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../tests/golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A policy with one site of one network; `header` is added to `[policy]`.
fn policy(id: &str, header: &str, site: &str) -> String {
    format!(
        "[policy]\nid = \"{id}\"\nlegal_basis = \"1\"\nauthority = \"a\"\n{header}\n\n[[site]]\nid = \"s\"\n\
         evidence = \"address\"\nclass = \"free\"\nrating_group = 1\n{site}\n"
    )
}

const FROM: &str = "valid_from = 2020-02-01T00:00:00Z";
const NETWORK: &str = "networks = [\"203.0.113.0/24\"]";

pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub(crate) fn loaded(files: &[(&str, &str)]) -> PolicySet {
    load(directory(files).path()).expect("the policies are valid")
}

/// Two hotlines' numbers under one rule, whose number is 7; `terms` is added to it.
pub(crate) fn hotlines(terms: &str) -> HotlineTable {
    let policy = format!(
        "[policy]\nid = \"vn\"\nlegal_basis = \"05/CT-BTTTT\"\nauthority = \"MIC\"\n\
         valid_from = 2020-02-01T00:00:00+07:00\n\n[[hotline]]\nid = \"moh\"\ncountry = \"VN\"\n\
         numbers = [\"19003228\", \"115\"]\nmedia_networks = [\"198.51.100.0/25\"]\nrating_group = 9100\n{terms}\n"
    );
    let policies = loaded(&[("vn.toml", &policy)]);
    let numbers = BTreeMap::from([(RuleKey { policy: "vn".into(), rule: "moh".into() }, 7)]);
    let plan = compile_policies(&CompileInput::new(&policies, &numbers, instant("2020-03-01T00:00:00Z")));
    plan.expect("a plan").hotlines
}
