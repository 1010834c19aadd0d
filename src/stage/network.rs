//! Does the network between the nodes carry what it should: what stands in the tables of every node
//! ([`evaluate`], pure), and packets, streams and names over it ([`send`]). "Ready" says none of this (K3S-18).

mod dns;
mod path;
mod peers;
mod stream;
mod tables;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use futures::future::join_all;
use serde::Serialize;
use serde_json::json;

pub use super::check::{Check, CheckState};
use super::{check::Finding, run::run};
use crate::{
    error::Result,
    inventory::desired::{Desired, Overlay},
    model::NodeName,
    plan::probe::HostProbe,
    ports::{Host, HostError, KubeNode},
    script::Script,
    template,
};

pub use tables::{Known, Probes, evaluate};

/// What VXLAN adds to a packet over IPv4, in bytes.
const VXLAN: u16 = 50;
/// Up to so many nodes, every node sends to every other; beyond, to the few that follow it in the ring.
const ALL_PAIRS: usize = 12;
const NEIGHBOURS_IN_RING: usize = 2;
/// More streams at once would measure each other.
const STREAMS_AT_ONCE: usize = 4;
/// How long a stream or a name may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Enough to fill windows and to meet a path that carries small packets only.
const STREAM_BYTES: usize = 128 * 1024;

/// The MTU of the pods' network.
pub(crate) fn pod_mtu(desired: &Desired) -> u16 {
    let below = match desired.k3s.overlay {
        Overlay::Tailscale => desired.tailnet.mtu,
        Overlay::Lan => desired.nodes.values().map(|node| node.link_mtu).min().unwrap_or(1500),
    };
    below.saturating_sub(VXLAN)
}

/// A peer's address, and the largest packet that must reach it whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Target {
    /// `lan`, `tailnet` or `pods`.
    what: &'static str,
    peer: NodeName,
    address: Ipv4Addr,
    mtu: u16,
}

pub(crate) fn targets(
    desired: &Desired,
    peer: &NodeName,
    tailnet: Ipv4Addr,
    flannel: Ipv4Addr,
) -> Vec<Target> {
    let target = |what, address, mtu| Target { what, peer: peer.clone(), address, mtu };
    vec![target("tailnet", tailnet, desired.tailnet.mtu), target("pods", flannel, pod_mtu(desired))]
}

/// The link below it all, when both ends stand in the inventory: what it does not carry, nothing above
/// it does.
fn link_target(desired: &Desired, node: &NodeName, peer: &NodeName) -> Option<Target> {
    let (own, other) = (desired.nodes.get(node)?, desired.nodes.get(peer)?);
    let mtu = own.link_mtu.min(other.link_mtu);
    Some(Target { what: "lan", peer: peer.clone(), address: other.address, mtu })
}

pub(crate) fn packets_script(targets: &[Target]) -> Result<Script> {
    let script = template::script("network/send-packets.sh", json!({ "targets": targets }))?;
    Ok(script.timeout(Duration::from_secs(60)))
}

/// Whom a node sends to: with many nodes not all of them.
fn peers_of<'a>(node: &NodeName, nodes: &'a [KubeNode]) -> Vec<&'a KubeNode> {
    let mut sorted: Vec<&KubeNode> = nodes.iter().collect();
    sorted.sort_by(|left, right| left.name.cmp(&right.name));
    let Some(own) = sorted.iter().position(|peer| peer.name == node.as_str()) else {
        return Vec::new();
    };
    sorted.rotate_left(own);
    let wanted = if sorted.len() <= ALL_PAIRS { sorted.len() } else { NEIGHBOURS_IN_RING + 1 };
    sorted.into_iter().take(wanted).skip(1).collect()
}

