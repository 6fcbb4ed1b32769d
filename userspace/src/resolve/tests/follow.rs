//! What is taken from an answer's records.

use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::rr::rdata::svcb::{EchConfigList, IpHint, SvcParamKey, SvcParamValue};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, HTTPS, SVCB};
use hickory_resolver::proto::rr::{Name, RData, Record};

use super::super::answer::ServiceHints;
use super::super::records::read_answer;
use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

fn a(owner: &str, ttl: u32, last: u8) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A::new(203, 0, 113, last)))
}

#[test]
fn only_what_belongs_to_the_name_is_taken() {
    let none = Outcome::Empty { exists: true, ttl: None };
    for (records, expected) in [
        (vec![a("moh.example.", 300, 1), a("moh.example.", 200, 2)], found(&[1, 2], 200, &[])),
        (vec![a("MOH.Example.", 300, 1)], found(&[1], 300, &[])),
        // A chain in the wrong order; the alias lives shortest.
        (
            vec![
                a("c.example.", 300, 3),
                cname("b.example.", 60, "c.example."),
                cname("moh.example.", 90, "B.example."),
            ],
            found(&[3], 60, &["b.example", "c.example"]),
        ),
        // An address that nobody asked for.
        (vec![a("moh.example.", 300, 1), a("bank.example.", 5, 9)], found(&[1], 300, &[])),
        (vec![a("bank.example.", 5, 9)], none.clone()),
        (vec![cname("moh.example.", 90, "b.example.")], none.clone()),
        (vec![cname("moh.example.", 90, "b.example."), cname("b.example.", 90, "moh.example.")], none),
    ] {
        assert_eq!(read_answer(&name("moh.example."), &records, false), expected, "{records:?}");
    }
}

#[test]
fn an_answer_is_as_good_as_its_weakest_record() {
    use Proof::{Bogus, Indeterminate, Insecure, Secure};
    for (proofs, expected) in [
        ([Secure, Secure], Security::Secure),
        ([Secure, Insecure], Security::Insecure),
        ([Insecure, Indeterminate], Security::Indeterminate),
        ([Bogus, Secure], Security::Bogus),
    ] {
        let mut records = [cname("moh.example.", 90, "b.example."), a("b.example.", 90, 1)];
        for (record, proof) in records.iter_mut().zip(proofs) {
            record.proof = proof;
        }
        let outcome = read_answer(&name("moh.example."), &records, true);
        assert!(matches!(outcome, Outcome::Addresses { security, .. } if security == expected), "{proofs:?}");
    }
}

#[test]
fn https_records_are_hints() {
    let params = vec![
        (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![A::new(203, 0, 113, 1)]))),
        (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(vec![0, 1, 2]))),
        (
            SvcParamKey::Ipv6Hint,
            SvcParamValue::Ipv6Hint(IpHint(vec![AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)])),
        ),
    ];
    let https = |priority, params| RData::HTTPS(HTTPS(SVCB::new(priority, Name::root(), params)));
    let plain = Record::from_rdata(name("moh.example."), 300, https(2, Vec::new()));
    let full = Record::from_rdata(name("moh.example."), 60, https(1, params));
    let other = Record::from_rdata(name("bank.example."), 5, https(1, Vec::new()));
    let ttl = Duration::from_mins(5);
    assert_eq!(
        read_answer(&name("moh.example."), std::slice::from_ref(&plain), false),
        Outcome::Service { hints: ServiceHints::default(), ttl }
    );
    let addresses = [[203, 0, 113, 1].into(), "2001:db8::1".parse().expect("an address")].into();
    assert_eq!(
        read_answer(&name("moh.example."), &[other, plain, full], false),
        Outcome::Service {
            hints: ServiceHints { ech: true, addresses, aliases: Vec::new() },
            ttl: Duration::from_mins(1)
        }
    );
}
