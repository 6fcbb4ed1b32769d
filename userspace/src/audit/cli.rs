//! `tollfree audit`: what a regulator calls.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::statement::{Activation, AddressStatement, Statement};
use super::verify::{Fault, Report, examine};

/// What can be done with an audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that nothing in a log was changed, and say what was in force
    ///
    /// Checks the signature on the log's checkpoint, that every entry, hash and stored policy is what was signed, that
    /// the entries fit together, and that no other file is there. It needs nothing but the log's files: run it on your
    /// own machine, on a copy that you made.
    ///
    /// A log that verifies today can still differ from the one you saw last month, if the carrier holds the key. Keep
    /// each checkpoint you see: standard tlog tools prove from the tiles that a newer log contains the older one.
    #[command(after_long_help = VERIFY_EXAMPLES)]
    Verify(VerifyArguments),
    /// List a log's entries, one a line: index and statement
    ///
    /// The log is verified too; its faults are listed after the entries.
    Show(ShowArguments),
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  Verify a copy of a gateway's log with the key that the carrier deposited:
    tollfree audit verify gw1-audit/ --key gw1.vkey
  What was free at noon on 1 March 2020, Hanoi time?
    tollfree audit verify gw1-audit/ --key gw1.vkey --at 2020-03-01T12:00:00+07:00";

/// Which log, and what to say of it.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    #[command(flatten)]
    log: LogArguments,
    /// Also say what was in force at this time: epoch, policy, rules and addresses
    ///
    /// With an offset, as in 2020-03-01T12:00:00+07:00, or in UTC, as in 2020-03-01T05:00:00Z.
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// Which log to list.
#[derive(Debug, Args)]
pub struct ShowArguments {
    #[command(flatten)]
    log: LogArguments,
}

/// A log, and who should have signed it.
#[derive(Debug, Args)]
struct LogArguments {
    /// The log's directory: the one with `checkpoint` in it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The log's verifier key, or a file that holds it
    ///
    /// Of the form name+id+base64. Take the one that the carrier gave you, not the one beside the log: without this
    /// option the log's own `vkey` is believed, and a log that was replaced together with its key would pass.
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
}

/// Why a command said nothing.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The key's file cannot be read.
    #[error("cannot read the verifier key in {}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output was not taken.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    /// The output is no JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Does what the command says; returns whether the log verified.
///
/// # Errors
/// The key's file cannot be read, or `out` takes no more. A log that does not verify is not an error.
pub fn run(command: &AuditCommand, out: &mut impl Write) -> Result<bool, CliError> {
    match command {
        AuditCommand::Verify(arguments) => {
            let (report, faults) = arguments.log.examine()?;
            if arguments.json {
                write_json(report.as_ref(), &faults, arguments.at, out)?;
            } else {
                write_account(&arguments.log, report.as_ref(), &faults, arguments.at, out)?;
            }
            Ok(faults.is_empty())
        }
        AuditCommand::Show(ShowArguments { log }) => {
            let (report, faults) = log.examine()?;
            for (index, statement) in report.iter().flat_map(|report| &report.entries) {
                writeln!(out, "{index} {}", printable(&serde_json::to_string(statement)?))?;
            }
            write_faults(&faults, out)?;
            Ok(faults.is_empty())
        }
    }
}

impl LogArguments {
    fn examine(&self) -> Result<(Option<Report>, Vec<Fault>), CliError> {
        let key = match &self.key {
            Some(path) if Path::new(path).is_file() => {
                let path = PathBuf::from(path);
                Some(std::fs::read_to_string(&path).map_err(|source| CliError::Key { path, source })?)
            }
            key => key.clone(),
        };
        Ok(examine(&self.directory, key.as_deref()))
    }
}

/// What `--json` writes.
#[derive(Serialize)]
struct JsonAccount<'a> {
    verified: bool,
    faults: Vec<String>,
    report: Option<&'a Report>,
    at: Option<Timestamp>,
    in_force: Option<&'a Activation>,
    addresses: BTreeSet<&'a AddressStatement>,
}

fn write_json(
    report: Option<&Report>,
    faults: &[Fault],
    at: Option<Timestamp>,
    out: &mut impl Write,
) -> Result<(), CliError> {
    let asked = report.zip(at);
    let account = JsonAccount {
        verified: faults.is_empty(),
        faults: faults.iter().map(ToString::to_string).collect(),
        report,
        at,
        in_force: asked.and_then(|(report, at)| report.in_force_at(at)),
        addresses: asked.map(|(report, at)| report.addresses_at(at)).unwrap_or_default(),
    };
    serde_json::to_writer_pretty(&mut *out, &account)?;
    Ok(writeln!(out)?)
}

fn write_account(
    log: &LogArguments,
    report: Option<&Report>,
    faults: &[Fault],
    at: Option<Timestamp>,
    out: &mut impl Write,
) -> Result<(), CliError> {
    if let Some(report) = report {
        let believed =
            if log.key.is_some() { "as given" } else { "from the log itself: compare it with the carrier's" };
        writeln!(out, "Log      {}", printable(&report.origin))?;
        writeln!(out, "Key      {} ({believed})", printable(&report.key))?;
        writeln!(out, "Entries  {}", report.size)?;
        writeln!(out, "Root     {}", report.root_text())?;
    }
    write_faults(faults, out)?;
    if let Some(report) = report.filter(|_| faults.is_empty()) {
        writeln!(out, "Verified: every entry, hash and policy is what was signed.\n")?;
        write_entries(report, out)?;
        if let Some(at) = at {
            write_in_force(report, at, out)?;
        }
    }
    Ok(())
}

