//! `tollfree explain`.

use std::fmt;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::name::explain_name;
use super::number::{AskedNumber, CallResult, explain_number};
use super::{ConfigArgument, fail};
use crate::book::{ExplainError, Explained, PolicyThen, explain};
use crate::config::Config;
use crate::exit::Exit;
use crate::ledger::About;
use crate::policy::DomainName;

pub(super) const EXAMPLES: &str = "\
What is told:
  the policy that was in force then, by its digest and epoch; and each rule that the
  address, name or number fell under.
  Of an address: by which of the rule's names, since when, from which resolver's answer,
  validated or not; or by which network of the policy; whether unrelated names shared
  the address; and, where no rule had it, when one did.
  Of a name: by which entry of the rule, and which addresses rules had by it.
  Of a number: which number it is in which country, where media may go, and the bounds.

A number may be written in any form, with separators, or as a tel: or sip: URI. A sip:
URI's domain must be one that [signalling] lists, by the configuration as it is now.

The controller need not run. Exit code 21: nothing is known of what was asked about.

Examples:
  tollfree explain 203.0.113.7
  tollfree explain 203.0.113.7 --at '2020-03-03 14:05'
  tollfree explain 2001:db8:6000::7 --at 2020-03-03T14:05:00+07:00 --json
  tollfree explain ncov.moh.gov.vn
  tollfree explain 19003228
  tollfree explain 'sip:+8419003228@ims.example.vn;user=phone' --at 2020-03-03T14:05:00Z";

/// What is to be explained, and when.
#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// An IP address, a domain name, a telephone number, or a tel: or sip: URI
    #[arg(value_name = "SUBJECT")]
    subject: Subject,
    /// At which time; now, unless said
    ///
    /// With an offset, as in 2020-03-03T14:05:00+07:00; in UTC, as in 2020-03-03T07:05:00Z; or in local time, as in
    /// '2020-03-03 14:05'.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// What can be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Address(IpAddr),
    Number(AskedNumber),
    Name(DomainName),
}

/// Text that is nothing that can be explained.
#[derive(Debug, thiserror::Error)]
#[error(
    "this is no IP address, domain name or number: write one, as in 203.0.113.7, 2001:db8::7, ncov.moh.gov.vn, \
     19003228 or tel:+8419003228"
)]
struct SubjectError;

impl FromStr for Subject {
    type Err = SubjectError;

    /// No text is two of them: a name has a letter, and no colon.
    fn from_str(text: &str) -> Result<Self, SubjectError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        if let Some(number) = AskedNumber::read(text) {
            return Ok(Self::Number(number));
        }
        text.parse().map(Self::Name).map_err(|_| SubjectError)
    }
}

/// Text that is no time.
#[derive(Debug, thiserror::Error)]
#[error("{source}; write 2020-03-03T14:05:00+07:00, or '2020-03-03 14:05' in local time")]
struct TimeError {
    source: jiff::Error,
}

fn time(text: &str) -> Result<Timestamp, TimeError> {
    time_in(text, TimeZone::system())
}

/// A time with an offset, or one of `zone`'s clocks; of two that such a clock shows, the first.
fn time_in(text: &str, zone: TimeZone) -> Result<Timestamp, TimeError> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let shown: DateTime = text.parse().map_err(|source| TimeError { source })?;
    shown.to_zoned(zone).map(|zoned| zoned.timestamp()).map_err(|source| TimeError { source })
}

/// What is told, as text and as JSON, and whether anything is known.
struct Told {
    text: String,
    json: serde_json::Result<String>,
    is_known: bool,
}

impl Told {
    fn new<T: Serialize + fmt::Display>(told: &T, is_known: bool) -> Self {
        Self { text: told.to_string(), json: serde_json::to_string_pretty(told), is_known }
    }
}

pub(super) fn run(arguments: &ExplainArguments) -> Exit {
    let config = match Config::load(&arguments.config.config) {
        Ok(config) => config,
        Err(error) => return fail(&error, Exit::Config),
    };
    let at = arguments.at.unwrap_or_else(Timestamp::now);
    let told = match tell(&config, &arguments.subject, at) {
        Ok(told) => told,
        Err(error @ ExplainError::Ledger(_)) => return fail(&error, Exit::Ledger),
        Err(error @ ExplainError::Policy { .. }) => return fail(&error, Exit::Audit),
    };
    let shown = if arguments.json {
        told.json.map(|json| json + "\n").map_err(io::Error::other)
    } else {
        Ok(told.text)
    };
    if let Err(error) = shown.and_then(|shown| io::stdout().write_all(shown.as_bytes())) {
        return fail(&error, Exit::Failure);
    }
    if told.is_known { Exit::Success } else { Exit::NothingKnown }
}

fn tell(config: &Config, subject: &Subject, at: Timestamp) -> Result<Told, ExplainError> {
    let gateway = &config.gateway;
    Ok(match subject {
        Subject::Address(address) => {
            let told = explain(&gateway.state_dir, &gateway.id, gateway.region.as_deref(), *address, at)?;
            Told::new(&told, told.result != Explained::Unknown)
        }
        Subject::Number(asked) => {
            let then = PolicyThen::read(gateway, About::Rules, at)?;
            let told = explain_number(asked, then, &config.signalling);
            Told::new(&told, told.result != CallResult::NotListed)
        }
        Subject::Name(name) => {
            let then = PolicyThen::read(gateway, About::Name(name.as_str()), at)?;
            let told = explain_name(name, then);
            Told::new(&told, told.result != Explained::Unknown)
        }
    })
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod told_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_an_offset_or_on_the_local_clock() {
        let hanoi = TimeZone::fixed(jiff::tz::offset(7));
        let wanted: Timestamp = "2020-03-03T07:05:00Z".parse().expect("a time");
        for text in [
            "2020-03-03T07:05:00Z",
            "2020-03-03T14:05:00+07:00",
            "2020-03-03 14:05",
            "2020-03-03T14:05",
            "2020-03-03 14:05:00",
        ] {
            assert_eq!(time_in(text, hanoi.clone()).expect(text), wanted, "{text}");
        }
        for text in ["", "yesterday", "14:05", "2020-03-03 25:00", "2020-13-01 00:00"] {
            assert!(time_in(text, hanoi.clone()).is_err(), "{text}");
        }
    }

    #[test]
    fn subjects_are_told_apart() {
        for (text, kind) in [
            ("203.0.113.7", "address"),
            ("2001:db8::7", "address"),
            ("::ffff:203.0.113.7", "address"),
            ("19003228", "number"),
            ("+84 (1900) 32-28", "number"),
            ("115", "number"),
            ("203.0.113", "number"),
            ("tel:+84-1900-3228", "number"),
            ("sip:19003228@ims.example.vn;user=phone", "number"),
            ("ncov.moh.gov.vn", "name"),
            ("1900.vn.", "name"),
            ("bộytế.vn", "name"),
        ] {
            let subject: Subject = text.parse().expect(text);
            let found = match subject {
                Subject::Address(_) => "address",
                Subject::Number(_) => "number",
                Subject::Name(_) => "name",
            };
            assert_eq!(found, kind, "{text}");
        }
        for text in [
            "",
            "+",
            "-",
            "moh",
            "*.moh.gov.vn",
            "tel:x",
            "sip:alice@example.vn",
            "203.0.113.0/24",
            "19003228x",
        ] {
            assert!(text.parse::<Subject>().is_err(), "{text}");
        }
        assert_eq!("::ffff:203.0.113.7".parse::<Subject>().ok(), "203.0.113.7".parse().ok());
    }
}
