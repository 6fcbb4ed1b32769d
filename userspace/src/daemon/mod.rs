//! `tollfree run`: the controller.
//!
//! One thread, the engine, owns what must change in order: the kernel's counters and plans, the ledger, the audit
//! log. It is told of new policies, new addresses, ended calls and requests for status through one channel. Calls are
//! followed on a thread of their own, because a grant must not wait for accounting.

mod accounting;
mod activation;
mod addresses;
mod alarm;
mod calls;
mod copies;
mod coverage;
mod engine;
mod error;
mod evidence;
mod holders;
mod lock;
mod losses;
mod plan_names;
mod rollback;
mod shares;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch as watched};
use tollfree_core::plan::Local;

pub use error::{RunError, dataplane_exit};
pub(crate) use lock::Lock;
pub use lock::check_not_running;

use crate::api::{self, ApiSources, CallRequest};
use crate::audit::Log;
use crate::book::{AddressBook, SavedAnswers};
use crate::boot::boot_id;
use crate::config::Config;
use crate::daemon::engine::{Command, Engine, Parts};
use crate::daemon::holders::{Holders, Radius};
use crate::daemon::plan_names::PlanNames;
use crate::daemon::rollback::Rollback;
use crate::dataplane::{Dataplane, local_prefixes, preflight};
use crate::ledger::Ledger;
use crate::policy::{self, HotlineTable, PolicySet};
use crate::resolve::{self, Moment, NameTerms, Resolved, Resolver, ResolverSettings, Scheduler};
use crate::status::{CallsStatus, EvidenceStatus};

