//! What the commands that look at the world have in common: inventory, secrets, world, journal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use camino::Utf8PathBuf;
use tokio::task::JoinHandle;

use crate::{
    adapter::RealWorld,
    cli::{Global, OutputFormat},
    engine::{Run, STOPPED},
    error::{Failure, Kind, Result},
    event::{Event, Events},
    inventory::{self, Desired, LoadOptions, Loaded, Overrides, Pins},
    journal::{
        Journal, Record, RunState, StateLock,
        lock::state_folder,
        record::{JOURNAL_VERSION, SiteIdentity},
    },
    render, trace,
};

/// An open session.
pub(super) struct Session {
    pub run: Arc<Run<RealWorld>>,
    renderer: JoinHandle<Result<()>>,
    deadline_over: Arc<AtomicBool>,
    _lock: Option<StateLock>,
}

/// Whether the command may change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Look,
    Change { new_host: bool },
}

/// What to read, and what wins over it.
pub(super) fn options(global: &Global, pins: Pins) -> Result<LoadOptions> {
    Ok(LoadOptions {
        path: global.config.clone(),
        // An empty HOMELAB_LOCK says nothing.
        lock: global.lock.clone().filter(|path| path != ""),
        overrides: Overrides::from_environment()?,
        pins,
    })
}

/// Reads the inventory; its warnings go to stderr.
pub(super) fn load(global: &Global, pins: Pins) -> Result<Desired> {
    Ok(load_whole(global, pins)?.desired)
}

/// The same with what it was read from.
pub(super) fn load_whole(global: &Global, pins: Pins) -> Result<Loaded> {
    let options = options(global, pins)?;
    let loaded = inventory::load(&options)?;
    if !global.quiet {
        for warning in &loaded.warnings {
            render::output::say(render::fault(warning));
        }
    }
    Ok(loaded)
}

impl Session {
    /// Opens the world of an inventory.
    pub(super) async fn open(global: &Global, purpose: Purpose, pins: Pins) -> Result<Self> {
        Self::of(global, purpose, load(global, pins)?).await
    }

    /// Opens the world of an inventory that was read already.
    pub(super) async fn of(global: &Global, purpose: Purpose, desired: Desired) -> Result<Self> {
        let folder = state_folder(&desired.cluster)?;
        let (lock, journal, memory) = match purpose {
            Purpose::Look => (None, None, remembered(&folder, &desired)?),
            Purpose::Change { new_host } => {
                let lock = StateLock::take(&folder)?;
                let journal = open_journal(&folder, &desired, new_host)?;
                let memory = journal.state().clone();
                (Some(lock), Some(journal), memory)
            }
        };
        // A command that only looks prints one document on stdout: its talk goes to stderr.
        let streams = purpose != Purpose::Look;
        let mode = render::Mode::of(global, streams);
        let (events, receiver) = Events::channel();
        let world = RealWorld::new(&desired, &events).await?;
        let renderer = tokio::spawn(render::show(mode, receiver));
        let run = Run::new(world, desired, events, journal, memory);
        Ok(Self { run, renderer, deadline_over: Arc::default(), _lock: lock })
    }

    /// Opens it for a look whose end is awaited, and says so where somebody watches.
    pub(super) async fn look(global: &Global, pins: Pins) -> Result<Self> {
        Self::look_at(global, load(global, pins)?).await
    }

    /// The same for an inventory that was read already.
    pub(super) async fn look_at(global: &Global, desired: Desired) -> Result<Self> {
        let session = Self::of(global, Purpose::Look, desired).await?;
        if trace::is_recording() {
            // A look may end at any moment; its record is to tell what it was waiting for.
            tokio::spawn(async {
                interrupted().await;
                let _ = trace::end();
                std::process::exit(i32::from(Kind::Interrupted.exit_code()));
            });
        }
        let cluster = session.run.desired.cluster.clone();
        session.run.events.send(Event::Looking { cluster });
        Ok(session)
    }

    /// Ends connections and lets the renderer print what it still has. Events that stdout did not take
    /// fail what went well otherwise.
    pub(super) async fn close<T>(self, outcome: Result<T>) -> Result<T> {
        self.run.close().await;
        let Self { run, renderer, _lock, .. } = self;
        run.events.send(Event::Closed);
        // A renderer that hangs (a full pipe) must not hold the process.
        let shown = tokio::time::timeout(Duration::from_secs(5), renderer).await;
        let value = outcome?;
        if let Ok(Ok(shown)) = shown {
            shown?;
        }
        Ok(value)
    }

    /// Clears the screen of what moves, for a text or a question; returns when it is clear.
    pub(super) async fn pause_rendering(&self) {
        let cleared = Arc::new(tokio::sync::Notify::new());
        self.run.events.send(Event::Pause(cleared.clone()));
        // A renderer that hangs must not hold the question back for ever.
        let _ = tokio::time::timeout(Duration::from_secs(1), cleared.notified()).await;
    }

