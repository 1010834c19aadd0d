//! The public path's outbound tunnel.

use super::{Site, namespace};
use crate::{
    error::Result,
    gitops::template::context,
    gitops::{
        part::{Layer, Part},
        secret::SecretPlan,
    },
};

const NAMESPACE: &str = "cloudflared";

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(tunnel) = &site.gitops.cloudflared else { return Ok(Vec::new()) };
    let secret =
        SecretPlan::new(NAMESPACE, "tunnel-token", "Opens the tunnel at Cloudflare's edge.")
            .found("token", &tunnel.tunnel_token);
    let version = site.version("cloudflare/cloudflared");
    let deployment =
        context! { version, replicas => tunnel.replicas, reloader => site.gitops.reloader };
    Ok(vec![
        Part::new(Layer::Apps, "cloudflared", "The public path's outbound tunnel.")
            .after(&["traefik-config"])
            .namespace(namespace(NAMESPACE, "restricted", "nothing special.", false))?
            .secret(secret)
            .file("deployment.yaml", "cloudflared/deployment.yaml", deployment)?,
    ])
}