/// In the audit log's name where no domain is configured. Reason: nobody can have it (RFC 2606).
const AUDIT_DOMAIN: &str = "tollfree.invalid";
/// Requests that may wait for the engine. Reason: status callers and events of a second.
const COMMANDS_MAX: usize = 1024;
/// How long the engine may take to close its books at the end.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the controller until it is told to end by `SIGTERM` or `SIGINT`. The data plane goes on after it.
///
/// # Errors
/// [`RunError`]; nothing is half applied.
pub fn run(config_path: &Path) -> Result<(), RunError> {
    let config = Config::load(config_path)?;
    preflight(&config)?;
    let _lock = Lock::take(&config.gateway.run_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .map_err(RunError::runtime)?;
    runtime.block_on(run_async(config))
}

/// What calls and the engine share.
#[derive(Debug, Default)]
struct Shared {
    /// Numbers that are free to call now.
    hotlines: ArcSwap<HotlineTable>,
    /// What the call follower says of itself.
    calls: ArcSwap<CallsStatus>,
    /// What the plan in force says of names.
    names: ArcSwap<PlanNames>,
    /// What passing packets told.
    evidence: ArcSwap<EvidenceStatus>,
}

async fn run_async(config: Config) -> Result<(), RunError> {
    let config = Arc::new(config);
    let shared = Arc::new(Shared::default());
    let ledger = Ledger::open(&config.gateway.state_dir.join("ledger.sqlite"))?;
    let log = open_log(&config)?;
    let loaded = policy::load(&config.policy_directory);
    let saved = ledger.saved_answers()?;
    let names = loaded.as_ref().map(activation::names).unwrap_or_default();
    let settings = resolver_settings(&config)?;
    let resolver = if settings.servers.is_empty() { None } else { Some(Resolver::new(&settings)?) };
    probe(resolver.as_ref(), &names, &saved).await?;
    // Saved addresses hold from the first plan on: a restart must not charge for what was free before it.
    let now = Moment::now();
    let mut scheduler =
        Scheduler::new(&settings, saved.iter().filter_map(SavedAnswers::of_resolver).collect());
    scheduler.set_names(&names, now);
    let from_before = Arc::new(scheduler.resolved(now.monotonic));
    let book = Arc::new(Mutex::new(restored_book(&settings, &saved, &names, &ledger, now)?));
    addresses::open(&book).take_resolved(&from_before, now);
    let (answer_sender, answers) = watched::channel(from_before);
    let (names_sender, names) = watched::channel(names);
    let dataplane = Dataplane::open(&config)?;
    let is_running = dataplane.control().epoch() != 0;
    let rollback = Rollback::new(&config.gateway.bpffs, is_running);
    let policy = first_policy(loaded, is_running, &config, &ledger, &dataplane)?;
    let (stop_sender, stop) = watched::channel(false);
    if let Some(resolver) = resolver {
        let stopped = async move { drop(stop.clone().wait_for(|stopped| *stopped).await) };
        tokio::spawn(resolve::run(Arc::new(resolver), scheduler, names, answer_sender, stopped));
    }
    let (commands, inbox) = std::sync::mpsc::sync_channel(COMMANDS_MAX);
    let boot_id = boot_id().map_err(RunError::runtime)?;
    let (journal, earlier) = holders::open_journal(&config, &boot_id);
    let radius = Radius::bind(&config.identity, &journal).await?;
    let holders = Holders::load(&config, radius.as_ref().map(Radius::counters), journal, earlier)?;
    let parts = Parts {
        holders,
        config: Arc::clone(&config),
        boot_id,
        shared: Arc::clone(&shared),
        dataplane,
        ledger,
        log,
        names: names_sender,
        resolved: answers.clone(),
        book,
    };
    // What can fail is done before a packet is touched; requests wait until the engine takes them.
    let (status_source, status_requests) = mpsc::channel(COMMANDS_MAX);
    let (call_source, call_requests) = mpsc::channel(COMMANDS_MAX);
    let numbers = Arc::clone(&shared);
    let sources = ApiSources { numbers: Arc::new(move || numbers.hotlines.load_full()), calls: call_source };
    if let Some(address) = config.api.listen {
        tokio::spawn(api::serve_api(address, config.api.token_file.as_deref(), &sources).await?);
    }
    let socket = api::socket_path(&config.gateway.run_dir);
    tokio::spawn(api::serve_socket(&socket, status_source.clone(), Some(&sources))?);
    if let Some(address) = config.export.prometheus_listen {
        tokio::spawn(api::serve_metrics(address, status_source).await?);
    }
    let watcher = watch::Watcher::start(&config.policy_directory, commands.clone())?;
    let mut engine = Engine::start(parts, policy)?;
    let follower = calls::Follower::start(&mut engine, &config, &shared, commands.clone())?;
    rollback.keep();
    tokio::spawn(forward_status(status_requests, commands.clone()));
    tokio::spawn(forward_calls(call_requests, follower.inputs()));
    tokio::spawn(forward_addresses(answers, commands.clone()));
    if let Some(radius) = radius {
        radius.listen(commands.clone());
    }
    let engine = std::thread::spawn(move || engine.run(&inbox));
    tracing::info!(gateway = config.gateway.id, "running");
    // Nobody may be listening, as outside systemd.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    wait_for_end(&watcher).await?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    let _ = stop_sender.send(true);
    drop(watcher);
    follower.stop();
    let _ = tokio::task::spawn_blocking(move || commands.send(Command::End)).await;
    let ended = tokio::task::spawn_blocking(move || engine.join());
    match tokio::time::timeout(END_TIMEOUT, ended).await {
        Ok(Ok(Ok(()))) => Ok(()),
        _ => Err(RunError::NotEnded),
    }
}

/// How names are resolved here: to no address of a subscriber, of a tunnel's end or of this gateway.
fn resolver_settings(config: &Config) -> Result<ResolverSettings, RunError> {
    let ends = config.transports.keys().map(|end| (end, &Local::Subscriber));
    let own = local_prefixes(&config.pools)?;
    Ok(ResolverSettings::new(&config.resolver, own.iter().chain(ends)))
}

/// The address book as it was before a restart, but for what is not trusted now.
fn restored_book(
    settings: &ResolverSettings,
    saved: &[SavedAnswers],
    names: &BTreeMap<String, NameTerms>,
    ledger: &Ledger,
    now: Moment,
) -> Result<AddressBook, RunError> {
    let mut book = AddressBook::new(settings);
    let dnssec = |name: &str| names.get(name).map_or(settings.dnssec, |terms| terms.dnssec(settings.dnssec));
    book.restore(saved, dnssec, now);
    book.restore_sharing(&ledger.shared_addresses()?, now);
    Ok(book)
}

/// Asks whether any resolver answers. Where every name is known from before, a start does not wait for that.
async fn probe(
    resolver: Option<&Resolver>,
    names: &BTreeMap<String, NameTerms>,
    saved: &[SavedAnswers],
) -> Result<(), RunError> {
    let Some(resolver) = resolver else { return Ok(()) };
    if names.keys().any(|name| saved.iter().all(|saved| saved.name != *name)) {
        return Ok(resolver.probe().await?);
    }
    let resolver = resolver.clone();
    tokio::spawn(async move {
        if let Err(error) = resolver.probe().await {
            tracing::warn!("going on with the addresses from before: {error}");
        }
    });
    Ok(())
}

/// Returns on `SIGTERM` or `SIGINT`; reads the policies again on `SIGHUP`.
async fn wait_for_end(watcher: &watch::Watcher) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::runtime)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(RunError::runtime)?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => watcher.reload(),
        }
    }
}

