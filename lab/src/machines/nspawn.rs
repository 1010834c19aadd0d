//! The command line that boots a guest.
//!
//! Each option cost somebody an hour to find; its reason stands beside it.

use camino::{Utf8Path, Utf8PathBuf};

use super::{network, seed};
use crate::hypervisor::GuestSpec;

/// What the guest is shown of the host.
#[derive(Debug)]
pub(crate) struct Hardware<'a> {
    /// Where the boot disk's file system is mounted.
    pub(crate) root: &'a Utf8Path,
    /// The read seed disc, when one is in a drive.
    pub(crate) seed: Option<&'a Utf8Path>,
    /// A loop device's node, and a name under which the guest finds it.
    pub(crate) devices: &'a [(Utf8PathBuf, Utf8PathBuf)],
    /// The files through which the process joins the machine's cgroups.
    pub(crate) cgroup_entrances: &'a [Utf8PathBuf],
}

/// The program and arguments: a shell that joins the cgroups and becomes systemd-nspawn.
pub(crate) fn command_line(guest: &GuestSpec, hardware: &Hardware<'_>) -> Vec<String> {
    let joins: String = hardware
        .cgroup_entrances
        .iter()
        .map(|entrance| format!("echo $$ > '{entrance}' && "))
        .collect();
    let mut line = vec![
        "sh".to_owned(),
        "-c".to_owned(),
        format!("{joins}exec \"$@\""),
        "sh".to_owned(),
        "systemd-nspawn".to_owned(),
    ];
    line.extend(options(guest, hardware));
    line
}

fn options(guest: &GuestSpec, hardware: &Hardware<'_>) -> Vec<String> {
    let mut options: Vec<String> = [
        "--quiet",
        "--boot",
        // The lab's host need not run systemd; and without a unit of its own to restart, nspawn ends
        // with status 133 when the guest reboots, instead of rebooting it unseen.
        "--register=no",
        "--keep-unit",
        "--settings=no",
        // A guest is a whole machine: tunnels, mounts, netfilter, kubelet.
        "--capability=all",
        // runc wants a session keyring, Kubernetes and systemd want BPF.
        "--system-call-filter=@keyring",
        "--system-call-filter=bpf",
        "--bind=/dev/net/tun",
        // kubelet watches the kernel's log.
        "--bind=/dev/kmsg",
        // The image's own files stand, as on a disk.
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
        "--hostname=localhost",
        "--private-network",
    ]
    .map(str::to_owned)
    .into();
    options.push(format!("--machine=vm{}", guest.vmid));
    options.push(format!("--directory={}", hardware.root));
    if !guest.smbios_uuid.is_empty() {
        // On a virtual machine, too, systemd makes the first boot's machine-id from it.
        options.push(format!("--uuid={}", guest.smbios_uuid));
    }
    // The image's first unit waits for the cards: they come right after the guest's first process.
    let cards: Vec<String> = guest.interfaces.iter().map(network::guest_name).collect();
    options.push(format!("--setenv=HOMELAB_LAB_CARDS={}", cards.join(" ")));
    for (node, name) in hardware.devices {
        options.push(format!("--bind={node}:{name}"));
    }
    if let Some(folder) = hardware.seed {
        options.push(format!("--bind-ro={folder}:{}", seed::IN_THE_GUEST));
    }
    options
}

/// The guest's first process: the child of nspawn that has namespaces of its own. A child without one of
/// processes is nspawn's helper; one of its network it gets a moment later, and cards that are plugged in
/// before that stay outside.
pub(crate) fn leader(nspawn: u32) -> Option<u32> {
    let outside = |kind| Some((kind, namespace_of(nspawn, kind)?));
    let outside = [outside("pid")?, outside("net")?];
    let children = fs_err::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    children.split_whitespace().filter_map(|child| child.parse().ok()).find(|child| {
        outside.iter().all(|(kind, outside)| {
            namespace_of(*child, kind).is_some_and(|inside| inside != *outside)
        })
    })
}

fn namespace_of(process: u32, kind: &str) -> Option<std::path::PathBuf> {
    fs_err::read_link(format!("/proc/{process}/ns/{kind}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::Interface;

    fn guest() -> GuestSpec {
        GuestSpec {
            node: "pve1".into(),
            vmid: 102,
            name: "k3s-server".into(),
            cores: 4,
            memory_mib: 4096,
            disks: Vec::new(),
            media: Vec::new(),
            interfaces: vec![Interface {
                index: 0,
                mac: "bc:24:11:00:00:02".into(),
                bridge: "vmbr0".into(),
                mtu: None,
                link_down: false,
            }],
            smbios_uuid: "6f1e6a53-6c0e-4a5e-9d3c-0f2f6f1b7a10".into(),
            agent: false,
        }
    }

    #[test]
    fn a_guest_joins_its_cgroups_before_it_boots() {
        let hardware = Hardware {
            root: "/lab/root".into(),
            seed: None,
            devices: &[],
            cgroup_entrances: &["/sys/fs/cgroup/pids/lab/vm102/cgroup.procs".into()],
        };
        let line = command_line(&guest(), &hardware);
        assert_eq!(
            line[2],
            "echo $$ > '/sys/fs/cgroup/pids/lab/vm102/cgroup.procs' && exec \"$@\""
        );
        assert_eq!(line[4], "systemd-nspawn");
        assert!(line.contains(&"--setenv=HOMELAB_LAB_CARDS=eth0".to_owned()));
        assert!(line.contains(&"--uuid=6f1e6a53-6c0e-4a5e-9d3c-0f2f6f1b7a10".to_owned()));
    }

    #[test]
    fn the_seed_is_seen_only_while_a_disc_is_in_the_drive() {
        let mut hardware =
            Hardware { root: "/lab/root".into(), seed: None, devices: &[], cgroup_entrances: &[] };
        let seeded = |hardware: &Hardware<'_>| {
            command_line(&guest(), hardware).iter().any(|option| option.contains("nocloud"))
        };
        assert!(!seeded(&hardware));
        hardware.seed = Some("/lab/seed".into());
        assert!(seeded(&hardware));
    }
}
