//! Drives: which there are, what their property strings hold.

use std::sync::LazyLock;

use indexmap::IndexMap;

use crate::pve::{
    schema::{PropertyString, Schema, boolean, formatted, integer, number, one_of, string},
    storage::VolumeId,
};

/// A bus and how many drives it carries.
pub(crate) const BUSES: [(&str, u32); 6] =
    [("ide", 4), ("scsi", 31), ("virtio", 16), ("sata", 6), ("efidisk", 1), ("tpmstate", 1)];

/// All drive names in the order in which Proxmox walks through them.
pub(crate) fn names() -> impl Iterator<Item = String> {
    BUSES.into_iter().flat_map(|(bus, count)| (0..count).map(move |index| format!("{bus}{index}")))
}

/// Whether an option is a drive.
pub(crate) fn is_drive(option: &str) -> bool {
    names().any(|name| name == option)
}

/// `unused0` to `unused255`.
pub(crate) fn is_unused(option: &str) -> bool {
    option
        .strip_prefix("unused")
        .is_some_and(|index| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `scsi` of `scsi0`.
pub(crate) fn bus(drive: &str) -> &str {
    drive.trim_end_matches(|last: char| last.is_ascii_digit())
}

/// A drive's settings: keys of its property string, `file` among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drive {
    pub(crate) name: String,
    pub(crate) settings: IndexMap<String, String>,
}

impl Drive {
    /// Reads an option's value.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(name: &str, value: &str) -> Result<Self, String> {
        let settings = FORMAT.parse(value, name)?;
        Ok(Self { name: name.to_owned(), settings })
    }

    pub(crate) fn file(&self) -> &str {
        self.get("file").unwrap_or("none")
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.settings.insert(key.to_owned(), value.into());
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<String> {
        self.settings.shift_remove(key)
    }

    /// The volume, unless the drive is empty or a path.
    pub(crate) fn volume(&self) -> Option<VolumeId> {
        VolumeId::parse(self.file())
    }

    pub(crate) fn is_cdrom(&self) -> bool {
        self.get("media") == Some("cdrom") || matches!(self.file(), "none" | "cdrom")
    }

    /// Whether it carries a cloud-init image.
    pub(crate) fn is_cloudinit(&self) -> bool {
        let file = self.file();
        let name = file.rsplit(['/', ':']).next().unwrap_or(file);
        let stem = name.split('.').next().unwrap_or(name);
        file.ends_with(":cloudinit") || (stem.starts_with("vm-") && stem.ends_with("-cloudinit"))
    }

    pub(crate) fn print(&self) -> String {
        FORMAT.print(&self.settings, &["import-from"])
    }
}

/// What a new volume was asked for: `local-lvm:32`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewVolume {
    pub(crate) storage: String,
    pub(crate) gibibytes: f64,
}

impl NewVolume {
    /// `storage:number`; anything else names a volume that is there already.
    pub(crate) fn parse(file: &str) -> Option<Self> {
        let id = VolumeId::parse(file)?;
        let mut parts = id.name.splitn(2, '.');
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !parts.next().is_some_and(digits) || !parts.next().is_none_or(digits) {
            return None;
        }
        Some(Self { storage: id.storage, gibibytes: id.name.parse().ok()? })
    }

    pub(crate) fn bytes(&self) -> u64 {
        // Kibibytes, rounded up as the real allocation is.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let kibibytes = (self.gibibytes * 1_048_576.0).ceil() as u64;
        kibibytes * 1024
    }
}

/// The keys that every sort of drive knows.
static FORMAT: LazyLock<PropertyString> = LazyLock::new(|| format_of("scsi", true));

/// The property string of a bus; `every` takes the keys of all buses together.
pub(crate) fn format_of(bus: &str, every: bool) -> PropertyString {
    let formats: &[&str] = if bus == "tpmstate" && !every {
        &["raw", "qcow2", "vmdk"]
    } else {
        &["raw", "qcow", "qed", "qcow2", "vmdk", "cloop"]
    };
    let mut format = PropertyString::new()
        .default_key("file", string().checked("pve-volume-id-or-qm-path", volume_or_path))
        .alias("volume", "file")
        .key("format", one_of(formats).optional())
        .key("import-from", formatted("pve-volume-id-or-absolute-path").optional())
        .key("size", formatted("disk-size").optional());
    let on = |names: &[&str]| every || names.contains(&bus);
    if on(&["efidisk"]) {
        format = format
            .key("efitype", one_of(["2m", "4m"]).optional())
            .key("ms-cert", one_of(["2011", "2023", "2023w", "2023k"]).optional())
            .key("pre-enrolled-keys", boolean().optional());
    }
    if on(&["tpmstate"]) {
        format = format.key("version", one_of(["v1.2", "v2.0"]).optional());
    }
    if !every && matches!(bus, "efidisk" | "tpmstate") {
        return format;
    }
    format = common(format);
    if on(&["ide"]) {
        format = format.key("model", formatted("urlencoded").max_length(120).optional());
    }
    if on(&["scsi", "virtio"]) {
        format = format.key("iothread", boolean().optional()).key("ro", boolean().optional());
    }
    if on(&["scsi"]) {
        format = format
            .key("queues", integer().minimum(2).optional())
            .key("scsiblock", boolean().optional())
            .key("product", string().pattern(r"[A-Za-z0-9\-_\s]{0,16}").optional())
            .key("vendor", string().pattern(r"[A-Za-z0-9\-_\s]{0,8}").optional());
    }
    if on(&["ide", "sata", "scsi"]) {
        format = format
            .key("ssd", boolean().optional())
            .key("wwn", string().pattern("(?i)0x[0-9a-f]{16}").optional());
    }
    format
}

