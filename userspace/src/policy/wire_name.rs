//! Names as they are seen on the wire.

use super::domain::{DomainName, NAME_OCTETS_MAX};

/// A name out of a packet, brought into the form in which rules' names are: case and a trailing dot do not matter, nor
/// does case that a resolver mixed on purpose ("0x20").
///
/// Any octets are a name here. What no host can be called (underscores, spaces, other octets than ASCII, an IP address,
/// a single label, too many octets) is covered by no rule, and is no error: the sender may write what he likes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WireName {
    host: Option<DomainName>,
}

impl WireName {
    /// The name that `octets` write, labels with dots between them: of TLS's server name indication (RFC 6066, section
    /// 3), of HTTP's `Host` without its port.
    pub fn parse(octets: &[u8]) -> Self {
        Self { host: DomainName::on_wire(octets) }
    }

    /// The name of these labels, the root's left out: of a DNS message (RFC 1035, section 3.1). A dot within a label
    /// is an octet like others, and separates nothing.
    pub fn from_labels<L: AsRef<[u8]>>(labels: impl IntoIterator<Item = L>) -> Self {
        let mut name = Vec::with_capacity(NAME_OCTETS_MAX);
        for label in labels {
            let label = label.as_ref();
            if label.is_empty() || label.contains(&b'.') || name.len() + 1 + label.len() > NAME_OCTETS_MAX + 1
            {
                return Self { host: None };
            }
            if !name.is_empty() {
                name.push(b'.');
            }
            name.extend_from_slice(label);
        }
        Self::parse(&name)
    }

    /// The name, if it can be a host's; `None`: no rule covers it.
    pub fn host(&self) -> Option<&DomainName> {
        self.host.as_ref()
    }

    /// See [`WireName::host`].
    pub fn into_host(self) -> Option<DomainName> {
        self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn host(octets: &[u8]) -> Option<String> {
        WireName::parse(octets).into_host().map(|host| host.to_string())
    }

    #[test]
    fn case_and_a_trailing_dot_do_not_matter() {
        for octets in [&b"ncov.moh.gov.vn"[..], b"nCoV.mOH.GoV.Vn", b"ncov.moh.gov.vn."] {
            assert_eq!(host(octets).as_deref(), Some("ncov.moh.gov.vn"));
        }
        let labels = ["NCOV", "moh", "Gov", "vn"];
        assert_eq!(WireName::from_labels(labels), WireName::parse(b"ncov.moh.gov.vn"));
        assert_eq!(
            host(b"XN--byt-9jzwf.VN"),
            "bộytế.vn".parse::<DomainName>().ok().map(|name| name.to_string())
        );
        // It stands for nothing, but a host may be called so.
        assert_eq!(host(b"xn--a.moh.gov.vn").as_deref(), Some("xn--a.moh.gov.vn"));
    }

    #[test]
    fn what_no_host_is_called_matches_nothing() {
        let octets: [&[u8]; 16] = [
            b"",
            b".",
            b"vn",
            b"_dmarc.moh.gov.vn",
            b"moh gov.vn",
            b"moh..gov.vn",
            b"moh.gov.vn..",
            b".moh.gov.vn",
            b"-a.moh.gov.vn",
            b"moh.gov.vn\0",
            b"\0.moh.gov.vn",
            b"moh.gov.vn:443",
            b"*.moh.gov.vn",
            b"203.0.113.7",
            b"2001:db8::1",
            "bộytế.vn".as_bytes(),
        ];
        for octets in octets {
            assert_eq!(host(octets), None, "{:?}", String::from_utf8_lossy(octets));
        }
        assert_eq!(host(b"\xff.moh.gov.vn"), None);
    }

    #[test]
    fn a_dot_within_a_label_separates_nothing() {
        assert_eq!(WireName::from_labels(["www.moh", "gov", "vn"]).host(), None);
        assert_eq!(WireName::from_labels(["www", "moh.gov.vn"]).host(), None);
        assert_eq!(WireName::from_labels(["www", "", "vn"]).host(), None);
        assert_eq!(WireName::from_labels::<&str>([]).host(), None);
    }

    #[test]
    fn the_longest_name_is_a_name() {
        let label = "a".repeat(63);
        // 3 * 64 + 61 = 253 octets (RFC 1035, section 2.3.4, without length octet and root).
        let last = "b".repeat(61);
        let labels = [label.as_str(), &label, &label, &last];
        assert!(WireName::from_labels(labels).host().is_some());
        assert!(WireName::parse(format!("{}.", labels.join(".")).as_bytes()).host().is_some());
        let longer = format!("{last}b");
        assert_eq!(WireName::from_labels([label.as_str(), &label, &label, &longer]).host(), None);
        assert_eq!(WireName::from_labels([format!("a{label}").as_str(), "vn"]).host(), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_a_name(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(host) = WireName::parse(&octets).host() {
                let written = octets.strip_suffix(b".").unwrap_or(&octets);
                prop_assert!(host.as_str().as_bytes().eq_ignore_ascii_case(written));
            }
        }

        /// Also of labels that no registry takes.
        #[test]
        fn what_is_shown_of_a_name_stands_for_that_name(label in "\\PC{1,12}|[a-zà-ỹ]{1,12}|[\u{370}-\u{5ff}]{1,6}|[\u{13a0}-\u{13fd}]{1,6}") {
            let Some(encoded) = idna::punycode::encode_str(&label) else { return Ok(()) };
            if let Some(host) = WireName::parse(format!("xn--{encoded}.example.vn").as_bytes()).into_host()
                && let Some(unicode) = host.unicode()
            {
                prop_assert_eq!(unicode.parse(), Ok(host));
            }
        }

        #[test]
        fn labels_and_text_agree(labels in proptest::collection::vec("[a-zA-Z0-9_-]{1,20}", 1..16)) {
            prop_assert_eq!(WireName::from_labels(&labels), WireName::parse(labels.join(".").as_bytes()));
        }
    }
}
