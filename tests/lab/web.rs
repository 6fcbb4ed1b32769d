//! nginx, serving every site over HTTP and HTTPS on both IP versions.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::address::{Family, HOSTED, SITES, Site, socket};
use crate::command;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::wait;

/// nginx listens within moments.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Where it listens for HTTPS on every address, whatever name is asked for.
pub const EVERYWHERE_PORT: u16 = 8443;
/// Path of an ordinary page.
pub const PAGE: &str = "/page";
/// Its size in octets: some hundred packets.
const PAGE_OCTETS: u64 = 200_000;
/// Path of a short page.
pub const SHORT: &str = "/short";
/// Its size in octets: some twenty packets.
pub const SHORT_OCTETS: u64 = 20_000;
/// Path of a download that outlasts every measurement.
pub const ENDLESS: &str = "/endless";
/// Its size in octets: at [`ENDLESS_RATE`], more than two hours. The file is sparse.
const ENDLESS_OCTETS: u64 = 32 << 30;
/// Per second: fast enough to lose something, slow enough for two busy cores.
const ENDLESS_RATE: &str = "4m";

/// Running web servers, with a certificate authority of their own.
#[derive(Debug)]
pub struct WebServers {
    home: PathBuf,
    authority: PathBuf,
    _process: Process,
}

impl WebServers {
    /// Makes certificates and content, starts nginx and waits until it listens.
    ///
    /// # Errors
    /// If openssl or nginx fails.
    pub fn start(internet: &Namespace, directory: &Path) -> Result<Self> {
        let home = directory.join("web");
        fs::create_dir(&home)?;
        for (path, octets) in [(PAGE, PAGE_OCTETS), (SHORT, SHORT_OCTETS), (ENDLESS, ENDLESS_OCTETS)] {
            File::create(home.join(path.trim_start_matches('/')))?.set_len(octets)?;
        }
        make_certificates(&home)?;
        let file = home.join("nginx.conf");
        fs::write(&file, configuration(&home))?;
        let log = home.join("error.log");
        let mut command = internet.command("nginx");
        let mut process =
            Process::start("nginx", command.arg("-c").arg(&file).arg("-e").arg(&log), directory)?;
        wait::until("nginx", START_LIMIT, || {
            process.expect_running()?;
            let open = internet.within(|| Ok(all_listen()))?;
            Ok(open.then_some(()))
        })?;
        Ok(Self { authority: home.join("authority.pem"), home, _process: process })
    }

    /// The certificate to trust, in PEM.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// The servers' certificate, of all sites and of the names below those that share with nobody, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.home.join("server.pem")
    }

    /// Its key, in PEM.
    pub fn key(&self) -> PathBuf {
        self.home.join("server.key")
    }
}

fn all_listen() -> bool {
    addresses().all(|address| std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
}

fn addresses() -> impl Iterator<Item = SocketAddr> {
    SITES
        .into_iter()
        .chain(HOSTED)
        .flat_map(|site| Family::ALL.map(|family| socket(site.address(family), 443)))
}

fn make_certificates(home: &Path) -> Result<()> {
    let key =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let mut authority = Command::new("openssl");
    authority.current_dir(home).args(key).args(["-subj", "/CN=Tollfree lab"]);
    authority.args(["-keyout", "authority.key", "-out", "authority.pem"]);
    command::run(&mut authority, "")?;
    let own = SITES.iter().map(|site| format!("DNS:{0},DNS:*.{0}", site.name));
    let hosted = HOSTED.iter().map(|site| format!("DNS:{}", site.name));
    let names = own.chain(hosted).collect::<Vec<_>>().join(",");
    let mut server = Command::new("openssl");
    server.current_dir(home).args(key).args(["-subj", "/CN=Tollfree lab web", "-addext"]);
    server.arg(format!("subjectAltName={names}")).args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    server.args([
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority.key",
        "-keyout",
        "server.key",
        "-out",
        "server.pem",
    ]);
    command::run(&mut server, "").map(drop)
}

fn configuration(home: &Path) -> String {
    let home = home.display();
    // The shared host speaks HTTP/2 too, as such hosts do.
    let own = SITES.iter().map(|site| server(site, "ssl"));
    let servers: String = own.chain(HOSTED.iter().map(|site| server(site, "ssl http2"))).collect();
    format!(
        "daemon off;
user root;
worker_processes 1;
pid {home}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    ssl_certificate {home}/server.pem;
    ssl_certificate_key {home}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    root {home};
    server {{ listen [::]:{EVERYWHERE_PORT} ssl ipv6only=off; }}
{servers}}}
"
    )
}

/// `tls`: what is said behind the address of the port for HTTPS.
fn server(site: &Site, tls: &str) -> String {
    format!(
        "    server {{
        server_name {};
        listen {v4}:80;
        listen {v4}:443 {tls};
        listen [{v6}]:80;
        listen [{v6}]:443 {tls};
        location = {ENDLESS} {{ limit_rate {ENDLESS_RATE}; }}
    }}
",
        site.name,
        v4 = site.v4,
        v6 = site.v6
    )
}
