//! Guests as real Debian machines under systemd-nspawn.
//!
//! The emulated Proxmox VE keeps configuration and volumes; here a guest's boot disk is mounted from
//! its volume file and booted: its own systemd, cloud-init, sshd, network card, in cgroups of the size
//! asked for. It must run as root in a mount and a network namespace of the lab's own
//! ([`crate::world`]), where bridges are; nothing here touches the host's.
//!
//! A guest's volume must hold one XFS file system without a partition table, as the lab's cloud image
//! does: of the file systems that such a kernel lets grow while mounted, it is the one.

mod agent;
mod cgroup;
mod command;
mod console;
mod disk;
mod machine;
mod network;
mod nspawn;
mod seed;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{Notify, watch};

pub use self::command::CommandError;
use self::machine::{Boot, End, Handle, Place};
pub(crate) use self::{cgroup::Group, command::run};
use crate::hypervisor::{AgentReply, GuestSpec, Hypervisor, Pending, PowerState};

/// Why a machine could not be powered on or changed.
#[derive(Debug, Error)]
pub enum MachineError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("can't open {node}: {source}")]
    Device { node: Utf8PathBuf, source: std::io::Error },
    #[error("bridge '{bridge}' does not exist")]
    NoBridge { bridge: String },
    #[error("the guest did not boot: systemd-nspawn ended with {status}, see its console")]
    NoBoot { status: std::process::ExitStatus },
    #[error("VM {vmid} already running")]
    Running { vmid: u32 },
    #[error("VM {vmid} not running")]
    Stopped { vmid: u32 },
}

/// How many console lines are kept at hand.
const CONSOLE_LINES: usize = 50;

/// The machines of one lab.
#[derive(Debug)]
pub struct Machines {
    run_folder: Utf8PathBuf,
    cgroup: Utf8PathBuf,
    powered: Mutex<HashMap<u32, Arc<Machine>>>,
}

/// A guest that has power.
#[derive(Debug)]
struct Machine {
    /// What the next boot is made from.
    guest: Mutex<GuestSpec>,
    handle: Mutex<Handle>,
    /// What the next end of a boot means, whatever the guest thinks.
    verdict: Mutex<Option<End>>,
    /// Ends a boot that has no process to kill.
    cut: Notify,
    /// `false` once nothing of the machine stands any more.
    up: watch::Receiver<bool>,
}

/// A panic elsewhere leaves these maps whole: each is changed in one statement.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machines {
    /// Machines that keep their mounts and logs below `run_folder`, and whose cgroups stand below
    /// `cgroup`, a relative path in every hierarchy.
    pub fn new(run_folder: &Utf8Path, cgroup: &Utf8Path) -> Arc<Self> {
        Arc::new(Self {
            run_folder: run_folder.to_owned(),
            cgroup: cgroup.to_owned(),
            powered: Mutex::default(),
        })
    }

    /// Takes the power from every machine.
    pub async fn kill_all(&self) {
        let numbers: Vec<u32> = locked(&self.powered).keys().copied().collect();
        futures::future::join_all(numbers.into_iter().map(|vmid| self.cut(vmid, End::PowerOff)))
            .await;
    }

    fn place(&self, vmid: u32) -> Place {
        Place::new(&self.run_folder, &self.cgroup, vmid)
    }

    fn powered(&self, vmid: u32) -> Option<Arc<Machine>> {
        locked(&self.powered).get(&vmid).filter(|machine| *machine.up.borrow()).cloned()
    }

    async fn power_on(&self, guest: &GuestSpec) -> Result<(), MachineError> {
        let vmid = guest.vmid;
        if self.powered(vmid).is_some() {
            return Err(MachineError::Running { vmid });
        }
        let place = self.place(vmid);
        drop(fs_err::remove_file(place.console()));
        let boot = Boot::start(guest, &place).await?;
        let (up, seen_up) = watch::channel(true);
        let machine = Arc::new(Machine {
            guest: Mutex::new(guest.clone()),
            handle: Mutex::new(boot.handle()),
            verdict: Mutex::new(None),
            cut: Notify::new(),
            up: seen_up,
        });
        locked(&self.powered).insert(vmid, Arc::clone(&machine));
        tokio::spawn(attend(machine, boot, place, up));
        Ok(())
    }

    async fn shut_down(&self, vmid: u32, patience: Duration) -> bool {
        let Some(machine) = self.powered(vmid) else { return true };
        if let Some(leader) = machine.leader() {
            // What pressing the power button is to systemd in a container.
            if let Err(error) = run("kill", &["-s", "RTMIN+3", &leader.to_string()]).await {
                tracing::debug!(vmid, %error, "the guest was not there to be asked");
            }
        }
        tokio::time::timeout(patience, machine.down()).await.is_ok()
    }

    async fn cut(&self, vmid: u32, verdict: End) {
        while let Some(machine) = self.powered(vmid) {
            let handle = locked(&machine.handle).clone();
            *locked(&machine.verdict) = Some(verdict);
            match handle.nspawn {
                Some(_) => handle.group.kill().await,
                None => machine.cut.notify_one(),
            }
            // The guest may have been between two boots of its own: then the next one is cut as well.
            let settled = tokio::time::timeout(Duration::from_millis(500), machine.down()).await;
            if settled.is_ok() || verdict == End::Reboot {
                return;
            }
        }
    }

    async fn change(&self, guest: &GuestSpec) -> Result<(), MachineError> {
        let vmid = guest.vmid;
        let machine = self.powered(vmid).ok_or(MachineError::Stopped { vmid })?;
        let before = std::mem::replace(&mut *locked(&machine.guest), guest.clone());
        let handle = locked(&machine.handle).clone();
        for node in &handle.nodes {
            disk::grow(node).await?;
        }
        handle.group.limit(guest.cores, guest.memory_mib);
        for interface in &guest.interfaces {
            if before.interfaces.iter().any(|known| known.index == interface.index) {
                network::set_link(vmid, interface).await?;
            }
        }
        Ok(())
    }
}

