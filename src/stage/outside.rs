//! The ways in, asked for from outside: each public name as a stranger would, each private one from a member
//! of the tailnet, mail at its address of the LAN.

mod cloudflare;
mod mail;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures::future::join_all;

use super::check::{Check, Finding};
use crate::{
    engine::Run,
    gitops::{PrivateWay, Route, private_ways, routes},
    inventory::desired::Outside as Place,
    model::NodeName,
    plan::{Observed, observed::Sight},
    ports::{Answer, Device, HostOf, Outside, OutsideError, Question, World},
};

const HTTPS: u16 = 443;
/// What a person types to see more of the public path.
const TUNNEL: &str = "`homelab kubectl -- -n cloudflared get deployments,pods`; where they run, \
                      `homelab kubectl -- -n cloudflared logs deploy/cloudflared`";
const TRAEFIK: &str = "`homelab kubectl -- -n kube-system logs deploy/traefik`";

/// Asks for every name at once.
pub(super) async fn checks<W: World>(run: &Arc<Run<W>>, observed: &Observed) -> Vec<Check> {
    let Some(gitops) = &run.desired.gitops else { return Vec::new() };
    let place = &gitops.outside;
    let public = routes(&run.desired);
    let public = public.iter().map(|route| Box::pin(ask_public(run, route, place)));
    let private = private_ways(&run.desired);
    let private = private.iter().map(|way| Box::pin(ask_private(run, observed, way, place)));
    let mail = Box::pin(mail::check(run, observed));
    let (mut checks, private, mail) = futures::join!(join_all(public), join_all(private), mail);
    checks.extend(private);
    checks.extend(mail);
    checks
}

async fn ask_public<W: World>(run: &Arc<Run<W>>, route: &Route, place: &Place) -> Check {
    let question = Question {
        host: route.hostname.clone(),
        address: place.edge.map(|edge| SocketAddr::new(edge.into(), HTTPS)),
        ca_file: place.ca_file.clone(),
    };
    let answer = run.world.outside().ask(&question, None::<&HostOf<W>>).await;
    let wanted = if route.guarded { "and Authentik is asked first" } else { "by its own word" };
    let title = format!("{} answers from outside, {wanted}", route.hostname);
    Check::of("outside/public", None, title, judge_public(route, answer))
}

fn judge_public(route: &Route, answer: Result<Answer, OutsideError>) -> Finding {
    let host = &route.hostname;
    let answer = answer.map_err(|error| {
        let next = match &error {
            OutsideError::Name { .. } => "its DNS record: `homelab plan`, or README.md of the tree",
            OutsideError::Local(_) => {
                "`gitops.outside.ca_file` names the authority of its certificate"
            }
            _ => "Cloudflare's edge is reached by what DNS says, or by `gitops.outside.edge`",
        };
        (error.to_string(), next.to_owned())
    })?;
    let Answer { status, location, body } = &answer;
    if let Some(fault) = cloudflare::fault(*status, body) {
        return Err(fault);
    }
    match status {
        404 if body.starts_with("404 page not found") => {
            let cause = "Traefik has no way in for it (404)";
            return Err((cause.into(), format!("`homelab kubectl -- get ingress -A`; {TRAEFIK}")));
        }
        500..=599 => {
            let cause = format!("the app, or Authentik before it, does not answer ({status})");
            return Err((cause, TRAEFIK.into()));
        }
        _ => {}
    }
    // Who builds addresses believes that the request came by HTTP.
    if let Some(location) = location.as_deref().filter(|location| location.starts_with("http://")) {
        let cause = format!(
            "it leads on to {location}: the app was not told that the request came by HTTPS"
        );
        let next = "Traefik's entry point must trust the tunnel's pods and set X-Forwarded-Proto: \
                    `homelab kubectl -- -n kube-system get helmchartconfig traefik -o yaml`";
        return Err((cause, next.into()));
    }
    let asks = location.as_deref().is_some_and(is_authentik);
    if route.guarded && !asks {
        let cause = format!("it answered {status} without asking Authentik who it is");
        let next = format!("Middleware authentik/authentik before {host}: {TRAEFIK}");
        return Err((cause, next));
    }
    Ok(match location {
        Some(location) => format!("{status}, on to {}", without_query(location)),
        None => status.to_string(),
    })
}

