//! The edge stage: the tunnel at Cloudflare, where it leads, the names that lead into it, and its token in
//! the cluster. Each step looks again before it acts: a reply may have been lost, a record may be
//! somebody else's by now.

mod records;
mod remove;
mod secret;
mod tunnel;
mod verify;

pub use records::{drop_name, point};
pub use remove::remove;
pub use secret::give;
pub use tunnel::{make, route};
pub use verify::checks;

use crate::{
    engine::StepContext,
    error::{Failure, Kind, Result},
    plan::edge::tunnel_name,
    ports::{Edge, Tunnel, World},
};

/// Cloudflare's API.
fn api<W: World>(context: &StepContext<W>) -> Result<&W::Edge> {
    context.run.world.edge().ok_or_else(|| {
        Failure::new(
            Kind::Runtime,
            "a step about the edge without `cloudflare` in the inventory (a bug)",
        )
    })
}

/// Our tunnel as it is now, by its name.
async fn ours<W: World>(context: &StepContext<W>) -> Result<Option<Tunnel>> {
    let name = tunnel_name(&context.run.desired);
    Ok(api(context)?.tunnels(&name).await?.into_iter().next())
}

/// The same, where it has to be there.
async fn there<W: World>(context: &StepContext<W>) -> Result<Tunnel> {
    ours(context).await?.ok_or_else(|| {
        let name = tunnel_name(&context.run.desired);
        Failure::new(Kind::Edge, format!("there is no tunnel {name}"))
            .hint("somebody deleted it since: a whole `homelab up` makes another")
    })
}
