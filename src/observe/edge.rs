//! The public edge: Cloudflare, and what the cluster has of the tunnel.

use serde_json::Value;

use super::cluster::answered;
use crate::{
    engine::Run,
    plan::{
        Refusal,
        edge::{self, EdgeSight, NAMESPACE, SECRET},
        flux::SECRET as SECRETS,
        observed::Sight,
    },
    ports::{Edge, EdgeError, Objects, World},
};

/// What Cloudflare shows: zone and tunnel side by side, then the zone's records and the tunnel's routes. The
/// Secret in the cluster is looked at by [`edge_secret`].
pub(super) async fn edge<W: World>(run: &Run<W>) -> Sight<Result<EdgeSight, Refusal>> {
    let Some(api) = run.world.edge() else { return Sight::Unseen };
    match look(run, api).await {
        Ok(seen) => Sight::Seen(Ok(seen)),
        Err(error @ EdgeError::Unreachable { .. }) => Sight::Silent(error.to_string()),
        Err(EdgeError::Secret(failure)) => {
            let hint = failure.hints.first().cloned();
            let place = failure.place.clone().unwrap_or_else(|| PLACE.to_owned());
            let hint = hint.unwrap_or_else(|| "see the inventory".to_owned());
            Sight::Seen(Err(Refusal::new(place, failure.message.clone(), hint)))
        }
        Err(error) => Sight::Seen(Err(Refusal::new(PLACE, error.to_string(), error.hint()))),
    }
}

const PLACE: &str = "gitops.cloudflared.cloudflare";

async fn look<W: World>(run: &Run<W>, api: &impl Edge) -> Result<EdgeSight, EdgeError> {
    let name = edge::tunnel_name(&run.desired);
    let ((zone, records), (tunnel, rules)) = futures::try_join!(
        async {
            let zone = api.zone().await?;
            let records = api.records(&zone).await?;
            Ok((zone, records))
        },
        async {
            let tunnel = api.tunnels(&name).await?.into_iter().next();
            let rules = match &tunnel {
                Some(tunnel) => api.rules(&tunnel.id).await?,
                None => Vec::new(),
            };
            Ok::<_, EdgeError>((tunnel, rules))
        },
    )?;
    Ok(EdgeSight { zone, tunnel, rules, records, secret: Sight::Unseen })
}

/// The tunnel that the Secret in the cluster opens. The token itself goes nowhere.
pub(super) async fn edge_secret<W: World>(run: &Run<W>) -> Sight<Option<String>> {
    if edge::site(&run.desired).is_none() {
        return Sight::Unseen;
    }
    answered(run, async {
        let cluster = run.cluster().await?;
        let secret: Option<Value> = cluster.get(SECRETS, NAMESPACE, SECRET).await?;
        Ok(secret.as_ref().map(edge::tunnel_of_secret))
    })
    .await
}
