//! The checks of the edge: tunnel, routes, names, and the token in the cluster.

use crate::{
    inventory::Desired,
    plan::{
        Observed,
        edge::{self, EdgeSight, Pointing},
        observed::Sight,
    },
    ports::{Tunnel, TunnelHealth},
    stage::check::{Check, Finding, expect},
};

/// Everything of the edge that should be so.
pub fn checks(desired: &Desired, observed: &Observed) -> Vec<Check> {
    if edge::site(desired).is_none() {
        return Vec::new();
    }
    let title = "the tunnel is connected to Cloudflare";
    let seen = match &observed.edge {
        Sight::Unseen => return Vec::new(),
        Sight::Silent(why) => {
            let next = "this machine must reach the internet: check its network, DNS and proxy";
            let finding = Err((why.clone(), next.to_owned()));
            return vec![Check::of("edge/tunnel", None, title, finding)];
        }
        Sight::Seen(Err(refusal)) => {
            let finding = Err((refusal.message.clone(), refusal.hint.clone()));
            return vec![Check::of("edge/tunnel", None, title, finding)];
        }
        Sight::Seen(Ok(seen)) => seen,
    };
    let tunnel = seen.tunnel.as_ref();
    let mut checks = vec![Check::of("edge/tunnel", None, title, connected(tunnel))];
    let wrong = edge::wrong_rules(&edge::rules(desired), &seen.rules);
    checks.push(Check::of(
        "edge/route",
        None,
        "the tunnel leads each public name to Traefik",
        expect(wrong.is_empty(), wrong.join("; "), "`homelab up` sets its routes anew"),
    ));
    for name in edge::names(desired) {
        let title = format!("{name} leads into the tunnel");
        checks.push(Check::of("edge/record", None, title, pointed(desired, seen, &name)));
    }
    let unasked = observed.why_unasked(&desired.first_server().name);
    checks.push(secret(seen, tunnel, &unasked));
    checks
}

fn connected(tunnel: Option<&Tunnel>) -> Finding {
    let Some(tunnel) = tunnel else {
        return Err(("there is no tunnel of ours".into(), "`homelab up` makes it".into()));
    };
    let number = match tunnel.connections {
        1 => "1 connection".to_owned(),
        number => format!("{number} connections"),
    };
    let pods =
        "`homelab kubectl -- -n cloudflared get deployments,pods` shows whether the connectors run";
    match &tunnel.health {
        TunnelHealth::Healthy => Ok(format!("healthy, {number}")),
        TunnelHealth::Degraded => Err((
            format!("degraded: {number}, and some failed"),
            "`homelab kubectl -- -n cloudflared logs -l app.kubernetes.io/name=cloudflared` says why; TCP \
             7844 must be open outwards"
                .into(),
        )),
        TunnelHealth::Down => Err(("down: no connector is there any more".into(), pods.into())),
        TunnelHealth::Inactive => {
            Err(("inactive: no connector has ever connected".into(), pods.into()))
        }
        TunnelHealth::Other(word) => Err((format!("{word}, {number}"), pods.into())),
    }
}

fn pointed(desired: &Desired, seen: &EdgeSight, name: &str) -> Finding {
    let tunnel = seen.tunnel.as_ref().map(|tunnel| tunnel.id.as_str());
    match seen.pointing(desired, name, tunnel) {
        Pointing::Right(record) => Ok(format!("proxied, to {}", record.content)),
        Pointing::Absent => Err((
            format!("zone {} has no record of it", seen.zone.name),
            "`homelab up` makes it".into(),
        )),
        Pointing::Differs(_, why) => Err((why, "`homelab up` sets it right".into())),
        Pointing::Foreign(record) => {
            let refusal = crate::plan::diff::foreign_record(desired, record);
            Err((refusal.message, refusal.hint))
        }
    }
}

fn secret(seen: &EdgeSight, tunnel: Option<&Tunnel>, unasked: &str) -> Check {
    let title = "the cluster has the tunnel's token";
    let next = "`homelab up` puts it there";
    let finding = match (&seen.secret, tunnel) {
        (Sight::Unseen, _) => {
            return Check::blind("edge/secret", None, title, unasked);
        }
        (Sight::Silent(why), _) => Err((why.clone(), "see the checks of the server".to_owned())),
        (Sight::Seen(Some(opened)), Some(tunnel)) if *opened == tunnel.id => {
            Ok("as Cloudflare has it".to_owned())
        }
        (Sight::Seen(None), _) => Err(("it does not".to_owned(), next.to_owned())),
        (Sight::Seen(Some(opened)), _) if opened.is_empty() => {
            Err(("what it has is no token of a tunnel".to_owned(), next.to_owned()))
        }
        (Sight::Seen(Some(opened)), _) => {
            Err((format!("it has the token of tunnel {opened}"), next.to_owned()))
        }
    };
    Check::of("edge/secret", None, title, finding)
}

#[cfg(test)]
mod tests;
