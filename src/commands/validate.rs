//! `homelab validate`: every fault of the inventory at once, with its place.

use super::session::{options, wants_json};
use crate::{
    cli::Global,
    error::Result,
    inventory::{self, Pins},
    render::{self, output},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab validate
  homelab validate -o json                faults as objects: file, line, column, path, message, help")]
pub struct Args {}

pub(crate) async fn run(global: &Global, _args: Args) -> Result<()> {
    // What is not pinned yet is no fault of the inventory: `homelab lock` comes after this.
    let loaded = inventory::load(&options(global, Pins::Warned)?)?;
    let desired = &loaded.desired;
    let agents = desired.agents().count();
    let servers = desired.servers().count();
    if wants_json(global) {
        return render::document(&serde_json::json!({
            "valid": true,
            "cluster": desired.cluster,
            "servers": servers,
            "agents": agents,
            "warnings": render::faults(&loaded.warnings),
        }));
    }
    if global.quiet {
        return Ok(());
    }
    for warning in &loaded.warnings {
        output::say(render::fault(warning));
    }
    output::line(format_args!(
        "{} is sound: cluster {}, {servers} server{}, {agents} agent{}",
        global.config,
        desired.cluster,
        if servers == 1 { "" } else { "s" },
        if agents == 1 { "" } else { "s" },
    ))
}
