//! `homelab ssh`: the system's ssh with the host key that the marker names.

use super::session::{Purpose, Session};
use crate::{
    adapter::ssh::{first_reachable, system::SystemSsh},
    cli::Global,
    error::{Failure, Kind, Result},
    model::NodeName,
    observe,
    plan::observed::MachineSight,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node
    pub node: NodeName,
    /// What to run there; without it a shell is opened
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<u8> {
    let session = Session::open(global, Purpose::Look).await?;
    if !session.run.desired.nodes.contains_key(&args.node) {
        return Err(Failure::new(
            Kind::Usage,
            format!("the inventory names no node `{}`", args.node),
        ));
    }
    if !matches!(observe::machine(&session.run, &args.node).await?, MachineSight::Ours(_)) {
        return Err(Failure::new(Kind::Unreachable, "there is no VM of ours")
            .at(&args.node)
            .hint("`homelab status` shows what there is"));
    }
    let target = session
        .run
        .target(&args.node)
        .ok_or_else(|| Failure::new(Kind::Ssh, "its marker names no host key").at(&args.node))?;
    let access = session.run.desired.access.clone();
    session.close().await;
    let address = first_reachable(&target).await?;
    let call = SystemSsh::prepare(&target, address, access.private_key.as_deref(), &args.command)?;
    Ok(call.run().await?)
}
