//! Real machines, booted from the lab's cloud image. They need root and a world of their own:
//!
//! ```sh
//! cargo run -p homelab-lab -- real --bare -- cargo test -p homelab-lab --test machines -- --ignored
//! ```

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use homelab_lab::{
    hypervisor::{AgentReply, Disk, GuestSpec, Hypervisor, Interface, Medium, PowerState},
    machines::Machines,
};
use serde_json::json;
use tokio::process::Command;

const GIB: u64 = 1 << 30;

/// A machine with its disk, its seed disc, and the keys for it.
struct Bench {
    folder: tempfile::TempDir,
    machines: Arc<Machines>,
    guest: GuestSpec,
    address: String,
}

fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run this inside `homelab-lab real`"))
}

async fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("{program}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{program} {arguments:?}: {}", text(&output.stderr))),
    }
}

impl Bench {
    async fn new(vmid: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let cgroup = Utf8PathBuf::from(setting("HOMELAB_LAB_CGROUP")).join("tests");
        let disk = path.join("disk.raw");
        let image = setting("HOMELAB_LAB_IMAGE");
        output("cp", &["--sparse=always", &image, disk.as_str()]).await.unwrap();
        grow(&disk, 3 * GIB);
        let storage = path.join("storage.raw");
        fs_err::write(&storage, "").unwrap();
        grow(&storage, GIB);
        let seed = path.join("seed.iso");
        let guest = GuestSpec {
            node: "pve1".into(),
            vmid,
            name: format!("m{vmid}"),
            cores: 1,
            memory_mib: 1024,
            disks: vec![
                Disk { drive: "scsi0".into(), file: disk, bytes: 3 * GIB },
                Disk { drive: "scsi1".into(), file: storage, bytes: GIB },
            ],
            media: vec![Medium { drive: "ide2".into(), file: Some(seed.clone()) }],
            interfaces: vec![Interface {
                index: 0,
                mac: format!("bc:24:11:00:0{}:{:02}", vmid / 100, vmid % 100),
                bridge: "vmbr0".into(),
                mtu: None,
                link_down: false,
            }],
            smbios_uuid: "6f1e6a53-6c0e-4a5e-9d3c-0f2f6f1b7a10".into(),
            agent: true,
        };
        let bench = Self {
            machines: Machines::new(&path.join("machines"), &cgroup),
            guest,
            address: format!("10.79.0.{}", vmid % 256),
            folder,
        };
        bench.burn(&seed).await;
        bench
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A NoCloud disc with a host key, as the product's is.
    async fn burn(&self, disc: &Utf8Path) {
        let host_key = self.path("host");
        output("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &host_key]).await.unwrap();
        let private = fs_err::read_to_string(&host_key).unwrap().replace('\n', "\n    ");
        let public = fs_err::read_to_string(format!("{host_key}.pub")).unwrap();
        let operator = setting("HOMELAB_SSH_PUBLIC_KEY");
        fs_err::write(self.path("known"), format!("{} {public}", self.address)).unwrap();
        let name = &self.guest.name;
        let folder = self.path("seed");
        fs_err::create_dir(&folder).unwrap();
        fs_err::write(
            format!("{folder}/meta-data"),
            format!("instance-id: i-{name}\nlocal-hostname: {name}\n"),
        )
        .unwrap();
        fs_err::write(
            format!("{folder}/user-data"),
            format!(
                "#cloud-config\nssh_deletekeys: true\nssh_keys:\n  ed25519_private: |\n    {private}\n  \
                 ed25519_public: {public}\nusers:\n  - name: debian\n    shell: /bin/bash\n    \
                 sudo: ALL=(ALL) NOPASSWD:ALL\n    ssh_authorized_keys: [\"{operator}\"]\n"
            ),
        )
        .unwrap();
        let (mac, address) = (&self.guest.interfaces[0].mac, &self.address);
        fs_err::write(
            format!("{folder}/network-config"),
            format!(
                "version: 1\nconfig:\n  - type: physical\n    name: eth0\n    mac_address: \"{mac}\"\n    \
                 subnets:\n      - {{type: static, address: {address}/24, gateway: 10.79.0.1}}\n  \
                 - {{type: nameserver, address: [10.79.0.1]}}\n"
            ),
        )
        .unwrap();
        let arguments =
            ["-as", "mkisofs", "-quiet", "-V", "CIDATA", "-J", "-r", "-o", disc.as_str(), &folder];
        output("xorriso", &arguments).await.unwrap();
    }

    async fn ssh(&self, script: &str) -> Result<String, String> {
        let known = format!("UserKnownHostsFile={}", self.path("known"));
        let key = setting("HOMELAB_SSH_KEY");
        let target = format!("debian@{}", self.address);
        let options = ["StrictHostKeyChecking=yes", "ConnectTimeout=2", "BatchMode=yes", &known];
        let mut arguments: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
        arguments.extend(["-i", &key, &target, script]);
        output("ssh", &arguments).await
    }

    /// Waits until the guest answers with something other than `than`.
    async fn boot_other(&self, than: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let seen = self.ssh("cat /proc/sys/kernel/random/boot_id").await;
            if let Ok(boot) = &seen
                && boot != than
            {
                self.ssh("cloud-init status --wait || true").await.unwrap();
                return boot.clone();
            }
            let console = self.machines.console(self.guest.vmid).join("\n");
            assert!(Instant::now() < deadline, "no new boot: {seen:?}\n{console}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn until_stopped(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.machines.power_state(self.guest.vmid) != PowerState::Stopped {
            assert!(Instant::now() < deadline, "{:?}", self.machines.console(self.guest.vmid));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn grow(file: &Utf8Path, bytes: u64) {
    fs_err::OpenOptions::new().write(true).open(file).unwrap().set_len(bytes).unwrap();
}

#[tokio::test]
#[ignore = "needs root and a world: run it inside `homelab-lab real --bare`"]
async fn a_guest_lives_through_everything_that_a_virtual_machine_does() {
    let mut bench = Bench::new(211).await;
    let vmid = bench.guest.vmid;
    bench.machines.start(&bench.guest).await.unwrap();
    assert!(matches!(bench.machines.power_state(vmid), PowerState::Running { .. }));
    assert!(bench.machines.start(&bench.guest).await.unwrap_err().contains("already running"));

    // The seed was read, and the first boot's system is what was asked for.
    let first = bench.boot_other("").await;
    assert_eq!(bench.ssh("hostname").await.unwrap(), "m211");
    assert_eq!(
        bench.ssh("cat /etc/machine-id").await.unwrap(),
        bench.guest.smbios_uuid.replace('-', "")
    );
    let mac = bench.ssh("cat /sys/class/net/eth0/address").await.unwrap();
    assert_eq!(mac, bench.guest.interfaces[0].mac);
    let size = bench.ssh("df --output=size -B1M / | tail -1").await.unwrap();
    assert!((2900..3100).contains(&size.trim().parse::<u64>().unwrap()), "{size}");
    assert_eq!(bench.ssh("resolvectl dns | tail -1").await.unwrap(), "Link 2 (eth0): 10.79.0.1");
    bench.ssh("systemctl is-system-running --wait || true").await.unwrap();
    let failed = "systemctl list-units --failed --plain --no-legend; systemctl status --failed --no-pager || true";
    assert_eq!(bench.ssh(failed).await.unwrap(), "");
    assert_eq!(bench.ssh("stat -c %F /dev/sdb").await.unwrap(), "block special file");
    let limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true";
    assert_eq!(bench.ssh(limit).await.unwrap_or_default().lines().next(), Some("1073741824"));
    bench
        .ssh("sudo mkfs.xfs -q /dev/sdb && sudo mount /dev/sdb /mnt && sudo umount /mnt")
        .await
        .unwrap();
    // kubelet may make its groups and set its switches.
    bench
        .ssh("sudo mkdir /sys/fs/cgroup/pids/kubepods; sudo sysctl -w vm.overcommit_memory=1")
        .await
        .unwrap();

    // A disk grows under the running guest.
    let disk = bench.guest.disks[0].file.clone();
    grow(&disk, 5 * GIB);
    bench.guest.disks[0].bytes = 5 * GIB;
    bench.machines.reconfigure(&bench.guest).await.unwrap();
    bench.ssh("sudo xfs_growfs /").await.unwrap();
    let size = bench.ssh("df --output=size -B1M / | tail -1").await.unwrap();
    assert!((4900..5200).contains(&size.trim().parse::<u64>().unwrap()), "{size}");

    // What only memory holds is gone after a reboot from inside, what the disk holds is not.
    let host_key = bench.ssh("sudo cat /etc/ssh/ssh_host_ed25519_key.pub").await.unwrap();
    bench
        .ssh("sudo touch /etc/cloud/cloud-init.disabled; sudo ip tuntap add dev left0 mode tun")
        .await
        .unwrap();
    bench.guest.media[0].file = None;
    bench.machines.reconfigure(&bench.guest).await.unwrap();
    drop(bench.ssh("sudo systemctl reboot").await);
    let second = bench.boot_other(&first).await;
    assert_eq!(bench.ssh("sudo cat /etc/ssh/ssh_host_ed25519_key.pub").await.unwrap(), host_key);
    assert_eq!(bench.ssh("hostname").await.unwrap(), "m211");
    assert!(bench.ssh("ip link show left0").await.is_err());
    assert_eq!(bench.ssh("ls /var/lib/cloud/seed/nocloud | wc -l").await.unwrap(), "0");

    // The reset button, the power button, the plug.
    bench.machines.reset(vmid).await.unwrap();
    let third = bench.boot_other(&second).await;
    assert_ne!(third, first);
    assert_eq!(bench.machines.agent(vmid, "guest-ping", json!({})).await, AgentReply::NotRunning);
    assert!(bench.machines.shutdown(vmid, Duration::from_secs(60)).await);
    assert_eq!(bench.machines.power_state(vmid), PowerState::Stopped);
    bench.machines.start(&bench.guest).await.unwrap();
    bench.boot_other(&third).await;
    drop(bench.ssh("sudo systemctl poweroff").await);
    bench.until_stopped().await;
    bench.machines.start(&bench.guest).await.unwrap();
    bench.machines.kill(vmid).await;
    assert_eq!(bench.machines.power_state(vmid), PowerState::Stopped);
    assert!(!output("ip", &["link"]).await.unwrap().contains("tap211i0"));
    let mounts = fs_err::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains("vm211"), "{mounts}");
}

#[tokio::test]
#[ignore = "needs root and a world: run it inside `homelab-lab real --bare`"]
async fn a_guest_without_a_system_on_its_disk_has_power_and_does_nothing() {
    let mut bench = Bench::new(212).await;
    bench.guest.disks.remove(0);
    bench.machines.start(&bench.guest).await.unwrap();
    assert!(matches!(bench.machines.power_state(212), PowerState::Running { .. }));
    assert!(bench.machines.console(212).join("\n").contains("No bootable device."));
    assert!(!bench.machines.shutdown(212, Duration::from_millis(200)).await);
    bench.machines.kill(212).await;
    assert_eq!(bench.machines.power_state(212), PowerState::Stopped);
}

#[tokio::test]
#[ignore = "needs root and a world: run it inside `homelab-lab real --bare`"]
async fn a_guest_on_a_bridge_that_is_not_there_does_not_start() {
    let mut bench = Bench::new(213).await;
    bench.guest.interfaces[0].bridge = "vmbr9".into();
    let refused = bench.machines.start(&bench.guest).await.unwrap_err();
    assert_eq!(refused, "bridge 'vmbr9' does not exist");
    assert_eq!(bench.machines.power_state(213), PowerState::Stopped);
}