impl Machine {
    /// The guest's first process.
    fn leader(&self) -> Option<u32> {
        nspawn::leader(locked(&self.handle).nspawn?)
    }

    async fn down(&self) {
        // An error means that the sender is gone, which is the same thing.
        drop(self.up.clone().wait_for(|up| !up).await);
    }
}

/// Sees a machine through its boots until it is off.
async fn attend(machine: Arc<Machine>, mut boot: Boot, place: Place, up: watch::Sender<bool>) {
    loop {
        let own = tokio::select! {
            end = boot.ended() => end,
            () = machine.cut.notified() => End::PowerOff,
        };
        boot.tear_down().await;
        let end = locked(&machine.verdict).take().unwrap_or(own);
        if end == End::PowerOff {
            break;
        }
        let guest = locked(&machine.guest).clone();
        match Boot::start(&guest, &place).await {
            Ok(next) => {
                *locked(&machine.handle) = next.handle();
                boot = next;
            }
            Err(error) => {
                tracing::error!(vmid = guest.vmid, %error, "the guest did not come back");
                break;
            }
        }
    }
    up.send_replace(false);
}

impl Hypervisor for Machines {
    fn start<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>> {
        Box::pin(async move { self.power_on(guest).await.map_err(|error| error.to_string()) })
    }

    fn shutdown<'a>(&'a self, vmid: u32, timeout: Duration) -> Pending<'a, bool> {
        Box::pin(self.shut_down(vmid, timeout))
    }

    fn kill<'a>(&'a self, vmid: u32) -> Pending<'a, ()> {
        Box::pin(self.cut(vmid, End::PowerOff))
    }

    fn reset<'a>(&'a self, vmid: u32) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            if self.powered(vmid).is_none() {
                return Err(MachineError::Stopped { vmid }.to_string());
            }
            self.cut(vmid, End::Reboot).await;
            Ok(())
        })
    }

    fn reconfigure<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>> {
        Box::pin(async move { self.change(guest).await.map_err(|error| error.to_string()) })
    }

    fn power_state(&self, vmid: u32) -> PowerState {
        match self.powered(vmid) {
            None => PowerState::Stopped,
            Some(machine) => {
                let handle = locked(&machine.handle);
                PowerState::Running {
                    pid: handle.nspawn.unwrap_or_else(std::process::id),
                    uptime: handle.since.elapsed(),
                }
            }
        }
    }

    fn console(&self, vmid: u32) -> Vec<String> {
        console::last_lines(&self.place(vmid).console(), CONSOLE_LINES)
    }

    fn agent<'a>(
        &'a self,
        vmid: u32,
        command: &'a str,
        arguments: Value,
    ) -> Pending<'a, AgentReply> {
        Box::pin(async move {
            let Some(machine) = self.powered(vmid) else { return AgentReply::NotRunning };
            let enabled = locked(&machine.guest).agent;
            match machine.leader().filter(|_| enabled) {
                Some(leader) => agent::ask(leader, command, arguments).await,
                None => AgentReply::NotRunning,
            }
        })
    }
}
