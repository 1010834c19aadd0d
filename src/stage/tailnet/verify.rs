//! Whether a node is in the tailnet as it should be, from what the probe saw.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::{
    inventory::{
        desired::{Desired, Node},
        discretion::without_secrets,
    },
    plan::probe::{HostProbe, TailscaleSelf},
    stage::check::{Check, Finding, expect},
};

const UP: &str = "run `homelab up`";

/// Judges one node; `recorded` is the address that it had before, if it had one.
pub fn checks(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    recorded: Option<Ipv4Addr>,
) -> Vec<Check> {
    findings(desired, node, probe, recorded)
        .into_iter()
        .map(|(id, title, finding)| Check::of(id, node.name.clone(), title, finding))
        .collect()
}

/// The causes of those of the checks called so that fail, each with its title. A wait asks again and again, and the
/// others are not made for it.
pub fn failing(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    recorded: Option<Ipv4Addr>,
    ids: &[&str],
) -> Vec<(String, String)> {
    findings(desired, node, probe, recorded)
        .into_iter()
        .filter(|(id, ..)| ids.contains(id))
        .filter_map(|(_, title, finding)| Some((title, finding.err()?.0)))
        .map(|(title, cause)| (without_secrets(&title), without_secrets(&cause)))
        .collect()
}

/// What a check is called, what should be so, and what it finds.
type Looked = (&'static str, String, Finding);

/// Every check as it stands before anything of it is told.
fn findings(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    recorded: Option<Ipv4Addr>,
) -> Vec<Looked> {
    let plan = &desired.tailnet;
    let check = |id, title: String, finding| -> Looked { (id, title, finding) };
    let tailscale = probe.tailscale.clone().unwrap_or_default();
    let version = tailscale.version.clone().unwrap_or_else(|| "none".into());
    let mut checks = vec![check(
        "tailnet/version",
        format!("tailscale is {} as pinned", plan.tailscale.version),
        expect(
            tailscale.release.as_deref() == Some(plan.tailscale.sha256.as_str())
                && tailscale.release_intact,
            format!("found {version}, installed by other hands or changed since"),
            UP,
        ),
    )];
    let status = tailscale.status.unwrap_or_default();
    checks.push(check(
        "tailnet/running",
        "the node has joined the tailnet".into(),
        expect(
            status.backend_state == "Running",
            match status.backend_state.as_str() {
                "" => "tailscaled does not answer".to_owned(),
                state => format!("tailscaled is in state {state}"),
            },
            "see `journalctl -u tailscaled` on the node, then run `homelab up`",
        ),
    ));
    if let Some(this) = status.this.filter(|_| status.backend_state == "Running") {
        checks.extend(identity(desired, node, &this, recorded));
    }
    let mtu = probe.mtu("tailscale0");
    checks.push(check(
        "tailnet/mtu",
        format!("tailscale0 has MTU {}", plan.mtu),
        expect(
            mtu == Some(plan.mtu.into()),
            mtu.map_or("there is no tailscale0".into(), |mtu| format!("it has {mtu}")),
            "`systemctl restart homelab-tun` on the node; if it does not stay, look for another writer of TS_DEBUG_MTU",
        ),
    ));
    if plan.persistent_tun {
        let persists = probe.link("tailscale0").and_then(|link| link.info.details.persist);
        checks.push(check(
            "tailnet/tun",
            "tailscale0 outlives tailscaled".into(),
            expect(
                persists == Some(true),
                "it was made by tailscaled itself: flannel.1 goes when tailscaled is restarted",
                UP,
            ),
        ));
    }
    checks.push(check(
        "tailnet/leak",
        "without tailscaled nothing for the tailnet leaves by the LAN".into(),
        expect(
            plan.prefixes.iter().all(|prefix| is_unreachable(probe, prefix)),
            "an `unreachable` route is missing",
            "`systemctl restart homelab-tun` on the node",
        ),
    ));
    checks.push(check(
        "tailnet/filter",
        "VXLAN is taken from its own interface alone".into(),
        expect(
            probe.overlay_filter,
            "the nftables table `homelab` is not loaded",
            "`systemctl restart homelab-filter` on the node; something may flush the ruleset",
        ),
    ));
    checks
}

fn identity(
    desired: &Desired,
    node: &Node,
    this: &TailscaleSelf,
    recorded: Option<Ipv4Addr>,
) -> Vec<Looked> {
    let check = |id, title: String, finding| -> Looked { (id, title, finding) };
    let tag = &desired.tailnet.tag;
    let mut checks = vec![
        check(
            "tailnet/tag",
            format!("the device has the tag {tag}"),
            expect(
                this.tags.contains(tag),
                format!(
                    "it has {}",
                    if this.tags.is_empty() { "none".into() } else { this.tags.join(", ") }
                ),
                "tags come from the auth key: remove the device from the tailnet, then run `homelab up`",
            ),
        ),
        check(
            "tailnet/name",
            format!("the device is called {}", node.name),
            expect(
                this.dns_name.is_empty() || this.name() == node.name.as_str(),
                format!("it is called {}: another device has its name", this.name()),
                "delete the other device if it is a left-over, and rename this one",
            ),
        ),
        check(
            "tailnet/expiry",
            "the device's key does not expire".into(),
            expect(
                this.key_expiry.is_none(),
                format!("it expires at {}", this.key_expiry.unwrap_or_default()),
                "disable key expiry for the device in the tailnet's console (TS-05)",
            ),
        ),
    ];
    if let Some(recorded) = recorded {
        let found = this.ipv4();
        checks.push(check(
            "tailnet/address",
            format!("its address is {recorded}, as recorded"),
            expect(
                found == Some(recorded),
                found.map_or("it has none".into(), |found| format!("it is {found}")),
                "run `homelab plan` to see what a new address would change",
            ),
        ));
    }
    checks
}

fn is_unreachable(probe: &HostProbe, prefix: &IpNet) -> bool {
    let routes = match prefix {
        IpNet::V4(_) => &probe.routes,
        // A node without IPv6 has nothing that could leave by it.
        IpNet::V6(_) if probe.routes6.is_empty() => return true,
        IpNet::V6(_) => &probe.routes6,
    };
    routes.iter().any(|route| {
        route.kind.as_deref() == Some("unreachable") && route.destination == prefix.to_string()
    })
}

/// An address of the node, outside the tailnet, that tailscaled's rules would cut off (TS-14): the
/// interface and the address. Ask before the first join.
pub fn foreign_address(desired: &Desired, probe: &HostProbe) -> Option<(String, IpAddr)> {
    let inside =
        |address: IpAddr| desired.tailnet.prefixes.iter().any(|net| net.contains(&address));
    probe.links.iter().filter(|link| link.name != "tailscale0").find_map(|link| {
        let mut addresses = link.addresses.iter().filter_map(|address| address.local);
        addresses.find(|address| inside(*address)).map(|address| (link.name.clone(), address))
    })
}
