//! `homelab ssh`: the system's ssh with the host key that the marker names.

use clap_complete::ArgValueCandidates;

use super::{
    nodes::{known_node, proved},
    session::{Purpose, Session, load},
};
use crate::{
    adapter::ssh::{first_reachable, system::SystemSsh},
    cli::Global,
    completion::candidates,
    error::Result,
    inventory::Pins,
    model::NodeName,
    ports::HostTarget,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab ssh k3s-server                        a shell
  homelab ssh k3s-server -- uptime              one command; its exit code is homelab's
  homelab ssh k3s-agent-1 -- sudo journalctl -u k3s-agent -n 50")]
pub struct Args {
    /// The node
    #[arg(add = ArgValueCandidates::new(candidates::nodes))]
    pub node: NodeName,
    /// What to run there; without it a shell is opened
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<u8> {
    let desired = load(global, Pins::Optional)?;
    // A misspelt name is told before a password manager is asked for anything.
    known_node(&desired, &args.node)?;
    let access = desired.access.clone();
    let session = Session::of(global, Purpose::Look, desired).await?;
    let target = target(&session, &args.node).await;
    let target = session.close(target).await?;
    let address = first_reachable(&target).await?;
    let call = SystemSsh::prepare(&target, address, access.private_key.as_deref(), &args.command)?;
    Ok(call.run().await?)
}

/// How the node is reached and known, as its marker says.
async fn target(session: &Session, node: &NodeName) -> Result<HostTarget> {
    proved(&session.run, node).await?;
    session.run.target(node)
}
