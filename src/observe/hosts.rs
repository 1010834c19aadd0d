//! Whether Proxmox has the nodes that the inventory puts its guests on.

use crate::{inventory::Desired, plan::Refusal, ports::NodeSummary};

/// The Proxmox nodes that cannot be looked at: every request to them would fail with the words of a
/// name server.
pub(super) fn unusable(desired: &Desired, nodes: &[NodeSummary]) -> Vec<Refusal> {
    let judge = |wanted: String| {
        let users: Vec<&str> = desired
            .nodes
            .values()
            .filter(|node| node.proxmox_node == wanted)
            .map(|node| node.name.as_str())
            .collect();
        let place = format!("`proxmox_node` of {}", users.join(" and "));
        match nodes.iter().find(|node| node.name == wanted) {
            None => Some(Refusal::new(
                place,
                format!("Proxmox has no node `{wanted}`; it has {}", told(nodes)),
                "change `proxmox_node` (in `defaults`, or of the node) to a name that Proxmox shows; it is no address",
            )),
            Some(node) if !node.online => Some(Refusal::new(
                place,
                format!("Proxmox's node `{wanted}` is offline"),
                "start it, or check that the Proxmox cluster has quorum: `pvecm status` on a node that is up",
            )),
            Some(_) => None,
        }
    };
    desired.proxmox_nodes().into_iter().filter_map(judge).collect()
}

fn told(nodes: &[NodeSummary]) -> String {
    let name = |node: &NodeSummary| {
        if node.online { node.name.clone() } else { format!("{} (offline)", node.name) }
    };
    nodes.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::scripts::tests::desired;

    fn node(name: &str, online: bool) -> NodeSummary {
        NodeSummary { name: name.into(), online, cpus: 8, memory_bytes: 0, memory_used_bytes: 0 }
    }

    fn told_of(desired: &Desired, nodes: &[NodeSummary]) -> Vec<String> {
        let refusals = unusable(desired, nodes);
        refusals
            .into_iter()
            .map(|refusal| format!("{}: {}", refusal.place, refusal.message))
            .collect()
    }

    #[test]
    fn a_name_that_proxmox_does_not_have_is_told_with_those_that_it_has() {
        assert_eq!(
            told_of(&desired(), &[node("pve", true), node("pve2", false)]),
            [
                "`proxmox_node` of k3s-server and k3s-agent-1: Proxmox has no node `pve1`; it has pve, pve2 (offline)"
            ]
        );
    }

    #[test]
    fn a_node_that_is_offline_is_told_with_those_whose_place_it_is() {
        let mut desired = desired();
        desired.nodes[1].proxmox_node = "pve2".into();
        assert_eq!(
            told_of(&desired, &[node("pve1", true), node("pve2", false)]),
            ["`proxmox_node` of k3s-agent-1: Proxmox's node `pve2` is offline"]
        );
    }
}
