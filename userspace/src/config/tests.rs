//! Whole files of settings.

use std::time::Duration;

use tollfree_core::settings::Tag;

use super::*;

const MINIMAL: &str = r#"
[gateway]
id = "lab-gw"

[[interface]]
name = "acc0"
role = "access"

[subscribers]
pools = ["10.20.0.0/16"]
"#;

/// Every setting, none with its default.
const FULL: &str = r#"
[gateway]
id = "lab-gw"
region = "north"
state_dir = "/srv/state"
run_dir = "/srv/run"
bpffs = "/srv/bpf"

[policy]
directory = "/srv/policies"

[[interface]]
name = "acc0"
role = "access"

[[interface]]
name = "core0"
role = "core"

[subscribers]
pools = ["10.20.0.0/16", "2001:db8:20::/48"]

[resolver]
servers = ["192.0.2.53", "[2001:db8::53]:5353", "tls://192.0.2.54#dns.example"]
tls_ca = "/srv/ca.pem"
timeout = "1500ms"
min_ttl = "10s"
max_ttl = "2h"
grace = "0s"
stale = "72h"
rate = 1000
dnssec = "required"
trust_anchor = "/srv/root.key"

[signalling]
proxies = ["198.51.100.10"]
domains = ["ims.example.vn"]
port = 5070

[tag.free]
dscp = 10
mark = 0x10

[tag.priority]
priority = 6

[identity]
file = "/srv/subscribers.csv"

[identity.radius]
listen = ["192.0.2.9:1813", "[2001:db8::9]:1646"]
session_timeout = "6h"

[[identity.radius_client]]
address = "192.0.2.64/26"
secret_file = "/srv/radius.secret"

[[identity.radius_client]]
address = "192.0.2.65"
secret_file = "/srv/pgw.secret"

[ledger]
interval = "1h"

[export.csv]
directory = "/srv/export"

[export.prometheus]
listen = "127.0.0.1:9469"

[audit]
domain = "audit.example.vn"
[limits]
counters = 2048
flows = 4096
"#;

/// As many faults as fit.
const FAULTY: &str = r#"
colour = "red"

[gateway]
id = "Lab"
state_dir = "state"
bpfs = "/sys/fs/bpf"

[[interface]]
name = "acc0"
role = "uplink"

[[interface]]
name = "acc0"

[[interface]]
name = "a/b"
role = "core"

[subscribers]
pools = ["10.20.0.1/16", "10.20.0.0/16", "10.20.30.0/24", "2001:db8::/80", "::ffff:10.0.0.0/104", "x"]

[resolver]
servers = ["dns.example", "0.0.0.0", 53, "tls://dns.example"]
timeout = "2 parsecs"
min_ttl = "2h"
grace = "1000h"
stale = "1000h"
rate = 9
dnssec = "maybe"
trust_anchor = "root.key"

[signalling]
proxies = []
port = 70000

[tag.free]
dscp = 64
mark = 0

[tag.gratis]
dscp = 10

[identity]
file = "subscribers.csv"
secret = "xyzzy5461"

[identity.radius]
listen = ["0.0.0.0:1813", "192.0.2.9"]
session_timeout = "1m"

[[identity.radius_client]]
address = "192.0.2.65/26"
secret_file = "radius.secret"

[[identity.radius_client]]
address = "192.0.2.66"
secret_file = "/srv/radius.secret"

[[identity.radius_client]]
address = "192.0.2.66/32"

[ledger]
interval = "0s"

[export.csv]

[export.prometheus]
listen = "127.0.0.1"

[limits]
counters = 1
flows = "many"
"#;

fn parse(text: &str) -> Result<Config, Diagnostics> {
    Config::parse("gateway.toml", text.as_bytes())
}

