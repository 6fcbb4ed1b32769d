//! The gateway at work, for people to watch: subscribers browse and call, a table shows what is free.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;

use crate::address::{self, FREE_SITE, Family, SITES, SUBSCRIBERS, Site};
use crate::gateway::{Gateway, HOTLINE_RULE, SITE_RULE, Snapshot};
use crate::interrupt;
use crate::laboratory::Laboratory;
use crate::network::Network;
use crate::phase::Phase;
use crate::report::{Report, write_json};
use crate::sip::is_media;
use crate::status::Counter;
use crate::topology::Crossing;
use crate::volume::{Usage, Volume};
use crate::wait;

/// The hotline that subscribers call.
const HOTLINE: &str = "19003228";
/// Between two tables.
const REFRESH: Duration = Duration::from_secs(1);
/// Clears the screen and goes to its top (ECMA-48: CUP, ED).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// What a capture says of one subscriber and one site.
#[derive(Clone, Debug, Serialize)]
pub struct Expected {
    /// As Tollfree names the subscriber.
    pub subscriber: String,
    /// The site's domain name, or `hotline` for a free call's media.
    pub site: String,
    /// The rule that makes it free; absent if it is charged.
    pub rule_id: Option<String>,
    /// In volume, into the gateway.
    pub captured: Usage,
}

/// Shows the gateway at work once, or until a signal; then writes the final state to `json`.
///
/// Returns whether free bytes equal the captures and everything reconciles. Without `once`, nothing is captured
/// (it may go on for days), and only the reconciliation counts.
///
/// # Errors
/// If the lab cannot be made, or something in it ended that should not.
pub fn run(binary: &Path, once: bool, json: Option<&Path>) -> Result<bool> {
    let mut lab = Laboratory::start(binary, Crossing::Routed).context("cannot make the lab")?;
    let (snapshot, captures, report) = if once { measured(&mut lab)? } else { watched(&mut lab)? };
    if let Some(path) = json {
        let mut content = snapshot.json.clone();
        content["captures"] = serde_json::to_value(&captures)?;
        write_json(path, &content)?;
    }
    print!("{}", table(&snapshot));
    println!("\n{report}");
    Ok(report.passed)
}

type Outcome = (Snapshot, Option<Vec<Expected>>, Report);

fn measured(lab: &mut Laboratory) -> Result<Outcome> {
    let phase = lab.measure("run", |lab| round(&lab.network))?;
    let captures = expectations(&phase);
    let mut report = Report::new("run");
    for expected in captures.iter().filter(|expected| expected.captured != Usage::default()) {
        let name = format!("{} {}", expected.subscriber, expected.site);
        // What is charged has no rule: it is one sum a subscriber, compared below.
        if let Some(rule) = &expected.rule_id {
            let is_this = |counter: &Counter| counter.is_of(&expected.subscriber) && counter.is_free_by(rule);
            report.check(format!("free {name}"), expected.captured.total(), phase.counted(is_this).total());
        }
    }
    for (index, family) in everyone() {
        let free = captures.iter().filter(|one| one.rule_id.is_some());
        let name = address::subscriber_name(index, family);
        let free: Usage = free.filter(|one| one.subscriber == name).map(|one| one.captured).sum();
        let all = phase.captured_of(index, family, |_| true);
        let charged = phase.counted_of(index, family, |counter| counter.bucket == "charged");
        report.check(format!("charged {name}"), (all - free).total(), charged.total());
    }
    check_reconciliation(&mut report, &phase.after);
    Ok((phase.after, Some(captures), report))
}

/// Traffic on one thread, tables on this one, until a signal.
fn watched(lab: &mut Laboratory) -> Result<Outcome> {
    let stop = AtomicBool::new(false);
    let (gateway, network) = (&mut lab.gateway, &lab.network);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| drive(network, &stop));
        let watched = watch(gateway, || traffic.is_finished());
        stop.store(true, Ordering::Relaxed);
        let driven = traffic.join().map_err(|_| anyhow!("the traffic's thread panicked"))?;
        watched.and(driven)
    })?;
    // The signal has done its work; the next one stops what follows.
    interrupt::take();
    let snapshot = lab.at_rest()?;
    let mut report = Report::new("run");
    check_reconciliation(&mut report, &snapshot);
    Ok((snapshot, None, report))
}

