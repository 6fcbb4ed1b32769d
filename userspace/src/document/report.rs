//! The faults of one file, as they are found.

use std::ops::Range;

use toml::de::DeTable;

use super::fault::ShapeFault;
use super::section::Section;
use crate::diagnostic::{Diagnostic, Explain};

/// Characters of the offending text that are shown. Reason: the message should fit on a line or two.
const EXCERPT_CHARS_MAX: usize = 60;

/// One file's text, and the faults found in it so far.
pub(crate) struct Report<'i> {
    file: &'i str,
    text: &'i str,
    line_starts: Vec<usize>,
    faults: Vec<Diagnostic>,
}

impl<'i> Report<'i> {
    /// Parses `octets`; the faults are the syntax's, or the encoding's, if it is not TOML.
    pub(crate) fn open(file: &'i str, octets: &'i [u8]) -> Result<(Self, Section<'i>), Vec<Diagnostic>> {
        let (text, encoding_fault) = match str::from_utf8(octets) {
            Ok(text) => (text, None),
            Err(error) => {
                let valid = str::from_utf8(&octets[..error.valid_up_to()]).unwrap_or_default();
                (valid, Some(error.valid_up_to()))
            }
        };
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut report = Self { file, text, line_starts, faults: Vec::new() };
        if let Some(at) = encoding_fault {
            report.fault(&(at..at), &ShapeFault::Encoding);
            return Err(report.faults);
        }
        let (document, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok((report, Section::document(document)));
        }
        for error in errors {
            let at = error.span().unwrap_or_default();
            report.fault(&at, &ShapeFault::Syntax { problem: error.message().to_owned() });
        }
        Err(report.faults)
    }

    /// Notes `fault` of the text at `span`, in octets; of the whole file, if that is empty and at the start.
    pub(crate) fn fault(&mut self, span: &Range<usize>, fault: &dyn Explain) {
        let (line, column) = self.position(span.start);
        let excerpt = self.excerpt(span);
        let message = if excerpt.is_empty() { fault.to_string() } else { format!("{excerpt}: {fault}") };
        self.faults.push(Diagnostic {
            file: self.file.to_owned(),
            line,
            column,
            message,
            help: fault.help().into_owned(),
        });
    }

    /// Line and column of an octet, both from 1.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// The first line of the text at `span`, shortened, on one line whatever is in it.
    fn excerpt(&self, span: &Range<usize>) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let mut shown: String = line.chars().take(EXCERPT_CHARS_MAX).map(visible).collect();
        if shown.len() < text.trim_end().len() {
            shown.push('…');
        }
        shown
    }

    /// `value`, if nothing is wrong with the file.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Diagnostic>> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(self.faults),
        }
    }
}

/// A control character could rewrite the terminal that shows it.
fn visible(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
}
