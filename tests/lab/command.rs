//! Programs that are run to their end.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::wait;

/// For programs that only read or write the machine's state.
pub const QUICK: Duration = Duration::from_secs(30);

/// How a program ended.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote; octets that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// Runs a program with `input` on its standard input, and ends it after `limit` or on a signal to stop.
///
/// # Errors
/// If it cannot be started, or is ended.
pub fn output(command: &mut Command, input: &str, limit: Duration) -> Result<Output> {
    complete(command, input, |child| wait::until("its end", limit, || Ok(child.try_wait()?)))
}

/// Runs a program that has to succeed, soon and whatever signals come, and returns what it wrote.
///
/// # Errors
/// If it cannot be started; takes long; or fails, with what it complained about.
pub fn run(command: &mut Command, input: &str) -> Result<String> {
    let output =
        complete(command, input, |child| wait::despite_signals("its end", QUICK, || Ok(child.try_wait()?)))?;
    let complaint = output.stderr.trim();
    ensure!(output.status.success(), "{}: {}: {complaint}", line(command), output.status);
    Ok(output.stdout)
}

/// The program gets a process group of its own: Ctrl-C is for the lab, which then ends its programs in order.
fn complete(
    command: &mut Command,
    input: &str,
    wait: impl FnOnce(&mut Child) -> Result<ExitStatus>,
) -> Result<Output> {
    // Files, not pipes: a program never waits for the lab to read.
    let [stdout, stderr] = [tempfile::tempfile()?, tempfile::tempfile()?];
    let mut stdin = tempfile::tempfile()?;
    stdin.write_all(input.as_bytes())?;
    stdin.rewind()?;
    command.stdin(stdin).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot run {}", line(command)))?;
    let ended = wait(&mut child);
    if ended.is_err() {
        child.kill()?;
        child.wait()?;
    }
    let status = ended.with_context(|| line(command))?;
    Ok(Output { status, stdout: content(stdout)?, stderr: content(stderr)? })
}

fn content(mut file: File) -> Result<String> {
    let mut octets = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// The command as a user would type it, near enough for a message.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_says_why() {
        let error = run(Command::new("sh").args(["-c", "echo no such luck >&2; exit 3"]), "").unwrap_err();
        assert!(error.to_string().contains("no such luck"), "{error}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let limit = Duration::from_millis(50);
        let error = output(Command::new("sleep").arg("600"), "", limit).unwrap_err();
        assert!(format!("{error:#}").contains("not within 50ms"), "{error:#}");
    }

    #[test]
    fn input_arrives() {
        assert_eq!(run(&mut Command::new("cat"), "one\ntwo\n").unwrap(), "one\ntwo\n");
    }
}
