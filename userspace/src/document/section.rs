//! One table of a document, whose values are taken out one by one.

use std::ops::{Range, RangeInclusive};

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::ShapeFault;
use super::report::Report;
use crate::diagnostic::Explain;

/// Characters of free text, such as an authority's name. Reason: it is repeated in records and on screens.
const TEXT_CHARS_MAX: usize = 500;

/// A table that is being read. Whatever is not taken when it is [`Section::close`]d is an unknown key.
///
/// The methods that take a value give `None` both where the key is absent and where its value is at fault;
/// the fault is then in the report. [`Section::needs`] makes absence a fault too.
pub(crate) struct Section<'i> {
    header: Range<usize>,
    table: DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'i> Section<'i> {
    /// The document itself; its faults are the whole file's.
    pub(crate) fn document(document: Spanned<DeTable<'i>>) -> Self {
        Self { header: 0..0, table: document.into_inner(), known: Vec::new() }
    }

    /// Where the table begins.
    pub(crate) fn header(&self) -> &Range<usize> {
        &self.header
    }

    /// Requires `keys` to be there.
    pub(crate) fn needs(&self, report: &mut Report<'i>, keys: &[&'static str]) {
        for &key in keys {
            if !self.has(key) {
                let is_document = self.header.is_empty();
                let fault =
                    if is_document { ShapeFault::MissingTable { key } } else { ShapeFault::Missing { key } };
                report.fault(&self.header, &fault);
            }
        }
    }

    /// Whether `key` is there, faulty or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// The string of `key`, as `parse` understands it, and where it stands.
    pub(crate) fn parsed<T, F: Explain>(
        &mut self,
        report: &mut Report<'i>,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, F>,
    ) -> Option<Spanned<T>> {
        let value = self.take(key)?;
        parse_string(report, &value, &parse)
    }

    /// The strings of `key`, as `parse` understands them, and where they stand; without those at fault.
    pub(crate) fn list<T, F: Explain>(
        &mut self,
        report: &mut Report<'i>,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, F>,
    ) -> Option<Vec<Spanned<T>>> {
        let value = self.take(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            report.fault(&value.span(), &wrong_type("a list of strings", value.get_ref()));
            return None;
        };
        if items.is_empty() {
            report.fault(&value.span(), &ShapeFault::EmptyList);
            return None;
        }
        Some(items.iter().filter_map(|item| parse_string(report, item, &parse)).collect())
    }

    /// The one line of text of `key`.
    pub(crate) fn text(&mut self, report: &mut Report<'i>, key: &'static str) -> Option<String> {
        self.parsed(report, key, one_line).map(Spanned::into_inner)
    }

    /// The whole number of `key`, if it is in `range`.
    pub(crate) fn integer(
        &mut self,
        report: &mut Report<'i>,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.take(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            report.fault(&value.span(), &wrong_type("a whole number", value.get_ref()));
            return None;
        };
        let number =
            u32::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| range.contains(n));
        if number.is_none() {
            report.fault(&value.span(), &ShapeFault::Range { min: *range.start(), max: *range.end() });
        }
        number
    }

    /// The boolean of `key`.
    pub(crate) fn flag(&mut self, report: &mut Report<'i>, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        if let DeValue::Boolean(flag) = value.get_ref() {
            return Some(*flag);
        }
        report.fault(&value.span(), &wrong_type("true or false", value.get_ref()));
        None
    }

    /// The instant of `key`, which must be an offset date-time, and where it stands.
    pub(crate) fn instant(
        &mut self,
        report: &mut Report<'i>,
        key: &'static str,
    ) -> Option<Spanned<Timestamp>> {
        let value = self.take(key)?;
        let fault = match value.get_ref() {
            DeValue::Datetime(time) if time.offset.is_none() => ShapeFault::LocalTime,
            DeValue::Datetime(time) => match time.to_string().parse() {
                Ok(instant) => return Some(Spanned::new(value.span(), instant)),
                Err(_) => ShapeFault::Time,
            },
            other => wrong_type("a date and time with offset, without quotes", other),
        };
        report.fault(&value.span(), &fault);
        None
    }

    /// The table of `key`.
    pub(crate) fn section(&mut self, report: &mut Report<'i>, key: &'static str) -> Option<Self> {
        let value = self.take(key)?;
        Self::of(report, value)
    }

    /// The tables of `key`; none if it is absent.
    pub(crate) fn sections(&mut self, report: &mut Report<'i>, key: &'static str) -> Vec<Self> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(items) if items.is_empty() => {
                report.fault(&span, &ShapeFault::EmptyList);
                Vec::new()
            }
            DeValue::Array(items) => items.into_iter().filter_map(|item| Self::of(report, item)).collect(),
            other => {
                report.fault(&span, &wrong_type("a list of tables ([[…]])", &other));
                Vec::new()
            }
        }
    }

    fn of(report: &mut Report<'i>, value: Spanned<DeValue<'i>>) -> Option<Self> {
        let header = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(Self { header, table, known: Vec::new() }),
            other => {
                report.fault(&header, &wrong_type("a table", &other));
                None
            }
        }
    }

    /// Reports what is left as unknown.
    pub(crate) fn close(self, report: &mut Report<'i>) {
        for (key, _) in &self.table {
            report.fault(&key.span(), &ShapeFault::Unknown { known: self.known.clone() });
        }
    }
}

fn wrong_type(expected: &'static str, found: &DeValue<'_>) -> ShapeFault {
    ShapeFault::Type { expected, found: found.type_str() }
}

fn parse_string<'i, T, F: Explain>(
    report: &mut Report<'i>,
    value: &Spanned<DeValue<'i>>,
    parse: &impl Fn(&str) -> Result<T, F>,
) -> Option<Spanned<T>> {
    let Some(text) = value.get_ref().as_str() else {
        report.fault(&value.span(), &wrong_type("a string", value.get_ref()));
        return None;
    };
    match parse(text) {
        Ok(parsed) => Some(Spanned::new(value.span(), parsed)),
        Err(fault) => {
            report.fault(&value.span(), &fault);
            None
        }
    }
}

fn one_line(text: &str) -> Result<String, ShapeFault> {
    let fits = (1..=TEXT_CHARS_MAX).contains(&text.chars().count());
    if fits && !text.contains(char::is_control) && !text.trim().is_empty() {
        Ok(text.to_owned())
    } else {
        Err(ShapeFault::Text { max: TEXT_CHARS_MAX })
    }
}
