//! `homelab-lab pve`: an emulator of its own, in the recording's set-up.

use std::{io::Write as _, net::SocketAddr, process::ExitCode};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Config, HostLacks, Server, Setup};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the API listens; the laboratory's door is plain HTTP below /lab/ on the same port.
    #[arg(long, default_value = "127.0.0.1:8006")]
    listen: SocketAddr,
    /// Where the certificate authority and volumes are kept; a folder of its own that goes with
    /// the process when not given.
    #[arg(long)]
    data: Option<Utf8PathBuf>,
    /// How much of the real server's delays pass: 1 is all of them, 0 none.
    #[arg(long, default_value_t = 1.0)]
    pace: f64,
    /// The major version whose privileges are in force.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(8..=9))]
    era: u32,
    /// A host with all its parts. The recording's lacked some: a QEMU that mirrors disks, the
    /// tool that enrols keys in EFI disks, a time service.
    #[arg(long)]
    whole: bool,
    /// A JSON file with roles, users, tokens, access, pools and guests to start with.
    #[arg(long, requires = "tokens")]
    setup: Option<Utf8PathBuf>,
    /// Where the secrets of the set-up's tokens are written (mode 0600), a line each:
    /// user@realm!name=secret.
    #[arg(long)]
    tokens: Option<Utf8PathBuf>,
}

/// Runs an emulator until the process is ended.
///
/// # Errors
/// When it can't start.
pub async fn run(arguments: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let data = match arguments.data {
        Some(data) => data,
        None => Utf8PathBuf::try_from(temporary.path().to_owned())?,
    };
    let config = Config {
        pace: arguments.pace,
        era: arguments.era,
        lacks: if arguments.whole { HostLacks::default() } else { HostLacks::RECORDING },
        gate: crate::sim::gate::Gate::default(),
        ..Config::recording(arguments.listen, data)
    };
    let running = Server::start(config).await?;
    if let (Some(setup), Some(tokens)) = (&arguments.setup, &arguments.tokens) {
        let setup: Setup = serde_json::from_str(&fs_err::read_to_string(setup)?)?;
        let secrets = running.furnish(&setup).await?;
        let lines: String =
            secrets.iter().map(|(token, secret)| format!("{token}={secret}\n")).collect();
        write_secret(tokens, &lines)?;
    }
    crate::print::line(running.describe());
    tokio::select! {
        () = running.wait() => {}
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn write_secret(file: &Utf8Path, text: &str) -> std::io::Result<()> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    fs_err::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