/// From one node: packets of the planned size and a stream to each of its peers, over the tailnet and
/// over the pods' network, and a name from the cluster's DNS. Changes nothing.
pub async fn send(
    host: &impl Host,
    desired: &Desired,
    node: &NodeName,
    probes: &Probes<'_>,
    kube: &[KubeNode],
) -> Vec<Check> {
    let mut unknown = Vec::new();
    let mut sent = Vec::new();
    let mut streams = Vec::new();
    for peer in peers_of(node, kube) {
        let name: Option<NodeName> = peer.name.parse().ok();
        let probe = name.as_ref().and_then(|name| probes.get(name).copied());
        let (Some(name), Some(tailnet), Some(ipnet::IpNet::V4(pods))) =
            (name, probe.and_then(HostProbe::tailnet_ipv4), peer.pod_cidr)
        else {
            let why = "the peer's addresses are not known";
            unknown.push(Target::unknown(node, &peer.name, why));
            continue;
        };
        let targets = targets(desired, &name, tailnet, pods.network());
        sent.extend(link_target(desired, node, &name));
        sent.extend(targets.iter().cloned());
        streams.extend(targets);
    }
    // Where the network is broken each of these waits its time out: side by side, not one after the other.
    // Streams follow the packets, which make nodes find each other that never spoke.
    let reached = async {
        let mut checks = packets(host, desired, node, &sent).await;
        for some in streams.chunks(STREAMS_AT_ONCE) {
            let looks = some.iter().map(|target| stream_to(host, desired, node, target));
            checks.extend(join_all(looks).await);
        }
        checks
    };
    let (reached, name) = futures::join!(reached, name_from(host, desired, node));
    [unknown, reached, vec![name]].concat()
}

impl Target {
    fn unknown(node: &NodeName, peer: &str, why: &str) -> Check {
        Check::skipped("network/packets", node.clone(), format!("packets reach {peer}"), why)
    }

    fn id(&self) -> &'static str {
        if self.what == "lan" { "network/link" } else { "network/packets" }
    }

    fn next(&self) -> &'static str {
        match self.what {
            "lan" => {
                "`ping -M do -s SIZE` finds what the link carries: set `network.mtu` (or the node's `mtu`) to it, or raise the MTU of bridge and switch (TS-07)"
            }
            "tailnet" => {
                "`tailscale ping` the peer from this node: a policy that lets nodes reach each other, UDP 41641 between them (TS-06), and a link MTU of at least the tailnet's + 60 are needed"
            }
            _ => {
                "compare `bridge fdb show dev flannel.1` with the nodes' annotations; `systemctl restart k3s` (or k3s-agent) on both makes it anew (TS-08)"
            }
        }
    }
}

async fn packets(
    host: &impl Host,
    desired: &Desired,
    node: &NodeName,
    targets: &[Target],
) -> Vec<Check> {
    let printed = match packets_script(targets) {
        Ok(script) => run(host, &script).await,
        Err(failure) => Err(failure),
    };
    let printed = printed.unwrap_or_else(|failure| {
        targets
            .iter()
            .map(|target| format!("{} {} {failure}\n", target.what, target.peer))
            .collect()
    });
    let reach = targets.iter().map(|target| {
        let title = format!("{} bytes reach {} whole ({})", target.mtu, target.peer, target.what);
        Check::of(target.id(), node.clone(), title, answer(&printed, target))
    });
    let straight = targets
        .iter()
        .filter(|target| target.what == "tailnet")
        .map(|target| path::check(desired, node, &target.peer, &printed));
    reach.chain(straight).collect()
}

/// What the script said of one target.
fn answer(printed: &str, target: &Target) -> Finding {
    let prefix = format!("{} {} ", target.what, target.peer);
    match printed.lines().find_map(|line| line.strip_prefix(&prefix)) {
        Some("ok") => Ok("3 of 3".into()),
        Some(said) => Err((said.to_owned(), target.next().to_owned())),
        None => Err(("ping said nothing".into(), target.next().to_owned())),
    }
}

