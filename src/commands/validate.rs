//! `homelab validate`: every fault of the inventory at once, with its place.

use super::session::{load, wants_json};
use crate::{cli::Global, error::Result, render};

#[derive(Debug, clap::Args)]
pub struct Args {}

pub(crate) async fn run(global: &Global, _args: Args) -> Result<()> {
    let desired = load(global).await?;
    let agents = desired.agents().count();
    let servers = desired.servers().count();
    if wants_json(global) {
        return render::document(&serde_json::json!({
            "valid": true,
            "cluster": desired.cluster,
            "servers": servers,
            "agents": agents,
        }));
    }
    anstream::println!(
        "{} is sound: cluster {}, {servers} server{}, {agents} agent{}",
        global.config,
        desired.cluster,
        if servers == 1 { "" } else { "s" },
        if agents == 1 { "" } else { "s" },
    );
    Ok(())
}
