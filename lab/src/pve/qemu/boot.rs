//! The boot order: the default one, and what happens to it when devices go.

use super::{
    config::Section,
    drive::{self, Drive},
    network, spec,
};

/// `order=scsi0;net0`, or a blank where there is nothing to boot from.
pub(crate) fn print(devices: &[String]) -> String {
    if devices.is_empty() { " ".to_owned() } else { format!("order={}", devices.join(";")) }
}

/// The first disk, the first CD-ROM drive and the first network device.
pub(crate) fn default_order(section: &Section) -> Vec<String> {
    let drives: Vec<Drive> = spec::drives(section)
        .into_iter()
        .filter(|drive| !matches!(drive::bus(&drive.name), "efidisk" | "tpmstate"))
        .collect();
    let first = |cdrom: bool| drives.iter().find(|drive| drive.is_cdrom() == cdrom);
    let mut devices: Vec<String> =
        [first(false), first(true)].into_iter().flatten().map(|drive| drive.name.clone()).collect();
    devices
        .extend((0..32).map(|index| format!("net{index}")).find(|net| section.contains_key(net)));
    devices
}

/// Takes a device that goes out of the order.
pub(crate) fn without(section: &Section, device: &str) -> Option<String> {
    let mut order = spec::boot_order(section);
    let before = order.len();
    order.retain(|name| name != device);
    (order.len() < before).then(|| print(&order))
}

/// # Errors
///
/// Names the first device of the order that the section does not have.
pub(crate) fn check(section: &Section) -> Result<(), String> {
    for device in spec::boot_order(section) {
        let known = (drive::is_drive(&device) || network::is_network(&device))
            && !section.contains_key(&device);
        if known {
            return Err(format!("invalid bootorder: device '{device}' does not exist'"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(options: &[(&str, &str)]) -> Section {
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_default_is_a_disk_a_cdrom_and_a_network_device() {
        let section = section(&[
            ("scsi1", "local-lvm:vm-1-disk-1,size=1G"),
            ("scsi0", "local-lvm:vm-1-disk-0,size=1G"),
            ("ide2", "none,media=cdrom"),
            ("net1", "virtio=BC:24:11:00:00:01,bridge=vmbr0"),
            ("efidisk0", "local-lvm:vm-1-disk-2"),
        ]);
        assert_eq!(print(&default_order(&section)), "order=scsi0;ide2;net1");
    }

    #[test]
    fn a_guest_without_devices_has_a_blank_order() {
        assert_eq!(print(&default_order(&Section::new())), " ");
    }

    #[test]
    fn a_device_that_goes_leaves_the_order() {
        let both = section(&[("boot", "order=scsi0;net0")]);
        assert_eq!(without(&both, "scsi0").as_deref(), Some("order=net0"));
        assert_eq!(without(&both, "scsi1"), None);
        let one = section(&[("boot", "order=scsi0")]);
        assert_eq!(without(&one, "scsi0").as_deref(), Some(" "));
    }

    #[test]
    fn an_order_may_not_name_what_is_not_there() {
        let wrong = section(&[("boot", "order=scsi0")]);
        assert_eq!(
            check(&wrong),
            Err("invalid bootorder: device 'scsi0' does not exist'".to_owned())
        );
    }
}
