//! The media server.

use super::{Backend, Site, namespace};
use crate::{
    error::Result,
    gitops::part::{Layer, Part},
    gitops::template::context,
    inventory::desired::Way,
};

const NAME: &str = "jellyfin";
const BACKEND: Backend = Backend { name: NAME, namespace: NAME, service: NAME, port: 80 };

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(jellyfin) = &site.gitops.jellyfin else { return Ok(Vec::new()) };
    let public = site.public(NAME).filter(|_| jellyfin.ways.contains(&Way::Public));
    let private = site.private(NAME).filter(|_| jellyfin.ways.contains(&Way::Private));
    // What it tells its apps; those come by the private path.
    let url = match private.as_ref().or(public.as_ref()) {
        Some(host) => format!("https://{host}"),
        None => format!("http://{NAME}.{NAME}.svc.cluster.local"),
    };
    let deployment = context! {
        version => site.version("jellyfin/jellyfin"),
        pods => site.desired.k3s.cluster_cidr.to_string(),
        public => public.is_some(),
        guarded => jellyfin.forward_auth,
        url,
    };
    let mut part = Part::new(Layer::Apps, NAME, "Plays films and music.")
        .after(&["longhorn", "tailscale-config"])
        // Its first start, and each after an upgrade, migrates its database.
        .timeout("15m")
        .namespace(namespace(NAME, "baseline", "nothing special.", true))?
        .claim(NAME, "jellyfin-config", jellyfin.config_bytes, "settings and database")?
        .claim(NAME, "jellyfin-library", jellyfin.library_bytes, "what it plays")?
        .file("deployment.yaml", "jellyfin/deployment.yaml", deployment)?
        .file("service.yaml", "jellyfin/service.yaml", context! {})?;
    if private.is_some() {
        part = part.private(&BACKEND, NAME, site)?;
    }
    if let Some(host) = public {
        part = part.public(&BACKEND, &host, jellyfin.forward_auth)?;
    }
    Ok(vec![part])
}
