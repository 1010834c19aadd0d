//! Volume files as block devices.
//!
//! A loop device is marked for automatic detachment as soon as something holds it, so that a lab
//! that died leaves none behind: the kernel lets go of it with the last mount and the last open file.

use std::fs::File;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    MachineError,
    command::{CommandError, run},
};

/// A volume file that is attached to a loop device.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    /// `/dev/loop3`.
    pub(crate) node: Utf8PathBuf,
    /// Keeps the device attached while nothing of it is mounted.
    _open: File,
}

impl LoopDevice {
    /// Attaches a volume file.
    pub(crate) async fn attach(volume: &Utf8Path) -> Result<Self, MachineError> {
        let printed = run("losetup", &["--find", "--show", volume.as_str()]).await?;
        let node = Utf8PathBuf::from(printed.trim());
        let open = match File::options().read(true).open(&node) {
            Ok(open) => open,
            Err(source) => {
                detach(&node).await?;
                return Err(MachineError::Device { node, source });
            }
        };
        // While the device is held, to detach it means: once it is held no more.
        detach(&node).await?;
        Ok(Self { node, _open: open })
    }
}

/// Has a device take notice that its volume file has grown.
pub(crate) async fn grow(node: &Utf8Path) -> Result<(), CommandError> {
    run("losetup", &["--set-capacity", node.as_str()]).await.map(drop)
}

async fn detach(node: &Utf8Path) -> Result<(), CommandError> {
    run("losetup", &["--detach", node.as_str()]).await.map(drop)
}

/// Mounts a boot disk's file system, as made from a cloud image: XFS on the whole disk.
///
/// Every clone carries the file system identifier of its template, which XFS would refuse twice.
pub(crate) async fn mount(device: &LoopDevice, target: &Utf8Path) -> Result<(), CommandError> {
    let arguments =
        ["--types", "xfs", "--options", "nouuid", device.node.as_str(), target.as_str()];
    run("mount", &arguments).await.map(drop)
}

/// Whether a volume starts with an XFS superblock: all that this firmware can boot.
pub(crate) fn is_bootable(volume: &Utf8Path) -> std::io::Result<bool> {
    use std::io::Read;
    let mut magic = Vec::new();
    File::open(volume)?.take(4).read_to_end(&mut magic)?;
    Ok(magic == b"XFSB")
}

/// Where a guest finds a disk: the name that its kernel would give it, and the link by which udev
/// tells it apart on a real Proxmox VE. Disks are lettered in the order of the configuration.
pub(crate) fn guest_names(position: usize, drive: &str) -> Vec<Utf8PathBuf> {
    let letter = char::from(b'a' + u8::try_from(position).unwrap_or(25).min(25));
    let mut names = vec![format!("/dev/sd{letter}").into()];
    if let Some(serial) = drive.strip_prefix("scsi") {
        names.push(format!("/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi{serial}").into());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_disk_has_the_names_that_a_real_guest_sees() {
        assert_eq!(
            guest_names(1, "scsi1"),
            ["/dev/sdb", "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1"]
        );
        assert_eq!(guest_names(0, "virtio0"), ["/dev/sda"]);
    }

    #[test]
    fn only_a_volume_with_an_xfs_superblock_boots() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Utf8PathBuf::from_path_buf(folder.path().join("disk")).unwrap();
        fs_err::write(&volume, [0; 512]).unwrap();
        assert!(!is_bootable(&volume).unwrap());
        fs_err::write(&volume, b"XFSB\0\0").unwrap();
        assert!(is_bootable(&volume).unwrap());
    }
}
