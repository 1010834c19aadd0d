//! Who stands in which network.

use super::{
    Diagram,
    drawing::{Drawing, outside},
};
use crate::{
    inventory::{
        Desired,
        desired::{Exposure, Overlay, Role, TailnetControl},
    },
    stage::check::Check,
};

const OF_NODES: [&str; 4] = ["machine/", "tailnet/", "access/", "network/"];

pub(super) fn diagram(desired: &Desired, checks: &[Check]) -> Diagram {
    let overlay = match desired.k3s.overlay {
        Overlay::Tailscale => "on the nodes' addresses in the tailnet",
        Overlay::Lan => "on the nodes' addresses in the LAN",
    };
    let about =
        format!("The nodes stand in the LAN and in the tailnet; the pods' network runs {overlay}.");
    let mut drawing = Drawing::new("zones", "Network zones", about, checks);
    for proxmox_node in desired.proxmox_nodes() {
        let bridge = format!("bridge {}", desired.proxmox.bridge);
        let its_own = desired.nodes.values().find(|node| node.proxmox_node == proxmox_node);
        let lan = its_own.map(|node| format!("LAN {}", node.network()));
        let lines = [bridge].into_iter().chain(lan);
        drawing.block(format!("proxmox-{proxmox_node}"), proxmox_node, lines, outside);
    }
    for node in desired.nodes.values() {
        let role = match node.role {
            Role::Server => "server",
            Role::Agent => "agent",
        };
        let lines = [
            format!("VMID {}, {role}", node.vmid),
            format!("LAN {}", node.address),
            format!("{} cores, {} MiB", node.cores, node.memory_mib),
        ];
        let of_it = |check: &Check| {
            check.node.as_ref() == Some(&node.name)
                && OF_NODES.iter().any(|prefix| check.id.starts_with(prefix))
        };
        drawing.block(node.name.as_str(), node.name.as_str(), lines, of_it);
        drawing.arrow(format!("proxmox-{}", node.proxmox_node), node.name.as_str(), "runs");
    }
    let control = match &desired.tailnet.control {
        TailnetControl::Headscale { login_server, .. } => login_server.clone(),
        _ => "Tailscale".to_owned(),
    };
    let exposure = match desired.access.exposure {
        Exposure::Tailnet => "the only way to SSH and 6443",
        Exposure::Lan => "beside the LAN",
    };
    let lines = [
        control,
        format!("tag {}, MTU {}", desired.tailnet.tag, desired.tailnet.mtu),
        exposure.to_owned(),
    ];
    let of_tailnet = |check: &Check| check.id.starts_with("tailnet/");
    drawing.block("tailnet", "Tailnet", lines, of_tailnet);
    let lines = [
        format!("pods {}", desired.k3s.cluster_cidr),
        format!("Services {}", desired.k3s.service_cidr),
    ];
    drawing.block("pods", "Pods' network", lines, |check| check.id.starts_with("network/"));
    for node in desired.nodes.keys() {
        drawing.arrow(node.as_str(), "tailnet", "WireGuard");
        if desired.k3s.overlay == Overlay::Lan {
            drawing.arrow(node.as_str(), "pods", "VXLAN");
        }
    }
    if desired.k3s.overlay == Overlay::Tailscale {
        drawing.arrow("tailnet", "pods", "VXLAN inside");
    }
    if let Some(metallb) = desired.gitops.as_ref().and_then(|gitops| gitops.metallb.as_ref()) {
        let lines = metallb.addresses.clone();
        drawing.block("addresses", "Addresses of the LAN", lines, |check| {
            check.id == "systems/address" || check.title.starts_with("MetalLB ")
        });
        drawing.arrow("addresses", "pods", "Services");
    }
    drawing.done()
}
