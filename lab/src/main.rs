//! The lab's command line.

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};
use homelab_lab::{artifacts, conformance, outside, pve, sim, world};
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(name = "homelab-lab", about = "The worlds that homelab is tested in")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build what the lab needs before it can start.
    Artifacts(artifacts::command::Arguments),
    /// Run a fresh emulated Proxmox VE.
    Pve(pve::Args),
    /// Hold the emulator against the recording of a real Proxmox VE.
    Conformance(conformance::Args),
    /// Do to an emulator what a command line would do on a real host.
    Outside(outside::Args),
    /// Run a command in a simulated world: no root, no other machine.
    Sim(sim::command::Arguments),
    #[command(flatten)]
    World(world::command::Command),
}

fn main() -> ExitCode {
    let command = match CommandLine::try_parse() {
        Ok(line) => line.command,
        Err(error) => {
            let _ = error.print();
            let is_rehearsal = std::env::args().nth(1).is_some_and(|word| word == "sim");
            return match error.exit_code() {
                // Two is a word of the command's.
                2 if is_rehearsal => ExitCode::from(sim::command::NOT_PLAYED),
                code => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
            };
        }
    };
    let quiet = if matches!(&command, Command::World(_)) { "info" } else { "error" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_env_filter(filter)
        .init();
    match command {
        Command::Artifacts(arguments) => artifacts::command::run(&arguments),
        Command::Pve(arguments) => block_on(pve::run(arguments)),
        Command::Conformance(arguments) => block_on(conformance::run(arguments)),
        Command::Outside(arguments) => block_on(outside::run(arguments)),
        Command::Sim(arguments) => {
            // What it runs has exit codes of its own.
            block_on_or(sim::command::NOT_PLAYED, sim::command::run(arguments))
        }
        Command::World(command) => block_on(world::command::run(command)),
    }
}

/// Runs a command to its end on a runtime of its own; tells its error.
fn block_on(command: impl Future<Output = Result<ExitCode, Box<dyn Error>>>) -> ExitCode {
    block_on_or(1, command)
}

/// The same; what cannot be done ends with that code.
fn block_on_or(
    failure: u8,
    command: impl Future<Output = Result<ExitCode, Box<dyn Error>>>,
) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => Err(error.into()),
    };
    result.unwrap_or_else(|error| {
        homelab_lab::print::say(format_args!("homelab-lab: {error}"));
        ExitCode::from(failure)
    })
}
