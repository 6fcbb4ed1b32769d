//! The number a Request-URI asks for (RFC 3261, section 19.1; RFC 3966).

/// Digits of a dialled number. Reason: E.164 allows 15; an international prefix and a context add at most
/// eight.
pub const DIGITS_MAX: usize = 24;
/// Octets of a Request-URI that is read. Reason: a number with every parameter in use is below 200.
pub const URI_OCTETS_MAX: usize = 512;

/// A number as it was dialled: not yet compared with any numbering plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialledNumber<'a> {
    /// `+` and digits, or digits alone; visual separators are gone, a context of digits is in front.
    pub digits: String,
    /// Whose number it is where the URI says so: the host of a `sip:` URI, without port.
    pub host: Option<&'a str>,
    /// A `phone-context` that is a domain name (RFC 3966, section 5.1.5).
    pub context: Option<&'a str>,
}

/// Which notation a user part may use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notation {
    /// A name that happens to be digits: no separators, no parameters.
    Plain,
    /// A `telephone-subscriber` (RFC 3966, section 3).
    Telephone,
}

/// The number that `uri` asks for; `None` where it is not a number, or not one alone.
///
/// `sip:` and `tel:` are read, percent-encoding is decoded after the parts are taken apart. A routing number
/// (`rn`, RFC 4694) sends the call elsewhere than the number says, so a URI that has one asks for no number.
pub fn request_number(uri: &str) -> Option<DialledNumber<'_>> {
    if uri.len() > URI_OCTETS_MAX {
        return None;
    }
    let (scheme, rest) = uri.split_once(':')?;
    if scheme.eq_ignore_ascii_case("tel") {
        return telephone(rest, Notation::Telephone, None);
    }
    if !scheme.eq_ignore_ascii_case("sip") {
        return None;
    }
    let (user, address) = rest.split_once('@')?;
    if address.contains('@') {
        return None;
    }
    let user = user.split_once(':').map_or(user, |(user, _password)| user);
    let (host_port, headers) = address.split_once('?').unwrap_or((address, ""));
    let (host_port, parameters) = host_port.split_once(';').unwrap_or((host_port, ""));
    // Headers in a Request-URI are not allowed (RFC 3261, section 19.1.1).
    if !headers.is_empty() {
        return None;
    }
    let is_phone = parameters.split(';').any(|parameter| parameter.eq_ignore_ascii_case("user=phone"));
    let notation = if is_phone { Notation::Telephone } else { Notation::Plain };
    telephone(user, notation, Some(host(host_port)?))
}

/// The host of `host:port` or `[v6]:port`.
fn host(host_port: &str) -> Option<&str> {
    let host = match host_port.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?.0,
        None => host_port.split_once(':').map_or(host_port, |(host, _port)| host),
    };
    (!host.is_empty()).then_some(host)
}

/// A number and its parameters.
fn telephone<'a>(text: &'a str, notation: Notation, host: Option<&'a str>) -> Option<DialledNumber<'a>> {
    let mut parts = text.split(';');
    let number = digits(parts.next()?, notation)?;
    let mut phone_context = None;
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let is_context = name.eq_ignore_ascii_case("phone-context");
        if notation == Notation::Plain
            || name.eq_ignore_ascii_case("rn")
            || (is_context && phone_context.replace(value).is_some())
        {
            return None;
        }
    }
    let Some(phone_context) = phone_context else {
        return Some(DialledNumber { digits: number, host, context: None });
    };
    // A global number has no context (RFC 3966, section 5.1.5).
    if number.starts_with('+') || phone_context.is_empty() {
        return None;
    }
    if !phone_context.starts_with('+') && !phone_context.starts_with("%2") {
        return Some(DialledNumber { digits: number, host, context: Some(phone_context) });
    }
    let prefix = digits(phone_context, Notation::Telephone)?;
    let digits = prefix + &number;
    (digits.len() <= DIGITS_MAX + 1).then_some(DialledNumber { digits, host, context: None })
}

/// Decodes percent-encoding and takes visual separators out; `None` where anything but one number is left.
fn digits(encoded: &str, notation: Notation) -> Option<String> {
    let mut digits = String::new();
    let mut octets = encoded.bytes();
    while let Some(octet) = octets.next() {
        let octet = if octet == b'%' { hex(octets.next()?)? << 4 | hex(octets.next()?)? } else { octet };
        match octet {
            b'0'..=b'9' => digits.push(char::from(octet)),
            b'+' if digits.is_empty() => digits.push('+'),
            b'-' | b'.' | b'(' | b')' if notation == Notation::Telephone => {}
            _ => return None,
        }
        if digits.len() > DIGITS_MAX + 1 {
            return None;
        }
    }
    digits.ends_with(|last: char| last.is_ascii_digit()).then_some(digits)
}

