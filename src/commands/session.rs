//! What the commands that look at the world have in common: inventory, secrets, world, journal.

use std::{
    io::IsTerminal,
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
    engine::Run,
    error::{Failure, Kind, Result},
    event::{Event, Events},
    inventory::{self, Desired, LoadOptions, Overrides, Pins},
    journal::{
        Journal, Record, RunState, StateLock,
        lock::state_folder,
        record::{JOURNAL_VERSION, SiteIdentity},
    },
    render,
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
pub(super) fn options(global: &Global, pins: Pins) -> LoadOptions {
    LoadOptions {
        path: global.config.clone(),
        // An empty HOMELAB_LOCK says nothing.
        lock: global.lock.clone().filter(|path| path != ""),
        overrides: Overrides::from_environment(),
        pins,
    }
}

/// Reads the inventory; its warnings go to stderr.
pub(super) fn load(global: &Global, pins: Pins) -> Result<Desired> {
    let options = options(global, pins);
    let loaded = inventory::load(&options)?;
    if !global.quiet {
        for warning in &loaded.warnings {
            render::output::say(render::fault(warning));
        }
    }
    Ok(loaded.desired)
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

    /// Lets the first Ctrl-C, a termination signal or the deadline stop the run where it can be taken up
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
            std::process::exit(i32::from(Kind::Interrupted.exit_code()));
        });
    }

    /// A stop is told by what asked for it: a person, or the time given with `--timeout`.
    pub(super) fn by_cause<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|failure| {
            if failure.kind != Kind::Interrupted || !self.deadline_over.load(Ordering::Relaxed) {
                return failure;
            }
            let message = "the time given with --timeout was over before everything was done";
            Failure { kind: Kind::Deadline, message: message.to_owned(), ..failure }
        })
    }
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

fn open_journal(folder: &Utf8PathBuf, desired: &Desired, new_host: bool) -> Result<Journal> {
    let known = Journal::read(folder)?;
    let other_cluster = known.cluster.is_some_and(|cluster| cluster != desired.id);
    let other_site =
        known.site.as_ref().is_some_and(|site| site.endpoint != desired.proxmox.endpoint);
    if (other_cluster || other_site) && !new_host {
        let what = if other_cluster { "cluster id" } else { "Proxmox endpoint" };
        return Err(Failure::new(
            Kind::Refused,
            format!("the journal of `{}` was written for another {what}", desired.cluster),
        )
        .at(folder.join("journal.jsonl"))
        .hint(
            "if the host was reinstalled or renamed: `homelab up --new-host` archives the journal",
        ));
    }
    if other_cluster || other_site {
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

/// Asks on the terminal; without one, `--yes` is needed.
pub(super) fn confirm(question: &str) -> Result<()> {
    use std::io::BufRead;
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new(Kind::Usage, "nobody can be asked here: there is no terminal")
            .hint("give --yes: it is then done without a question"));
    }
    render::output::talk(format_args!("{question} [y/N] "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Kind::Interrupted, "not confirmed; nothing was changed"))
    }
}

/// Whether stdout takes documents.
pub(super) fn wants_json(global: &Global) -> bool {
    global.output == OutputFormat::Json
}
