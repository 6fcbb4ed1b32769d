//! Zones that unbound serves, signed by ldns, and certificates, made by openssl.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Signs everything; below it, `unsigned.example` is not signed.
const ROOT: &str = "$ORIGIN .\n\
     . 3600 IN SOA ns.gov.example. root.gov.example. 1 3600 600 86400 120\n\
     . 3600 IN NS ns.gov.example.\n\
     ns.gov.example. 3600 IN A 203.0.113.53\n\
     signed.example. 300 IN A 203.0.113.1\n\
     www.example. 300 IN CNAME signed.example.\n\
     half.example. 300 IN CNAME host.unsigned.example.\n\
     forged.example. 300 IN A 203.0.113.2\n\
     unsigned.example. 3600 IN NS ns.gov.example.\n";

const UNSIGNED: &str = "$ORIGIN unsigned.example.\n\
     @ 3600 IN SOA ns.gov.example. root.gov.example. 1 3600 600 86400 120\n\
     @ 3600 IN NS ns.gov.example.\n\
     host 300 IN A 203.0.113.3\n";

/// The plain zone `gov.example`, in the file `zone`.
pub(super) fn write_plain(directory: &Path) -> Result<(), Box<dyn Error>> {
    let mut zone = "$ORIGIN gov.example.\n\
         @ 3600 IN SOA ns.gov.example. root.gov.example. 1 3600 600 86400 120\n\
         @ 3600 IN NS ns.gov.example.\n\
         ns 3600 IN A 203.0.113.53\n\
         moh 300 IN A 203.0.113.1\n\
         moh 300 IN AAAA 2001:db8::1\n\
         moh 90 IN HTTPS 1 . alpn=h2 ipv4hint=203.0.113.9 ech=AEX+DQBBAAAgACAAAAA=\n\
         www 60 IN CNAME edge\n\
         edge 45 IN CNAME moh\n\
         only4 200 IN A 203.0.113.4\n"
        .to_owned();
    // 100 records do not fit into a datagram of 1232 octets: the answer is cut, and comes over TCP.
    for last in 1..=100 {
        writeln!(zone, "many 300 IN A 198.51.100.{last}")?;
    }
    Ok(fs::write(directory.join("zone"), zone)?)
}

/// The root, signed but for one record that was changed since, in the file `root`; `unsigned.example` in `unsigned`; and
/// the root's key in `anchor`. `false`: ldns is not installed.
pub(super) fn write_signed(directory: &Path) -> Result<bool, Box<dyn Error>> {
    let keygen = ["-a", "ECDSAP256SHA256", "-k", "."];
    let Some(key) = run(directory, "ldns-keygen", &keygen)? else { return Ok(false) };
    let key = key.trim();
    fs::write(directory.join("plain-root"), ROOT)?;
    fs::write(directory.join("unsigned"), UNSIGNED)?;
    let sign = ["-o", ".", "-f", "signed-root", "plain-root", key];
    if run(directory, "ldns-signzone", &sign)?.is_none() {
        return Ok(false);
    }
    let signed = fs::read_to_string(directory.join("signed-root"))?;
    let forged = signed.replace("203.0.113.2", "203.0.113.66");
    assert_ne!(signed, forged, "the record is there as it was written");
    fs::write(directory.join("root"), forged)?;
    fs::copy(directory.join(format!("{key}.key")), directory.join("anchor"))?;
    Ok(true)
}

/// A certificate for `dns.example` in `cert.pem`, which is its own authority, and its key in `key.pem`. `false`: openssl
/// is not installed.
pub(super) fn write_certificate(directory: &Path) -> Result<bool, Box<dyn Error>> {
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-subj",
        "/CN=dns.example",
        "-addext",
        "subjectAltName=DNS:dns.example",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    Ok(run(directory, "openssl", &arguments)?.is_some())
}

/// What a program says; `None`: it is not installed.
fn run(directory: &Path, program: &str, arguments: &[&str]) -> Result<Option<String>, Box<dyn Error>> {
    let output = match Command::new(program).args(arguments).current_dir(directory).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Some(String::from_utf8(output.stdout)?))
}
