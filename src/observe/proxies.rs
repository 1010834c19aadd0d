//! The devices of the cluster's own proxies.

use super::cluster::answered;
use crate::{
    engine::Run,
    plan::{
        flux::SECRET,
        observed::Sight,
        proxies::{self, NAMESPACE, Proxy},
    },
    ports::{Objects, World},
};

/// What the cluster's Secrets name: one request, where Tailscale's operator is on.
pub async fn proxies<W: World>(run: &Run<W>) -> Sight<Vec<Proxy>> {
    let gitops = run.desired.gitops.as_ref();
    if gitops.is_none_or(|gitops| gitops.tailscale_operator.is_none()) {
        return Sight::Unseen;
    }
    answered(run, async {
        let secrets = run.cluster().await?.list(SECRET, Some(NAMESPACE)).await?;
        Ok(secrets.iter().filter_map(proxies::read).collect())
    })
    .await
}
