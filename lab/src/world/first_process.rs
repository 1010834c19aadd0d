//! The first process of a world: starts the daemon, buries whoever dies an orphan, and ends with it.

use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};

use super::{WorldError, place::Place};

/// Runs until the daemon ends; then the kernel ends everything else in the world.
pub(crate) async fn run(place: &Place) -> Result<ExitCode, WorldError> {
    // Before the daemon is started, so that no death goes unnoticed.
    let mut deaths = signal(SignalKind::child())?;
    let mut stops = signal(SignalKind::terminate())?;
    let daemon = Command::new(std::env::current_exe()?)
        .args(["daemon", "--folder", place.folder.as_str()])
        .spawn()?;
    let daemon = i32::try_from(daemon.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| std::io::Error::other("the daemon has no process number"))?;
    loop {
        tokio::select! {
            _ = deaths.recv() => {
                while let Ok(Some((dead, status))) = wait(WaitOptions::NOHANG) {
                    if dead == daemon {
                        let good = status.exit_status() == Some(0);
                        return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
                    }
                }
            }
            // The daemon may be gone this very moment: then its death is next.
            _ = stops.recv() => drop(kill_process(daemon, Signal::TERM).ok()),
        }
    }
}
