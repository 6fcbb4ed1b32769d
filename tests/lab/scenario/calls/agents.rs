//! Callers: each is a `SIPp` that makes calls of one kind to one number, several at a time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::kind::Kind;
use crate::address::{DESK, EXCHANGE, Family, SIP_PORT, socket, subscriber};
use crate::packet::{Packet, UDP};
use crate::process::Process;
use crate::topology::Topology;

/// Signalling ports, one for each caller.
const FIRST_SIP_PORT: u16 = 5100;
/// Media ports of calls to the hotline; below those of calls to other numbers.
const FIRST_HOTLINE_PORT: u16 = 30_000;
const FIRST_OTHER_PORT: u16 = 45_000;
/// Media ports for each caller: `SIPp` takes four for each call.
const PORTS_EACH: u16 = 400;
/// All calls, on a busy machine.
const LIMIT: Duration = Duration::from_mins(4);

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Hotline,
    Other,
}

impl Target {
    pub(super) const fn number(self) -> &'static str {
        match self {
            Self::Hotline => "19001234",
            Self::Other => "19001235",
        }
    }

    const fn first_port(self) -> u16 {
        match self {
            Self::Hotline => FIRST_HOTLINE_PORT,
            Self::Other => FIRST_OTHER_PORT,
        }
    }
}

/// What one caller does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) kind: Kind,
    pub(super) target: Target,
    pub(super) subscriber: u8,
    pub(super) family: Family,
    pub(super) calls: u32,
}

/// What one caller says of its calls.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) task: Task,
    pub(super) made: i64,
    pub(super) successful: i64,
    pub(super) failed: i64,
    /// What it complained about.
    pub(super) complaints: String,
}

struct Caller {
    task: Task,
    process: Process,
    statistics: PathBuf,
}

/// Has all of them call, and waits for their ends.
pub(super) fn call(topology: &Topology, directory: &Path, tasks: &[Task]) -> Result<Vec<Done>> {
    for task in tasks {
        fs::write(directory.join(script(task.kind)), task.kind.script())?;
    }
    let callers = (0..).zip(tasks).map(|(place, task)| Caller::start(topology, directory, place, *task));
    let callers = callers.collect::<Result<Vec<_>>>()?;
    callers.into_iter().map(Caller::finish).collect()
}

impl Caller {
    fn start(topology: &Topology, directory: &Path, place: u16, task: Task) -> Result<Self> {
        let Task { kind, target, family, .. } = task;
        let name = format!("caller-{place}-{}", kind.name());
        let statistics = directory.join(format!("{name}.csv"));
        let own = subscriber(task.subscriber, family).to_string();
        let media_port = target.first_port() + place * PORTS_EACH;
        let mut command = topology.subscribers[usize::from(task.subscriber)].command("sipp");
        command.current_dir(directory).args(["-sf", &script(kind), "-s", target.number(), "-nostdin"]);
        command.args(["-i", &own, "-p", &(FIRST_SIP_PORT + place).to_string()]);
        command.args(["-mi", &own, "-mp", &media_port.to_string()]);
        let at_a_time = kind.at_a_time(target).to_string();
        command.args(["-m", &task.calls.to_string(), "-l", &at_a_time, "-r", &at_a_time]);
        command.args(["-trace_stat", "-fd", "1", "-stf", &format!("{name}.csv"), "-trace_err"]);
        command.args(["-error_file", &format!("{name}.errors")]);
        let exchange = EXCHANGE[usize::from(family == Family::V6)];
        command.arg(socket(exchange, SIP_PORT).to_string());
        let process = Process::start(&name, &mut command, directory)?;
        Ok(Self { task, process, statistics })
    }

    fn finish(mut self) -> Result<Done> {
        let status = self.process.wait(LIMIT)?;
        // 1: a call failed, which the statistics tell.
        ensure!(matches!(status.code(), Some(0 | 1)), "SIPp ended with {status}\n{}", self.process.log_end());
        let table = fs::read_to_string(&self.statistics).with_context(|| self.process.log_end())?;
        let column = |name| column(&table, name).with_context(|| self.statistics.display().to_string());
        Ok(Done {
            task: self.task,
            made: column("TotalCallCreated")?,
            successful: column("SuccessfulCall(C)")?,
            failed: column("FailedCall(C)")?,
            // There is none if there is nothing to complain about.
            complaints: fs::read_to_string(self.statistics.with_extension("errors")).unwrap_or_default(),
        })
    }
}

/// The file of a kind's script.
fn script(kind: Kind) -> String {
    format!("{}.xml", kind.name())
}

/// The last row's value.
fn column(table: &str, name: &str) -> Result<i64> {
    let mut lines = table.lines();
    let place = lines.next().and_then(|head| head.split(';').position(|column| column == name));
    let cell = lines.last().zip(place).and_then(|(row, place)| row.split(';').nth(place));
    Ok(cell.with_context(|| format!("no {name}"))?.parse()?)
}

/// Whether a packet is media of a call to this target.
pub(super) fn is_media(packet: &Packet, target: Target) -> bool {
    let ports = match target {
        Target::Hotline => FIRST_HOTLINE_PORT..FIRST_OTHER_PORT,
        Target::Other => FIRST_OTHER_PORT..u16::MAX,
    };
    packet.protocol == UDP
        && DESK.iter().any(|desk| packet.touches(desk))
        && packet.ports.iter().any(|port| ports.contains(port))
}
