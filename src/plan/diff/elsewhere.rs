//! What of ours is in another place than the inventory says. Nothing of that is moved: it is refused where a run would go
//! wrong, and told where it would not.

use super::Refusal;
use crate::{
    inventory::{Desired, desired::Node},
    plan::{
        guest::{BOOT_DISK, STORAGE_DISK},
        observed::{Machine, Observed, Stray},
    },
};

/// A guest of ours that is not where the inventory has it.
pub(super) fn misplaced(node: &Node, stray: &Stray) -> Refusal {
    let name = &node.name;
    let Stray { proxmox_node, vmid, .. } = stray;
    if *vmid == node.vmid {
        return Refusal::new(
            name.to_string(),
            format!("VM {vmid} is on {proxmox_node}, the inventory says {}", node.proxmox_node),
            format!(
                "write `proxmox_node: {proxmox_node}`; or move it, on {proxmox_node}: `qm migrate {vmid} {} --online`",
                node.proxmox_node
            ),
        );
    }
    Refusal::new(
        name.to_string(),
        format!(
            "it exists as VMID {vmid} on {proxmox_node}, the inventory says {}: that cannot be changed in place",
            node.vmid
        ),
        format!(
            "put the old `vmid` back; to have it under the new one, `homelab destroy --node {name}`, then `homelab up`"
        ),
    )
}

/// A guest of ours that the inventory no longer names and that has the address of a node which is to be made: the node
/// itself, renamed, more often than not.
pub(super) fn namesake(desired: &Desired, observed: &Observed, node: &Node) -> Option<Refusal> {
    let unnamed = |stray: &&Stray| !desired.nodes.contains_key(&stray.node);
    let mut strays = observed.strays.iter().filter(unnamed);
    let other = strays.find(|stray| stray.address == Some(node.address))?;
    let (name, former) = (&node.name, &other.node);
    Some(Refusal::new(
        name.to_string(),
        format!(
            "{} is the address of {former} ({}), which is ours and not in the inventory",
            node.address,
            other.place()
        ),
        format!(
            "give {name} another `address`; or delete {former} first: take {name} out of the inventory, `homelab up --prune`, and put it back"
        ),
    ))
}

/// Where its disks and the guest itself are, if that is not as the inventory says: both are chosen when it is made.
pub(super) fn notes(
    desired: &Desired,
    observed: &Observed,
    node: &Node,
    machine: &Machine,
) -> Vec<String> {
    let Node { name, .. } = node;
    let disks =
        [(BOOT_DISK, &desired.proxmox.disk_storage), (STORAGE_DISK, &node.storage_disk_storage)];
    let mut notes: Vec<String> = disks
        .into_iter()
        .filter_map(|(disk, wanted)| {
            let (seen, _) = machine.config.get(disk)?.split_once(':')?;
            (seen != wanted).then(|| {
                format!(
                    "{name}: {disk} is on {seen}, the inventory says {wanted}: it is not moved (`qm disk move {} {disk} {wanted}` does)",
                    machine.vmid
                )
            })
        })
        .collect();
    let listed = observed.guests.iter().find(|guest| guest.vmid == machine.vmid);
    let pool = listed.and_then(|guest| guest.pool.as_ref());
    if let (Some(seen), Some(wanted)) = (pool, &desired.proxmox.pool)
        && seen != wanted
    {
        notes.push(format!(
            "{name} is in the pool {seen}, the inventory says {wanted}: it is not moved"
        ));
    }
    notes
}
