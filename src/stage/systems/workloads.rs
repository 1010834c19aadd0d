//! Whether what the inventory turns on runs.

use crate::{
    inventory::{Desired, desired::Gitops},
    plan::{
        flux::FluxSight,
        systems::{SystemsSight, Workload},
    },
    stage::check::{Check, Finding},
};

/// A component of the tree, as it is to be seen running.
struct Component {
    /// The Kustomization that brings it.
    brought_by: &'static str,
    namespace: &'static str,
    /// The one workload that counts, where others live in the namespace, too.
    only: Option<&'static str>,
    /// What should be so.
    title: &'static str,
}

const fn component(
    brought_by: &'static str,
    namespace: &'static str,
    title: &'static str,
) -> Component {
    Component { brought_by, namespace, only: None, title }
}

const CERT_MANAGER: Component = component("cert-manager", "cert-manager", "cert-manager runs");
const METALLB: Component = component("metallb", "metallb-system", "MetalLB runs, on every node");
const DATABASES: Component =
    component("cloudnative-pg", "cnpg-system", "the databases' operator runs");
const PROXIES: Component =
    component("tailscale-operator", "tailscale", "Tailscale's operator and its proxies run");
const TRAEFIK: Component = Component {
    only: Some("traefik"),
    ..component("traefik-config", "kube-system", "Traefik runs")
};
// Its pods are ready while they have a connection to Cloudflare.
const TUNNEL: Component = component("cloudflared", "cloudflared", "the tunnel is connected");
const AUTHENTIK: Component = component("authentik", "authentik", "Authentik runs");
const MONITORING: Component = component("monitoring", "monitoring", "Prometheus and Grafana run");
const JELLYFIN: Component = component("jellyfin", "jellyfin", "Jellyfin runs");
const MAIL: Component = component("stalwart", "stalwart", "the mail server runs");
const RELOADER: Component = component("reloader", "reloader", "Reloader runs");

fn on(gitops: &Gitops) -> impl Iterator<Item = &'static Component> {
    [
        (gitops.cert_manager.is_some(), &CERT_MANAGER),
        (gitops.metallb.is_some(), &METALLB),
        (gitops.cloudnative_pg.is_some(), &DATABASES),
        (gitops.tailscale_operator.is_some(), &PROXIES),
        (gitops.traefik.is_some(), &TRAEFIK),
        (gitops.cloudflared.is_some(), &TUNNEL),
        (gitops.authentik.is_some(), &AUTHENTIK),
        (gitops.monitoring.is_some(), &MONITORING),
        (gitops.jellyfin.is_some(), &JELLYFIN),
        (gitops.stalwart.is_some(), &MAIL),
        (gitops.reloader, &RELOADER),
    ]
    .into_iter()
    .filter_map(|(on, component)| on.then_some(component))
}

pub(super) fn checks(
    desired: &Desired,
    flux: Option<&FluxSight>,
    seen: &SystemsSight,
) -> Vec<Check> {
    let Some(gitops) = &desired.gitops else { return Vec::new() };
    on(gitops).map(|component| check(component, flux, seen)).collect()
}

fn check(component: &Component, flux: Option<&FluxSight>, seen: &SystemsSight) -> Check {
    let Component { brought_by, namespace, only, title } = component;
    let workloads: Vec<&Workload> = seen
        .workloads
        .iter()
        .filter(|workload| workload.named.namespace == *namespace)
        .filter(|workload| only.is_none_or(|only| workload.named.name == only))
        .collect();
    let brought =
        flux.is_some_and(|flux| flux.kustomizations.iter().any(|known| known.name == *brought_by));
    if workloads.is_empty() && !brought {
        let why = "the repository has not brought it";
        return Check::skipped("systems/workload", None, *title, why);
    }
    Check::of("systems/workload", None, *title, finding(namespace, brought_by, &workloads))
}

fn finding(namespace: &str, brought_by: &str, workloads: &[&Workload]) -> Finding {
    if workloads.is_empty() {
        let cause = format!("nothing runs in namespace {namespace}");
        return Err((cause, format!("see the check of Kustomization {brought_by}")));
    }
    let short: Vec<&&Workload> =
        workloads.iter().filter(|workload| workload.available < workload.wanted).collect();
    let Some(first) = short.first() else {
        let names: Vec<&str> =
            workloads.iter().map(|workload| workload.named.name.as_str()).collect();
        return Ok(format!("every pod of {} is available", names.join(", ")));
    };
    let told = |workload: &&&Workload| {
        let Workload { kind, named, wanted, available } = workload;
        format!("{kind} {}: {available} of {wanted} pods are available", named.name)
    };
    let causes: Vec<String> = short.iter().map(told).collect();
    let kind = first.kind.to_lowercase();
    let next = super::kubectl(namespace, &format!("describe {kind} {}", first.named.name));
    Err((causes.join("; "), next))
}
