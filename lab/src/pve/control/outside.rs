//! Command lines as if they were run on the host, outside the API.

use std::sync::Arc;

use crate::pve::server::Server;

/// Does what the command line would do to the real host.
///
/// # Errors
/// For a command line that isn't one of the few that are known.
pub(crate) async fn run(server: &Arc<Server>, command: &[String]) -> Result<(), String> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["pvedaemon", state @ ("stop" | "start")] => {
            server.set_daemon(*state == "start");
            Ok(())
        }
        _ => Err(format!("no such command on the emulated host: {}", command.join(" "))),
    }
}
