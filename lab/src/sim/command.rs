//! `homelab-lab sim`: a command in a simulated world of its own.

use std::{
    collections::BTreeSet,
    error::Error,
    io::Write as _,
    os::unix::process::ExitStatusExt,
    process::{ExitCode, ExitStatus},
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use rustix::process::{Pid, Signal};
use tokio::{
    signal::unix::{self, SignalKind},
    sync::mpsc,
};

use super::{
    answers::Guests,
    claim::Claim,
    furnishing::{OUTER, furnish, surroundings},
    own::{Own, Terrain, terrain},
    rehearsal::{
        player::{Death, Player},
        report::{Report, Run},
        script,
    },
    world::{Options, World},
};
use crate::print;

/// What a simulated world is to be like, and what runs in it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  homelab-lab sim -- homelab up --yes
  homelab-lab sim --agents 9 --boot 5 -- sh -c 'homelab up --yes && homelab verify'
  homelab-lab sim --agents 299 --in-process -- homelab up --yes
  homelab-lab sim --folder /tmp/rehearsal -- bash    (the inventory is /tmp/rehearsal/homelab.yaml)
  homelab-lab sim --faults docs/rehearsal.yaml --report report.md -- homelab up --yes
  homelab-lab sim --gitops -- sh -c 'homelab gitops init tree && cd tree && git init -b main && git add --all &&
    git commit -m all && git push $HOMELAB_LAB_GIT_URL main && homelab up --yes'
  homelab-lab sim --inventory inventory/one-node.yaml -- homelab up --yes
  homelab-lab sim --inventory homelab.yaml --changed new.yaml -- sh -c 'homelab up --yes &&
    homelab --config $HOMELAB_CHANGED plan && homelab --config $HOMELAB_CHANGED up --yes'

The command finds the inventory by HOMELAB_CONFIG, and the world's secrets where the inventory says.")]
pub struct Arguments {
    /// Agents beside the one server.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=999))]
    agents: u32,
    /// Guests answer homelab's own scripts in this program, without a shell: for worlds of hundreds of them.
    /// Anything else that is run on a guest is refused.
    #[arg(long)]
    in_process: bool,
    /// Seconds from the start of a guest until its sshd answers.
    #[arg(long, default_value_t = 0.0, value_parser = seconds)]
    boot: f64,
    /// How much of a real Proxmox server's delays pass: 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pace: f64,
    /// Worlds with other numbers, 0 to 190, stand side by side.
    #[arg(long, default_value_t = 190, value_parser = clap::value_parser!(u8).range(0..=190))]
    network: u8,
    /// With a Git host, Flux, Longhorn and a bucket: the inventory has them, and HOMELAB_LAB_GIT_URL takes a push.
    #[arg(long)]
    gitops: bool,
    /// Your own inventory in place of the world's: its nodes with all that it says of them, at the world's addresses,
    /// without your secrets. What this world has nothing for is left out, and told.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["agents", "gitops"])]
    inventory: Option<Utf8PathBuf>,
    /// The same inventory as it is to be: HOMELAB_CHANGED names it.
    #[arg(long, value_name = "FILE", requires = "inventory")]
    changed: Option<Utf8PathBuf>,
    /// Where the world's files are kept; it must be empty. A temporary folder unless said.
    #[arg(long)]
    folder: Option<Utf8PathBuf>,
    /// What goes wrong, and where (docs/rehearsal.md).
    #[arg(long, value_name = "FILE")]
    faults: Option<Utf8PathBuf>,
    /// Writes down what happened, as Markdown; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    report: Option<Utf8PathBuf>,
    /// The command and its words.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    Ok(seconds)
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("it is not between 0 and 1".into()) }
}

/// What a rehearsal ends with that could not be played: no program of ours does, and shells neither.
pub const NOT_PLAYED: u8 = 125;

/// How long what was asked to end may take for it.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// A command that a script killed and that begins anew comes to its end at some time.
const MOST_RUNS: usize = 50;

/// Makes a world, runs the command in it to its end, and ends the world; the exit code is the command's.
///
/// # Errors
/// When the script of faults can't be played, the world can't be made, or the command not be started.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn Error>> {
    // Before anything is made.
    let faults = arguments.faults.as_deref().map(script::read).transpose()?.unwrap_or_default();
    let owns: Vec<Own> = [&arguments.inventory, &arguments.changed]
        .into_iter()
        .flatten()
        .map(|path| Own::read(path))
        .collect::<Result<_, _>>()?;
    let mut report = arguments.report.as_deref().map(Destination::open).transpose()?;
    let _claim = Claim::take(arguments.network)?;
    let temporary = tempfile::tempdir()?;
    let folder = match arguments.folder {
        // The command may go elsewhere.
        Some(folder) => camino::absolute_utf8(folder)?,
        None => Utf8PathBuf::try_from(temporary.path().to_owned())?,
    };
    fs_err::create_dir_all(&folder)?;
    if let Some(entry) = folder.read_dir_utf8()?.next() {
        return Err(format!("{folder} is not empty: it holds {}", entry?.file_name()).into());
    }
    let options = Options {
        agents: arguments.agents,
        network: arguments.network,
        pace: arguments.pace,
        boot: Duration::try_from_secs_f64(arguments.boot)?,
        gitops: arguments.gitops || owns.iter().any(Own::has_gitops),
        terrain: if owns.is_empty() { Terrain::default() } else { terrain(&owns) },
        guests: if arguments.in_process { Guests::InProcess } else { Guests::Real },
        ..Options::default()
    };
    let world = World::start(folder.join("world"), options).await?;
    let inventory = furnish(&world, &folder, &owns).await?;
    print::say(format_args!("a simulated world: its inventory is {inventory}"));
    let (player, mut deaths) = Player::new(faults);
    world.gate.set_warden(Some(player.clone()));
    let mut runs = Vec::new();
    let mut asked = Asked::new()?;
    loop {
        let run = once(&arguments.command, &world, &folder, &mut deaths, &mut asked).await?;
        runs.push(run);
        match run.code {
            Some(_) => break,
            None if runs.len() < MOST_RUNS => print::say(format_args!("killed; once more")),
            None => return Err(format!("the command was killed {MOST_RUNS} times").into()),
        }
    }
    world.gate.set_warden(None);
    for (fault, _) in player.outcomes().iter().filter(|(_, outcome)| outcome.acted.is_empty()) {
        print::say(format_args!("a fault that never came to act: {}", fault.name()));
    }
    if let Some(destination) = &mut report {
        let left = world.picture().await?;
        let (faults, asked) = (player.outcomes(), world.gate.log());
        let command = arguments.command.join(" ");
        let report = Report { command, runs: &runs, faults: &faults, asked: &asked, left: &left };
        destination.write(&report.markdown())?;
    }
    let code = runs.last().and_then(|run| run.code).and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Where a report goes.