    /// Lets the first Ctrl-C, a termination signal, the end of the terminal or the deadline stop the run where it can be taken up
    /// again, and the second end the process.
    pub(super) fn stop_on_request(&self, deadline: Option<Duration>) {
        let run = self.run.clone();
        let deadline_over = self.deadline_over.clone();
        tokio::spawn(async move {
            let limit = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = interrupted() => run.events.send(Event::Interrupted),
                // A terminal that is closed sends it twice, and so it is never the second request.
                () = hung_up() => run.events.send(Event::Interrupted),
                () = limit => {
                    deadline_over.store(true, Ordering::Relaxed);
                    run.events.send(Event::Warning {
                        step: None,
                        text: "the time given with --timeout is over".into(),
                    });
                }
            }
            run.stop.cancel();
            interrupted().await;
            let _ = trace::end();
            std::process::exit(i32::from(Kind::Interrupted.exit_code()));
        });
    }

    /// A stop is told by what asked for it: a person, or the time given with `--timeout`.
    pub(super) fn by_cause<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|failure| {
            if failure.kind != Kind::Interrupted || !self.deadline_over.load(Ordering::Relaxed) {
                return failure;
            }
            let message = over(&failure.message);
            Failure { kind: Kind::Deadline, message, ..failure }
        })
    }
}

/// A stop's message, of the run's deadline: what was under way stays in it.
fn over(stopped: &str) -> String {
    let under_way = stopped.strip_prefix(STOPPED).unwrap_or_default();
    format!("the time given with --timeout was over before everything was done{under_way}")
}

/// The terminal, or the SSH session that it came with, is gone; never where `nohup` asked to go on without it.
async fn hung_up() {
    use tokio::signal::unix::{SignalKind, signal};
    let ignored =
        fs_err::read_to_string("/proc/self/status").is_ok_and(|told| ignores_hangup(&told));
    if !ignored && let Ok(mut hangup) = signal(SignalKind::hangup()) {
        hangup.recv().await;
        return;
    }
    std::future::pending().await
}

/// Whether signal 1 is in the set of those that a process ignores, as its `/proc/PID/status` tells it.
fn ignores_hangup(status: &str) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set & 1 == 1)
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn remembered(folder: &Utf8PathBuf, desired: &Desired) -> Result<RunState> {
    let state = Journal::read(folder)?;
    let same = state.cluster.is_none_or(|cluster| cluster == desired.id);
    // Another cluster's ids must not steer this one, not even a look at it.
    Ok(if same { state } else { RunState::default() })
}

/// Why a journal must not be gone on with. One that remembers nothing stands in nobody's way: its run never
/// got as far as to make anything, as where the endpoint was mistyped.
fn of_another(known: &RunState, desired: &Desired) -> Option<Failure> {
    let cluster = known.cluster.filter(|cluster| *cluster != desired.id);
    let remembers_nothing =
        RunState { cluster: None, site: None, ..known.clone() } == RunState::default();
    match cluster {
        _ if remembers_nothing => None,
        Some(other) => Some(
            Failure::new(
                Kind::Refused,
                format!(
                    "the journal of `{}` belongs to cluster {other}, the inventory is of {}",
                    desired.cluster, desired.id
                ),
            )
            .hint("an id that was changed: put the old `cluster.id` back; two clusters of one name: give this one another `cluster.name`")
            .hint(
                "if the other one is gone for good: `homelab up --new-host` puts its journal aside",
            ),
        ),
        None if is_of_another_site(known, desired) => Some(
            Failure::new(
                Kind::Refused,
                format!(
                    "the journal of `{}` was written for Proxmox at {}, the inventory says {}",
                    desired.cluster,
                    known.site.as_ref().map(|site| site.endpoint.as_str()).unwrap_or_default(),
                    desired.proxmox.endpoint
                ),
            )
            .hint("if the host was reinstalled or renamed: `--new-host` puts the journal aside"),
        ),
        None => None,
    }
}

fn is_of_another_site(known: &RunState, desired: &Desired) -> bool {
    let other_site = |site: &SiteIdentity| site.endpoint != desired.proxmox.endpoint;
    known.cluster.is_some_and(|cluster| cluster != desired.id)
        || known.site.as_ref().is_some_and(other_site)
}

fn open_journal(folder: &Utf8PathBuf, desired: &Desired, new_host: bool) -> Result<Journal> {
    let known = Journal::read(folder)?;
    if let Some(failure) = of_another(&known, desired).filter(|_| !new_host) {
        return Err(failure.at(folder.join("journal.jsonl")));
    }
    if of_another(&known, desired).is_some() || is_of_another_site(&known, desired) {
        let archive = folder.join(format!("journal-{}.jsonl", crate::engine::run::run_name()));
        fs_err::rename(folder.join("journal.jsonl"), archive)?;
    }
    let (mut journal, damage) = Journal::open(folder)?;
    if !damage.unreadable.is_empty() {
        tracing::warn!(lines = ?damage.unreadable, "the journal has lines that cannot be read; going on from what the world shows");
    }
    if journal.state().cluster.is_none() {
        journal.append(&Record::Opened {
            version: JOURNAL_VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: desired.id,
            site: SiteIdentity { endpoint: desired.proxmox.endpoint.clone() },
        })?;
    }
    Ok(journal)
}

/// Whether stdout takes documents.
pub(super) fn wants_json(global: &Global) -> bool {
    global.output == OutputFormat::Json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_keeps_what_was_under_way() {
        assert_eq!(
            over("stopped on request; under way:\nsync/head"),
            "the time given with --timeout was over before everything was done; under way:\nsync/head"
        );
    }

    #[test]
    fn nohup_is_told_by_the_set_of_ignored_signals() {
        let status =
            |set: &str| format!("Name:\thomelab\nSigBlk:\t0000000000000001\nSigIgn:\t{set}\n");
        assert!(ignores_hangup(&status("0000000000001001")));
        assert!(!ignores_hangup(&status("0000000000001000")));
        assert!(!ignores_hangup(""));
    }
}
