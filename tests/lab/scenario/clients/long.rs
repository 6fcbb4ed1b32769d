//! Connections that carry many requests.

use std::thread;

use anyhow::{Result, anyhow, ensure};

use super::crowd::{Crowd, look_up};
use super::tls::{LIMIT, curl_command};
use super::visit::{Client, Visit};
use crate::address::{Family, Site};
use crate::command;
use crate::network::Network;
use crate::web::{SHORT, SHORT_OCTETS};

/// Requests on each.
const REQUESTS: usize = 200;

/// One connection to each of the sites, all of one subscriber's.
pub(super) fn visits(sites: &[Site], first_port: u16) -> Vec<Visit> {
    let one = |(port, site): (u16, &Site)| Visit {
        site: *site,
        client: Client::Curl2,
        subscriber: 0,
        family: Family::V6,
        port,
    };
    (first_port..).zip(sites).map(one).collect()
}

/// Opens them at the same time.
pub(super) fn open(crowd: &Crowd, network: &Network, visits: &[Visit]) -> Result<()> {
    thread::scope(|scope| {
        let clients: Vec<_> = visits
            .iter()
            .map(|visit| {
                let namespace = &network.topology.subscribers[usize::from(visit.subscriber)];
                scope.spawn(|| namespace.within(|| open_one(crowd, visit)))
            })
            .collect();
        clients.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a panic"))?)
    })
}

fn open_one(crowd: &Crowd, visit: &Visit) -> Result<()> {
    look_up(visit)?;
    let mut curl = curl_command(&visit.site, visit.site.address(visit.family), &crowd.authority, visit.port);
    curl.args(["--http2", "--write-out", "%{stderr}%{http_version} %{num_connects} %{size_download}\\n"]);
    curl.arg(format!("https://{}{SHORT}?[1-{REQUESTS}]", visit.site.name));
    let output = command::output(&mut curl, "", LIMIT)?;
    ensure!(output.status.success(), "curl: {}", output.stderr.trim());
    let lines: Vec<&str> = output.stderr.lines().collect();
    let first = format!("2 1 {SHORT_OCTETS}");
    let later = format!("2 0 {SHORT_OCTETS}");
    let is_one_connection = lines.len() == REQUESTS
        && lines.first().is_some_and(|line| **line == first)
        && lines[1..].iter().all(|line| **line == later);
    ensure!(is_one_connection, "not {REQUESTS} pages on one connection: {}", output.stderr.trim());
    Ok(())
}
