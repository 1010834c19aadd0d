//! The configuration that a guest should have, and how far one is from it.

use crate::{
    inventory::{Desired, desired::Node},
    model::{Mac, NodeName, Nonce},
    plan::observed::Machine,
    ports::{GuestConfig, PowerState},
    seed::SeedName,
};

/// How a changed key reaches a running guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// At once.
    InPlace,
    /// Pending until Proxmox stops and starts the guest.
    Reboot,
}

/// A key that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    pub key: &'static str,
    pub value: String,
    pub seen: Option<String>,
    pub reach: Reach,
}

/// A disk that is smaller than wanted, or not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskChange {
    pub disk: &'static str,
    pub seen_bytes: Option<u64>,
    pub wanted_bytes: u64,
}

/// The boot disk's drive.
pub const BOOT_DISK: &str = "scsi0";
/// The storage disk's drive.
pub const STORAGE_DISK: &str = "scsi1";
/// The drive of the seed.
pub const SEED_DRIVE: &str = "ide2";
/// An empty CD-ROM drive.
pub const EMPTY_DRIVE: &str = "none,media=cdrom";

/// The tags of a guest: everyone's, the cluster's, and the inventory's; sorted as Proxmox stores them.
pub fn tags(desired: &Desired, node: &Node) -> Vec<String> {
    let mut tags = vec!["homelab".to_owned(), cluster_tag(desired)];
    tags.extend(node.tags.iter().map(|tag| tag.to_lowercase()));
    tags.sort();
    tags.dedup();
    tags
}

/// Whether a guest's SMBIOS UUID is the one of this node: a copy of a guest gets another one.
pub fn has_our_uuid(desired: &Desired, node: &NodeName, config: &GuestConfig) -> bool {
    let uuid = desired.id.smbios_uuid(node).to_string();
    config.get("smbios1").is_some_and(|smbios| smbios.contains(&uuid))
}

/// How the names of templates begin.
pub const TEMPLATE_NAME: &str = "homelab-template-";

/// The tag that all guests of a cluster carry: a label for looking, never a proof.
pub fn cluster_tag(desired: &Desired) -> String {
    format!("homelab-{}", desired.id.short())
}

/// `net0` as it should be.
pub fn interface(desired: &Desired, node: &Node) -> String {
    let mac = Mac::of(&desired.id, &node.name).proxmox();
    let mut value = format!("virtio={mac},bridge={}", desired.proxmox.bridge);
    if let Some(vlan) = desired.proxmox.vlan {
        value.push_str(&format!(",tag={vlan}"));
    }
    if node.link_mtu != 1500 {
        value.push_str(&format!(",mtu={}", node.link_mtu));
    }
    value
}

/// Those of the pending keys that are ours to bring into force; a person's own wait for that person.
pub fn waiting_for_reboot(pending: &[String]) -> Vec<String> {
    const OURS: [&str; 8] =
        ["cores", "memory", "balloon", "cpu", "scsihw", "serial0", "vga", "net0"];
    pending.iter().filter(|key| OURS.contains(&key.as_str())).cloned().collect()
}

/// How a change of a key reaches a guest with this configuration: Proxmox plugs in memory while a guest
/// runs, where `hotplug` and `numa` say so; cores never (only `vcpus`, which we do not use).
fn reach_of(key: &str, wanted: &str, config: &GuestConfig, otherwise: Reach) -> Reach {
    let hotplug = config.get("hotplug").unwrap_or("network,disk,usb");
    let plugs = |what: &str| hotplug == "1" || hotplug.split(',').any(|named| named == what);
    let number = |text: &str| text.parse::<u64>().ok();
    let grows = config.get(key).and_then(number) < number(wanted);
    if key == "memory" && grows && plugs("memory") && config.get("numa") == Some("1") {
        return Reach::InPlace;
    }
    otherwise
}

/// The keys of `config` that are not as wanted, but for disks, seed and description.
pub fn changed_keys(desired: &Desired, node: &Node, config: &GuestConfig) -> Vec<KeyChange> {
    wanted_keys(desired, node)
        .into_iter()
        .filter_map(|(key, value, reach)| {
            let seen = config.get(key);
            if seen.is_some_and(|seen| same(key, seen, &value)) {
                return None;
            }
            let reach = reach_of(key, &value, config, reach);
            Some(KeyChange { key, value, seen: seen.map(str::to_owned), reach })
        })
        .collect()
}

fn wanted_keys(desired: &Desired, node: &Node) -> Vec<(&'static str, String, Reach)> {
    let uuid = desired.id.smbios_uuid(&node.name);
    vec![
        ("name", node.name.to_string(), Reach::InPlace),
        ("tags", tags(desired, node).join(";"), Reach::InPlace),
        ("onboot", u8::from(node.on_boot).to_string(), Reach::InPlace),
        ("cores", node.cores.to_string(), Reach::Reboot),
        ("memory", node.memory_mib.to_string(), Reach::Reboot),
        // Kubernetes and ballooning don't agree on what is free (PVE-30).
        ("balloon", "0".into(), Reach::Reboot),
        ("cpu", node.cpu_type.clone(), Reach::Reboot),
        ("scsihw", "virtio-scsi-single".into(), Reach::Reboot),
        // Cloud images without a serial console may panic at growing the root (PVE-31).
        ("serial0", "socket".into(), Reach::Reboot),
        ("vga", "serial0".into(), Reach::Reboot),
        ("net0", interface(desired, node), Reach::Reboot),
        ("smbios1", format!("uuid={uuid}"), Reach::Reboot),
    ]
}