/// The value of a hexadecimal digit.
fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(uri: &str) -> Option<String> {
        request_number(uri).map(|number| number.digits)
    }

    #[test]
    fn numbers_of_every_notation_are_read() {
        for (uri, expected) in [
            ("sip:19003228@sip.example.vn;user=phone", "19003228"),
            ("sip:19003228@192.0.2.1:5060", "19003228"),
            ("SIP:19003228@[2001:db8::1]:5060;transport=udp;USER=phone", "19003228"),
            ("sip:+8419003228@example.vn", "+8419003228"),
            ("sip:%2b84%319003228@example.vn", "+8419003228"),
            ("sip:1900-3228@example.vn;user=phone", "19003228"),
            ("sip:19003228;npdi;isub=12@example.vn;user=phone", "19003228"),
            ("sip:19003228;phone-context=+84@example.vn;user=phone", "+8419003228"),
            ("sip:19003228:word@example.vn", "19003228"),
            ("tel:+84-1900-3228", "+8419003228"),
            ("tel:+84.(1900)3228;npdi", "+8419003228"),
            ("TEL:19003228;Phone-Context=+84", "+8419003228"),
            ("tel:19003228", "19003228"),
            ("tel:113", "113"),
        ] {
            assert_eq!(number(uri).as_deref(), Some(expected), "{uri}");
        }
    }

    #[test]
    fn what_is_not_one_number_is_none() {
        for uri in [
            "sip:alice@example.vn",
            "sip:example.vn",
            "sip:@example.vn",
            "sip:19003228@",
            "sip:19003228@a@b",
            "sip:19003228%40evil.example@example.vn",
            "sip:1900-3228@example.vn",
            "sip:19003228;npdi@example.vn",
            "sip:19003228@example.vn?subject=x",
            "sip:19003228%3bext=1@example.vn;user=phone",
            "sip:1900322%@example.vn",
            "sip:1900322%3@example.vn",
            "sip:1900322%zz@example.vn",
            "sip:19003228%00@example.vn",
            "sips:19003228@example.vn",
            "tel:+",
            "tel:",
            "tel:84+19003228",
            "tel:*1900#",
            "tel:+8419003228;phone-context=+84",
            "tel:19003228;phone-context=",
            "tel:19003228;phone-context=+84;phone-context=+1",
            "tel:19003228;npdi;rn=+842499999999",
            "tel:1111111111111111111111111111111111111",
            "19003228",
        ] {
            assert_eq!(request_number(uri), None, "{uri}");
        }
    }

    #[test]
    fn names_of_domains_are_told() {
        let of = |uri| request_number(uri).map(|number| (number.host, number.context));
        assert_eq!(of("sip:19003228@sip.example.vn:5060;user=phone"), Some((Some("sip.example.vn"), None)));
        assert_eq!(of("sip:19003228@[2001:db8::1]"), Some((Some("2001:db8::1"), None)));
        assert_eq!(of("tel:19003228;phone-context=ims.example.vn"), Some((None, Some("ims.example.vn"))));
    }

    proptest! {
        #[test]
        fn nothing_panics(uri in "\\PC{0,600}") {
            let _ = request_number(&uri);
        }

        #[test]
        fn a_number_is_short_and_nothing_but_digits(uri in "(sip|tel):[+0-9%;=@.a-f-]{0,60}") {
            if let Some(number) = request_number(&uri) {
                let bare = number.digits.strip_prefix('+').unwrap_or(&number.digits);
                prop_assert!(!bare.is_empty() && bare.len() <= DIGITS_MAX);
                prop_assert!(bare.bytes().all(|octet| octet.is_ascii_digit()));
            }
        }

        /// Separators and encoding anywhere in a `tel:` number leave its digits as they are.
        #[test]
        fn spelling_does_not_change_a_number(
            plain in "[0-9]{1,15}",
            spell in prop::collection::vec(0..4_u8, 15),
        ) {
            let mut uri = String::from("tel:");
            for (digit, how) in plain.chars().zip(spell) {
                match how {
                    0 => uri.push(digit),
                    1 => uri.extend(['%', '3', digit]),
                    2 => { uri.push('-'); uri.push(digit); }
                    _ => { uri.push(digit); uri.push('.'); }
                }
            }
            prop_assert_eq!(number(&uri), Some(plain));
        }
    }
}