/// An address where Authentik asks who somebody is: its outpost's beginning or its own sign-in.
fn is_authentik(location: &str) -> bool {
    ["/outpost.goauthentik.io/", "/application/o/authorize", "/if/flow/"]
        .iter()
        .any(|path| without_host(location).starts_with(path))
}

fn without_host(location: &str) -> &str {
    let rest = location.split_once("://").map_or(location, |(_, rest)| rest);
    match rest.find('/') {
        Some(path) if rest.len() < location.len() => &rest[path..],
        _ => location,
    }
}

fn without_query(location: &str) -> &str {
    location.split(['?', '#']).next().unwrap_or(location)
}

async fn ask_private<W: World>(
    run: &Arc<Run<W>>,
    observed: &Observed,
    way: &PrivateWay,
    place: &Place,
) -> Check {
    let title = format!("{} answers in the tailnet", way.hostname);
    let skipped = |why: String| Check::skipped("outside/private", None, title.clone(), why);
    let devices = match &observed.devices {
        Sight::Seen(devices) => devices,
        Sight::Silent(why) => {
            return skipped(format!("the tailnet's devices can't be seen: {why}"));
        }
        Sight::Unseen => return skipped("the tailnet's devices were not looked at".into()),
    };
    let address = match address(way, devices) {
        Ok(address) => address,
        Err(finding) => return Check::of("outside/private", None, title, Err(finding)),
    };
    let member = observed.hosts.iter().find(|(_, sight)| sight.seen().is_some());
    let Some((node, _)) = member else {
        return skipped("no node answers that could ask for it".into());
    };
    let host = match run.host(node).await {
        Ok(host) => host,
        Err(failure) => return skipped(format!("{node} cannot ask for it: {failure}")),
    };
    let question = Question {
        host: way.hostname.clone(),
        address: Some(SocketAddr::new(address, HTTPS)),
        ca_file: place.ca_file.clone(),
    };
    let answer = run.world.outside().ask(&question, Some(&host)).await;
    Check::of("outside/private", None, title, judge_private(way, node, answer))
}

/// The address of the device that the operator made for it.
fn address(way: &PrivateWay, devices: &[Device]) -> Result<IpAddr, (String, String)> {
    let next =
        "`homelab kubectl -- -n tailscale get pods`; the operator's log says more".to_owned();
    let own: Vec<&Device> = devices.iter().filter(|one| one.name == way.device).collect();
    let Some(device) = own.first() else {
        let twin = devices.iter().find(|device| device.hostname == way.device);
        return Err(match twin {
            Some(twin) => (
                format!("another device had its name first: this one is called {}", twin.name),
                format!(
                    "remove the old device {} from the tailnet, then the proxy's pod",
                    way.device
                ),
            ),
            None => (format!("no device of the tailnet is called {}", way.device), next),
        });
    };
    if device.online == Some(false) {
        return Err((format!("the device {} is offline", way.device), next));
    }
    let address = device.ipv4.map(IpAddr::V4).or(device.ipv6.map(IpAddr::V6));
    address.ok_or_else(|| (format!("the device {} has no address", way.device), next))
}

fn judge_private(
    way: &PrivateWay,
    node: &NodeName,
    answer: Result<Answer, OutsideError>,
) -> Finding {
    let answer = answer.map_err(|error| {
        let next = match &error {
            OutsideError::Connect { .. } => {
                "the tailnet's policy must let the nodes' tag reach the proxies' at tcp:443 \
                 (`homelab init tailnet-policy`); else see the proxy's pod in namespace tailscale"
            }
            OutsideError::Tls { .. } => {
                "HTTPS must be enabled for the tailnet (admin console, DNS), and the proxy have fetched its certificate"
            }
            _ => "see the proxy's pod in namespace tailscale",
        };
        (format!("asked from {node}: {error}"), next.to_owned())
    })?;
    match answer.status {
        500..=599 => Err((
            format!("the proxy answers, the app behind it does not ({})", answer.status),
            format!(
                "the check of Ingress {}-private says which of its pods are not ready; `homelab kubectl -- get pods -A` shows all",
                way.ingress
            ),
        )),
        status => Ok(format!("{status}, asked from {node}")),
    }
}
