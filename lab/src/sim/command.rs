//! `homelab-lab sim`: a command in a simulated world of its own.

use std::{error::Error, process::ExitCode, time::Duration};

use camino::Utf8PathBuf;
use clap::Args;

use super::world::{Options, World};
use crate::print;

/// What a simulated world is to be like, and what runs in it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  homelab-lab sim -- homelab up --yes
  homelab-lab sim --agents 9 --boot 5 -- sh -c 'homelab up --yes && homelab verify'
  homelab-lab sim --folder /tmp/rehearsal -- bash    (the inventory is /tmp/rehearsal/homelab.yaml)

The command finds the inventory by HOMELAB_CONFIG, and the world's secrets where the inventory says.")]
pub struct Arguments {
    /// Agents beside the one server.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=200))]
    agents: u32,
    /// Seconds from the start of a guest until its sshd answers.
    #[arg(long, default_value_t = 0.0)]
    boot: f64,
    /// How much of a real Proxmox server's delays pass: 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    pace: f64,
    /// Worlds with other numbers, 0 to 190, stand side by side.
    #[arg(long, default_value_t = 190, value_parser = clap::value_parser!(u8).range(0..=190))]
    network: u8,
    /// Where the world's files are kept; it must be empty. A temporary folder unless said.
    #[arg(long)]
    folder: Option<Utf8PathBuf>,
    /// The command and its words.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Makes a world, runs the command in it to its end, and ends the world; the exit code is the command's.
///
/// # Errors
/// When the world can't be made, or the command not be started.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = match arguments.folder {
        Some(folder) => folder,
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
        ..Options::default()
    };
    let world = World::start(folder.join("world"), options).await?;
    let key = folder.join("key");
    let made = tokio::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key.as_str()])
        .status()
        .await?;
    if !made.success() {
        return Err("ssh-keygen made no key".into());
    }
    let public = fs_err::read_to_string(key.with_extension("pub"))?;
    let inventory = folder.join("homelab.yaml");
    fs_err::write(&inventory, world.inventory(public.trim(), &key))?;
    print::say(format_args!("a simulated world: its inventory is {inventory}"));
    let (program, words) = arguments.command.split_first().ok_or("no command")?;
    let status = tokio::process::Command::new(program)
        .args(words)
        .envs(world.secrets())
        .env("HOMELAB_CONFIG", &inventory)
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .status()
        .await
        .map_err(|error| format!("cannot run `{program}`: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