fn drive(network: &Network, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        unless_interrupted(round(network))?;
    }
    Ok(())
}

fn watch(gateway: &mut Gateway, over: impl Fn() -> bool) -> Result<()> {
    while !interrupt::requested() && !over() {
        let shown_at = Instant::now();
        unless_interrupted(show(gateway))?;
        let next = || Ok((shown_at.elapsed() >= REFRESH || interrupt::requested()).then_some(()));
        wait::until("the next table", REFRESH * 2, next)?;
    }
    Ok(())
}

/// What a signal stops in its middle has not failed.
fn unless_interrupted(result: Result<()>) -> Result<()> {
    if interrupt::requested() { Ok(()) } else { result }
}

fn show(gateway: &mut Gateway) -> Result<()> {
    gateway.expect_running()?;
    let table = table(&gateway.snapshot()?);
    print!("{CLEAR}{table}\nCtrl-C ends it.\n");
    std::io::stdout().flush().context("cannot write the table")
}

/// Every subscriber on every site over both IP versions, and a call to the hotline.
fn round(network: &Network) -> Result<()> {
    for index in 0..SUBSCRIBERS {
        for (site, family) in sites() {
            network.subscriber(index).browse(&site, family)?;
        }
    }
    network.callee.call(&network.topology, 0, HOTLINE)
}

fn sites() -> impl Iterator<Item = (Site, Family)> {
    SITES.into_iter().flat_map(|site| Family::ALL.map(|family| (site, family)))
}

fn everyone() -> impl Iterator<Item = (u8, Family)> {
    (0..SUBSCRIBERS).flat_map(|index| Family::ALL.map(|family| (index, family)))
}

/// What the captures say of every subscriber and site, and of calls.
fn expectations(phase: &Phase) -> Vec<Expected> {
    let mut expectations = Vec::new();
    for (index, family) in everyone() {
        let subscriber = address::subscriber_name(index, family);
        for site in SITES {
            let captured = phase.captured_of(index, family, |packet| {
                packet.has_ports() && (site.has(&packet.source) || site.has(&packet.destination))
            });
            let rule_id = (site == FREE_SITE).then(|| SITE_RULE.to_owned());
            expectations.push(Expected {
                subscriber: subscriber.clone(),
                site: site.name.to_owned(),
                rule_id,
                captured,
            });
        }
        let (site, rule_id) = ("hotline".to_owned(), Some(HOTLINE_RULE.to_owned()));
        let captured = phase.captured_of(index, family, is_media);
        expectations.push(Expected { subscriber, site, rule_id, captured });
    }
    expectations
}

fn check_reconciliation(report: &mut Report, snapshot: &Snapshot) {
    let reconciliation = snapshot.status.reconciliation;
    report.check("buckets equal totals", Volume::default(), reconciliation.buckets());
    report.check("NIC equals totals", Volume::default(), reconciliation.nic());
}

/// Subscribers and rules, then the buckets.
fn table(snapshot: &Snapshot) -> String {
    let status = &snapshot.status;
    let mut text = format!("epoch {}, policy {}\n\n", status.epoch, status.policy_digest);
    let head = ["subscriber", "bucket", "reason", "rule", "uplink octets", "downlink octets"];
    text += &line(&head.map(str::to_owned));
    for counter in &status.counters {
        let usage = counter.usage();
        let numbers = [usage.uplink.octets, usage.downlink.octets].map(|octets| octets.to_string());
        let [uplink, downlink] = numbers;
        let names =
            [&counter.subscriber, &counter.bucket, &counter.reason, &counter.rule_id].map(Clone::clone);
        let [subscriber, bucket, reason, rule] = names;
        text += &line(&[subscriber, bucket, reason, rule, uplink, downlink]);
    }
    text.push('\n');
    for (bucket, volume) in &status.totals {
        let row = format!("{bucket:12} {:>14} octets {:>10} packets\n", volume.octets, volume.packets);
        text.push_str(&row);
    }
    text
}

fn line([subscriber, bucket, reason, rule, uplink, downlink]: &[String; 6]) -> String {
    format!("{subscriber:22} {bucket:12} {reason:18} {rule:14} {uplink:>14} {downlink:>15}\n")
}
