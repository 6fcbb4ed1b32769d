//! What a person calls.

mod calls;
mod check;
mod checked;
mod classify;
mod detach;
mod explain;
mod name;
mod number;
mod observe;
mod reconcile;
mod status;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::audit::cli::AuditCommand;
use crate::daemon;
use crate::exit::Exit;

/// Where the configuration is unless said otherwise.
const CONFIG_PATH: &str = "/etc/tollfree/gateway.toml";

/// Zero-rating and free-call policy enforcement for carriers' Linux gateways
///
/// Tollfree decides, packet by packet, whether a subscriber pays for it; tags what is free; counts every byte for
/// billing; and proves to a regulator which policy made it so.
#[derive(Debug, Parser)]
#[command(name = "tollfree", version, after_long_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  done                                    11  another controller runs
  1  failed                                  12  no resolver answers
  2  wrong command line                      13  ledger
  3  configuration faulty                    14  audit log
  4  policy faulty                           15  no controller runs
  5  not root                                16  the audit log does not verify
  6  no such interface                       17  an address to answer on, or an export
  7  another XDP program is there            18  a capture that is not wholly read
  8  no bpf file system                      19  an interface that cannot be observed
  9  the kernel lacks or refused something   20  the ledger does not account for every packet
 10  pinned maps of another layout version  21  nothing is known of what was asked about

First steps:
  tollfree check                check /etc/tollfree/gateway.toml and the policies it names
  tollfree run                  put them in force, and count
  tollfree status               what was free, charged and unattributed since then";

#[derive(Debug, Subcommand)]
enum Command {
    /// Put the policies in force and keep the books, until SIGTERM
    ///
    /// Loads the kernel programs, or adopts those that run; resolves names; follows calls; records, exports and logs.
    /// Policies are read again when their directory changes, or on SIGHUP. When the controller ends, or is killed, the
    /// data plane goes on with the policy in force, and the next `run` adopts it without losing a count.
    Run(ConfigArgument),
    /// Show what was counted, as of one instant
    Status(StatusArguments),
    /// Show the calls to free numbers: those that go on, or those that ended
    Calls(calls::CallsArguments),
    /// Check the configuration and the policies, and change nothing
    Check(CheckArguments),
    /// Classify captures: their flows, volume and encapsulations, and what a policy makes of them
    ///
    /// The same core that decides live traffic reads pcap and pcapng files, without root. Of a file that is cut short or
    /// corrupt, what comes before is told.
    Classify(classify::ClassifyArguments),
    /// Account for what arrives on an interface, without XDP: mirror ports, and trying Tollfree out
    ///
    /// The same core that decides on a gateway reads frames from an AF_PACKET socket, and gives the same status. Nothing is
    /// tagged, recorded or logged, and no call is followed. It needs CAP_NET_RAW, not root. The account is written at the
    /// end: on SIGINT, SIGTERM, --duration or --packets.
    Observe(observe::ObserveArguments),
    /// Check that the ledger accounts for every packet
    ///
    /// Holds each interval's records against each other, against what was counted, and against what arrived on the
    /// interfaces. The ledger is read as of one instant and never written; a controller may run meanwhile.
    #[command(after_long_help = reconcile::EXAMPLES)]
    Reconcile(reconcile::ReconcileArguments),
    /// Tell why an address, a name or a number was or was not free, at any time
    ///
    /// Reads the ledger and the policies of the audit log; changes nothing, and needs no controller.
    #[command(after_long_help = explain::EXAMPLES)]
    Explain(explain::ExplainArguments),
    /// Take the programs off all interfaces, and forget the kernel's counters
    ///
    /// What the ledger has recorded stays. Stop the controller first: it closes its books.
    Detach(ConfigArgument),
    /// Verify and read the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Write a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual page
    Man,
}

#[derive(Debug, Args)]
struct ConfigArgument {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE", env = "TOLLFREE_CONFIG", default_value = CONFIG_PATH)]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct StatusArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Show it again every so many seconds, until interrupted
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600), conflicts_with = "json")]
    watch: Option<u64>,
}

#[derive(Debug, Args)]
struct CheckArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Write faults as JSON
    #[arg(long)]
    json: bool,
    /// Show the plan that the policies compile to, without the addresses of names
    #[arg(long)]
    plan: bool,
}

/// Does what the command line says.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap too; whoever reads may have gone.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    match cli.command {
        Command::Run(arguments) => {
            log_to_stderr();
            match daemon::run(&arguments.config) {
                Ok(()) => Exit::Success,
                Err(error) => fail(&error, error.exit()),
            }
        }
        Command::Status(arguments) => status::run(&arguments),
        Command::Calls(arguments) => calls::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Classify(arguments) => classify::run(&arguments),
        Command::Observe(arguments) => {
            log_to_stderr();
            observe::run(&arguments)
        }
        Command::Reconcile(arguments) => reconcile::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Detach(arguments) => detach::run(&arguments),
        Command::Audit(command) => audit(&command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "tollfree", &mut io::stdout());
            Exit::Success
        }
        Command::Man => man(),
    }
}

fn audit(command: &AuditCommand) -> Exit {
    match crate::audit::cli::run(command, &mut io::stdout().lock()) {
        Ok(true) => Exit::Success,
        Ok(false) => Exit::NotVerified,
        Err(error) => fail(&error, Exit::Failure),
    }
}

fn man() -> Exit {
    match clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()) {
        Ok(()) => Exit::Success,
        Err(error) => fail(&error, Exit::Failure),
    }
}

fn fail(error: &dyn std::error::Error, exit: Exit) -> Exit {
    // Nobody may be reading.
    let _ = writeln!(io::stderr(), "tollfree: {error}");
    exit
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second call, as in tests, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
