//! How a request from the internet comes in.

use super::{
    Diagram,
    drawing::{Drawing, is_workload, outside},
};
use crate::{gitops::routes, inventory::Desired, stage::check::Check};

const OF_THE_TUNNEL: [&str; 3] = ["edge/tunnel", "edge/route", "edge/secret"];

pub(super) fn diagram(desired: &Desired, checks: &[Check]) -> Option<Diagram> {
    let gitops = desired.gitops.as_ref()?;
    let cloudflared = gitops.cloudflared.as_ref()?;
    let about = match &gitops.stalwart {
        None => {
            "No port is open towards the internet: the tunnel calls out, and requests come in by it."
                .to_owned()
        }
        Some(mail) => {
            let place = mail.address.map_or_else(
                || "an address of the LAN".to_owned(),
                |address| format!("{address} of the LAN"),
            );
            format!(
                "No port is open for these requests: the tunnel calls out, and they come in by it. Mail comes \
                 another way: its ports (25, 465, 587, 143, 993, 4190) are open at {place}, and towards the \
                 internet those that your router forwards there."
            )
        }
    };
    let mut drawing = Drawing::new("public", "Public request", about, checks);
    drawing.block("visitor", "Somebody", ["HTTPS".to_owned()], outside);
    let names = gitops.domain.iter().map(|domain| format!("*.{domain}"));
    drawing.block("edge", "DNS and edge", names, |check| check.id == "edge/record");
    let pods = format!("{} pods", cloudflared.replicas);
    let pods_run = is_workload("the tunnel is connected");
    drawing.block("tunnel", "Tunnel", [pods], |check| {
        pods_run(check) || OF_THE_TUNNEL.contains(&check.id)
    });
    drawing.block(
        "traefik",
        "Traefik",
        ["X-Forwarded-Proto https".to_owned()],
        is_workload("Traefik runs"),
    );
    drawing.arrow("visitor", "edge", "");
    drawing.arrow("edge", "tunnel", "outbound");
    drawing.arrow("tunnel", "traefik", "HTTP");
    if gitops.authentik.is_some() {
        let asks = ["ForwardAuth".to_owned()];
        drawing.block("authentik", "Authentik", asks, is_workload("Authentik runs"));
        drawing.arrow("traefik", "authentik", "who is it?");
    }
    for route in routes(desired) {
        let host = route.hostname;
        let walked = |check: &Check| {
            (check.id == "systems/path" && check.title.contains(&format!(" {host} ")))
                || (check.id == "outside/public" && check.title.starts_with(&host))
        };
        let id = host.split('.').next().unwrap_or(&host).to_owned();
        drawing.block(format!("app-{id}"), id.clone(), [host.clone()], walked);
        drawing.arrow("traefik", format!("app-{id}"), "");
    }
    Some(drawing.done())
}
