//! Names: no panic on any text that a policy has or any octets that are on the wire, and what is accepted stays what it
//! is.
//!
//! An input is read as a name or wildcard of a policy, as a name on the wire, and as labels of which each is behind its
//! length, as in a DNS message.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tollfree::policy::{DomainName, DomainPattern, NameIndex, WireName};

/// Rules 1 and 2, so that names below them are found now and then.
static INDEX: LazyLock<NameIndex> = LazyLock::new(|| {
    let listed = ["moh.gov.vn", "*.moh.gov.vn"].map(|text| text.parse::<DomainPattern>().expect("a pattern"));
    (1..).zip(&listed).collect()
});

/// The labels of a DNS name without compression (RFC 1035, section 3.1), as far as the octets go.
fn labels(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut labels = Vec::new();
    while let Some((&length, rest)) = octets.split_first() {
        let (label, rest) = rest.split_at(usize::from(length).min(rest.len()));
        labels.push(label);
        octets = rest;
    }
    labels
}

/// What holds of every name, wherever it is from.
fn check(name: &DomainName) {
    let text = name.as_str();
    assert!(text.len() <= 253 && text.split('.').count() >= 2);
    assert!(text.split('.').all(|label| (1..=63).contains(&label.len())));
    assert!(text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')));
    assert_eq!(WireName::parse(text.as_bytes()).host(), Some(name));
    assert_eq!(INDEX.rules(name).contains(&1), text == "moh.gov.vn");
    assert_eq!(INDEX.rules(name).contains(&2), text.ends_with(".moh.gov.vn"));
    if let Some(unicode) = name.unicode() {
        assert_eq!(unicode.parse().as_ref(), Ok(name), "{unicode}");
    }
}

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = str::from_utf8(input)
        && let Ok(pattern) = text.parse::<DomainPattern>()
    {
        check(pattern.name());
        assert_eq!(pattern.to_string().parse(), Ok(pattern.clone()));
        assert_eq!(pattern.covers(pattern.name()), !pattern.is_wildcard());
    }
    let names = [WireName::parse(input), WireName::from_labels(labels(input))];
    names.iter().filter_map(WireName::host).for_each(check);
});
