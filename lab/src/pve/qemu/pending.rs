//! What waits for the next start, and what can be changed while the guest runs.

use super::{
    call::Subject,
    cloudinit,
    config::GuestConfig,
    disks::Site,
    drive::{self, Drive},
    network, spec,
};

/// Options that change nothing in the guest.
const AT_ONCE: [&str; 14] = [
    "cpulimit",
    "cpuunits",
    "description",
    "hookscript",
    "lock",
    "migrate_downtime",
    "migrate_speed",
    "name",
    "onboot",
    "protection",
    "shares",
    "startup",
    "tags",
    "vmstatestorage",
];

/// Applies everything that is pending.
///
/// # Errors
///
/// When a volume that should go can't be freed.
pub(crate) async fn apply_all(subject: &Subject, config: &mut GuestConfig) -> Result<(), String> {
    let pending = std::mem::take(&mut config.pending);
    for (option, force) in &pending.delete {
        delete_now(subject, config, option, *force).await?;
    }
    for (option, value) in &pending.set {
        set_now(subject, config, option, value).await?;
    }
    Ok(())
}

/// Applies what can be changed under a running guest; the rest stays pending. `true` when the
/// guest itself must hear of it.
///
/// # Errors
///
/// When a volume that should go can't be freed.
pub(crate) async fn apply_hot(subject: &Subject, config: &mut GuestConfig) -> Result<bool, String> {
    let pending = std::mem::take(&mut config.pending);
    let mut told = false;
    for (option, force) in pending.delete {
        if hot_delete(config, &option) {
            told |= concerns_the_guest(&option);
            delete_now(subject, config, &option, force).await?;
        } else {
            config.pending.delete.insert(option, force);
        }
    }
    for (option, value) in pending.set {
        if hot_set(config, &option, &value) {
            told |= concerns_the_guest(&option);
            set_now(subject, config, &option, &value).await?;
        } else {
            config.pending.set.insert(option, value);
        }
    }
    Ok(told)
}

fn concerns_the_guest(option: &str) -> bool {
    drive::is_drive(option) || network::is_network(option)
}

fn hot_delete(config: &GuestConfig, option: &str) -> bool {
    AT_ONCE.contains(&option)
        || cloudinit::is_option(option)
        || !config.current.contains_key(option)
        || drive::is_unused(option)
        || network::is_network(option)
        || matches!(drive::bus(option), "scsi" | "virtio") && drive::is_drive(option)
}

fn hot_set(config: &GuestConfig, option: &str, value: &str) -> bool {
    if AT_ONCE.contains(&option)
        || cloudinit::is_option(option)
        || drive::is_unused(option)
        || network::is_network(option)
        || config.get(option) == Some(value)
    {
        return true;
    }
    if !drive::is_drive(option) {
        return false;
    }
    let is_cdrom = |text: &str| Drive::parse(option, text).is_ok_and(|drive| drive.is_cdrom());
    // A medium changes in a drive that is there; new drives need a bus that can be plugged.
    let medium = config.get(option).is_some_and(is_cdrom) && is_cdrom(value);
    medium || matches!(drive::bus(option), "scsi" | "virtio")
}

/// Takes an option out of what is in force, with its drive's volume where one was.
async fn delete_now(
    subject: &Subject,
    config: &mut GuestConfig,
    option: &str,
    force: bool,
) -> Result<(), String> {
    let Some(old) = config.current.remove(option) else { return Ok(()) };
    cloudinit::record_change(config, option, Some(&old), None);
    if drive::is_drive(option) {
        retire(subject, config, option, &old, force).await?;
    }
    Ok(())
}

async fn set_now(
    subject: &Subject,
    config: &mut GuestConfig,
    option: &str,
    value: &str,
) -> Result<(), String> {
    let old = config.current.insert(option.to_owned(), value.to_owned());
    cloudinit::record_change(config, option, old.as_deref(), Some(value));
    if let Some(old) = old.filter(|_| drive::is_drive(option)) {
        let file = |text: &str| {
            Drive::parse(option, text).map(|drive| drive.file().to_owned()).unwrap_or_default()
        };
        if file(&old) != file(value) {
            retire(subject, config, option, &old, false).await?;
        }
    }
    Ok(())
}

