//! A guest's network cards.
//!
//! Each card is a veth pair: `tap102i0` (Proxmox's own name for it) stays on the bridge, the other end
//! is made right inside the guest, with the card's MAC address and the kernel's own name for it
//! (`eth0` for `net0`: in a container there is no udev, so what cloud-init renames at the first boot
//! nobody renames at the second). systemd-nspawn could be asked to bring an interface in, but it insists
//! on taking it back by name when the guest goes, and cloud-init renames.

use super::{MachineError, command::run};
use crate::hypervisor::Interface;

/// The host's end of a card.
fn tap(vmid: u32, interface: &Interface) -> String {
    format!("tap{vmid}i{}", interface.index)
}

/// The guest's end of a card.
pub(crate) fn guest_name(interface: &Interface) -> String {
    format!("eth{}", interface.index)
}

/// Refuses cards whose bridge isn't there, before anything is started.
pub(crate) async fn check(interfaces: &[Interface]) -> Result<(), MachineError> {
    for interface in interfaces {
        bridge_mtu(&interface.bridge).await?;
    }
    Ok(())
}

/// Plugs cards into their bridges and into the guest whose first process is `leader`.
pub(crate) async fn plug(
    vmid: u32,
    interfaces: &[Interface],
    leader: u32,
) -> Result<(), MachineError> {
    for interface in interfaces {
        let bridge_mtu = bridge_mtu(&interface.bridge).await?;
        // Proxmox's `mtu=1` means the bridge's; without one a virtio card has 1500.
        let mtu = match interface.mtu {
            Some(1) => bridge_mtu.clone(),
            Some(mtu) => mtu.to_string(),
            None => "1500".to_owned(),
        };
        let (tap, card) = (tap(vmid, interface), guest_name(interface));
        let pair = ["link", "add", &tap, "mtu", &bridge_mtu, "type", "veth", "peer", "name", &card];
        let peer = ["address", &interface.mac, "mtu", &mtu, "netns", &leader.to_string()];
        run("ip", &[pair.as_slice(), peer.as_slice()].concat()).await?;
        run("ip", &["link", "set", &tap, "master", &interface.bridge]).await?;
        set_link(vmid, interface).await?;
    }
    Ok(())
}

/// Brings a card's link to the state that `link_down` asks for.
pub(crate) async fn set_link(vmid: u32, interface: &Interface) -> Result<(), MachineError> {
    let state = if interface.link_down { "down" } else { "up" };
    run("ip", &["link", "set", &tap(vmid, interface), state]).await?;
    Ok(())
}

/// Removes a machine's cards; what is gone already is no fault.
pub(crate) async fn unplug(vmid: u32, interfaces: &[Interface]) {
    for interface in interfaces {
        // The kernel takes namespaces apart at leisure; the pair must be gone before the next start.
        drop(run("ip", &["link", "delete", &tap(vmid, interface)]).await);
    }
}

async fn bridge_mtu(bridge: &str) -> Result<String, MachineError> {
    // Not from /sys: it shows the network namespace that it was mounted in.
    let links = run("ip", &["-json", "link", "show", "dev", bridge]).await.unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&links)
        .ok()
        .and_then(|links| links.pointer("/0/mtu")?.as_u64())
        .map(|mtu| mtu.to_string())
        .ok_or_else(|| MachineError::NoBridge { bridge: bridge.to_owned() })
}
