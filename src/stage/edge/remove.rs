//! Taking the tunnel away.

use super::{api, ours};
use crate::{
    engine::{Look, StepContext},
    error::{Failure, Kind, Result},
    journal::Record,
    ports::{Edge, EdgeError, World},
    stage::Outcome,
};

/// Connectors that run come back after their connections were dropped; those of guests that were deleted do not.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(120);
/// The tunnel has active connections.
const IN_USE: i64 = 1022;

/// Drops the connections, then deletes the tunnel. It is looked for by our name right before each attempt.
pub async fn remove<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    let api = api(context)?;
    let result = context
        .wait_for("the tunnel to have no connections", LIMIT, || async {
            let Some(tunnel) = ours(context).await? else { return Ok(Look::There(())) };
            context.still_wanted()?;
            if tunnel.connections > 0 {
                api.drop_connections(&tunnel.id).await?;
            }
            match api.delete_tunnel(&tunnel.id).await {
                Ok(()) => Ok(Look::There(())),
                Err(EdgeError::Refused { codes, message, .. }) if codes.contains(&IN_USE) => {
                    api.drop_connections(&tunnel.id).await?;
                    Ok(Look::NotYet(message))
                }
                Err(error) => Err(Failure::from(error)),
            }
        })
        .await;
    result.map_err(|failure| match failure.kind {
        Kind::Deadline => Failure { kind: Kind::Edge, ..failure }
            .hint("a connector still runs somewhere: end it, then run it again"),
        _ => failure,
    })?;
    context.record(&Record::TunnelDropped)?;
    Ok(Outcome::Done)
}