#[test]
fn what_is_left_out_has_its_documented_default() {
    let config = parse(MINIMAL).expect("the minimum is valid");
    assert_eq!(config.gateway.region, None);
    assert_eq!(config.gateway.state_dir, Path::new("/var/lib/tollfree"));
    assert_eq!(config.gateway.run_dir, Path::new("/run/tollfree"));
    assert_eq!(config.gateway.bpffs, Path::new("/sys/fs/bpf/tollfree"));
    assert_eq!(config.policy_directory, Path::new("/etc/tollfree/policies"));
    assert_eq!(config.resolver.servers, []);
    assert_eq!(config.resolver.timeout, Duration::from_secs(2));
    assert_eq!(config.resolver.min_ttl, Duration::from_secs(5));
    assert_eq!(config.resolver.max_ttl, Duration::from_hours(1));
    assert_eq!(config.resolver.grace, Duration::from_mins(5));
    assert_eq!(config.resolver.stale, Duration::from_hours(24));
    assert_eq!(config.resolver.rate, 500);
    assert_eq!(config.resolver.dnssec, Dnssec::Off);
    assert_eq!(config.resolver.trust_anchor, None);
    assert_eq!(config.resolver.tls_ca, Path::new("/etc/ssl/certs/ca-certificates.crt"));
    assert_eq!(config.signalling, SignallingConfig { proxies: vec![], domains: vec![], port: 5060 });
    assert_eq!(config.tags, [Tag::NONE; 3]);
    assert_eq!(config.identity, IdentityConfig { file: None, radius: None });
    assert_eq!(config.ledger.interval, Duration::from_mins(1));
    assert_eq!(config.export, ExportConfig::default());
    assert_eq!(config.limits, LimitsConfig::default());
}

#[test]
fn every_setting_arrives_where_it_belongs() {
    let config = parse(FULL).expect("the file is valid");
    let gateway = GatewayConfig {
        id: "lab-gw".into(),
        region: Some("north".into()),
        state_dir: "/srv/state".into(),
        run_dir: "/srv/run".into(),
        bpffs: "/srv/bpf".into(),
    };
    assert_eq!(config.gateway, gateway);
    assert_eq!(config.policy_directory, Path::new("/srv/policies"));
    let interface = |name: &str, role| InterfaceConfig { name: name.into(), role };
    assert_eq!(config.interfaces, [interface("acc0", Role::Access), interface("core0", Role::Core)]);
    let pools: Vec<_> = config.pools.iter().map(ToString::to_string).collect();
    assert_eq!(pools, ["10.20.0.0/16", "2001:db8:20::/48"]);
    let resolver = ResolverConfig {
        trusted: config.resolver.trusted.clone(),
        servers: vec![
            "192.0.2.53:53".parse::<SocketAddr>().expect("a socket").into(),
            "[2001:db8::53]:5353".parse::<SocketAddr>().expect("a socket").into(),
            NameServer {
                address: "192.0.2.54:853".parse().expect("a socket"),
                tls_name: Some("dns.example".into()),
            },
        ],
        tls_ca: "/srv/ca.pem".into(),
        timeout: Duration::from_millis(1500),
        min_ttl: Duration::from_secs(10),
        max_ttl: Duration::from_hours(2),
        grace: Duration::ZERO,
        stale: Duration::from_hours(72),
        rate: 1000,
        dnssec: Dnssec::Required,
        trust_anchor: Some("/srv/root.key".into()),
    };
    assert_eq!(config.resolver, resolver);
    let proxies = vec!["198.51.100.10".parse().expect("an address")];
    let domains = vec!["ims.example.vn".parse().expect("a domain name")];
    assert_eq!(config.signalling, SignallingConfig { proxies, domains, port: 5070 });
    let free = Tag { dscp: 10, mark: 16, priority: 0 };
    let priority = Tag { dscp: Tag::NO_DSCP, mark: 0, priority: 6 };
    assert_eq!(config.tags, [free, Tag::NONE, priority]);
    assert_eq!(config.identity, full_identity());
    assert_eq!(config.ledger.interval, Duration::from_hours(1));
    assert_eq!(config.export.csv_directory.as_deref(), Some(Path::new("/srv/export")));
    assert_eq!(config.export.prometheus_listen, "127.0.0.1:9469".parse().ok());
    assert_eq!(config.audit_domain, "audit.example.vn".parse().ok());
    assert_eq!(config.limits, LimitsConfig { counters: 2048, flows: 4096, ..LimitsConfig::default() });
}

