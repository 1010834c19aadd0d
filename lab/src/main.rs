//! The lab's command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use homelab_lab::artifacts;

#[derive(Parser)]
#[command(name = "homelab-lab", about = "The worlds that homelab is tested in")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Artifacts(artifacts::command::Arguments),
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Artifacts(arguments) => artifacts::command::run(&arguments),
    }
}