fn common(mut format: PropertyString) -> PropertyString {
    let keys: [(&'static str, Schema); 12] = [
        ("aio", one_of(["native", "threads", "io_uring"])),
        ("backup", boolean()),
        ("cache", one_of(["none", "writethrough", "writeback", "unsafe", "directsync"])),
        ("detect_zeroes", boolean()),
        ("discard", one_of(["ignore", "on"])),
        ("media", one_of(["cdrom", "disk"])),
        ("replicate", boolean()),
        ("rerror", one_of(["ignore", "report", "stop"])),
        ("serial", formatted("urlencoded").max_length(60)),
        ("shared", boolean()),
        ("snapshot", boolean()),
        ("werror", one_of(["enospc", "ignore", "report", "stop"])),
    ];
    for (name, schema) in keys {
        format = format.key(name, schema.optional());
    }
    for name in [
        "bps",
        "bps_rd",
        "bps_wr",
        "iops",
        "iops_max",
        "iops_rd",
        "iops_rd_max",
        "iops_wr",
        "iops_wr_max",
    ] {
        format = format.key(name, integer().optional());
    }
    for name in ["mbps", "mbps_max", "mbps_rd", "mbps_rd_max", "mbps_wr", "mbps_wr_max"] {
        format = format.key(name, number().optional());
    }
    for (name, alias) in [
        ("bps_max_length", None),
        ("bps_rd_max_length", Some("bps_rd_length")),
        ("bps_wr_max_length", Some("bps_wr_length")),
        ("iops_max_length", None),
        ("iops_rd_max_length", Some("iops_rd_length")),
        ("iops_wr_max_length", Some("iops_wr_length")),
    ] {
        format = format.key(name, integer().minimum(1).optional());
        if let Some(alias) = alias {
            format = format.alias(alias, name);
        }
    }
    format
}

/// `none`, `cdrom`, an absolute path or a volume's name.
fn volume_or_path(text: &str) -> Result<(), String> {
    if matches!(text, "none" | "cdrom") || text.starts_with('/') || VolumeId::parse(text).is_some()
    {
        Ok(())
    } else {
        Err(format!("unable to parse volume ID '{text}'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_prints_its_volume_first_and_its_settings_by_name() {
        let drive =
            Drive::parse("scsi0", "local-lvm:vm-210-disk-0,ssd=on,iothread=1,size=1G,discard=on")
                .unwrap();
        assert_eq!(drive.print(), "local-lvm:vm-210-disk-0,discard=on,iothread=1,size=1G,ssd=1");
    }

    #[test]
    fn the_key_of_the_volume_may_be_written() {
        let drive = Drive::parse("ide2", "file=local-lvm:cloudinit,").unwrap();
        assert_eq!(drive.file(), "local-lvm:cloudinit");
        assert!(drive.is_cloudinit());
    }

    #[test]
    fn an_empty_drive_is_a_cdrom() {
        let drive = Drive::parse("ide2", "none,media=cdrom").unwrap();
        assert!(drive.is_cdrom());
        assert_eq!(drive.volume(), None);
        assert_eq!(drive.print(), "none,media=cdrom");
    }

    #[test]
    fn a_new_volume_is_asked_for_in_gibibytes() {
        assert_eq!(NewVolume::parse("local-lvm:0.5").unwrap().bytes(), 512 << 20);
        assert_eq!(NewVolume::parse("local-lvm:32").unwrap().bytes(), 32 << 30);
        for name in ["local-lvm:1G", "local-lvm:vm-100-disk-0", "none"] {
            assert_eq!(NewVolume::parse(name), None, "{name}");
        }
    }

    #[test]
    fn cloud_init_drives_are_known_by_their_name() {
        let cloudinit = |value: &str| Drive::parse("ide2", value).unwrap().is_cloudinit();
        assert!(cloudinit("local-lvm:vm-210-cloudinit,media=cdrom"));
        assert!(cloudinit("dirstore:322/vm-322-cloudinit.qcow2,media=cdrom"));
        assert!(!cloudinit("local:iso/vm-1-cloudinit-x.iso,media=cdrom"));
    }
}
