//! k3s's own Traefik, tuned for the public path.

use super::Site;
use crate::{
    error::Result,
    gitops::part::{Layer, Part},
    gitops::template::context,
};

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(traefik) = &site.gitops.traefik else { return Ok(Vec::new()) };
    let mut trusted = vec![site.desired.k3s.cluster_cidr.to_string()];
    trusted.extend(traefik.trusted_networks.iter().cloned());
    let about = "k3s's own Traefik, tuned for the public path.";
    Ok(vec![
        Part::new(Layer::Configs, "traefik-config", about)
            .file("chart-config.yaml", "traefik/chart-config.yaml", context! { trusted })?
            .file("edge-https.yaml", "traefik/edge-https.yaml", context! {})?,
    ])
}
