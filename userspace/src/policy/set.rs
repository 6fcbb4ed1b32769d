//! All policies of a gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::domain::DomainName;
use super::file::Policy;
use super::key::RuleKey;
use super::terms::SiteTerms;
use super::wire_name::WireName;
use crate::audit::{Digest, policy_digest};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::file::{FileFault, read};
use crate::resolve::{NameTerms, Resolved};

/// One policy file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// File name, without the directory.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// A directory of validated policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySet {
    /// Names exactly these files.
    pub digest: Digest,
    /// The files, sorted by name.
    pub files: Vec<PolicyFile>,
    /// Their policies, in the same order.
    pub policies: Vec<Policy>,
}

impl PolicySet {
    /// Every rule, whether it is in force or not, by policy and in the order of the file.
    pub fn rule_keys(&self) -> Vec<RuleKey> {
        let mut keys = Vec::new();
        for policy in &self.policies {
            let sites = policy.sites.iter().map(|site| &site.id);
            let hotlines = policy.hotlines.iter().map(|hotline| &hotline.id);
            keys.extend(
                sites.chain(hotlines).map(|id| RuleKey { policy: policy.id.clone(), rule: id.clone() }),
            );
        }
        keys
    }

    /// Numbers to compile with where nothing is billed; the ledger gives the permanent ones when a policy is put in force.
    pub fn provisional_numbers(&self) -> BTreeMap<RuleKey, u32> {
        self.rule_keys().into_iter().zip(1..).collect()
    }

    /// What the sites of policies which have not ended at `now` ask of the names that they cover.
    pub fn terms_at(&self, now: Timestamp) -> SiteTerms<'_> {
        let lasting = self.policies.iter().filter(|policy| policy.valid_until.is_none_or(|end| now < end));
        SiteTerms::of(lasting.flat_map(|policy| &policy.sites))
    }

    /// Names that the policies list by themselves which have not ended at `now`, with what is asked of them.
    pub fn names_at(&self, now: Timestamp) -> BTreeMap<String, NameTerms> {
        let terms = self.terms_at(now);
        terms.exact_names().map(|name| (name.as_str().to_owned(), terms.of_name(name))).collect()
    }

    /// The addresses that names have; which rules cover a name is [`compile()`](super::compile())'s to find.
    pub fn addresses_in(&self, resolved: &Resolved) -> BTreeMap<DomainName, BTreeSet<IpAddr>> {
        let names = resolved.addresses.iter();
        let host = |name: &str| WireName::parse(name.as_bytes()).into_host();
        names.filter_map(|(name, addresses)| Some((host(name)?, addresses.clone()))).collect()
    }
}

/// Reads every `*.toml` file of `directory` whose name does not begin with a dot, one policy each.
///
/// # Errors
///
/// All faults of all files; then no policy is given, so that a bad file changes nothing.
pub fn load(directory: &Path) -> Result<PolicySet, Diagnostics> {
    let mut faults = Vec::new();
    let files = read_files(directory, &mut faults);
    let mut ids = BTreeMap::new();
    let mut policies = Vec::new();
    for file in &files {
        let path = directory.join(&file.name);
        match Policy::read(&path.to_string_lossy(), &file.bytes, &mut ids) {
            Ok(policy) => policies.push(policy),
            Err(of_file) => faults.extend(of_file),
        }
    }
    if !faults.is_empty() {
        return Err(Diagnostics::new(faults));
    }
    let digest = named(&files);
    Ok(PolicySet { digest, files, policies })
}

fn named(files: &[PolicyFile]) -> Digest {
    let files: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.bytes.as_slice())).collect();
    Digest(policy_digest(&files))
}

fn read_files(directory: &Path, faults: &mut Vec<Diagnostic>) -> Vec<PolicyFile> {
    let paths = match policy_paths(directory) {
        Ok(paths) => paths,
        Err(error) => {
            faults.push(Diagnostic::of_file(&directory.to_string_lossy(), &FileFault::Io { error }));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for path in paths {
        let Some(name) = path.file_name().and_then(OsStr::to_str) else {
            faults.push(Diagnostic::of_file(&path.to_string_lossy(), &FileFault::Name));
            continue;
        };
        match read(&path) {
            Ok(bytes) => files.push(PolicyFile { name: name.to_owned(), bytes }),
            Err(fault) => faults.push(fault),
        }
    }
    files
}

/// Sorted, because a directory has no order of its own.
fn policy_paths(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.ends_with(b".toml") && !name.starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