/// Ping alone lies: with a link that is a byte too small it passes while TCP stands still.
async fn stream_to(host: &impl Host, desired: &Desired, node: &NodeName, target: &Target) -> Check {
    let title = format!("a stream reaches {} ({})", target.peer, target.what);
    let port = desired.access.port;
    let attempt = async {
        let connection =
            host.tunnel(IpAddr::V4(target.address), port).await.map_err(Trouble::from)?;
        stream::push(connection, STREAM_BYTES)
            .await
            .map_err(|error| Trouble::Failed(error.to_string()))
    };
    let finding = match tokio::time::timeout(PATIENCE, attempt).await {
        Ok(Ok(taken)) => Ok(rate(STREAM_BYTES, taken)),
        Ok(Err(Trouble::NotForwarded(why))) => {
            return Check::skipped("network/stream", node.clone(), title, why);
        }
        Ok(Err(Trouble::Failed(why))) => Err((why, target.next().to_owned())),
        Err(_) => Err((
            format!(
                "{} KiB did not arrive within {} s, although small packets may",
                STREAM_BYTES / 1024,
                PATIENCE.as_secs()
            ),
            target.next().to_owned(),
        )),
    };
    Check::of("network/stream", node.clone(), title, finding)
}

fn rate(bytes: usize, taken: Duration) -> String {
    // Rounding is fine: it is for people.
    let megabits = bytes as f64 * 8.0 / 1e6 / taken.as_secs_f64().max(1e-6);
    format!("{} KiB in {} ms, {megabits:.0} Mbit/s", bytes / 1024, taken.as_millis())
}

enum Trouble {
    /// sshd does not let us try.
    NotForwarded(String),
    Failed(String),
}

impl From<HostError> for Trouble {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Forwarding { reason, .. } if reason.contains("prohibited") => {
                Self::NotForwarded(format!("sshd does not forward: {reason}"))
            }
            error => Self::Failed(error.to_string()),
        }
    }
}

/// The tenth address of the service network, as k3s gives it to its DNS.
pub(crate) fn dns_address(desired: &Desired) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(desired.k3s.service_cidr.network()).saturating_add(10))
}

/// Once more, where it is worth it: a pod of the DNS that ends closes the connections that it has, and says nothing of the
/// others.
async fn twice<T, E, F: Future<Output = Result<T, E>>>(
    attempt: impl Fn() -> F,
    is_worth_it: impl Fn(&E) -> bool,
) -> Result<T, E> {
    match attempt().await {
        Err(error) if is_worth_it(&error) => attempt().await,
        outcome => outcome,
    }
}

async fn name_from(host: &impl Host, desired: &Desired, node: &NodeName) -> Check {
    const NAME: &str = "kubernetes.default.svc.cluster.local";
    let server = dns_address(desired);
    let title = format!("the cluster's DNS answers at {server}");
    if desired.k3s.disable.iter().any(|part| part == "coredns") {
        return Check::skipped("network/dns", node.clone(), title, "coredns is disabled");
    }
    let next = "`kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide`, then the checks between this node and that pod's";
    let ask = || async {
        let connection = host.tunnel(IpAddr::V4(server), 53).await.map_err(Trouble::from)?;
        dns::ask(connection, NAME).await.map_err(|error| Trouble::Failed(error.to_string()))
    };
    let attempt = twice(ask, |trouble| matches!(trouble, Trouble::Failed(_)));
    let finding = match tokio::time::timeout(PATIENCE, attempt).await {
        Ok(Ok(addresses)) if addresses.is_empty() => {
            Err((format!("it knows no address of {NAME}"), next.to_owned()))
        }
        Ok(Ok(addresses)) => Ok(format!("{NAME} is {}", addresses[0])),
        Ok(Err(Trouble::NotForwarded(why))) => {
            return Check::skipped("network/dns", node.clone(), title, why);
        }
        Ok(Err(Trouble::Failed(why))) => Err((why, next.to_owned())),
        Err(_) => Err((format!("no answer within {} s", PATIENCE.as_secs()), next.to_owned())),
    };
    Check::of("network/dns", node.clone(), title, finding)
}

#[cfg(test)]
mod tests;
