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
    Check::of("systems/workload", None, *title, finding(component, flux, &workloads))
}

fn finding(component: &Component, flux: Option<&FluxSight>, workloads: &[&Workload]) -> Finding {
    let Component { brought_by, namespace, .. } = component;
    if workloads.is_empty() {
        let cause = format!("nothing runs in namespace {namespace}");
        return Err((cause, format!("see the check of Kustomization {brought_by}")));
    }
    // None of none is available: nothing that the tree brings is meant to have no pod.
    let empty: Vec<&&Workload> = workloads.iter().filter(|workload| workload.wanted == 0).collect();
    if let Some(first) = empty.first() {
        let told = |workload: &&&Workload| match workload.kind {
            "DaemonSet" => format!("DaemonSet {} fits no node", workload.named.name),
            kind => format!("{kind} {} is scaled to 0", workload.named.name),
        };
        let causes: Vec<String> = empty.iter().map(told).collect();
        return Err((causes.join("; "), put_back(component, flux, first)));
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

/// How a workload without pods gets them again: by Flux, unless somebody else brought it.
fn put_back(component: &Component, flux: Option<&FluxSight>, workload: &Workload) -> String {
    let Component { brought_by, namespace, .. } = component;
    let name = &workload.named.name;
    let release =
        flux.and_then(|flux| flux.releases.iter().find(|release| release.namespace == *namespace));
    let kustomization =
        flux.and_then(|flux| flux.kustomizations.iter().find(|known| known.name == *brought_by));
    // k3s itself brings what runs in kube-system, and does not look again.
    let by_flux = release.or(kustomization).filter(|_| *namespace != "kube-system");
    match by_flux {
        _ if workload.kind == "DaemonSet" => {
            super::kubectl(namespace, &format!("describe daemonset {name}"))
        }
        Some(managed) if managed.suspended => {
            format!(
                "{} is suspended, so that Flux puts nothing back: see its check",
                managed.title()
            )
        }
        Some(managed) => {
            let ask = format!(
                "annotate --overwrite {} {} reconcile.fluxcd.io/requestedAt=\"$(date)\"",
                managed.kind.to_lowercase(),
                managed.name
            );
            let ask = super::kubectl(&managed.namespace, &ask);
            format!("Flux puts back what Git asks for at its interval; {ask} has it done at once")
        }
        None => {
            let scale = format!("scale {} {name} --replicas 1", workload.kind.to_lowercase());
            super::kubectl(namespace, &scale)
        }
    }
}
