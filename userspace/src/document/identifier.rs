//! Names that people give to gateways, regions, policies and rules.

use std::borrow::Cow;

use crate::diagnostic::Explain;

/// Characters of an identifier. Reason: it is a label in metrics and a part of file names; a DNS label has as
/// many.
pub(crate) const IDENTIFIER_CHARS_MAX: usize = 63;

/// Text that is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentifierFault {
    /// None or too many characters.
    #[error("an identifier has 1 to {IDENTIFIER_CHARS_MAX} characters, this has {chars}")]
    Length { chars: usize },
    /// A character outside the set.
    #[error("an identifier cannot have the character {character:?}")]
    Character { character: char },
}

impl Explain for IdentifierFault {
    fn help(&self) -> Cow<'static, str> {
        "use lower-case letters a to z, digits and hyphens".into()
    }
}

/// `[a-z0-9-]{1,63}`, or what is wrong.
pub(crate) fn identifier(text: &str) -> Result<String, IdentifierFault> {
    let chars = text.chars().count();
    if !(1..=IDENTIFIER_CHARS_MAX).contains(&chars) {
        return Err(IdentifierFault::Length { chars });
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match text.chars().find(|&c| !allowed(c)) {
        Some(character) => Err(IdentifierFault::Character { character }),
        None => Ok(text.to_owned()),
    }
}
