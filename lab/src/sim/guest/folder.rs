//! A guest's files: those of a cloud image, and what its kernel shows.

use std::{io, os::unix::fs::symlink};

use camino::Utf8Path;

use super::state::State;

/// Folders that a script may take for granted.
const FOLDERS: [&str; 22] = [
    "bin",
    "boot",
    "dev",
    "etc/cloud",
    "etc/ssh/sshd_config.d",
    "etc/systemd/system",
    "home",
    "lib/modules",
    "proc/sys/kernel/random",
    "root",
    "run",
    "sbin",
    "sys/class/dmi/id",
    "sys/class/net",
    "tmp",
    "usr/bin",
    "usr/local/bin",
    "usr/local/lib",
    "usr/local/sbin",
    "usr/sbin",
    "var/lib",
    "var/log",
];

const OS_RELEASE: &str = "\
PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"
NAME=\"Debian GNU/Linux\"
VERSION_ID=\"13\"
VERSION=\"13 (trixie)\"
ID=debian
";

/// What the simulated kernel calls itself.
pub(super) const KERNEL: &str = "6.12.57+deb13-cloud-amd64";

/// Lays out what a cloud image has.
pub(super) fn install(root: &Utf8Path) -> io::Result<()> {
    for folder in FOLDERS {
        fs_err::create_dir_all(root.join(folder))?;
    }
    fs_err::create_dir_all(root.join("lib/modules").join(KERNEL))?;
    fs_err::write(root.join("etc/os-release"), OS_RELEASE)?;
    fs_err::write(
        root.join("etc/ssh/sshd_config"),
        "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\n",
    )?;
    symlink("/dev/urandom", root.join("dev/urandom"))
}

/// What a kernel shows anew after each start: `/run` is empty, `/proc` and `/sys` are its own.
pub(super) fn boot(root: &Utf8Path, state: &State) -> io::Result<()> {
    let run = root.join("run");
    if run.exists() {
        fs_err::remove_dir_all(&run)?;
    }
    fs_err::create_dir_all(&run)?;
    let file = |path: &str, text: String| fs_err::write(root.join(path), text);
    file("proc/sys/kernel/random/boot_id", format!("{}\n", state.boot_id))?;
    file("proc/meminfo", format!("MemTotal: {} kB\n", state.booted.memory_mib * 1024))?;
    file("sys/class/dmi/id/product_uuid", format!("{}\n", state.booted.uuid))?;
    file("etc/machine-id", format!("{}\n", state.machine_id))?;
    disks(root, state)
}

/// The root disk as the kernel shows it: sizes in sectors of 512 bytes.
pub(super) fn disks(root: &Utf8Path, state: &State) -> io::Result<()> {
    let disk = root.join("sys/devices/sda");
    fs_err::create_dir_all(disk.join("sda1"))?;
    fs_err::write(disk.join("size"), format!("{}\n", state.hardware.disk_bytes / 512))?;
    fs_err::write(disk.join("sda1/size"), format!("{}\n", state.partition_bytes / 512))?;
    fs_err::write(disk.join("sda1/partition"), "1\n")?;
    fs_err::create_dir_all(root.join("sys/dev/block"))?;
    let block = root.join("sys/dev/block/8:1");
    if !block.exists() {
        symlink(disk.join("sda1"), block)?;
    }
    Ok(())
}

/// `/sys/class/net`: number and MTU of each interface.
pub(super) fn links(root: &Utf8Path, state: &State) -> io::Result<()> {
    let folder = root.join("sys/class/net");
    let overlay = state.flannel.as_ref();
    let links = [
        ("eth0", state.ethernet.as_ref().map(|ethernet| (2, ethernet.mtu))),
        ("tailscale0", state.tun.as_ref().map(|tun| (tun.index, tun.mtu))),
        ("flannel.1", overlay.map(|flannel| (90, flannel.mtu))),
        ("cni0", overlay.map(|flannel| (91, flannel.mtu))),
    ];
    for (name, seen) in links {
        let place = folder.join(name);
        match seen {
            Some((index, mtu)) => {
                fs_err::create_dir_all(&place)?;
                fs_err::write(place.join("ifindex"), format!("{index}\n"))?;
                fs_err::write(place.join("mtu"), format!("{mtu}\n"))?;
            }
            None if place.exists() => fs_err::remove_dir_all(&place)?,
            None => {}
        }
    }
    Ok(())
}
