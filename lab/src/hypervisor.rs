//! The seam between the emulated Proxmox VE and whatever runs its guests.
//!
//! The emulator owns configuration, locks, tasks and volumes; a hypervisor owns processes. The
//! emulator never asks *how* a guest runs, so the same API serves guests that exist only on paper
//! ([`crate::pve`]'s instant ones) and real machines ([`crate::machines`]).

use std::{future::Future, pin::Pin, time::Duration};

use camino::Utf8PathBuf;
use serde_json::Value;

/// A boxed future: the emulator holds its hypervisor as `Arc<dyn Hypervisor>`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Everything a guest is started from: the *current* configuration, resolved to files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestSpec {
    /// The Proxmox node that the guest runs on.
    pub node: String,
    pub vmid: u32,
    pub name: String,
    pub cores: u32,
    pub memory_mib: u64,
    pub disks: Vec<Disk>,
    pub media: Vec<Medium>,
    pub interfaces: Vec<Interface>,
    /// `smbios1`'s uuid, lower case.
    pub smbios_uuid: String,
    /// Whether `agent` is enabled in the current configuration.
    pub agent: bool,
}

/// A disk: a raw file of exactly `bytes` bytes. The boot disk comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// `scsi0`, `virtio1`, ...
    pub drive: String,
    pub file: Utf8PathBuf,
    pub bytes: u64,
}

/// A CD-ROM drive; `None` is an empty one (`none,media=cdrom`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    pub drive: String,
    pub file: Option<Utf8PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// 0 for `net0`.
    pub index: u32,
    /// Lower case, colons.
    pub mac: String,
    pub bridge: String,
    pub mtu: Option<u32>,
    /// `link_down=1`.
    pub link_down: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    Stopped,
    Running {
        /// A process id to show in `status/current`.
        pid: u32,
        uptime: Duration,
    },
}

/// What the guest agent answered.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentReply {
    /// No agent runs in the guest.
    NotRunning,
    /// The command's `return` value.
    Return(Value),
    /// The agent's own error: class and description.
    Error { class: String, description: String },
}

pub trait Hypervisor: Send + Sync {
    /// Starts a stopped guest. The text of an error becomes the task's exit status.
    fn start<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>>;
    /// Asks the guest to power off (ACPI); `false` when it is still up after `timeout`.
    fn shutdown<'a>(&'a self, vmid: u32, timeout: Duration) -> Pending<'a, bool>;
    /// Takes the power away; returns once nothing of the guest runs any more.
    fn kill<'a>(&'a self, vmid: u32) -> Pending<'a, ()>;
    /// The reset button: power away and back, same definition.
    fn reset<'a>(&'a self, vmid: u32) -> Pending<'a, Result<(), String>>;
    /// What can change under a running guest: media, disk sizes (already grown on disk), cores, memory.
    fn reconfigure<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>>;
    /// The state as it is now: a guest may power itself off, or reboot.
    fn power_state(&self, vmid: u32) -> PowerState;
    /// The last lines of the serial console.
    fn console(&self, vmid: u32) -> Vec<String>;
    /// One guest-agent command, by its QMP name (`guest-ping`, `guest-exec`, ...).
    fn agent<'a>(
        &'a self,
        vmid: u32,
        command: &'a str,
        arguments: Value,
    ) -> Pending<'a, AgentReply>;
}
