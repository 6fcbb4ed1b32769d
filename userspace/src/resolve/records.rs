//! What the records of an answer say.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::rr::rdata::svcb::SvcParamValue;
use hickory_resolver::proto::rr::{Name, RData, Record};

use super::answer::{Outcome, ServiceHints};
use super::dnssec::Security;

/// Takes from an answer what belongs to `name`: its records and those at the end of its aliases, in
/// whatever order the records are. Other names' records that a server adds are left.
pub(super) fn read_answer(name: &Name, records: &[Record], is_validated: bool) -> Outcome {
    let mut names = BTreeSet::from([name.to_lowercase()]);
    let mut aliases = Vec::new();
    let mut ttl = u32::MAX;
    let mut proofs = Vec::new();
    let mut owner = name.to_lowercase();
    while let Some((target, record)) = alias(&owner, records) {
        // A loop ends where it began.
        if !names.insert(target.clone()) {
            break;
        }
        ttl = ttl.min(record.ttl);
        proofs.push(record.proof);
        aliases.push(written(&target));
        owner = target;
    }
    let mut addresses = Vec::new();
    let mut service: Option<ServiceHints> = None;
    for record in records.iter().filter(|record| names.contains(&record.name.to_lowercase())) {
        match &record.data {
            RData::A(a) => addresses.push(IpAddr::from(a.0)),
            RData::AAAA(aaaa) => addresses.push(IpAddr::from(aaaa.0)),
            RData::HTTPS(https) => read_hints(&https.svc_params, service.get_or_insert_default()),
            _ => continue,
        }
        ttl = ttl.min(record.ttl);
        proofs.push(record.proof);
    }
    let ttl = Duration::from_secs(ttl.into());
    match service {
        _ if !addresses.is_empty() => {
            let security = if is_validated { weakest(&proofs) } else { Security::Unchecked };
            Outcome::Addresses { addresses, ttl, aliases, security }
        }
        Some(hints) => Outcome::Service { hints, ttl },
        None => Outcome::Empty { exists: true, ttl: None },
    }
}

/// Where HTTPS records of `name`, or of the end of its aliases, lead that are in `AliasMode` (RFC 9460, section 2.4.2), in
/// lower case, with their lifetime. Of several, the first in the order of names: nothing is balanced here.
pub(super) fn service_alias(name: &Name, records: &[Record]) -> Option<(Name, Duration)> {
    let mut owner = name.to_lowercase();
    // A chain has no more links than there are records; a longer one is a circle.
    for _ in records {
        match alias(&owner, records) {
            Some((target, _)) => owner = target,
            None => break,
        }
    }
    let aliases = records.iter().filter_map(|record| match &record.data {
        RData::HTTPS(https) if https.svc_priority == 0 && record.name == owner => {
            Some((https.target_name.to_lowercase(), Duration::from_secs(record.ttl.into())))
        }
        _ => None,
    });
    aliases.min()
}

fn read_hints(
    parameters: &[(hickory_resolver::proto::rr::rdata::svcb::SvcParamKey, SvcParamValue)],
    hints: &mut ServiceHints,
) {
    for (_, value) in parameters {
        match value {
            SvcParamValue::EchConfigList(_) => hints.ech = true,
            SvcParamValue::Ipv4Hint(v4) => hints.addresses.extend(v4.0.iter().map(|a| IpAddr::from(a.0))),
            SvcParamValue::Ipv6Hint(v6) => hints.addresses.extend(v6.0.iter().map(|a| IpAddr::from(a.0))),
            _ => {}
        }
    }
}

/// An answer is as good as the weakest of what leads to it (RFC 4035, section 4.3).
fn weakest(proofs: &[Proof]) -> Security {
    if proofs.contains(&Proof::Bogus) {
        Security::Bogus
    } else if proofs.contains(&Proof::Indeterminate) || proofs.is_empty() {
        Security::Indeterminate
    } else if proofs.contains(&Proof::Insecure) {
        Security::Insecure
    } else {
        Security::Secure
    }
}

/// Where `owner` leads, in lower case, and the record that says so.
pub(super) fn alias<'a>(owner: &Name, records: &'a [Record]) -> Option<(Name, &'a Record)> {
    records.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if record.name == *owner => Some((target.0.to_lowercase(), record)),
        _ => None,
    })
}

/// A name as policies write it.
pub(super) fn written(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}
