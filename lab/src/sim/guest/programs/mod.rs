//! What each program prints and does: the stand-ins that a guest's scripts meet on their PATH.

mod disk;
mod k3s;
mod network;
mod packages;
mod system;
pub(super) mod systemctl;
mod tailscale;

use super::{Answer, Guest};

/// The stand-ins that every guest has; those of packages and artifacts come with these.
pub const PROGRAMS: [&str; 30] = [
    "apt-get",
    "blkid",
    "blockdev",
    "bridge",
    "cloud-init",
    "dumpe2fs",
    "findmnt",
    "growpart",
    "ip",
    "journalctl",
    "lsblk",
    "modprobe",
    "mountpoint",
    "multipath",
    "nproc",
    "ping",
    "resize2fs",
    "sshd",
    "sync",
    "sysctl",
    "systemctl",
    "systemd-run",
    "timedatectl",
    "udevadm",
    "uname",
    "wipefs",
    "xfs_info",
    "mkfs.ext4",
    "chattr",
    "hostname",
];

pub(super) fn call(guest: &Guest, program: &str, arguments: &[String]) -> Answer {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match program {
        "systemctl" => systemctl::call(guest, &words),
        "tailscale" => tailscale::call(guest, &words),
        "k3s" => k3s::call(guest, &words),
        "ip" | "bridge" | "nft" | "ping" => network::call(guest, program, &words),
        "blkid" | "blockdev" | "dumpe2fs" | "findmnt" | "growpart" | "lsblk" | "mountpoint"
        | "resize2fs" | "stat" | "wipefs" => disk::call(guest, program, &words),
        "apt-get" => packages::call(guest, &words),
        "journalctl" | "modprobe" | "nproc" | "timedatectl" | "uname" | "hostname" => {
            system::call(guest, program, &words)
        }
        // What they do is nothing that a script could see.
        "cloud-init" | "multipath" | "sshd" | "sync" | "sysctl" | "systemd-run" | "udevadm"
        | "chattr" => Answer::default(),
        other => Answer::failed(127, format!("{other}: this stand-in does nothing\n")),
    }
}
