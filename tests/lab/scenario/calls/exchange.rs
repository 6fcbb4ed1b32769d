//! The carrier's exchange: Kamailio with the configuration that the documentation gives, and who answers behind it.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use crate::address::{DESK, EXCHANGE, SIP_PORT};
use crate::binary;
use crate::gateway::API;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::wait;

const DESK_SCRIPT: &str = include_str!("../../sipp/desk.xml");
/// Where the desk's signalling is.
const DESK_PORT: u16 = 5080;
/// Where the desk's media is; what was moved, two ports on.
pub(super) const DESK_MEDIA_PORT: u16 = 20_000;
/// How long it rings before the exchange gives up, in milliseconds: the lab has no two minutes for each call.
const RING_MILLISECONDS: u32 = 2000;
/// Both start within moments.
const LIMIT: Duration = Duration::from_secs(20);

/// Ends in order when dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    kamailio: Process,
    _desks: Vec<Process>,
}

impl Exchange {
    /// Starts it all, and waits until it listens.
    pub(super) fn start(internet: &Namespace, directory: &Path) -> Result<Self> {
        fs::write(directory.join("desk.xml"), DESK_SCRIPT)?;
        let desks = DESK.iter().zip(["v4", "v6"]).map(|(address, name)| {
            let mut command = internet.command("sipp");
            let address = address.to_string();
            command.current_dir(directory).args(["-sf", "desk.xml", "-i", &address, "-mi", &address]);
            command.args(["-p", &DESK_PORT.to_string(), "-mp", &DESK_MEDIA_PORT.to_string()]);
            command.args(["-rtp_echo", "-nostdin"]);
            Process::start(&format!("desk-{name}"), &mut command, directory)
        });
        let desks = desks.collect::<Result<Vec<_>>>()?;
        let configuration = directory.join("kamailio.cfg");
        fs::write(&configuration, configured()?)?;
        let mut command = internet.command("kamailio");
        // In the foreground; log on standard error.
        command.args(["-DD", "-E", "-f"]).arg(&configuration).arg("-Y").arg(directory);
        let kamailio = Process::start("kamailio", &mut command, directory)?;
        let mut exchange = Self { kamailio, _desks: desks };
        exchange.expect_listening(internet)?;
        Ok(exchange)
    }

    fn expect_listening(&mut self, internet: &Namespace) -> Result<()> {
        wait::until("the exchange", LIMIT, || {
            self.kamailio.expect_running()?;
            let sockets = internet.shell("cat /proc/net/udp /proc/net/udp6")?;
            let bound = |address: &IpAddr, port: u16| sockets.contains(&kernel_name(address, port));
            let all = EXCHANGE.iter().all(|address| bound(address, SIP_PORT))
                && DESK.iter().all(|address| bound(address, DESK_PORT) && bound(address, DESK_MEDIA_PORT));
            Ok(all.then_some(()))
        })
    }

    /// What it has written so far.
    pub(super) fn log(&self) -> Result<String> {
        self.kamailio.log()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Its children end with it; what does not, ends with the namespace.
        let _ = self.kamailio.signal(Signal::SIGTERM).and_then(|()| self.kamailio.wait(LIMIT));
    }
}

/// The documentation's example, with the lab's addresses.
fn configured() -> Result<String> {
    let file = binary::workspace().join("docs/examples/kamailio.cfg");
    let mut text = fs::read_to_string(file)?;
    let [v4, v6] = EXCHANGE;
    let [desk_v4, desk_v6] = DESK;
    let desks = format!(
        "if (af == INET6) {{ $du = \"sip:[{desk_v6}]:{DESK_PORT}\"; }} else {{ $du = \"sip:{desk_v4}:{DESK_PORT}\"; }}"
    );
    for (from, to) in [
        // Two processes may send a 180 and the 200 behind it in the other order: a telephone takes that, SIPp gives the call up.
        ("children=2", "children=1".to_owned()),
        ("!GATEWAY!http://127.0.0.1:9470!", format!("!GATEWAY!http://{API}!")),
        ("listen=udp:127.0.0.1:5060", format!("listen=udp:{v4}:{SIP_PORT}\nlisten=udp:[{v6}]:{SIP_PORT}")),
        ("$du = \"sip:127.0.0.1:5080\";", desks),
        (
            "modparam(\"rr\",",
            format!("modparam(\"tm\", \"fr_inv_timer\", {RING_MILLISECONDS})\nmodparam(\"rr\","),
        ),
    ] {
        ensure!(text.matches(from).count() == 1, "the example has no single {from}");
        text = text.replace(from, &to);
    }
    Ok(text)
}

/// An address and port as `proc_net(5)` shows them: words of the address in the machine's order, in hexadecimal.
fn kernel_name(address: &IpAddr, port: u16) -> String {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let words = octets.chunks(4).flat_map(|word| word.iter().rev());
    let digits: Vec<String> = words.map(|octet| format!("{octet:02X}")).collect();
    format!("{}:{port:04X}", digits.concat())
}
