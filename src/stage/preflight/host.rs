//! Whether the Proxmox nodes can carry the guests.

use super::to_make;
use crate::{
    inventory::Desired,
    plan::{Observed, Refusal},
    ports::{Bridge, NodeSummary, Version},
};

/// The oldest Proxmox VE that has `import` content and the texts that we read.
const OLDEST_MAJOR: u32 = 8;

pub(super) fn supported(version: &Version) -> Option<Refusal> {
    (version.major < OLDEST_MAJOR).then(|| {
        Refusal::new(
            "Proxmox VE",
            format!("version {} is older than {OLDEST_MAJOR}.0", version.text),
            "upgrade the host",
        )
    })
}

/// Proxmox starts no guest with more cores than the node has processors: `MAX 8 vcpus allowed per VM on
/// this node`.
pub(super) fn cores(desired: &Desired, nodes: &[NodeSummary]) -> Vec<Refusal> {
    let too_many = |node: &crate::inventory::desired::Node| {
        let host = nodes.iter().find(|host| host.name == node.proxmox_node)?;
        // Without Sys.Audit, which is told as missing, it is 0.
        (host.cpus > 0 && node.cores > host.cpus).then(|| {
            Refusal::new(
                node.name.to_string(),
                format!(
                    "has {} cores, {} has {} CPUs: Proxmox would not start it",
                    node.cores, host.name, host.cpus
                ),
                format!("set `cores` to {} at most", host.cpus),
            )
        })
    };
    desired.nodes.values().filter_map(too_many).collect()
}

/// Guests that are still to be made must find their memory on the node.
pub(super) fn memory(
    desired: &Desired,
    observed: &Observed,
    proxmox_node: &str,
) -> Option<Refusal> {
    let node = observed.nodes.iter().find(|node| node.name == proxmox_node)?;
    let needed: u64 =
        to_make(desired, observed, proxmox_node).map(|wanted| wanted.memory_mib << 20).sum();
    let free = node.memory_bytes.saturating_sub(node.memory_used_bytes);
    // Without Sys.Audit, which is told as missing, all numbers are 0.
    (node.memory_bytes > 0 && needed > free).then(|| {
        Refusal::new(
            node.name.clone(),
            format!(
                "the nodes to be made need {} MiB of memory, {} MiB of {} MiB are free",
                needed >> 20,
                free >> 20,
                node.memory_bytes >> 20
            ),
            "give the nodes less `memory`, or stop other guests",
        )
    })
}

/// A bridge that carries less than the inventory says loses large packets without a word, and the
/// tailnet's MTU was planned on it.
pub(super) fn link(desired: &Desired, proxmox_node: &str, bridges: &[Bridge]) -> Option<Refusal> {
    let bridge = &desired.proxmox.bridge;
    let set = bridges.iter().find(|known| known.name == *bridge)?.mtu?;
    let nodes = desired.nodes.values().filter(|node| node.proxmox_node == proxmox_node);
    let wanted = nodes.map(|node| node.link_mtu).max()?;
    (wanted > set).then(|| {
        Refusal::new(
            format!("bridge {bridge} on {proxmox_node}"),
            format!("carries {set} bytes, the inventory's link has an MTU of {wanted}"),
            format!(
                "set `network.mtu: {set}` (or the node's `mtu`), or raise the bridge's MTU and that of everything below it"
            ),
        )
    })
}
