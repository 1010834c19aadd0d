//! One guest, from power on to power off.
//!
//! A [`Boot`] owns everything that stands while the guest is up; between two boots (a reboot from
//! inside, the reset button) all of it is taken down and made anew, so that nothing survives which a
//! real machine would lose: tunnels, firewall rules, processes. What lies on the disk does.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::process::{Child, Command};

use super::{
    MachineError,
    cgroup::Group,
    disk::{self, LoopDevice},
    network, nspawn, seed,
};
use crate::hypervisor::GuestSpec;

/// nspawn's exit status when the guest asked for a reboot.
const REBOOT: i32 = 133;

/// Why a boot is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Reboot,
    PowerOff,
}

/// The folders of one machine, below the lab's run folder.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    folder: Utf8PathBuf,
    cgroup: Utf8PathBuf,
}

impl Place {
    pub(crate) fn new(run_folder: &Utf8Path, cgroup: &Utf8Path, vmid: u32) -> Self {
        let name = format!("vm{vmid}");
        Self { folder: run_folder.join(&name), cgroup: cgroup.join(name) }
    }

    pub(crate) fn console(&self) -> Utf8PathBuf {
        self.folder.join("console.log")
    }

    fn root(&self) -> Utf8PathBuf {
        self.folder.join("root")
    }

    fn seed(&self) -> Utf8PathBuf {
        self.folder.join("seed")
    }
}

/// A powered guest.
#[derive(Debug)]
pub(crate) struct Boot {
    guest: GuestSpec,
    place: Place,
    disks: Vec<LoopDevice>,
    group: Group,
    /// `None`: the firmware found nothing to boot and waits, as a real one does.
    process: Option<Child>,
    since: Instant,
}

/// What others may know and do while the boot is awaited.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) nspawn: Option<u32>,
    pub(crate) since: Instant,
    pub(crate) nodes: Vec<Utf8PathBuf>,
    pub(crate) group: Group,
}

impl Boot {
    /// Powers the guest on. When that fails, nothing of it stands.
    pub(crate) async fn start(guest: &GuestSpec, place: &Place) -> Result<Self, MachineError> {
        for folder in [&place.folder, &place.root(), &place.seed()] {
            fs_err::create_dir_all(folder)?;
        }
        let group = Group::create(&place.cgroup)?;
        let mut boot = Self {
            guest: guest.clone(),
            place: place.clone(),
            disks: Vec::new(),
            group,
            process: None,
            since: Instant::now(),
        };
        // What an emulator that died left running would hold the disks and cards.
        boot.clear().await;
        match boot.power_on().await {
            Ok(()) => Ok(boot),
            Err(error) => {
                boot.tear_down().await;
                Err(error)
            }
        }
    }

    async fn power_on(&mut self) -> Result<(), MachineError> {
        self.group.limit(self.guest.cores, self.guest.memory_mib);
        for disk in &self.guest.disks {
            self.disks.push(LoopDevice::attach(&disk.file).await?);
        }
        network::check(&self.guest.interfaces).await?;
        empty(&self.place.seed())?;
        let seeded = seed::read(&self.guest.media, &self.place.seed()).await?;

        let Some(boot_disk) = self.guest.disks.first() else {
            return self.find_nothing_to_boot();
        };
        if !disk::is_bootable(&boot_disk.file)? {
            return self.find_nothing_to_boot();
        }
        disk::mount(&self.disks[0], &self.place.root()).await?;
        let devices = self.devices();
        let (root, seed) = (self.place.root(), self.place.seed());
        let line = nspawn::command_line(
            &self.guest,
            &nspawn::Hardware {
                root: &root,
                seed: seeded.then_some(&*seed),
                devices: &devices,
                cgroup_entrances: &self.group.entrances(),
            },
        );
        let console =
            fs_err::OpenOptions::new().create(true).append(true).open(self.place.console())?;
        let mut process = Command::new(&line[0])
            .args(&line[1..])
            // A virtual machine's /tmp lies on its disk unless its own fstab says otherwise.
            .env("SYSTEMD_NSPAWN_TMPFS_TMP", "0")
            .stdin(Stdio::null())
            .stderr(console.file().try_clone()?)
            .stdout(console.into_parts().0)
            .spawn()?;
        let leader = first_process(&mut process).await;
        self.process = Some(process);
        network::plug(self.guest.vmid, &self.guest.interfaces, leader?).await
    }

    fn find_nothing_to_boot(&self) -> Result<(), MachineError> {
        fs_err::write(
            self.place.console(),
            "Boot failed: not a bootable disk\nNo bootable device.\n",
        )?;
        Ok(())
    }

    /// Each disk under its loop device's own name (mounts name it so) and under the guest's names.
    fn devices(&self) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
        let mut devices = Vec::new();
        for (position, (disk, device)) in self.guest.disks.iter().zip(&self.disks).enumerate() {
            devices.push((device.node.clone(), device.node.clone()));
            for name in disk::guest_names(position, &disk.drive) {
                devices.push((device.node.clone(), name));
            }
        }
        devices
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle {
            nspawn: self.process.as_ref().and_then(Child::id),
            since: self.since,
            nodes: self.disks.iter().map(|device| device.node.clone()).collect(),
            group: self.group.clone(),
        }
    }

    /// Waits until the guest is down, by its own doing or because its processes were killed. A guest
    /// that found nothing to boot never ends by itself.
    pub(crate) async fn ended(&mut self) -> End {
        let Some(process) = &mut self.process else { return std::future::pending().await };
        match process.wait().await {
            Ok(status) if status.code() == Some(REBOOT) => End::Reboot,
            Ok(status) => {
                tracing::debug!(vmid = self.guest.vmid, %status, "guest down");
                End::PowerOff
            }
            Err(error) => {
                tracing::error!(vmid = self.guest.vmid, %error, "lost sight of the guest");
                End::PowerOff
            }
        }
    }

    /// Takes down whatever of the boot still stands.
    pub(crate) async fn tear_down(mut self) {
        self.clear().await;
        for group in self.group.remove() {
            tracing::warn!(%group, "a cgroup of the guest would not go");
        }
    }

    async fn clear(&mut self) {
        self.group.kill().await;
        if let Some(process) = &mut self.process {
            drop(process.wait().await);
        }
        network::unplug(self.guest.vmid, &self.guest.interfaces).await;
        // Not mounted, when the guest never came so far.
        if let Err(error) = super::command::run("umount", &[self.place.root().as_str()]).await {
            tracing::debug!(vmid = self.guest.vmid, %error, "root not unmounted");
        }
    }
}

/// Waits until nspawn has brought the guest's first process up.
async fn first_process(nspawn: &mut Child) -> Result<u32, MachineError> {
    let number = nspawn.id();
    loop {
        if let Some(leader) = number.and_then(nspawn::leader) {
            return Ok(leader);
        }
        if let Some(status) = nspawn.try_wait()? {
            return Err(MachineError::NoBoot { status });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn empty(folder: &Utf8Path) -> std::io::Result<()> {
    fs_err::remove_dir_all(folder)?;
    fs_err::create_dir(folder)
}
