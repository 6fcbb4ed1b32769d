//! Internationalised names: from what people write to what is on the wire, and back (UTS 46, UTS 39).
//!
//! UTS 46 is used non-transitionally and with the rules of STD 3. Hyphens in the third and fourth place are allowed, as
//! in the URL Standard (<https://url.spec.whatwg.org/#concept-domain-to-ascii>): real hosts have them, and what begins
//! with `xn--` is checked as an A-label anyway. Hyphens at the ends of a label are not: no host has them (RFC 1123).

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_security::confusable_detection::skeleton;
use unicode_security::{RestrictionLevel, RestrictionLevelDetection as _};

use super::domain::DomainNameError;

/// What an A-label begins with (RFC 5890, section 2.3.2.1).
pub(super) const A_LABEL_PREFIX: &str = "xn--";

/// The name as A-labels.
///
/// # Errors
/// A name that is not possible, that is written otherwise than UTS 46 would write it, upper case left aside, or that
/// looks like another.
pub(super) fn to_ascii(text: &str) -> Result<String, DomainNameError> {
    let Some(ascii) = mapped(text) else {
        let impossible = text.split('.').find(|label| mapped(label).is_none());
        return Err(DomainNameError::Label { label: impossible.unwrap_or(text).to_owned() });
    };
    let unicode = unmapped(&ascii).ok_or_else(|| DomainNameError::Label { label: text.to_owned() })?;
    let normal: Vec<_> = ascii.split('.').zip(unicode.split('.')).collect();
    let is_normal = text.split('.').count() == normal.len()
        && text.split('.').zip(&normal).all(|(label, (a_label, u_label))| {
            let label = label.to_lowercase();
            label == *a_label || label == *u_label
        });
    if !is_normal {
        return Err(DomainNameError::NotNormal { unicode, ascii });
    }
    let written_as_u_labels = text.split('.').zip(normal).filter(|(label, _)| !label.is_ascii());
    for (_, (a_label, u_label)) in written_as_u_labels {
        if let Some(looks_like) = look_alike(u_label) {
            let (label, a_label) = (u_label.to_owned(), a_label.to_owned());
            return Err(DomainNameError::LooksLike { label, looks_like, a_label });
        }
    }
    Ok(ascii)
}

/// Whether the label, which begins with [`A_LABEL_PREFIX`], is an A-label: what UTS 46 makes of some U-label.
pub(super) fn is_a_label(label: &str) -> bool {
    unmapped(label).is_some_and(|unicode| !unicode.is_ascii()) && mapped(label).as_deref() == Some(label)
}

/// The name with U-labels, if it has any and none of them looks like what it is not.
pub(super) fn to_unicode(ascii: &str) -> Option<String> {
    if !ascii.split('.').any(|label| label.starts_with(A_LABEL_PREFIX)) {
        return None;
    }
    let unicode = unmapped(ascii)?;
    unicode.split('.').all(|label| look_alike(label).is_none()).then_some(unicode)
}

fn mapped(text: &str) -> Option<String> {
    let uts46 = Uts46::new();
    let ascii =
        uts46.to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Ignore);
    ascii.ok().map(String::from)
}

fn unmapped(ascii: &str) -> Option<String> {
    let (unicode, outcome) =
        Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    outcome.is_ok().then(|| unicode.into_owned())
}

/// What a reader may take the label for: all of its characters have ASCII ones that they are confused with (UTS 39,
/// section 4), or they are of scripts that no language mixes (section 5.2, beyond "highly restrictive").
fn look_alike(label: &str) -> Option<String> {
    let is_mixed = !label.check_restriction_level(RestrictionLevel::HighlyRestrictive);
    let is_ascii_like = skeleton(label).all(|c| c.is_ascii());
    (!label.is_ascii() && (is_mixed || is_ascii_like)).then(|| label.chars().map(plain).collect())
}

/// The character itself if it is ASCII, else what it is confused with.
fn plain(c: char) -> String {
    if c.is_ascii() { c.to_string() } else { skeleton(c.encode_utf8(&mut [0; 4])).collect() }
}
