//! What a guest is started from: its current configuration, resolved to files.

use super::{
    call::Subject, config::Section, drive, drive::Drive, network, network::Network, options,
};
use crate::hypervisor::{Disk, GuestSpec, Interface, Medium};

/// The name of a guest that has none.
pub(crate) fn name(vmid: u32, section: &Section) -> String {
    section.get("name").cloned().unwrap_or_else(|| format!("VM {vmid}"))
}

/// Cores times sockets, or fewer where `vcpus` says so.
pub(crate) fn cpus(section: &Section) -> u32 {
    let number = |option: &str| section.get(option).and_then(|text| text.parse::<u32>().ok());
    let all = number("sockets").unwrap_or(1) * number("cores").unwrap_or(1);
    number("vcpus").map_or(all, |vcpus| vcpus.min(all))
}

/// Mebibytes.
pub(crate) fn memory(section: &Section) -> u64 {
    section
        .get("memory")
        .and_then(|text| options::MEMORY.parse(text, "memory").ok())
        .and_then(|memory| memory.get("current")?.parse().ok())
        .unwrap_or(512)
}

/// Whether the agent's device is there.
pub(crate) fn has_agent(section: &Section) -> bool {
    section
        .get("agent")
        .and_then(|text| options::AGENT.parse(text, "agent").ok())
        .is_some_and(|agent| agent.get("enabled").is_some_and(|enabled| enabled == "1"))
}

/// All drives that are set, in Proxmox' order.
pub(crate) fn drives(section: &Section) -> Vec<Drive> {
    drive::names().filter_map(|name| Drive::parse(&name, section.get(&name)?).ok()).collect()
}

/// `boot: order=...`, split.
pub(crate) fn boot_order(section: &Section) -> Vec<String> {
    section
        .get("boot")
        .and_then(|boot| boot.strip_prefix("order="))
        .map(|order| order.split([';', ' ']).map(str::to_owned).collect())
        .unwrap_or_default()
}

/// The disk that the guest boots from, as its boot order says.
pub(crate) fn boot_disk(section: &Section) -> Option<Drive> {
    boot_order(section).iter().find_map(|name| {
        let drive = Drive::parse(name, section.get(name)?).ok()?;
        (drive::is_drive(name) && !drive.is_cdrom()).then_some(drive)
    })
}

/// Resolves a configuration.
///
/// # Errors
///
/// When a volume, a medium or a bridge is not there.
pub(crate) fn resolve(subject: &Subject, section: &Section) -> Result<GuestSpec, String> {
    let mut disks = Vec::new();
    let mut media = Vec::new();
    for drive in drives(section) {
        let Some(id) = drive.volume() else {
            if drive.is_cdrom() {
                media.push(Medium { drive: drive.name, file: None });
            }
            continue;
        };
        let (place, volume) = subject.state.storage.locate(&subject.node, &id)?;
        let Some(bytes) = place.size(&volume) else {
            return Err(if drive.is_cdrom() || place.is_directory() {
                format!("volume '{id}' does not exist")
            } else {
                format!("no such logical volume {}/{}", place.volume_group(), volume.file)
            });
        };
        let file = place.file(&volume);
        if drive.is_cdrom() {
            media.push(Medium { drive: drive.name, file: Some(file) });
        } else if !matches!(drive::bus(&drive.name), "efidisk" | "tpmstate") {
            disks.push(Disk { drive: drive.name, file, bytes });
        }
    }
    let boot = boot_disk(section).map(|drive| drive.name);
    disks.sort_by_key(|disk| Some(&disk.drive) != boot.as_ref());
    let smbios = section
        .get("smbios1")
        .and_then(|text| options::SMBIOS1.parse(text, "smbios1").ok())
        .and_then(|smbios| smbios.get("uuid").cloned());
    Ok(GuestSpec {
        node: subject.node.clone(),
        vmid: subject.vmid,
        name: name(subject.vmid, section),
        cores: cpus(section),
        memory_mib: memory(section),
        disks,
        media,
        interfaces: interfaces(subject, section)?,
        smbios_uuid: smbios.unwrap_or_default().to_lowercase(),
        agent: has_agent(section),
    })
}

fn interfaces(subject: &Subject, section: &Section) -> Result<Vec<Interface>, String> {
    let mut found = Vec::new();
    for (option, value) in section {
        let Some(index) = option.strip_prefix("net").and_then(|index| index.parse().ok()) else {
            continue;
        };
        if !network::is_network(option) {
            continue;
        }
        let net = Network::parse(option, value)?;
        let bridge = net.get("bridge").unwrap_or_default().to_owned();
        let known =
            subject.state.node(&subject.node).is_some_and(|node| node.bridges.contains(&bridge));
        if !bridge.is_empty() && !known {
            return Err(format!("bridge '{bridge}' does not exist"));
        }
        found.push(Interface {
            index,
            mac: net.get("macaddr").unwrap_or_default().to_lowercase(),
            bridge,
            mtu: net.get("mtu").and_then(|mtu| mtu.parse().ok()),
            link_down: net.get("link_down") == Some("1"),
        });
    }
    found.sort_by_key(|interface| interface.index);
    Ok(found)
}
