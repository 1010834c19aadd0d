//! A guest's devices and marks, read from the values of its configuration.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{property::PropertyString, size};

/// A line such as `scsi0: local-lvm:vm-101-disk-0,discard=on,size=32G`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive(PropertyString);

impl Drive {
    pub fn parse(value: &str) -> Self {
        Self(PropertyString::parse(value))
    }

    /// The volume (`local-lvm:vm-101-disk-0`), also when it was written with its alias `file=`; `None`
    /// for an empty drive (`none`) and for the host's own (`cdrom`).
    pub fn volume(&self) -> Option<&str> {
        let volume = self.0.bare().or_else(|| self.0.get("file"))?;
        (!matches!(volume, "none" | "cdrom")).then_some(volume)
    }

    /// The storage that the volume is on; `None` also for a plain path of the host.
    pub fn storage(&self) -> Option<&str> {
        self.volume()?.split_once(':').map(|(storage, _)| storage)
    }

    pub fn is_cdrom(&self) -> bool {
        self.0.get("media") == Some("cdrom")
    }

    /// The size in bytes as Proxmox last noted it.
    pub fn bytes(&self) -> Option<u64> {
        size::parse(self.0.get("size")?).ok()
    }

    pub fn option(&self, key: &str) -> Option<&str> {
        self.0.get(key)
    }
}

/// Whether a configuration key is a drive: `scsi0`, `ide2`, `unused1`, `efidisk0`, ...
pub fn is_drive_key(key: &str) -> bool {
    let bus = key.trim_end_matches(|last: char| last.is_ascii_digit());
    let buses = ["ide", "sata", "scsi", "virtio", "unused", "efidisk", "tpmstate"];
    bus.len() < key.len() && buses.contains(&bus)
}

/// The hardware address of a network device's line, upper case.
pub fn network_mac(value: &str) -> Option<String> {
    let line = PropertyString::parse(value);
    let is_mac = |text: &str| {
        text.len() == 17
            && text.split(':').count() == 6
            && text.split(':').all(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok())
    };
    // Written as `model=MAC`, or as `model=..,macaddr=MAC`.
    line.get("macaddr")
        .filter(|text| is_mac(text))
        .or_else(|| line.parts().map(|(_, text)| text).find(|text| is_mac(text)))
        .map(str::to_ascii_uppercase)
}

/// The SMBIOS UUID of an `smbios1` value.
pub fn smbios_uuid(value: &str) -> Option<Uuid> {
    Uuid::parse_str(PropertyString::parse(value).get("uuid")?).ok()
}

/// Tags as Proxmox keeps them: apart by `;`, `,` or blanks, lower case, each once, sorted (PVE-35).
pub fn parse_tags(text: &str) -> BTreeSet<String> {
    text.split([';', ',', ' ']).filter(|tag| !tag.is_empty()).map(str::to_ascii_lowercase).collect()
}

pub fn print_tags<'a>(tags: impl IntoIterator<Item = &'a str>) -> String {
    parse_tags(&tags.into_iter().collect::<Vec<_>>().join(";"))
        .into_iter()
        .collect::<Vec<_>>()
        .join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_tells_its_volume_storage_and_size() {
        let disk = Drive::parse("local-lvm:vm-101-disk-0,discard=on,size=2560M");
        assert_eq!(disk.volume(), Some("local-lvm:vm-101-disk-0"));
        assert_eq!(disk.storage(), Some("local-lvm"));
        assert_eq!(disk.bytes(), Some(2_684_354_560));
        assert_eq!(disk.option("discard"), Some("on"));
        assert!(!disk.is_cdrom());
    }

    #[test]
    fn an_empty_cdrom_drive_names_no_volume() {
        for empty in ["none,media=cdrom", "cdrom,media=cdrom"] {
            assert_eq!(Drive::parse(empty).volume(), None);
            assert!(Drive::parse(empty).is_cdrom());
        }
        let seed = Drive::parse("file=local:iso/homelab-1-a-b.iso,media=cdrom,size=366K");
        assert_eq!(seed.volume(), Some("local:iso/homelab-1-a-b.iso"));
    }

    #[test]
    fn drive_keys_are_told_from_others() {
        for key in ["scsi0", "ide2", "virtio15", "unused0", "efidisk0", "tpmstate0"] {
            assert!(is_drive_key(key), "{key}");
        }
        for key in ["scsihw", "net0", "ide", "serial0", "scsi", "boot"] {
            assert!(!is_drive_key(key), "{key}");
        }
    }

    #[test]
    fn the_hardware_address_is_found_in_either_form() {
        let wanted = Some("BC:24:11:0A:0B:0C".to_owned());
        assert_eq!(network_mac("virtio=bc:24:11:0a:0b:0c,bridge=vmbr0"), wanted);
        assert_eq!(network_mac("model=virtio,macaddr=BC:24:11:0A:0B:0C"), wanted);
        assert_eq!(network_mac("virtio,bridge=vmbr0"), None);
    }

    #[test]
    fn the_smbios_uuid_is_read_whatever_stands_beside_it() {
        let uuid = "873f7f76-aa1b-4569-8ad6-ec82ea72fa74";
        assert_eq!(smbios_uuid(&format!("base64=1,uuid={uuid}")), Uuid::parse_str(uuid).ok());
        assert_eq!(smbios_uuid("base64=1"), None);
    }

    #[test]
    fn tags_compare_as_a_set() {
        assert_eq!(parse_tags("Zeta;alpha, beta"), parse_tags("alpha;beta;zeta"));
        assert_eq!(print_tags(["k3s", "Homelab", "k3s"]), "homelab;k3s");
        assert!(parse_tags(" ").is_empty());
    }
}
