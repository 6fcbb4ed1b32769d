//! What is wrong with a file that a person wrote, where, and what to do about it.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    /// The file, or the directory where that is what cannot be read; octets that are not UTF-8 are replaced.
    pub file: String,
    /// Line, from 1; 1 where the fault is the whole file's.
    pub line: usize,
    /// Column in characters, from 1; 1 where the fault is the whole file's.
    pub column: usize,
    /// The offending text, and what is wrong with it.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Diagnostic {
    /// A fault of a whole file or directory.
    pub(crate) fn of_file(file: &str, fault: &dyn Explain) -> Self {
        Self {
            file: file.to_owned(),
            line: 1,
            column: 1,
            message: fault.to_string(),
            help: fault.help().into_owned(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        write!(f, "  help: {}", self.help)
    }
}

/// All that is wrong with what was loaded, by file, line and column. In JSON: an array of [`Diagnostic`]s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts `diagnostics`; those that say the same are told once.
    pub fn new(mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort();
        diagnostics.dedup();
        Self(diagnostics)
    }

    /// In the order in which they are shown.
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.0
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// An error that also knows what its reader should do.
pub trait Explain: std::error::Error {
    /// What to do, as an instruction.
    fn help(&self) -> Cow<'static, str>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(file: &str, line: usize, column: usize) -> Diagnostic {
        Diagnostic { file: file.into(), line, column, message: "m".into(), help: "h".into() }
    }

    #[test]
    fn are_sorted_by_place_and_shown_like_a_compiler_shows_them() {
        let all =
            [diagnostic("b", 1, 1), diagnostic("a", 10, 1), diagnostic("a", 9, 2), diagnostic("a", 9, 2)];
        let shown = Diagnostics::new(all.into()).to_string();
        assert_eq!(shown, "a:9:2: m\n  help: h\na:10:1: m\n  help: h\nb:1:1: m\n  help: h");
    }

    #[test]
    fn are_an_array_in_json() {
        let json = serde_json::to_string(&Diagnostics::new(vec![diagnostic("a", 1, 2)])).expect("plain data");
        assert_eq!(json, r#"[{"file":"a","line":1,"column":2,"message":"m","help":"h"}]"#);
    }
}
