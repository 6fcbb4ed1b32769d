//! From the name that was asked for to what it resolves to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hickory_proto::op::Query;
use hickory_proto::rr::rdata::SVCB;
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::lesson::Hint;
use super::name::presentation;
use super::refusal::Refusal;

/// Aliases followed, one after another. Reason: resolvers themselves give up after about as many (RFC 1034, section
/// 3.6.2 asks not to chain them at all), and a circle must end.
pub(super) const ALIASES_MAX: usize = 16;

/// Where a question's aliases lead.
#[derive(Debug)]
pub(super) struct Answer {
    /// The aliases, in order, without the name that was asked for.
    pub(super) chain: Vec<String>,
    /// What the last of them has, with the shortest time to live on the way, in seconds.
    pub(super) addresses: Vec<(IpAddr, u32)>,
    /// What its HTTPS or SVCB records say.
    pub(super) hints: Vec<Hint>,
}

/// Follows the aliases from the question through the answer section. Records of other owners are passed over.
pub(super) fn follow(question: &Query, records: &[Record]) -> Result<Answer, Refusal> {
    let mut owner = question.name();
    let mut shortest = u32::MAX;
    let mut chain = Vec::new();
    while let Some((target, ttl)) = alias(owner, records)? {
        if chain.len() == ALIASES_MAX {
            return Err(Refusal::Aliases);
        }
        owner = target;
        shortest = shortest.min(ttl);
        chain.push(presentation(target));
    }
    let mut addresses = BTreeMap::new();
    let mut hints = Vec::new();
    for record in of(owner, records).filter(|record| record.record_type() == question.query_type()) {
        let ttl = shortest.min(lifetime(record));
        if let Some(address) = record.data.ip_addr() {
            addresses.entry(address).and_modify(|least: &mut u32| *least = ttl.min(*least)).or_insert(ttl);
        }
        if let RData::HTTPS(hickory_proto::rr::rdata::HTTPS(service)) | RData::SVCB(service) = &record.data {
            hints.push(hint(owner, service, ttl));
        }
    }
    Ok(Answer { chain, addresses: addresses.into_iter().collect(), hints })
}

/// Whether a question of this type can teach something.
pub(super) const fn is_of_use(query_type: RecordType) -> bool {
    matches!(query_type, RecordType::A | RecordType::AAAA | RecordType::HTTPS | RecordType::SVCB)
}

fn of<'a>(owner: &Name, records: &'a [Record]) -> impl Iterator<Item = &'a Record> {
    records.iter().filter(move |record| record.dns_class == DNSClass::IN && record.name == *owner)
}

/// What `owner` is an alias of. A name has one canonical name at most (RFC 2181, section 10.1).
fn alias<'a>(owner: &Name, records: &'a [Record]) -> Result<Option<(&'a Name, u32)>, Refusal> {
    let mut found: Option<(&Name, u32)> = None;
    for record in of(owner, records) {
        let RData::CNAME(target) = &record.data else { continue };
        let ttl = lifetime(record);
        found = match found {
            Some((other, _)) if *other != target.0 => return Err(Refusal::Aliases),
            Some((same, least)) => Some((same, ttl.min(least))),
            None => Some((&target.0, ttl)),
        };
    }
    Ok(found)
}

/// RFC 2181, section 8.
const fn lifetime(record: &Record) -> u32 {
    if record.ttl > i32::MAX.cast_unsigned() { 0 } else { record.ttl }
}

fn hint(owner: &Name, service: &SVCB, ttl: u32) -> Hint {
    let target = if service.target_name.is_root() { owner } else { &service.target_name };
    let mut hint = Hint {
        target: presentation(target),
        priority: service.svc_priority,
        addresses: Vec::new(),
        has_ech: false,
        ttl,
    };
    for (_, parameter) in &service.svc_params {
        match parameter {
            SvcParamValue::Ipv4Hint(hints) => hint.addresses.extend(hints.0.iter().map(|a| IpAddr::V4(a.0))),
            SvcParamValue::Ipv6Hint(hints) => hint.addresses.extend(hints.0.iter().map(|a| IpAddr::V6(a.0))),
            SvcParamValue::EchConfigList(_) => hint.has_ech = true,
            _ => {}
        }
    }
    hint
}