fn write_faults(faults: &[Fault], out: &mut impl Write) -> Result<(), CliError> {
    if !faults.is_empty() {
        writeln!(out, "NOT VERIFIED; {} faults:", faults.len())?;
    }
    for fault in faults {
        writeln!(out, "  {}", printable(&fault.to_string()))?;
    }
    Ok(())
}

/// One line each for activations and refused policies.
fn write_entries(report: &Report, out: &mut impl Write) -> Result<(), CliError> {
    for activation in &report.activations {
        let Activation { gateway, epoch, at, cause, policy_digest, rules } = activation;
        let (gateway, cause) = (printable(gateway), serde_json::to_string(cause)?);
        let cause = cause.trim_matches('"');
        writeln!(
            out,
            "{at}  {gateway}  epoch {epoch}  {cause}  policy {policy_digest}  {} rules",
            rules.len()
        )?;
    }
    for (_, statement) in &report.entries {
        if let Statement::Refused(refused) = statement {
            let gateway = printable(&refused.gateway);
            writeln!(out, "{}  {gateway}  refused a policy with {} faults", refused.at, refused.faults)?;
        }
    }
    Ok(())
}

fn write_in_force(report: &Report, at: Timestamp, out: &mut impl Write) -> Result<(), CliError> {
    let Some(activation) = report.in_force_at(at) else {
        return Ok(writeln!(out, "\nAt {at}: no policy was in force; nothing was free.")?);
    };
    let Activation { epoch, policy_digest, rules, .. } = activation;
    writeln!(out, "\nAt {at}: epoch {epoch}, since {}", activation.at)?;
    writeln!(out, "Policy   policies/{policy_digest}/")?;
    for rule in rules {
        let (id, policy) = (printable(&rule.id), printable(&rule.policy));
        let class = serde_json::to_string(&rule.class)?;
        let state = if rule.is_valid_at(at) { "" } else { "  (not valid then)" };
        let end = rule.valid_until.map_or_else(|| "without end".to_owned(), |end| format!("until {end}"));
        writeln!(
            out,
            "Rule     {} `{id}` of `{policy}`: {}, rating group {}, from {} {end}{state}",
            rule.rule,
            class.trim_matches('"'),
            rule.rating_group,
            rule.valid_from
        )?;
    }
    for AddressStatement { rules, name, address } in report.addresses_at(at) {
        writeln!(out, "Address  {address}  {}  rules {rules:?}", printable(name))?;
    }
    Ok(())
}

/// Without control characters. Reason: a log is outside input, and a terminal obeys escapes.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tests::{Place, at};
    use clap::{CommandFactory as _, Parser};

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: AuditCommand,
    }

    fn call(arguments: &[&str]) -> (bool, String) {
        let cli = Cli::try_parse_from(std::iter::once(&"audit").chain(arguments)).expect("arguments");
        let mut out = Vec::new();
        let verified = run(&cli.command, &mut out).expect("output");
        (verified, String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn account_says_what_was_in_force() {
        let place = Place::small_log();
        let directory = place.directory().to_str().expect("UTF-8").to_owned();
        let (verified, text) = call(&["verify", &directory, "--at", "1970-01-01T07:00:25+07:00"]);
        assert!(verified, "{text}");
        for line in [
            "Entries  5",
            "epoch 1  start",
            "refused a policy with 3 faults",
            "At 1970-01-01T00:00:25Z: epoch 1",
        ] {
            assert!(text.contains(line), "`{line}` is missing in\n{text}");
        }
        assert!(text.contains("Address  192.0.2.2  moh.gov.vn  rules [7]"), "{text}");
        assert!(!text.contains("192.0.2.1"), "it had been removed:\n{text}");
        let (verified, text) = call(&["verify", &directory, "--at", "1970-01-01T00:00:00Z"]);
        assert!(verified && text.contains("nothing was free"), "{text}");
    }

    #[test]
    fn json_says_the_same() {
        let place = Place::small_log();
        let directory = place.directory().to_str().expect("UTF-8").to_owned();
        let at_text = at(25).to_string();
        let (verified, text) = call(&["verify", &directory, "--json", "--at", &at_text]);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(verified);
        assert_eq!(json["verified"], true);
        assert_eq!(json["report"]["size"], 5);
        assert_eq!(json["in_force"]["epoch"], 1);
        assert_eq!(json["addresses"][0]["address"], "192.0.2.2");
    }

    #[test]
    fn key_is_taken_from_a_file_or_as_it_is() {
        let (place, other) = (Place::small_log(), Place::small_log());
        let directory = place.directory().to_str().expect("UTF-8").to_owned();
        let key_file = place.directory().join("vkey");
        let key = std::fs::read_to_string(&key_file).expect("a key");
        assert!(call(&["verify", &directory, "--key", key_file.to_str().expect("UTF-8")]).0);
        assert!(call(&["verify", &directory, "--key", key.trim()]).0);
        let other_key = other.directory().join("vkey");
        let (verified, text) = call(&["verify", &directory, "--key", other_key.to_str().expect("UTF-8")]);
        assert!(!verified && text.contains("NOT VERIFIED"), "{text}");
    }

    #[test]
    fn entries_are_listed_even_where_the_log_is_damaged() {
        let place = Place::small_log();
        std::fs::write(place.directory().join("stranger"), "x").expect("a file");
        let (verified, text) = call(&["show", place.directory().to_str().expect("UTF-8")]);
        assert!(!verified);
        assert!(text.contains("0 {\"type\":\"activation\"") && text.contains("stranger"), "{text}");
    }
}