fn full_identity() -> IdentityConfig {
    let client = |address: &str, secret_file: &str| RadiusClientConfig {
        address: address.parse().expect("a network"),
        secret_file: secret_file.into(),
    };
    let radius = RadiusConfig {
        listen: vec![
            "192.0.2.9:1813".parse().expect("a socket"),
            "[2001:db8::9]:1646".parse().expect("a socket"),
        ],
        session_timeout: Duration::from_hours(6),
        clients: vec![
            client("192.0.2.64/26", "/srv/radius.secret"),
            client("192.0.2.65/32", "/srv/pgw.secret"),
        ],
    };
    IdentityConfig { file: Some("/srv/subscribers.csv".into()), radius: Some(radius) }
}

#[test]
fn a_radius_listener_and_its_clients_need_each_other() {
    let listener = "[identity.radius]\nlisten = [\"192.0.2.9:1813\"]\n";
    let client = |index: usize| {
        format!(
            "[[identity.radius_client]]\naddress = \"10.0.{}.{}\"\nsecret_file = \"/s\"\n",
            index / 256,
            index % 256
        )
    };
    let listens = vec!["\"192.0.2.9:1813\""; 17].join(", ");
    let many = format!("[identity.radius]\nlisten = [{listens}]\n");
    let both = parse(&format!("{MINIMAL}{listener}{}", client(0))).expect("settings without fault");
    let radius = both.identity.radius.expect("a listener");
    assert_eq!(radius.session_timeout, Duration::from_hours(24));
    for (text, fault) in [
        (listener.to_owned(), "no client may send to this listener"),
        (client(0), "this client has nowhere to send to"),
        (format!("{listener}{}", (0..1025).map(client).collect::<String>()), "one client more than the 1024"),
        (format!("{many}{}", client(0)), "one address more than the 16"),
    ] {
        let shown = parse(&format!("{MINIMAL}{text}")).expect_err(fault).to_string();
        assert!(shown.contains(fault) && shown.matches("help:").count() == 1, "{shown}");
    }
}

#[test]
fn every_fault_is_told() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../tests/golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let shown = parse(FAULTY).expect_err("the file is faulty").to_string();
    settings.bind(|| insta::assert_snapshot!("config_faults", shown));
}

#[test]
fn what_must_be_there_is_missed() {
    let shown = parse("").expect_err("the file is empty").to_string();
    for fault in
        ["the table [gateway] is missing", "the table [subscribers] is missing", "no interface is configured"]
    {
        assert!(shown.contains(&format!("gateway.toml:1:1: {fault}")), "{shown}");
    }
    let shown = parse(&MINIMAL.replace("[\"10.20.0.0/16\"]", "[]")).expect_err("no pool").to_string();
    assert!(shown.starts_with("gateway.toml:10:9: []: the list is empty"), "{shown}");
    let interfaces = "[[interface]]\nname = \"acc0\"\nrole = \"access\"\n";
    let shown =
        parse(&format!("interface = []\n{}", MINIMAL.replace(interfaces, ""))).expect_err("none").to_string();
    assert!(shown.starts_with("gateway.toml:1:13: []: the list is empty"), "{shown}");
}

#[test]
fn every_key_of_the_minimum_is_missed() {
    let lines: Vec<_> = MINIMAL.lines().collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = ")) {
        let without = [&lines[..index], &lines[index + 1..]].concat().join("\n");
        assert!(parse(&without).is_err_and(|faults| faults.as_slice().len() == 1), "without {line}");
    }
}

