//! `homelab-lab outside -- COMMAND...`: what a command line would do on a real Proxmox host, done to
//! an emulator.
//!
//! The conformance scripts start this program wherever the recording touched the real host behind
//! its API's back. The emulator is found by the variable `PORT`, which those scripts set.

use std::process::ExitCode;

use crate::pve::control::client;

/// The exit status that says: there is no such action.
const UNKNOWN: u8 = 3;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The emulator's address.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The emulator's port.
    #[arg(long, env = "PORT", default_value_t = 8006)]
    port: u16,
    /// The command line.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the command line; returns once its effect is over, like the real one.
///
/// # Errors
/// When no emulator answers.
pub async fn run(arguments: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let address = format!("{}:{}", arguments.host, arguments.port);
    let body = serde_json::to_vec(&arguments.command)?;
    let reply = client::send(&address, "POST", "/lab/outside", &body).await?;
    match reply.get("error").and_then(|error| error.as_str()) {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => {
            crate::print::say(format_args!("homelab-lab outside: {error}"));
            Ok(ExitCode::from(UNKNOWN))
        }
    }
}
