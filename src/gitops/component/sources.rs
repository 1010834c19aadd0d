//! Where charts come from.

use super::Site;
use crate::{
    error::Result,
    gitops::part::{Layer, Part},
    gitops::template::context,
};

/// A repository of charts: its name, its address, whose it is, and the charts that are taken from it.
type Source = (&'static str, &'static str, &'static str, &'static [&'static str]);

const SOURCES: &[Source] = &[
    ("longhorn", "https://charts.longhorn.io", "Longhorn's own charts.", &["longhorn"]),
    ("jetstack", "https://charts.jetstack.io", "cert-manager's own charts.", &["cert-manager"]),
    ("metallb", "https://metallb.github.io/metallb", "MetalLB's own charts.", &["metallb"]),
    (
        "cloudnative-pg",
        "https://cloudnative-pg.github.io/charts",
        "CloudNativePG's own charts: the operator and its plugin.",
        &["cloudnative-pg", "plugin-barman-cloud"],
    ),
    (
        "tailscale",
        "https://pkgs.tailscale.com/helmcharts",
        "Tailscale's own charts.",
        &["tailscale-operator"],
    ),
    ("authentik", "https://charts.goauthentik.io", "Authentik's own charts.", &["authentik"]),
    (
        "prometheus-community",
        "https://prometheus-community.github.io/helm-charts",
        "The charts of Prometheus's community.",
        &["kube-prometheus-stack"],
    ),
    (
        "stakater",
        "https://stakater.github.io/stakater-charts",
        "Stakater's charts: Reloader.",
        &["reloader"],
    ),
];

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let about = "Where charts come from. A chart's version is in its HelmRelease.";
    let mut part = Part::new(Layer::Sources, "sources", about);
    let mirror = site.gitops.chart_mirror.as_deref();
    for (name, publisher, about, charts) in SOURCES {
        let url = mirror.unwrap_or(publisher);
        if charts.iter().any(|chart| site.gitops.versions.contains_key(*chart)) {
            let file = format!("{name}.yaml");
            part = part.file(&file, "lib/source.yaml", context! { name, url, about })?;
        }
    }
    Ok(if part.files.is_empty() { Vec::new() } else { vec![part] })
}
