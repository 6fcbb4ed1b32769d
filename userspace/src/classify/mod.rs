//! Captures, classified by the same core as live traffic: flows, their encapsulations, their volume, and what a policy
//! makes of them.
//!
//! A first look at a file books every IP packet on its flow, whoever of its fragments comes first. If a policy is
//! given, a second look decides each packet, with the flow's initiator or the given prefixes as subscribers, at the
//! time at which the packet was captured.

mod dns;
mod encap;
mod flow;
mod fragment;
mod headers;
mod judge;
mod names;
mod options;
mod progress;
mod report;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use tollfree_core::reason::Reason;

use crate::capture::{self, CaptureError, Record};
use crate::policy::CompileError;

use dns::Messages;
use encap::Stack;
use headers::Unread;
use judge::Judge;
use names::Names;
use table::FlowTable;

pub use dns::{DnsEdns, DnsQuestion, DnsRecord, DnsReport};
pub use names::NameReport;
pub use options::{Options, Subscribers, SubscribersError, Tunnels};
pub use progress::Progress;
pub use report::{FlowReport, Report, Side, Summary, Verdict};
pub use text::render;

/// Why a file was not classified, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// The file.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The policies do not fit together at the time of a packet.
    #[error(transparent)]
    Policy(#[from] CompileError),
}

/// Classifies one capture, and tells `progress` of each record that is read.
///
/// Always gives what could be read; the error says why that is not all.
pub fn classify(
    path: &Path,
    options: &Options<'_>,
    progress: &mut Progress<'_>,
) -> (Report, Result<(), ClassifyError>) {
    let mut look = FirstLook::new(options);
    let mut result = open(path, options).and_then(|file| {
        let read = capture::read(file, &mut |record| {
            progress.at(record.end_offset);
            look.take(record);
        });
        Ok(read?)
    });
    let FirstLook { mut table, mut summary, messages, names, unread_link, .. } = look;
    table.close();
    table.name(names.into_found());
    summary.file = path.to_string_lossy().into_owned();
    if let Some(policies) = options.policies {
        let mut judge = Judge::new(policies, options);
        let judged = second_look(path, options, &mut table, &mut summary, &mut judge, progress);
        result = result.and(judged);
    }
    let link_type = unread_link
        .map_or(Ok(()), |(link_type, packets)| Err(CaptureError::LinkType { link_type, packets }.into()));
    let messages = messages.into_found();
    (Report { table, summary, messages, subscribers: options.subscribers.clone() }, result.and(link_type))
}

fn open(path: &Path, options: &Options<'_>) -> Result<File, ClassifyError> {
    let file = File::open(path).map_err(CaptureError::from)?;
    if options.policies.is_some() && !file.metadata().map_err(CaptureError::from)?.is_file() {
        return Err(CaptureError::NotRegular.into());
    }
    Ok(file)
}

/// Books packets on flows.
struct FirstLook<'a> {
    tunnels: &'a Tunnels,
    table: FlowTable,
    summary: Summary,
    messages: Messages,
    names: Names,
    stack: Stack,
    /// The first link type that is not read, and how many packets are of such types.
    unread_link: Option<(u16, u64)>,
}

impl<'a> FirstLook<'a> {
    fn new(options: &Options<'a>) -> Self {
        Self {
            tunnels: options.tunnels,
            table: FlowTable::default(),
            summary: Summary::default(),
            messages: Messages::new(),
            names: Names::new(),
            stack: Stack::default(),
            unread_link: None,
        }
    }

    fn take(&mut self, record: &Record<'_>) {
        self.summary.packets += 1;
        let headers = match headers::read(record, self.tunnels, &mut self.stack) {
            Ok(headers) => headers,
            Err(Unread::Reason(reason)) => return count(&mut self.summary.unattributed, reason),
            Err(Unread::LinkType) => {
                self.unread_link.get_or_insert((record.link_type, 0)).1 += 1;
                return;
            }
        };
        if let Some(reason) = headers.refused {
            count(&mut self.summary.unattributed, reason);
        }
        self.summary.ip_packets += 1;
        self.summary.ip_bytes += u64::from(headers.packet.volume_octets);
        self.messages.take(self.summary.packets, record, &headers);
        headers.tunnel.into_iter().for_each(|datagram| self.table.add_tunnel(datagram));
        let sighting = headers.sighting(self.summary.packets, record.at_ns);
        self.table.add(&sighting, self.stack.text());
        if let Some(place) = self.table.place_of(&sighting) {
            self.names.take(place, record, &headers, &sighting);
        }
    }
}

/// Decides each packet.
fn second_look(
    path: &Path,
    options: &Options<'_>,
    table: &mut FlowTable,
    summary: &mut Summary,
    judge: &mut Judge<'_>,
    progress: &mut Progress<'_>,
) -> Result<(), ClassifyError> {
    let mut stack = Stack::default();
    let mut number = 0;
    let mut failed = Ok(());
    let file = open(path, options)?;
    // The first look has told what is wrong with the file.
    let _ = capture::read(file, &mut |record| {
        progress.at(record.end_offset);
        number += 1;
        let Ok(mut headers) = headers::read(record, options.tunnels, &mut stack) else { return };
        let sighting = headers.sighting(number, record.at_ns);
        // Where every address may be a tunnel's end, only the first fragment tells whether it is one.
        if matches!(options.tunnels, Tunnels::All) && !table.is_of_tunnel(&sighting) {
            headers.packet.tunnel_fragment = false;
        }
        let Some(flow) = table.flow_of(&sighting) else { return };
        if failed.is_err() {
            return;
        }
        match judge.decide(&headers, record.at_ns, flow) {
            Ok(reason) if headers.refused.is_none() => count_unattributed(summary, reason),
            Ok(_) => {}
            Err(error) => failed = Err(error.into()),
        }
    });
    failed
}

fn count_unattributed(summary: &mut Summary, reason: Reason) {
    if reason.bucket() == tollfree_core::reason::Bucket::Unattributed {
        count(&mut summary.unattributed, reason);
    }
}

fn count(by_reason: &mut BTreeMap<Reason, u64>, reason: Reason) {
    *by_reason.entry(reason).or_default() += 1;
}
