//! Taking the devices of the cluster's proxies out of the tailnet, while the cluster can still say which they are:
//! the next cluster's would get other names beside them.

use super::Outcome;
use crate::{
    engine::StepContext,
    error::{Failure, Kind, Result},
    observe,
    plan::observed::Sight,
    ports::{Tailnet, World},
};

/// Deletes each device that a Secret of the cluster names. One that is gone already is fine.
pub(super) async fn remove<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    let proxies = match observe::proxies(&context.run).await {
        Sight::Seen(proxies) => proxies,
        Sight::Unseen => return Ok(Outcome::Done),
        Sight::Silent(why) => {
            return Err(Failure::new(
                Kind::Kubernetes,
                format!("which devices of the tailnet are its proxies' can't be seen: {why}"),
            )
            .hint("run it again: a cluster that does not answer is destroyed without"));
        }
    };
    let tailnet = context.run.world.tailnet();
    for device in tailnet.devices().await? {
        if let Some(proxy) = proxies.iter().find(|proxy| proxy.node_id == device.node_id) {
            context.still_wanted()?;
            tailnet.delete_device(&device.id).await?;
            context.output(format!("{} is out of the tailnet", proxy.name));
        }
    }
    Ok(Outcome::Done)
}
