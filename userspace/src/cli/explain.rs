//! `tollfree explain`.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{ConfigArgument, fail};
use crate::book::{ExplainError, Explained, Explanation, explain, render};
use crate::config::Config;
use crate::exit::Exit;

pub(super) const EXAMPLES: &str = "\
What is told:
  the policy that was in force then, by its digest and epoch; each rule that the
  address fell under; by which of its names, since when, from which resolver's answer,
  validated or not; or by which network of the policy; whether unrelated names shared
  the address; and, where no rule had it, when one did.

The controller need not run. Exit code 21: nothing is known of the address.

Examples:
  tollfree explain 203.0.113.7
  tollfree explain 203.0.113.7 --at '2020-03-03 14:05'
  tollfree explain 2001:db8:6000::7 --at 2020-03-03T14:05:00+07:00 --json";

/// What is to be explained, and when.
#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// An IP address
    #[arg(value_name = "ADDRESS")]
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
    Other(String),
}

impl FromStr for Subject {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::Other(text.to_owned()), Self::Address))
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

/// What is asked about cannot be explained.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no IP address: write one, as in 203.0.113.7 or 2001:db8::7")]
struct NotExplained {
    text: String,
}

pub(super) fn run(arguments: &ExplainArguments) -> Exit {
    let address = match &arguments.subject {
        Subject::Address(address) => address.to_canonical(),
        Subject::Other(text) => return fail(&NotExplained { text: text.clone() }, Exit::Usage),
    };
    let config = match Config::load(&arguments.config.config) {
        Ok(config) => config,
        Err(error) => return fail(&error, Exit::Config),
    };
    let at = arguments.at.unwrap_or_else(Timestamp::now);
    let gateway = &config.gateway;
    let told = match explain(&gateway.state_dir, &gateway.id, gateway.region.as_deref(), address, at) {
        Ok(told) => told,
        Err(error @ ExplainError::Ledger(_)) => return fail(&error, Exit::Ledger),
        Err(error @ ExplainError::Policy { .. }) => return fail(&error, Exit::Audit),
    };
    if let Err(error) = write(&told, arguments.json) {
        return fail(&error, Exit::Failure);
    }
    if told.result == Explained::Unknown { Exit::NothingKnown } else { Exit::Success }
}

fn write(told: &Explanation, json: bool) -> io::Result<()> {
    let text = if json {
        serde_json::to_string_pretty(told).map_err(io::Error::other)? + "\n"
    } else {
        render(told)
    };
    io::stdout().write_all(text.as_bytes())
}

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
    fn an_address_is_told_from_the_rest() {
        for (text, is_address) in
            [("203.0.113.7", true), ("2001:db8::7", true), ("19003228", false), ("", false)]
        {
            let subject: Subject = text.parse().expect("anything is a subject");
            assert_eq!(matches!(subject, Subject::Address(_)), is_address, "{text}");
        }
    }
}