enum Destination {
    Output,
    File(fs_err::File),
}

impl Destination {
    /// Opened before anything is done: what cannot be written is no report of what was.
    fn open(path: &Utf8Path) -> std::io::Result<Self> {
        match path.as_str() {
            "-" => Ok(Self::Output),
            // An earlier report stays until there is a new one.
            _ => fs_err::OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(false)
                .open(path)
                .map(Self::File),
        }
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        match self {
            Self::Output => print::text(text),
            Self::File(file) => {
                file.set_len(0)?;
                file.write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Runs the command to its end, or until the script wants it dead: then all that it started is, too. The world
/// stays as long as the command needs it: whoever wants to end this one asks the command to end.
async fn once(
    command: &[String],
    world: &World,
    folder: &Utf8Path,
    deaths: &mut mpsc::UnboundedReceiver<Death>,
    asked: &mut Asked,
) -> Result<Run, Box<dyn Error>> {
    let (program, words) = command.split_first().ok_or("no command")?;
    let begun = Instant::now();
    let mut prepared = tokio::process::Command::new(program);
    OUTER.iter().for_each(|variable| {
        prepared.env_remove(variable);
    });
    let mut child = prepared
        .args(words)
        .envs(surroundings(world, folder))
        .spawn()
        .map_err(|error| format!("cannot run `{program}`: {error}"))?;
    let mut told = BTreeSet::new();
    let code = loop {
        tokio::select! {
            ended = child.wait() => break Some(code(ended?)),
            death = deaths.recv() => {
                tree(child.id()).into_iter().for_each(|process| send(process, Signal::KILL));
                child.wait().await?;
                if let Some(death) = death {
                    death.notify_one();
                }
                break None;
            }
            signal = asked.next() => {
                let all = tree(child.id());
                // Who asks twice does not want to wait; and an interactive shell does not heed SIGTERM.
                let signal = if told.is_empty() { signal } else { Signal::KILL };
                all.iter().for_each(|process| send(*process, signal));
                if signal != Signal::KILL {
                    print::say(format_args!("the command is asked to end; ask again to kill it"));
                }
                told.extend(all);
            }
        }
    };
    // A shell ends at once and leaves what it ran to itself: the world stays until that has ended, too.
    for process in told {
        if tokio::time::timeout(LAST_WORDS, gone(process)).await.is_err() {
            send(process, Signal::KILL);
        }
    }
    Ok(Run { code, took: begun.elapsed() })
}

/// The process and all that it started. It stays in the caller's process group, since it may want the terminal.
fn tree(process: Option<u32>) -> Vec<u32> {
    let mut found: Vec<u32> = process.into_iter().collect();
    let mut at = 0;
    while let Some(process) = found.get(at) {
        let children = fs_err::read_to_string(format!("/proc/{process}/task/{process}/children"));
        // One that has ended has none.
        let children = children.unwrap_or_default();
        found.extend(children.split(' ').filter_map(|child| child.trim().parse::<u32>().ok()));
        at += 1;
    }
    found
}

/// Until there is no such process any more, or nobody has asked yet how it ended. It is nobody's child here, so that
/// it is looked for.
async fn gone(process: u32) {
    let state = || -> Option<char> {
        let stat = fs_err::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    };
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while state().is_some_and(|state| state != 'Z') {
        look.tick().await;
    }
}

fn pid(process: u32) -> Option<Pid> {
    i32::try_from(process).ok().and_then(Pid::from_raw)
}

fn send(process: u32, signal: Signal) {
    if let Some(process) = pid(process) {
        // It may have ended by itself.
        rustix::process::kill_process(process, signal).ok();
    }
}

/// As shells tell it: 128 and the number of the signal that ended it.
fn code(ended: ExitStatus) -> i32 {
    ended.code().or_else(|| ended.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// What this process was asked to end by.
struct Asked {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

impl Asked {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hang_up: unix::signal(SignalKind::hangup())?,
        })
    }

    /// What is to be passed on. A terminal sends Ctrl-C to the command as well, which need not get it twice.
    async fn next(&mut self) -> Signal {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => return Signal::TERM,
                _ = self.hang_up.recv() => return Signal::HUP,
            }
        }
    }
}
