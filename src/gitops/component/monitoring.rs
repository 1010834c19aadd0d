//! Prometheus, Alertmanager and Grafana.

use super::{Backend, Release, Site, namespace};
use crate::{
    error::Result,
    gitops::template::context,
    gitops::{
        part::{Layer, Part},
        secret::SecretPlan,
        template::{quantity, span},
    },
    inventory::desired::Way,
};

const NAMESPACE: &str = "monitoring";
const RELEASE: Release = Release {
    name: "monitoring",
    namespace: NAMESPACE,
    chart: "kube-prometheus-stack",
    source: "prometheus-community",
    timeout: "15m",
};
/// The name of the value that Grafana and Authentik share.
pub(super) const CLIENT_SECRET: &str = "grafana-client-secret";
const HOST: &str = "grafana";
const GRAFANA: Backend =
    Backend { name: HOST, namespace: NAMESPACE, service: "monitoring-grafana", port: 80 };

/// Grafana's one address, which Authentik sends people back to: the private one where there are both.
pub(super) fn grafana_host(site: &Site<'_>) -> Option<String> {
    let ways = &site.gitops.monitoring.as_ref()?.ways;
    if ways.contains(&Way::Private) {
        site.private(HOST)
    } else if ways.contains(&Way::Public) {
        site.public(HOST)
    } else {
        None
    }
}

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(monitoring) = &site.gitops.monitoring else { return Ok(Vec::new()) };
    let host = grafana_host(site);
    let authentik = site.gitops.authentik.as_ref().filter(|_| host.is_some());
    let issuer = authentik.and_then(|authentik| site.public(&authentik.host));
    // 85 % of the volume: Prometheus writes a little above its limit before it deletes. Its MB has 2^20 bytes.
    let retention_size = format!("{}MB", (monitoring.prometheus_bytes >> 20) * 85 / 100);
    let values = context! {
        retention => span(monitoring.retention),
        retention_size,
        prometheus_size => quantity(monitoring.prometheus_bytes),
        grafana_size => quantity(monitoring.grafana_bytes),
        root_url => host.as_ref().map(|host| format!("https://{host}/")),
        issuer => issuer.as_ref().map(|host| format!("https://{host}")),
    };
    let administrator =
        SecretPlan::new(NAMESPACE, "grafana-admin", "Grafana's first administrator.")
            .known("admin-user", "admin")
            .made("admin-password", "grafana-admin");
    let privileged = "node-exporter reads the node.";
    let mut part = Part::new(Layer::Apps, "monitoring", "Prometheus, Alertmanager and Grafana.")
        .after(&["sources", "longhorn", "tailscale-config"])
        .timeout("20m")
        .namespace(namespace(NAMESPACE, "privileged", privileged, true))?
        .secret(administrator)
        .file("release.yaml", "monitoring/release.yaml", site.release(&RELEASE, values))?;
    if issuer.is_some() {
        let purpose = "Grafana's client at Authentik; Authentik's side is the same value.";
        let client = SecretPlan::new(NAMESPACE, "grafana-oidc", purpose);
        part = part.secret(client.made("client-secret", CLIENT_SECRET));
    }
    if monitoring.ways.contains(&Way::Private) {
        part = part.private(&GRAFANA, HOST, site)?;
    }
    if let Some(host) = site.public(HOST).filter(|_| monitoring.ways.contains(&Way::Public)) {
        part = part.public(&GRAFANA, &host, true)?;
    }
    Ok(vec![part])
}
