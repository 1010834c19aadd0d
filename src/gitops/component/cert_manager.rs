//! Certificates.

use super::{Release, Site, namespace};
use crate::{
    error::Result,
    gitops::template::context,
    gitops::{
        part::{Layer, Part},
        secret::SecretPlan,
    },
};

const NAMESPACE: &str = "cert-manager";
const RELEASE: Release = Release {
    name: "cert-manager",
    namespace: NAMESPACE,
    chart: "cert-manager",
    source: "jetstack",
    timeout: "10m",
};

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(certificates) = &site.gitops.cert_manager else { return Ok(Vec::new()) };
    let mut parts = vec![
        Part::new(Layer::Controllers, "cert-manager", "Certificates.")
            .after(&["sources"])
            .timeout("15m")
            .namespace(namespace(NAMESPACE, "baseline", "nothing special.", false))?
            .file(
                "release.yaml",
                "cert-manager/release.yaml",
                site.release(&RELEASE, context! {}),
            )?,
    ];
    if let Some(token) = &certificates.cloudflare_api_token {
        let email = site.gitops.email.as_deref().unwrap_or_default();
        // cert-manager reads a ClusterIssuer's Secrets from its own namespace.
        let secret = SecretPlan::new(
            NAMESPACE,
            "cloudflare-api-token",
            "Edits the domain's DNS records, to prove that it is ours.",
        );
        let about = "Who signs certificates.";
        parts.push(
            Part::new(Layer::Configs, "cert-manager-config", about)
                .after(&["cert-manager"])
                .secret(secret.found("api-token", token))
                .file("issuer.yaml", "cert-manager/issuer.yaml", context! { email })?,
        );
    }
    Ok(parts)
}
