//! The public path's outbound tunnel.

use super::{Site, namespace};
use crate::{
    error::Result,
    gitops::template::context,
    gitops::{
        part::{Layer, Part},
        secret::SecretPlan,
    },
    inventory::desired::Tunnel,
};

pub(crate) const NAMESPACE: &str = "cloudflared";
/// The Secret with the tunnel's token, and the key that holds it.
pub(crate) const SECRET: &str = "tunnel-token";
pub(crate) const KEY: &str = "token";

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(tunnel) = &site.gitops.cloudflared else { return Ok(Vec::new()) };
    let version = site.version("cloudflare/cloudflared");
    let made = matches!(tunnel.tunnel, Tunnel::Made(_));
    let reloader = site.gitops.reloader;
    let deployment = context! { version, replicas => tunnel.replicas, reloader, made };
    let part = Part::new(Layer::Apps, "cloudflared", "The public path's outbound tunnel.")
        .after(&["traefik-config"])
        .namespace(namespace(NAMESPACE, "restricted", "nothing special.", false))?
        .file("deployment.yaml", "cloudflared/deployment.yaml", deployment)?;
    Ok(vec![match &tunnel.tunnel {
        Tunnel::Given(token) => part.secret(
            SecretPlan::new(NAMESPACE, SECRET, "Opens the tunnel at Cloudflare's edge.")
                .found(KEY, token),
        ),
        // `homelab up` makes the tunnel and puts its token into the cluster.
        Tunnel::Made(_) => part,
    }])
}
