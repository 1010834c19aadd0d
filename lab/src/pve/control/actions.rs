//! Faults about the world: they change what the emulator holds, not how it answers.

use std::{sync::Arc, time::Duration};

use super::faults::Kind;
use crate::pve::server::Server;

/// Lets a fault about the world act.
///
/// # Errors
/// When it names a guest, a storage or a node that doesn't exist.
pub(crate) async fn act(server: &Arc<Server>, kind: &Kind) -> Result<(), String> {
    match kind {
        Kind::IdleClose { seconds } => {
            server.set_idle(Some(duration(*seconds)?));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn duration(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{seconds} seconds: {error}"))
}
