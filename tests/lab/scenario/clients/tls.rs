//! Clients over TCP.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::visit::{Client, Visit};
use crate::address::{Site, socket, subscriber};
use crate::command;
use crate::web::{SHORT, SHORT_OCTETS};

/// Where pages are.
pub(super) const PORT: u16 = 443;
/// A page comes within moments; on a busy machine, within many.
pub(super) const LIMIT: Duration = Duration::from_mins(1);

/// Opens a visit's page with curl or openssl. In the subscriber's namespace.
pub(super) fn open(visit: &Visit, authority: &Path) -> Result<()> {
    match visit.client {
        Client::Curl1 => curl(visit, authority, "--http1.1", "1.1"),
        Client::Curl2 => curl(visit, authority, "--http2", "2"),
        Client::OpenSsl => openssl(visit, authority),
        Client::Quinn => bail!("QUIC is not over TCP"),
    }
}

fn curl(visit: &Visit, authority: &Path, option: &str, version: &str) -> Result<()> {
    let mut curl = curl_command(&visit.site, visit.site.address(visit.family), authority, visit.port);
    curl.args([option, "--write-out", "%{http_version} %{size_download}"]);
    let output = command::output(curl.arg(format!("https://{}{SHORT}", visit.site.name)), "", LIMIT)?;
    ensure!(output.status.success(), "curl: {}", output.stderr.trim());
    ensure!(output.stdout == format!("{version} {SHORT_OCTETS}"), "curl {option}: {}", output.stdout);
    Ok(())
}

/// curl, which still has to be told how and what to open. It checks the server's certificate.
pub(super) fn curl_command(site: &Site, address: IpAddr, authority: &Path, port: u16) -> Command {
    let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert"]).arg(authority);
    curl.args(["--resolve", &format!("{}:{PORT}:{host}", site.name), "--local-port", &port.to_string()]);
    curl.args(["--output", "/dev/null"]);
    curl
}

fn openssl(visit: &Visit, authority: &Path) -> Result<()> {
    let name = visit.site.name;
    let [server, own] = [
        socket(visit.site.address(visit.family), PORT),
        socket(subscriber(visit.subscriber, visit.family), visit.port),
    ];
    let version = if (visit.port / 2).is_multiple_of(2) { "-tls1_3" } else { "-tls1_2" };
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-quiet", version, "-connect", &server.to_string(), "-bind", &own.to_string()]);
    openssl.args(["-servername", name, "-verify_hostname", name, "-verify_return_error", "-CAfile"]);
    let request = format!("GET {SHORT} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    let output = command::output(openssl.arg(authority), &request, LIMIT)?;
    ensure!(output.status.success(), "openssl: {}", output.stderr.trim());
    let page = output.stdout.split_once("\r\n\r\n").map(|(head, page)| (head.get(..12), page.len()));
    let expected = (Some("HTTP/1.1 200"), usize::try_from(SHORT_OCTETS)?);
    ensure!(page == Some(expected), "openssl {version}: {page:?}");
    Ok(())
}
