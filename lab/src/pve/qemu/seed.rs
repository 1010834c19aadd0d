//! Guests that nobody asked for, and locks that nobody's call left: what tests put into the world.

use std::sync::Arc;

use super::{config::GuestConfig, disks::blocking};
use crate::pve::state::State;

/// Puts a stopped guest with a disk of real bytes on a node, as if someone else had made it.
///
/// # Errors
///
/// When the VMID is taken, or the node has no storage for disks.
pub(crate) async fn seed(
    state: &Arc<State>,
    node: &str,
    vmid: u32,
    name: &str,
    gib: u64,
) -> Result<(), String> {
    let place = state
        .storage
        .of_node(node)
        .find(|place| place.config.content.iter().any(|content| content == "images"))
        .ok_or_else(|| format!("node '{node}' has no storage for disks"))?
        .clone();
    let volume = place.image_name(vmid, &format!("vm-{vmid}-disk-0"), "raw");
    let id = place.volume_id(&volume);
    let allocated = volume.clone();
    blocking(move || place.allocate(None, vmid, &allocated, gib << 30)).await?;
    let mut config = GuestConfig::default();
    for (option, value) in [
        ("name", name.to_owned()),
        ("memory", "1024".to_owned()),
        ("cores", "1".to_owned()),
        ("scsihw", "virtio-scsi-single".to_owned()),
        ("scsi0", format!("{id},size={gib}G")),
        ("boot", "order=scsi0".to_owned()),
        ("smbios1", format!("uuid={}", uuid::Uuid::new_v4())),
        ("vmgenid", uuid::Uuid::new_v4().to_string()),
    ] {
        config.set(option, value);
    }
    state
        .qemu
        .create(node, vmid, config)
        .map_err(|node| format!("VM {vmid} already exists on node '{node}'"))
}

/// Sets or takes away the lock in a guest's configuration.
///
/// # Errors
///
/// When there is no such guest.
pub(crate) fn set_lock(state: &State, vmid: u32, lock: Option<&str>) -> Result<(), String> {
    let guest = state.qemu.find(vmid).ok_or_else(|| format!("there is no VM {vmid}"))?;
    let mut config = guest.config;
    match lock {
        Some(lock) => config.set("lock", lock),
        None => {
            config.current.remove("lock");
        }
    }
    state.qemu.save(vmid, config);
    Ok(())
}
