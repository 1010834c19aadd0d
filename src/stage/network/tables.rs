//! What stands in the tables of the nodes, against what the cluster says: pure.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    peers::{Look, Peer, RESTART, Tables, of_all},
    pod_mtu,
};
use crate::{
    inventory::desired::{Desired, Node, Overlay},
    model::NodeName,
    plan::probe::{HostProbe, Link},
    ports::KubeNode,
    stage::{
        check::{Check, expect},
        cluster, overlay, tailnet,
    },
};

/// What a pod's packet needs so that a Tailscale proxy in a pod (its own interface has 1280) gets TCP
/// through: 1280 and the outer headers over IPv4. Measured: 1339 carries nothing.
const PROXY_NEEDS: u16 = 1340;

/// What was seen of those nodes that answered.
pub type Probes<'a> = BTreeMap<NodeName, &'a HostProbe>;

/// The nodes that Kubernetes knows, or why it was not to be asked.
pub type Known<'a> = Result<&'a [KubeNode], &'a str>;

/// Judges every node by what was seen of it; what was not seen is skipped, and says so. Where Kubernetes did not tell, the
/// server whose API was asked is to blame, and no other node.
pub fn evaluate(desired: &Desired, probes: &Probes<'_>, kube: Known<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let peers: Result<Vec<Peer>, &str> = kube.map(|kube| kube.iter().map(Peer::of).collect());
    let peers = peers.as_deref().map_err(|why| *why);
    for node in desired.nodes.values() {
        let Some(probe) = probes.get(&node.name) else {
            checks.push(Check::blind(
                "network/tables",
                node.name.clone(),
                "tailnet and overlay",
                "the node did not answer",
            ));
            continue;
        };
        checks.extend(tailnet::checks(desired, node, probe, None));
        checks.extend(node_checks(desired, node, probe, kube));
        checks.extend(overlay_checks(desired, node, probe, peers));
    }
    let pods = pod_mtu(desired);
    if pods < PROXY_NEEDS {
        checks.push(Check::skipped(
            "network/proxies",
            None,
            format!("pods carry Tailscale proxies (MTU {PROXY_NEEDS} or more)"),
            format!("pods have {pods}: TCP through a proxy in a pod would stand still"),
        ));
    }
    checks
}

fn node_checks(desired: &Desired, node: &Node, probe: &HostProbe, kube: Known<'_>) -> Vec<Check> {
    let check = |id, title: String, finding| Check::of(id, node.name.clone(), title, finding);
    let in_the_cluster = "the node is in the cluster";
    let kube = match kube {
        Ok(kube) => kube,
        Err(why) if node.name == desired.first_server().name => {
            let unit = cluster::unit_name(node.role);
            let next = format!(
                "`homelab ssh {} -- sudo journalctl -u {unit}` says why; `homelab up` starts what is stopped",
                node.name
            );
            return vec![check("cluster/node", in_the_cluster.into(), Err((why.to_owned(), next)))];
        }
        Err(why) => {
            return vec![Check::blind("cluster/node", node.name.clone(), in_the_cluster, why)];
        }
    };
    let Some(seen) = kube.iter().find(|seen| seen.name == node.name.as_str()) else {
        let finding = Err((
            "the cluster has no Node object of this name".to_owned(),
            format!(
                "`journalctl -u {}` on the node, then `homelab up`",
                cluster::unit_name(node.role)
            ),
        ));
        return vec![check("cluster/node", in_the_cluster.into(), finding)];
    };
    let version = &desired.k3s.binary.version;
    let address = probe.tailnet_ipv4().map(IpAddr::V4);
    let vtep = cluster::vtep(desired, node, probe);
    vec![
        check(
            "cluster/ready",
            "the node is Ready".into(),
            expect(
                seen.ready,
                seen.not_ready.clone().unwrap_or_else(|| "no reason is given".into()),
                format!("`homelab kubectl -- describe node {}` shows its conditions", node.name),
            ),
        ),
        check(
            "cluster/pressure",
            "it is short of neither disk, memory nor process ids".into(),
            expect(
                seen.pressures.is_empty(),
                seen.pressures.join("; "),
                format!(
                    "kubelet evicts pods from it until that is over: see `its root file system has room`, and \
                     `homelab kubectl -- describe node {}`",
                    node.name
                ),
            ),
        ),
        check(
            "cluster/version",
            format!("kubelet is {version}"),
            expect(
                seen.kubelet_version == *version,
                format!("it is {}", seen.kubelet_version),
                "`homelab up`",
            ),
        ),
        check(
            "cluster/address",
            format!("INTERNAL-IP is {}", shown(address)),
            expect(
                seen.internal_ip == address && address.is_some(),
                format!("it is {}", shown(seen.internal_ip)),
                format!(
                    "an address is for a Node object's life: `homelab destroy --node {}`, then `homelab up` (K3S-02)",
                    node.name
                ),
            ),
        ),
        check(
            "overlay/vtep",
            format!("the VTEP is {}", shown(vtep)),
            expect(
                seen.vtep == vtep && vtep.is_some(),
                format!("Flannel says {}", shown(seen.vtep)),
                "`flannel-iface` in /etc/rancher/k3s/config.yaml decides; `homelab up` sets it (K3S-14)",
            ),
        ),
    ]
}

