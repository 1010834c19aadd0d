//! How a device of the tailnet comes in.

use super::{
    Diagram,
    drawing::{Drawing, is_workload, outside},
};
use crate::{
    inventory::{
        Desired,
        desired::{Gitops, Way},
    },
    stage::check::Check,
};

pub(super) fn diagram(desired: &Desired, checks: &[Check]) -> Option<Diagram> {
    let gitops = desired.gitops.as_ref()?;
    let operator = gitops.tailscale_operator.as_ref()?;
    let about = "Each app is a device of the tailnet of its own; the tailnet's policy says who may come in.";
    let mut drawing = Drawing::new("private", "Private request", about, checks);
    drawing.block("device", "Your device", ["in the tailnet".to_owned()], outside);
    drawing.block("policy", "The tailnet's policy", [operator.proxy_tag.clone()], outside);
    let runs = is_workload("Tailscale's operator and its proxies run");
    let proxies = |check: &Check| runs(check) || check.id == "systems/proxy_class";
    drawing.block("proxies", "Proxies", [format!("by the operator, {}", operator.tag)], proxies);
    drawing.arrow("device", "policy", "WireGuard");
    drawing.arrow("policy", "proxies", "HTTPS");
    for (name, ingress) in apps(gitops) {
        let host = gitops.tailnet_domain.as_ref().map(|domain| format!("{name}.{domain}"));
        let walked = |check: &Check| {
            check.id == "systems/path" && check.title.contains(&format!("/{ingress}-private leads"))
        };
        drawing.block(format!("app-{name}"), name.clone(), host, walked);
        drawing.arrow("proxies", format!("app-{name}"), "");
    }
    Some(drawing.done())
}

/// Names in the tailnet, each with the Ingress that gives it.
fn apps(gitops: &Gitops) -> Vec<(String, &'static str)> {
    let private = |ways: &[Way]| ways.contains(&Way::Private);
    let monitoring = gitops.monitoring.as_ref().filter(|one| private(&one.ways));
    let jellyfin = gitops.jellyfin.as_ref().filter(|one| private(&one.ways));
    [
        monitoring.map(|_| ("grafana".to_owned(), "grafana")),
        gitops.longhorn_ui.clone().map(|host| (host, "longhorn-ui")),
        jellyfin.map(|_| ("jellyfin".to_owned(), "jellyfin")),
        gitops.stalwart.as_ref().map(|_| ("mail".to_owned(), "stalwart")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
