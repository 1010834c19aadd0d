//! `homelab-lab up | down | status | exec | real`.

use std::{
    error::Error,
    process::{Child, ExitCode},
    time::Duration,
};

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::{
    WorldError, daemon, enclosure,
    environment::Environment,
    first_process,
    place::{Options, Place, read_json, write_json},
    supplies,
    wait::until,
};

/// Longer than all of a world's services may take together.
const READINESS: Duration = Duration::from_secs(300);

/// The commands about worlds.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a lab of real hosts that stays.
    Up {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        new: New,
    },
    /// Take a lab down, whatever is left of it.
    Down(Named),
    /// Say which labs are up.
    Status(Named),
    /// Run a command in a lab that is up.
    Exec {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        line: Line,
    },
    /// Start a lab, run a command in it, take the lab down.
    Real {
        #[command(flatten)]
        new: New,
        #[command(flatten)]
        line: Line,
    },
    /// What a lab's first process runs.
    #[command(hide = true)]
    FirstProcess(Folder),
    /// What holds a lab together.
    #[command(hide = true)]
    Daemon(Folder),
}

/// Runs one of them. Only those of a world's own processes need the runtime.
///
/// # Errors
/// What [`WorldError`] names.
pub async fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    Ok(match command {
        // Artifacts are fetched with a blocking client, which wants a thread of its own.
        Command::Up { named, new } => tokio::task::block_in_place(|| up(&named, &new)),
        Command::Down(named) => down(&named),
        Command::Status(named) => status(&named),
        Command::Exec { named, line } => exec(&named, &line),
        Command::Real { new, line } => tokio::task::block_in_place(|| real(&new, &line)),
        Command::FirstProcess(folder) => {
            first_process::run(&Place::from_folder(folder.folder)).await
        }
        Command::Daemon(folder) => {
            daemon::run(&Place::from_folder(folder.folder)).await.map(|()| ExitCode::SUCCESS)
        }
    }?)
}

/// The world a command is about.
#[derive(Args, Debug)]
pub struct Named {
    /// The world's name: several can stand side by side.
    #[arg(long, default_value = "lab")]
    name: String,
}

/// How a new world is made.
#[derive(Args, Debug)]
pub struct New {
    /// The MTU of the lab's LAN, in bytes.
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u16).range(1280..=9216))]
    link_mtu: u16,
    /// Only namespaces, LAN and mirror with the guest image: for tests of the machines themselves.
    #[arg(long, conflicts_with = "gitops")]
    bare: bool,
    /// Flux's images and manifests, a git server and S3, too: some half an hour more the first time.
    #[arg(long)]
    gitops: bool,
}

/// The command to run in the world.
#[derive(Args, Debug)]
pub struct Line {
    /// The command and its arguments.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    line: Vec<String>,
}

/// A world's own processes are told their place by its folder.
#[derive(Args, Debug)]
pub struct Folder {
    #[arg(long)]
    folder: Utf8PathBuf,
}

/// What the guests' disks and the logs grow to, in gibibytes. On a disk that fills up the guests' own files
/// are lost without a word, and every failure after that looks like one of the product.
const WANTED_GIBIBYTES: u64 = 15;

fn warn_of_a_full_disk(place: &Place) {
    let Ok(disk) = rustix::fs::statvfs(place.folder.as_std_path()) else { return };
    let free = (disk.f_bavail * disk.f_frsize) >> 30;
    if free < WANTED_GIBIBYTES {
        crate::print::say(format_args!(
            "warning: {free} GiB are free at {}, a lab may grow to {WANTED_GIBIBYTES}: guests whose disks cannot grow lose what they write",
            place.folder
        ));
    }
}

/// Starts a world that stays.
fn up(named: &Named, new: &New) -> Result<ExitCode, WorldError> {
    let place = Place::named(&named.name)?;
    start(&place, new)?;
    warn_of_a_full_disk(&place);
    crate::print::line(format_args!("the lab {} is up: {}", place.name, place.folder));
    Ok(ExitCode::SUCCESS)
}

/// Takes a world down, whatever is left of it.
fn down(named: &Named) -> Result<ExitCode, WorldError> {
    let place = Place::named(&named.name)?;
    if !place.folder.exists() {
        crate::print::line(format_args!("the lab {} is not up", place.name));
        return Ok(ExitCode::SUCCESS);
    }
    enclosure::take_down(&place)?;
    crate::print::line(format_args!(
        "the lab {} is down; its log stays: {}",
        place.name,
        place.log()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Says of each world whether it is up; fails when the named one is not.
fn status(named: &Named) -> Result<ExitCode, WorldError> {
    let mut found = false;
    for place in Place::all()? {
        let up = enclosure::first_process(&place);
        let state = match up {
            Some(process) if place.ready().exists() => format!("up, process {process}"),
            Some(process) => format!("starting, process {process}"),
            None => "down".to_owned(),
        };
        crate::print::line(format_args!("{:<12} {state:<22} {}", place.name, place.folder));
        found |= place.name == named.name && up.is_some();
    }
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a command in a world that is up.
fn exec(named: &Named, line: &Line) -> Result<ExitCode, WorldError> {
    run_inside(&Place::named(&named.name)?, line)
}

/// Starts a world, runs a command in it, takes it down. The exit status is the command's.
fn real(new: &New, line: &Line) -> Result<ExitCode, WorldError> {
    let place = Place::named(&format!("real-{}", std::process::id()))?;
    let result = start(&place, new).and_then(|mut keeper| {
        let result = run_inside(&place, line);
        let down = enclosure::take_down(&place);
        drop(keeper.wait());
        down.and(result)
    });
    if result.is_ok() {
        fs_err::remove_dir_all(&place.folder)?;
    }
    result
}

fn start(place: &Place, new: &New) -> Result<Child, WorldError> {
    if !rustix::process::geteuid().is_root() {
        return Err(WorldError::NotRoot);
    }
    if enclosure::first_process(place).is_some() {
        return Err(WorldError::Up { name: place.name.clone() });
    }
    let supplies = supplies::gather(new.bare, new.gitops)?;
    fs_err::create_dir_all(&place.folder)?;
    // A world that died leaves files and cgroups.
    enclosure::take_down(place)?;
    write_json(&place.supplies(), &supplies)?;
    write_json(&place.options(), &Options { name: place.name.clone(), link_mtu: new.link_mtu })?;
    let mut keeper = enclosure::begin(place)?;
    match wait_until_ready(place, &mut keeper) {
        Ok(()) => Ok(keeper),
        Err(error) => {
            enclosure::take_down(place)?;
            Err(error)
        }
    }
}

/// The daemon either writes its readiness or dies; each of its services has a deadline of its own.
fn wait_until_ready(place: &Place, keeper: &mut Child) -> Result<(), WorldError> {
    let mut ended = false;
    until(READINESS, || {
        ended = keeper.try_wait().is_ok_and(|status| status.is_some());
        ended || place.ready().exists()
    });
    if !ended && place.ready().exists() {
        return Ok(());
    }
    let text = fs_err::read_to_string(place.log()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(15)..].join("\n");
    Err(WorldError::NotReady { log: place.log(), tail })
}

fn run_inside(place: &Place, line: &Line) -> Result<ExitCode, WorldError> {
    let mut command = enclosure::enter(place, &line.line)?;
    let environment: Environment = read_json(&place.ready())?;
    let status = command.envs(environment.variables).status()?;
    // A command that a signal ended counts as a shell counts it.
    let code = status.code().unwrap_or_else(|| {
        128 + std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or_default()
    });
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}
