//! The ways in, walked object by object: host, Ingress, Middleware, Service, port, pods that are ready; and
//! the addresses that the LAN is to give.

use std::net::Ipv4Addr;

use crate::{
    inventory::Desired,
    plan::systems::{Ingress, Named, Service, SystemsSight},
    stage::check::{Check, Finding},
};

pub(super) fn checks(desired: &Desired, seen: &SystemsSight) -> Vec<Check> {
    let ways = seen.ingresses.iter().map(|ingress| {
        let hosts =
            if ingress.hosts.is_empty() { "any host".into() } else { ingress.hosts.join(", ") };
        let title = format!("{} leads {hosts} to pods that are ready", ingress.named);
        Check::of("systems/path", None, title, walk(ingress, seen))
    });
    let pool = desired.gitops.as_ref().and_then(|gitops| gitops.metallb.as_ref());
    let pool = pool.map(|metallb| metallb.addresses.as_slice());
    let addresses = seen.services.iter().filter(|service| service.wants_address).map(|service| {
        let title = format!("Service {} answers at an address of the LAN", service.named);
        let served = seen.served.contains(&service.named);
        Check::of("systems/address", None, title, address(service, served, pool))
    });
    ways.chain(addresses).collect()
}

fn walk(ingress: &Ingress, seen: &SystemsSight) -> Finding {
    let Ingress { named, class, backends, middlewares, addresses, .. } = ingress;
    let next = |words: &str| super::kubectl(&named.namespace, words);
    for middleware in middlewares {
        let is_it = |known: &Named| format!("{}-{}", known.namespace, known.name) == *middleware;
        if !seen.middlewares.iter().any(is_it) {
            let cause = format!("Middleware {middleware} is not there: Traefik answers 404");
            return Err((cause, next("get middlewares.traefik.io -A")));
        }
    }
    if backends.is_empty() {
        return Err(("it leads nowhere".into(), next(&format!("describe ingress {}", named.name))));
    }
    for backend in backends {
        let service = Named { namespace: named.namespace.clone(), name: backend.service.clone() };
        let Some(known) = seen.services.iter().find(|known| known.named == service) else {
            return Err((format!("Service {service} is not there"), next("get services")));
        };
        let fits = |port: &crate::plan::systems::Port| {
            port.name == backend.port || port.number.to_string() == backend.port
        };
        if !known.ports.iter().any(fits) {
            let cause = format!("Service {service} has no port {}", backend.port);
            return Err((cause, next(&format!("describe service {}", service.name))));
        }
        if !seen.served.contains(&service) {
            let cause = format!("no pod behind Service {service} is ready");
            return Err((cause, next("get deployments,statefulsets,pods")));
        }
    }
    if class == "tailscale" && addresses.is_empty() {
        let cause = "Tailscale's operator has given it no name in the tailnet";
        return Err((
            cause.into(),
            "`homelab kubectl -- -n tailscale logs deploy/operator`".into(),
        ));
    }
    Ok(match addresses.as_slice() {
        [] => "as planned".into(),
        known => format!("at {}", known.join(", ")),
    })
}

/// With MetalLB it is one of its own addresses: another would be answered for by nobody.
fn address(service: &Service, served: bool, pool: Option<&[String]>) -> Finding {
    let Service { named, addresses, .. } = service;
    let next = super::kubectl(&named.namespace, &format!("describe service {}", named.name));
    if addresses.is_empty() {
        let cause = "nobody has given it one";
        return Err((cause.into(), next));
    }
    if !served {
        return Err(("no pod behind it is ready".into(), next));
    }
    let Some(pool) = pool else { return Ok(addresses.join(", ")) };
    let strange = |address: &&String| {
        address
            .parse()
            .is_ok_and(|address: Ipv4Addr| !pool.iter().any(|range| holds(range, address)))
    };
    match addresses.iter().find(strange) {
        None => Ok(addresses.join(", ")),
        Some(strange) => Err((format!("{strange} is not in MetalLB's {}", pool.join(", ")), next)),
    }
}

/// `192.168.1.240-192.168.1.250` or `192.168.1.240/28`.
fn holds(range: &str, address: Ipv4Addr) -> bool {
    if let Some((from, to)) = range.split_once('-') {
        let parsed = |text: &str| text.trim().parse::<Ipv4Addr>();
        return matches!((parsed(from), parsed(to)), (Ok(from), Ok(to)) if (from..=to).contains(&address));
    }
    range.trim().parse::<ipnet::Ipv4Net>().is_ok_and(|network| network.contains(&address))
}