/// Whether a value is the wanted one although Proxmox prints it otherwise.
fn same(key: &str, seen: &str, wanted: &str) -> bool {
    match key {
        "net0" | "smbios1" | "cpu" => {
            // What Proxmox or a person added (firewall=0, rate=...) is left alone.
            let seen = options(seen);
            options(wanted).iter().all(|option| seen.contains(option))
        }
        "tags" => wanted.split(';').all(|tag| seen.split([';', ',', ' ']).any(|seen| seen == tag)),
        _ => seen == wanted,
    }
}

fn options(value: &str) -> Vec<(String, String)> {
    value
        .split(',')
        .map(|option| match option.split_once('=') {
            Some((name, value)) => (name.to_lowercase(), value.to_lowercase()),
            // The default key of `cpu` is `cputype`.
            None => ("cputype".to_owned(), option.to_lowercase()),
        })
        .collect()
}

/// The disks that are smaller than wanted.
pub fn changed_disks(node: &Node, config: &GuestConfig) -> Vec<DiskChange> {
    let wanted = [(BOOT_DISK, Some(node.disk_bytes)), (STORAGE_DISK, node.storage_disk_bytes)];
    wanted
        .into_iter()
        .filter_map(|(disk, wanted)| {
            let wanted_bytes = wanted?;
            let seen_bytes = config.get(disk).and_then(drive_bytes);
            (seen_bytes.is_none_or(|seen| seen < wanted_bytes)).then_some(DiskChange {
                disk,
                seen_bytes,
                wanted_bytes,
            })
        })
        .collect()
}

/// The disks that are larger than wanted, which Proxmox cannot undo.
pub fn shrunken_disks(node: &Node, config: &GuestConfig) -> Vec<DiskChange> {
    let wanted = [(BOOT_DISK, Some(node.disk_bytes)), (STORAGE_DISK, node.storage_disk_bytes)];
    wanted
        .into_iter()
        .filter_map(|(disk, wanted)| {
            let wanted_bytes = wanted?;
            let seen_bytes = config.get(disk).and_then(drive_bytes)?;
            (seen_bytes > wanted_bytes).then_some(DiskChange {
                disk,
                seen_bytes: Some(seen_bytes),
                wanted_bytes,
            })
        })
        .collect()
}

/// The volume that the seed's drive holds, if it holds one.
pub fn seed_volume(config: &GuestConfig) -> Option<&str> {
    let volume = config.get(SEED_DRIVE)?.split(',').next()?;
    let volume = volume.strip_prefix("file=").unwrap_or(volume);
    (volume != "none" && volume != "cdrom").then_some(volume)
}

/// The volume id of a node's seed: it names cluster, node and making.
pub fn seed_of(desired: &Desired, node: &NodeName, nonce: &Nonce) -> String {
    format!("{}:iso/{}", desired.proxmox.seed_storage, SeedName::new(&desired.id, node, nonce))
}

/// The seed without which Proxmox would not start a stopped guest: its configuration names it.
pub fn awaited_seed(desired: &Desired, node: &NodeName, machine: &Machine) -> Option<String> {
    let seed = seed_of(desired, node, &machine.marker.nonce);
    let awaited =
        machine.power == PowerState::Stopped && seed_volume(&machine.config) == Some(&seed);
    awaited.then_some(seed)
}

/// The size that a drive's line names: `local-lvm:vm-102-disk-0,size=32G`.
pub fn drive_bytes(value: &str) -> Option<u64> {
    let size = value.split(',').find_map(|option| option.strip_prefix("size="))?;
    let digits = size.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let factor: u64 = match &size[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_names_its_size_in_any_of_proxmoxs_units() {
        for (line, bytes) in [
            ("local-lvm:vm-102-disk-0,size=32G", 32 << 30),
            ("local-lvm:vm-102-disk-0,iothread=1,size=3584M", 3584 << 20),
            ("dir:100/vm-100-disk-0.raw,size=1073741824", 1 << 30),
            ("x:y,size=528K", 528 << 10),
        ] {
            assert_eq!(drive_bytes(line), Some(bytes), "{line}");
        }
        assert_eq!(drive_bytes("none,media=cdrom"), None);
    }

    #[test]
    fn memory_is_plugged_in_only_where_the_guest_is_made_for_it() {
        let config = |hotplug: Option<&str>, numa: &str| {
            let mut values = std::collections::BTreeMap::from([
                ("memory".to_owned(), "2048".to_owned()),
                ("numa".to_owned(), numa.to_owned()),
            ]);
            values.extend(hotplug.map(|hotplug| ("hotplug".to_owned(), hotplug.to_owned())));
            GuestConfig { digest: String::new(), values }
        };
        let of = |key, wanted, config: &GuestConfig| reach_of(key, wanted, config, Reach::Reboot);
        let made_for_it = config(Some("disk,memory,cpu"), "1");
        assert_eq!(of("memory", "4096", &made_for_it), Reach::InPlace);
        assert_eq!(of("memory", "1024", &made_for_it), Reach::Reboot, "taking away is not sure");
        assert_eq!(of("cores", "4", &made_for_it), Reach::Reboot);
        for other in [config(None, "1"), config(Some("memory"), "0"), config(Some("0"), "1")] {
            assert_eq!(of("memory", "4096", &other), Reach::Reboot, "{other:?}");
        }
        assert_eq!(waiting_for_reboot(&["ide2".into(), "memory".into()]), ["memory"]);
    }

    #[test]
    fn what_proxmox_adds_to_an_interface_is_no_difference() {
        let wanted = "virtio=BC:24:11:01:02:03,bridge=vmbr0";
        assert!(same("net0", "virtio=bc:24:11:01:02:03,bridge=vmbr0,firewall=0", wanted));
        assert!(!same("net0", "virtio=BC:24:11:01:02:03,bridge=vmbr1", wanted));
        assert!(same("cpu", "cputype=host,flags=+aes", "host"));
    }
}
