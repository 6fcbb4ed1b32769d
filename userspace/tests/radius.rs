//! A real client, `radclient` of the Debian package freeradius-utils (`cargo xtask setup` installs it), and the listener.

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tollfree::config::RadiusClientConfig;
use tollfree::identity::journal::{Said, SessionJournal};
use tollfree::identity::radius::{Clients, Listener, RadiusCounters, Received};
use tollfree::identity::{Bindings, Block, Identity, RadiusStatus, SessionLimits};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SECRET: &str = "xyzzy5461";
/// What every message of the session says.
const SESSION: &str = r#"
Acct-Session-Id = "0000A1B2"
NAS-Identifier = "pgw1"
NAS-IP-Address = 127.0.0.1
Framed-IP-Address = 10.20.0.11
Framed-IPv6-Prefix = 2001:db8:20:11::/64
Delegated-IPv6-Prefix = 2001:db8:20:1200::/56
Calling-Station-Id = "84901234567"
3GPP-IMSI = "452011234567890"
Proxy-State = 0x7031
"#;

/// A gateway's part: the listener runs, and what it receives is applied.
struct Gateway {
    address: SocketAddr,
    received: mpsc::Receiver<Received>,
    bindings: Bindings,
    counters: Arc<RadiusCounters>,
}

impl Gateway {
    async fn start() -> Outcome<Self> {
        Self::start_with(Arc::default()).await
    }

    async fn start_with(journal: Arc<SessionJournal>) -> Outcome<Self> {
        let directory = TempDir::new()?;
        let secret_file = directory.path().join("radius.secret");
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret_file)?;
        writeln!(file, "{SECRET}")?;
        let client = RadiusClientConfig { address: "127.0.0.1/32".parse()?, secret_file };
        let (events, received) = mpsc::channel(16);
        let listener =
            Listener::bind(&["127.0.0.1:0".parse()?], Clients::load(&[client])?, events, journal).await?;
        let (address, counters) = (listener.addresses()[0], listener.counters());
        tokio::spawn(listener.run());
        let pools = ["10.20.0.0/16".parse()?, "2001:db8:20::/48".parse()?];
        Ok(Self { address, received, bindings: Bindings::new(&pools, SessionLimits::default()), counters })
    }

    /// How many addresses and prefixes changed hands by the next event.
    async fn apply(&mut self) -> Outcome<usize> {
        let Received { said: Said { event, at }, .. } =
            self.received.recv().await.ok_or("the listener ended")?;
        Ok(self.bindings.apply(&event, at).len())
    }

    fn who(&self, address: &str) -> Outcome<Option<Identity>> {
        let subscriber = Block::from(address.parse::<IpAddr>()?).subscriber();
        Ok(self.bindings.identity(subscriber.ok_or("one address is one subscriber")?))
    }
}

/// Sends one request, once, and waits for the answer for `patience_s` seconds; whether one came that is signed.
async fn radclient(
    address: SocketAddr,
    secret: &'static str,
    request: &str,
    patience_s: u32,
) -> Outcome<bool> {
    let request = request.to_owned();
    let output =
        tokio::task::spawn_blocking(move || run_radclient(address, secret, &request, patience_s)).await?;
    let output = output.map_err(|error| format!("radclient: {error}; `cargo xtask setup` installs it"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !said.contains("Sent Accounting-Request") {
        return Err(format!("nothing was sent: {said}{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let Some((_, answer)) = said.split_once("Received Accounting-Response") else { return Ok(false) };
    assert!(answer.contains("Proxy-State = 0x7031"), "the answer lacks Proxy-State: {said}");
    Ok(output.status.success())
}

fn run_radclient(address: SocketAddr, secret: &str, request: &str, patience_s: u32) -> io::Result<Output> {
    let mut child = Command::new("radclient")
        .args(["-x", "-r", "1", "-t", &patience_s.to_string(), &address.to_string(), "acct", secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Closed at the end of the statement, so that it knows that there is no more.
    child.stdin.take().map(|mut input| input.write_all(request.as_bytes())).transpose()?;
    child.wait_with_output()
}

fn request(status: &str) -> String {
    format!("Acct-Status-Type = {status}{SESSION}")
}

/// More than an answer on the same machine takes. A test that passes never waits so long.
const PATIENCE_S: u32 = 20;

#[tokio::test]
async fn a_sessions_start_interim_and_stop_are_taken_and_answered() -> Outcome<()> {
    let mut gateway = Gateway::start().await?;
    let identity = Identity::new("84901234567".parse().ok(), "452011234567890".parse().ok());
    assert!(radclient(gateway.address, SECRET, &request("Start"), PATIENCE_S).await?);
    assert_eq!(gateway.apply().await?, 3);
    for address in ["10.20.0.11", "2001:db8:20:11::1", "2001:db8:20:12ff::1"] {
        assert_eq!(gateway.who(address)?, identity, "{address}");
    }
    // With Message-Authenticator, which radclient computes.
    let interim = format!("{}Message-Authenticator = 0x00\n", request("Interim-Update"));
    assert!(radclient(gateway.address, SECRET, &interim, PATIENCE_S).await?);
    assert_eq!(gateway.apply().await?, 0);
    assert!(radclient(gateway.address, SECRET, &request("Stop"), PATIENCE_S).await?);
    assert_eq!(gateway.apply().await?, 3);
    assert_eq!(gateway.who("10.20.0.11")?, None);
    assert_eq!(gateway.counters.status(), RadiusStatus { accepted: 3, ..RadiusStatus::default() });
    Ok(())
}

#[tokio::test]
async fn what_was_answered_is_known_to_the_next_controller() -> Outcome<()> {
    let directory = TempDir::new()?;
    let path = directory.path().join("sessions.sqlite");
    let open = || SessionJournal::open(&path, "a boot", Timestamp::now());
    let mut gateway = Gateway::start_with(Arc::new(open().0)).await?;
    assert!(radclient(gateway.address, SECRET, &request("Start"), PATIENCE_S).await?);
    // The controller is killed before it looks at the event.
    let (_, earlier) = open();
    let wanted = gateway.received.recv().await.ok_or("the listener ended")?;
    assert_eq!(earlier.events, [wanted.said]);
    Ok(())
}

#[tokio::test]
async fn an_access_server_that_ends_its_service_ends_its_sessions() -> Outcome<()> {
    let mut gateway = Gateway::start().await?;
    assert!(radclient(gateway.address, SECRET, &request("Start"), PATIENCE_S).await?);
    assert_eq!(gateway.apply().await?, 3);
    let off = "Acct-Status-Type = Accounting-Off\nNAS-Identifier = \"pgw1\"\nProxy-State = 0x7031\n";
    assert!(radclient(gateway.address, SECRET, off, PATIENCE_S).await?);
    assert_eq!(gateway.apply().await?, 3);
    Ok(())
}

#[tokio::test]
async fn another_secret_is_not_answered() -> Outcome<()> {
    let mut gateway = Gateway::start().await?;
    // One second without an answer is what the client must see; the counter says why.
    assert!(!radclient(gateway.address, "xyzzy5462", &request("Start"), 1).await?);
    while gateway.counters.status() == RadiusStatus::default() {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.counters.status(), RadiusStatus { bad_authenticator: 1, ..RadiusStatus::default() });
    assert!(gateway.received.try_recv().is_err() && gateway.bindings.expire(Timestamp::now()).is_empty());
    Ok(())
}