#[test]
fn counted_limits_are_exact() {
    let interfaces = |count: usize| {
        let each = |index| format!("[[interface]]\nname = \"eth{index}\"\nrole = \"core\"\n");
        format!("{MINIMAL}{}", (1..count).map(each).collect::<String>())
    };
    assert!(parse(&interfaces(32)).is_ok());
    assert!(parse(&interfaces(33)).expect_err("33").to_string().contains("one interface more than the 32"));
    let pools = |count: usize| {
        let each = |index| format!("\"10.{}.{}.0/24\"", index / 256, index % 256);
        MINIMAL.replace("\"10.20.0.0/16\"", &(0..count).map(each).collect::<Vec<_>>().join(", "))
    };
    assert!(parse(&pools(1024)).is_ok());
    assert!(parse(&pools(1025)).expect_err("1025").to_string().contains("one pool more than the 1024"));
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    let path = directory.path().join("gateway.toml");
    let shown = Config::load(&path).expect_err("there is no file").to_string();
    assert!(shown.starts_with(&format!("{}:1:1: cannot be read", path.display())), "{shown}");
    std::fs::write(&path, FULL).expect("the file is written");
    assert!(Config::load(&path).is_ok());
}

proptest::proptest! {
    #[test]
    fn any_octets_are_refused_without_a_panic(octets: Vec<u8>) {
        proptest::prop_assert!(Config::parse("x", &octets).is_err());
    }

    /// Cuts and changes a valid file anywhere, so that the inner parsers are reached.
    #[test]
    fn a_damaged_file_is_read_or_refused_without_a_panic(
        at in 0..FULL.len(),
        text in "\\PC{0,8}",
        cut in 0..20_usize,
    ) {
        let mut octets = FULL.as_bytes().to_vec();
        octets.splice(at..(at + cut).min(FULL.len()), text.bytes());
        if let Err(faults) = Config::parse("x", &octets) {
            let lines = octets.split(|&octet| octet == b'\n').count();
            proptest::prop_assert!(faults.as_slice().iter().all(|fault| (1..=lines).contains(&fault.line)));
            proptest::prop_assert!(!faults.as_slice().is_empty());
        }
    }
}

#[test]
fn ends_of_tunnels_are_read_and_kept_apart_from_subscribers() {
    let transport = "[[transport]]\ntype = \"gtpu\"\nendpoints = [\"192.0.2.100\", \"2001:db8:e::/64\"]\n\
                     [[transport]]\ntype = \"ipip\"\nendpoints = [\"192.0.2.100\"]\n";
    let config = parse(&format!("{MINIMAL}\n{transport}")).expect("settings without fault");
    let kinds: Vec<_> = config.transports.iter().map(|(net, kinds)| (net.to_string(), *kinds)).collect();
    // TunnelKind's permanent numbers: GTP-U is 0, IP in IP 1.
    assert_eq!(kinds, [("192.0.2.100/32".to_owned(), 0b11), ("2001:db8:e::/64".to_owned(), 0b01)]);
    for (text, fault) in [
        ("type = \"l2tp\"\nendpoints = [\"192.0.2.1\"]", "\"l2tp\": this kind of tunnel is not known"),
        ("type = \"gre\"\nendpoints = [\"192.0.2.1/24\"]", "\"192.0.2.1/24\": this is not an end of tunnels"),
        ("type = \"gre\"\nendpoints = [\"10.20.0.9\"]", "subscribers have addresses of this end of tunnels"),
        ("type = \"gre\"\nendpoints = [\"10.0.0.0/8\"]", "subscribers have addresses of this end of tunnels"),
    ] {
        let faults = parse(&format!("{MINIMAL}\n[[transport]]\n{text}\n")).expect_err(text).to_string();
        assert!(faults.contains(fault), "{faults}");
    }
}
