//! Faults of a document's shape, whatever it is about.

use std::borrow::Cow;

use crate::diagnostic::Explain;

/// What is wrong with a table, a key, or a value's type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShapeFault {
    /// What the TOML parser says.
    #[error("this is not TOML: {problem}")]
    Syntax { problem: String },
    /// Octets that TOML does not allow.
    #[error("the file is not UTF-8")]
    Encoding,
    /// A key that must be there.
    #[error("`{key}` is missing")]
    Missing { key: &'static str },
    /// A table that must be there.
    #[error("the table [{key}] is missing")]
    MissingTable { key: &'static str },
    /// A key that means nothing here.
    #[error("this key is not known here")]
    Unknown { known: Vec<&'static str> },
    /// A value of another type.
    #[error("this is of type {found}, not {expected}")]
    Type { expected: &'static str, found: &'static str },
    /// A list of nothing.
    #[error("the list is empty")]
    EmptyList,
    /// A number outside its bounds, both inclusive.
    #[error("the number is not between {min} and {max}")]
    Range { min: u32, max: u32 },
    /// A date-time that does not say where on Earth it is meant.
    #[error("the time has no offset from UTC")]
    LocalTime,
    /// A date-time too far away to count with.
    #[error("the time cannot be represented")]
    Time,
    /// Text that cannot be shown on one line.
    #[error("the text is empty, has control characters, or is longer than {max} characters")]
    Text { max: usize },
}

impl Explain for ShapeFault {
    fn help(&self) -> Cow<'static, str> {
        match self {
            Self::Syntax { .. } => {
                "correct the syntax (https://toml.io); nothing else in the file was checked".into()
            }
            Self::Encoding => "save the file as UTF-8".into(),
            Self::Missing { key } => format!("add `{key}`").into(),
            Self::MissingTable { key } => format!("add [{key}] and its keys").into(),
            Self::Unknown { known } => {
                format!("remove it or correct its spelling; known here: {}", known.join(", ")).into()
            }
            Self::Type { expected, .. } => format!("write {expected}").into(),
            Self::EmptyList => "list at least one, or leave the key out if it may be absent".into(),
            Self::Range { min, max } => format!("write a number from {min} to {max}").into(),
            Self::LocalTime => "write the offset too, as in 2020-02-01T00:00:00+07:00".into(),
            Self::Time => "write a year between 1 and 9998".into(),
            Self::Text { max } => format!("write one line of 1 to {max} characters").into(),
        }
    }
}
