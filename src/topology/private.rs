//! How a device of the tailnet comes in.

use super::{
    Diagram,
    drawing::{Drawing, is_workload, outside},
};
use crate::{
    gitops::{PrivateWay, private_ways},
    inventory::Desired,
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
    for way in private_ways(desired) {
        let PrivateWay { device, hostname, ingress } = way;
        let walked = |check: &Check| {
            let leads = format!("/{ingress}-private leads");
            (check.id == "systems/path" && check.title.contains(&leads))
                || (check.id == "outside/private" && check.title.starts_with(&hostname))
        };
        let id = format!("app-{device}");
        drawing.block(id.clone(), device, [hostname.clone()], walked);
        drawing.arrow("proxies", id, "");
    }
    Some(drawing.done())
}