fn open_log(config: &Config) -> Result<Log, RunError> {
    let state = &config.gateway.state_dir;
    let domain = config.audit_domain.as_ref().map_or(AUDIT_DOMAIN, |domain| domain.as_str());
    let origin = format!("{domain}/{}", config.gateway.id);
    Ok(Log::open(&state.join("audit"), &state.join("audit.key"), &origin)?)
}

/// The policy to begin with: the directory's, or, where that is faulty and the kernel has an earlier one in force, the
/// copy of that one which the audit log keeps.
fn first_policy(
    loaded: Result<PolicySet, crate::diagnostic::Diagnostics>,
    is_running: bool,
    config: &Config,
    ledger: &Ledger,
    dataplane: &Dataplane,
) -> Result<FirstPolicy, RunError> {
    let faults = match loaded {
        Ok(policy) => return Ok(FirstPolicy { policy, faults: None }),
        Err(faults) if !is_running => return Err(RunError::Policy(faults)),
        Err(faults) => faults,
    };
    let Some(digest) = ledger.policy_digest(dataplane.control().epoch())? else {
        return Err(RunError::Policy(faults));
    };
    let kept = config.gateway.state_dir.join("audit/policies").join(digest);
    match policy::load(&kept) {
        Ok(policy) => {
            tracing::error!("the policy directory is faulty; going on with the policy in force\n{faults}");
            Ok(FirstPolicy { policy, faults: Some(faults) })
        }
        Err(_) => Err(RunError::Policy(faults)),
    }
}

/// What the engine starts with.
struct FirstPolicy {
    policy: PolicySet,
    /// Faults of the directory, where `policy` is an earlier one.
    faults: Option<crate::diagnostic::Diagnostics>,
}

async fn forward_status(
    mut requests: mpsc::Receiver<tokio::sync::oneshot::Sender<Result<crate::status::Status, String>>>,
    commands: std::sync::mpsc::SyncSender<Command>,
) {
    while let Some(reply) = requests.recv().await {
        let commands = commands.clone();
        // The channel may be full: then the request waits on a thread that may.
        let sent = tokio::task::spawn_blocking(move || commands.send(Command::Status(reply))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

async fn forward_calls(
    mut requests: mpsc::Receiver<CallRequest>,
    inputs: std::sync::mpsc::SyncSender<calls::Input>,
) {
    while let Some(request) = requests.recv().await {
        let inputs = inputs.clone();
        // The channel may be full: then the request waits on a thread that may.
        let sent = tokio::task::spawn_blocking(move || inputs.send(calls::Input::Request(request))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

async fn forward_addresses(
    mut resolved: watched::Receiver<Arc<Resolved>>,
    commands: std::sync::mpsc::SyncSender<Command>,
) {
    while resolved.changed().await.is_ok() {
        let commands = commands.clone();
        let sent = tokio::task::spawn_blocking(move || commands.send(Command::Addresses)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// What a rule's permanent number stands for.
type RuleNames = BTreeMap<u32, crate::status::RuleName>;
