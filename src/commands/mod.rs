//! One file a command. What a command does stands below; how it is typed stands in [`crate::cli`].

mod agreement;
pub mod bucket_policy;
mod change;
pub mod completions;
pub mod config;
pub mod destroy;
pub mod gitops;
pub mod init;
pub mod kubeconfig;
pub mod kubectl;
pub mod lock;
pub mod man;
mod nodes;
pub mod plan;
mod question;
pub mod render;
pub mod role;
pub mod schema;
mod session;
pub mod ssh;
pub mod status;
pub mod tailnet_policy;
pub mod topology;
pub mod up;
pub mod validate;
pub mod verify;

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    cli::{Cli, Color, Command, ConfigCommand, Global},
    environment,
    error::{Failure, Kind, Result},
    render::{log::Log, output, program},
    trace,
};

/// Colour and logging, before anything is printed.
///
/// # Errors
/// When HOMELAB_LOG is no filter, or `--trace` names a file that cannot be written.
pub fn prepare(cli: &Cli) -> Result<()> {
    let global = &cli.global;
    paint(global.color);
    program::remember(global);
    let default = match global.verbose {
        0 => "warn",
        1 => "homelab=debug,warn",
        _ => "homelab=trace,debug",
    };
    let wanted = environment::variable("HOMELAB_LOG")?.filter(|wanted| !wanted.trim().is_empty());
    let filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(default)).map_err(|error| {
        Failure::new(Kind::Usage, "what HOMELAB_LOG holds is no filter")
            .because(error)
            .hint("`homelab=debug` is one; `unset HOMELAB_LOG` does without")
    })?;
    let log = tracing_subscriber::fmt::layer()
        .with_writer(Log::open)
        // A stderr that cannot be written is nothing to panic over.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal() && global.color != Color::Never)
        .with_filter(filter);
    let subscriber = tracing_subscriber::registry().with(log);
    match cli.command.trace() {
        Some(path) => subscriber.with(trace::begin(path)?.layer()).init(),
        None => subscriber.init(),
    }
    Ok(())
}

/// Whether what is printed from here on has colours.
pub fn paint(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

/// Runs a command; the value is the exit code of success.
pub async fn run(cli: Cli) -> Result<u8> {
    let outcome = Box::pin(carried_out(cli)).await;
    let recorded = trace::end();
    let code = outcome?;
    // What is missing of the record fails what went well otherwise.
    recorded?;
    Ok(code)
}

async fn carried_out(cli: Cli) -> Result<u8> {
    let global = &cli.global;
    match cli.command {
        Command::Init(args) => init::run(global, args).await.map(|()| 0),
        Command::Validate(args) => validate::run(global, args).await.map(|()| 0),
        Command::Lock(args) => lock::run(global, args).await.map(|()| 0),
        Command::Plan(args) => plan::run(global, args).await,
        Command::Up(args) => up::run(global, args).await.map(|()| 0),
        Command::Status(args) => status::run(global, args).await.map(|()| 0),
        Command::Topology(args) => topology::run(global, args).await.map(|()| 0),
        Command::Verify(args) => verify::run(global, args).await.map(|()| 0),
        Command::Destroy(args) => destroy::run(global, args).await.map(|()| 0),
        Command::Kubeconfig(args) => kubeconfig::run(global, args).await.map(|()| 0),
        Command::Kubectl(args) => kubectl::run(global, args).await,
        Command::Ssh(args) => ssh::run(global, args).await,
        Command::Render(args) => render::run(global, args).await.map(|()| 0),
        Command::Schema(args) => schema::run(global, args).await.map(|()| 0),
        Command::Config(ConfigCommand::Show(args)) => config::run(global, args).await.map(|()| 0),
        Command::Gitops(command) => gitops::run(global, command).await,
        Command::Completions(args) => completions::run(global, args).await.map(|()| 0),
        Command::Man(args) => man::run(global, args).await.map(|()| 0),
        Command::Version => version(global).map(|()| 0),
    }
}

fn version(global: &Global) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    match session::wants_json(global) {
        true => {
            crate::render::document(&serde_json::json!({ "name": "homelab", "version": version }))
        }
        false => output::line(format_args!("homelab {version}")),
    }
}
