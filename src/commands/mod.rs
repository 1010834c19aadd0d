//! One file a command. What a command does stands below; how it is typed stands in [`crate::cli`].

pub mod config;
pub mod destroy;
pub mod gitops;
pub mod init;
pub mod kubeconfig;
pub mod kubectl;
pub mod lock;
pub mod plan;
pub mod render;
pub mod role;
pub mod schema;
mod session;
pub mod ssh;
pub mod status;
pub mod tailnet_policy;
pub mod up;
pub mod validate;
pub mod verify;

use std::io::IsTerminal;

use crate::{
    cli::{Cli, Color, Command, ConfigCommand, Global},
    error::Result,
};

/// Colour and logging, before anything is printed.
pub fn prepare(global: &Global) {
    match global.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let default = match global.verbose {
        0 => "warn",
        1 => "homelab=debug,warn",
        _ => "homelab=trace,debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOMELAB_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && global.color != Color::Never)
        .init();
}

/// Runs a command; the value is the exit code of success.
pub async fn run(cli: Cli) -> Result<u8> {
    let global = &cli.global;
    match cli.command {
        Command::Init(args) => init::run(global, args).await.map(|()| 0),
        Command::Validate(args) => validate::run(global, args).await.map(|()| 0),
        Command::Lock(args) => lock::run(global, args).await.map(|()| 0),
        Command::Plan(args) => plan::run(global, args).await,
        Command::Up(args) => up::run(global, args).await.map(|()| 0),
        Command::Status(args) => status::run(global, args).await.map(|()| 0),
        Command::Verify(args) => verify::run(global, args).await.map(|()| 0),
        Command::Destroy(args) => destroy::run(global, args).await.map(|()| 0),
        Command::Kubeconfig(args) => kubeconfig::run(global, args).await.map(|()| 0),
        Command::Kubectl(args) => kubectl::run(global, args).await,
        Command::Ssh(args) => ssh::run(global, args).await,
        Command::Render(args) => render::run(global, args).await.map(|()| 0),
        Command::Schema(args) => schema::run(global, args).await.map(|()| 0),
        Command::Config(ConfigCommand::Show(args)) => config::run(global, args).await.map(|()| 0),
        Command::Gitops(command) => gitops::run(global, command).await,
        Command::Version => {
            anstream::println!("homelab {}", env!("CARGO_PKG_VERSION"));
            Ok(0)
        }
    }
}
