//! Domain names, written down.

use hickory_proto::rr::Name;

/// The name in the case in which it was sent, without the trailing dot; the root is `.`.
///
/// Octets that host names do not have are escaped as in master files (RFC 1035, section 5.1), a dot inside a label
/// too: so a label `a.b` cannot pass for the two labels `a` and `b`, and nothing with a backslash is in a policy.
pub fn as_sent(name: &Name) -> String {
    let mut text = name.to_ascii();
    if text.len() > 1 && name.is_fqdn() {
        text.pop();
    }
    text
}

/// The name as [`as_sent`], in lower case: two names are equal if their presentations are (RFC 4343).
pub fn presentation(name: &Name) -> String {
    as_sent(&name.to_lowercase())
}

/// Whether the name has letters of both cases: the asker then expects them back (draft-vixie-dnsext-dns0x20).
pub(super) fn is_mixed(name: &Name) -> bool {
    let has = |wanted: fn(&u8) -> bool| name.iter().flatten().any(wanted);
    has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(labels: &[&[u8]]) -> Name {
        let mut name = Name::from_labels(labels.iter().copied()).expect("labels of fewer than 64 octets");
        name.set_fqdn(true);
        name
    }

    #[test]
    fn names_are_written_so_that_no_two_look_alike() {
        assert_eq!(presentation(&Name::root()), ".");
        assert_eq!(presentation(&name(&[b"NCOV", b"moh", b"gov", b"VN"])), "ncov.moh.gov.vn");
        assert_eq!(presentation(&name(&[b"ncov.moh", b"gov", b"vn"])), "ncov\\.moh.gov.vn");
        assert_eq!(presentation(&name(&[b"_sip", b"_udp", b"moh", b"vn"])), "_sip._udp.moh.vn");
        assert_eq!(presentation(&name(&[b"\0", b"vn"])), "\\000.vn");
        assert_eq!(presentation(&name(&[b"xn--vit-nam-t8a", b"vn"])), "xn--vit-nam-t8a.vn");
    }

    #[test]
    fn mixed_case_has_letters_of_both() {
        assert!(is_mixed(&name(&[b"www", b"VN"])));
        for alike in [name(&[b"www", b"vn"]), name(&[b"WWW", b"1-2"]), Name::root()] {
            assert!(!is_mixed(&alike), "{alike}");
        }
    }
}