/// A drive went: a cloud-init image is freed, a disk of the guest's own stays as `unusedN`.
async fn retire(
    subject: &Subject,
    config: &mut GuestConfig,
    option: &str,
    old: &str,
    force: bool,
) -> Result<(), String> {
    let Ok(drive) = Drive::parse(option, old) else { return Ok(()) };
    let Some(id) = drive.volume() else { return Ok(()) };
    let site = Site { subject: subject.clone(), worker: None };
    let own = subject
        .state
        .storage
        .locate(&subject.node, &id)
        .is_ok_and(|(_, volume)| volume.vmid == Some(subject.vmid));
    if drive.is_cloudinit() || (force && own && !drive.is_cdrom()) {
        return site.free(&id).await;
    }
    if own && !drive.is_cdrom() {
        add_unused(config, &id.to_string());
    }
    Ok(())
}

/// Keeps a volume as the first free `unusedN`.
pub(crate) fn add_unused(config: &mut GuestConfig, volume: &str) {
    let known = config
        .current
        .iter()
        .any(|(option, value)| drive::is_unused(option) && value.as_str() == volume);
    if known {
        return;
    }
    let free = (0..256)
        .map(|index| format!("unused{index}"))
        .find(|option| !config.current.contains_key(option));
    if let Some(option) = free {
        config.set(&option, volume);
    }
}

/// Tells a running guest of changed media, disks and interfaces.
///
/// # Errors
///
/// The hypervisor's text.
pub(crate) async fn tell(subject: &Subject, config: &GuestConfig) -> Result<(), String> {
    let guest = spec::resolve(subject, &config.current)?;
    subject.state.hypervisor().reconfigure(&guest).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &[(&str, &str)]) -> GuestConfig {
        let mut config = GuestConfig::default();
        for (option, value) in options {
            config.set(option, *value);
        }
        config
    }

    #[test]
    fn a_running_guest_takes_labels_media_and_scsi_disks_at_once() {
        let running = config(&[("ide2", "local:iso/a.iso,media=cdrom"), ("cores", "1")]);
        for (option, value) in [
            ("tags", "a"),
            ("description", "x"),
            ("ide2", "none,media=cdrom"),
            ("scsi1", "local-lvm:vm-1-disk-1,size=1G"),
            ("net1", "virtio=BC:24:11:00:00:01,bridge=vmbr0"),
            ("ciuser", "bob"),
        ] {
            assert!(hot_set(&running, option, value), "{option}");
        }
    }

    #[test]
    fn a_running_guest_keeps_cores_memory_agent_and_new_ide_drives_for_later() {
        let running = config(&[("cores", "1")]);
        for (option, value) in [
            ("cores", "2"),
            ("memory", "1024"),
            ("agent", "1"),
            ("ide2", "local:iso/a.iso,media=cdrom"),
        ] {
            assert!(!hot_set(&running, option, value), "{option}");
        }
    }

    #[test]
    fn an_ide_drive_goes_only_when_the_guest_is_off() {
        let running =
            config(&[("ide2", "none,media=cdrom"), ("scsi1", "local-lvm:vm-1-disk-1,size=1G")]);
        assert!(!hot_delete(&running, "ide2"));
        assert!(hot_delete(&running, "scsi1"));
    }

    #[test]
    fn a_detached_volume_is_kept_once() {
        let mut guest = config(&[("unused0", "local-lvm:vm-1-disk-0")]);
        add_unused(&mut guest, "local-lvm:vm-1-disk-0");
        add_unused(&mut guest, "local-lvm:vm-1-disk-1");
        assert_eq!(guest.get("unused1"), Some("local-lvm:vm-1-disk-1"));
        assert_eq!(guest.get("unused2"), None);
    }
}