fn overlay_checks(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    peers: Result<&[Peer<'_>], &str>,
) -> Vec<Check> {
    let check = |id, title: String, finding| Check::of(id, node.name.clone(), title, finding);
    let mtu = pod_mtu(desired);
    let has_mtu = |interface: &str| {
        let found = probe.mtu(interface);
        let cause = found
            .map_or_else(|| format!("there is no {interface}"), |found| format!("it has {found}"));
        expect(
            found == Some(mtu.into()),
            cause,
            "`homelab up` sets it: Flannel looks at the MTU below when it makes its device, and at no other time",
        )
    };
    let mut checks =
        vec![check("overlay/mtu", format!("flannel.1 has MTU {mtu}"), has_mtu("flannel.1"))];
    let title = format!("cni0 has MTU {mtu}");
    // Without a pod on it the bridge falls back to 1500: it takes on the smallest MTU of its ports.
    if probe.link("cni0").is_some_and(Link::has_carrier) {
        checks.push(check("overlay/pod-mtu", title, has_mtu("cni0")));
    } else {
        let why = "no pod with a network of its own runs here";
        checks.push(Check::skipped("overlay/pod-mtu", node.name.clone(), title, why));
    }
    let local = probe.link("flannel.1").and_then(|link| link.info.details.local);
    let vtep = cluster::vtep(desired, node, probe);
    checks.push(check(
        "overlay/local",
        format!("flannel.1 sends from {}", shown(vtep)),
        expect(local == vtep && vtep.is_some(), format!("it sends from {}", shown(local)), RESTART),
    ));
    let tables = Tables::of(probe);
    let all = [
        (
            "overlay/fdb",
            "each peer's VTEP is in the forwarding table",
            (|tables, peer| tables.forwarding(peer)) as Look,
        ),
        ("overlay/neighbour", "each peer's end has a neighbour entry", |tables, peer| {
            tables.neighbour(peer)
        }),
        ("overlay/route", "there is a route to each peer's pods", |tables, peer| {
            tables.route(peer)
        }),
    ];
    for (id, title, look) in all {
        checks.push(match peers {
            Ok(peers) => {
                let others = peers.iter().filter(|peer| peer.name != node.name.as_str());
                check(id, title.into(), of_all(others, |peer| look(&tables, peer)))
            }
            Err(why) => Check::blind(id, node.name.clone(), title, why),
        });
    }
    if desired.tailnet.guard && desired.k3s.overlay == Overlay::Tailscale {
        let reasons = overlay::guard_reasons(desired, node, probe);
        checks.push(check(
            "overlay/guard",
            "the guard of the overlay runs".into(),
            expect(reasons.is_empty(), reasons.join("; "), "`homelab up`"),
        ));
    }
    checks
}

pub(super) fn shown(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "none".into(), |address| address.to_string())
}
