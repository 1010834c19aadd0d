//! What befalls a world past its operator: somebody does it by hand, or the power fails.

use std::io;

use serde_json::{Value, json};

use super::world::World;
use crate::{
    hypervisor::Hypervisor as _,
    pve::{configure_as_root, delete_as_root},
};

impl World {
    /// Somebody makes a guest their own: its notes tell nothing of us any more.
    ///
    /// # Errors
    /// When there is no such guest.
    pub async fn disown(&self, vmid: u32) -> io::Result<()> {
        self.configure(vmid, json!({ "description": "somebody's" })).await
    }

    /// Somebody changes a guest's configuration.
    ///
    /// # Errors
    /// When there is no such guest, or Proxmox does not take it.
    pub async fn configure(&self, vmid: u32, settings: Value) -> io::Result<()> {
        configure_as_root(self.proxmox(), &guest(vmid, "/config"), settings).await
    }

    /// A guest has no power any more.
    pub async fn cut_power(&self, vmid: u32) {
        self.hypervisor.kill(vmid).await;
    }

    /// Somebody deletes a guest with its disks.
    ///
    /// # Errors
    /// When there is no such guest, or Proxmox does not let go of it.
    pub async fn delete_guest(&self, vmid: u32) -> io::Result<()> {
        self.cut_power(vmid).await;
        delete_as_root(self.proxmox(), &guest(vmid, "")).await?;
        // The answer comes with the task's beginning.
        self.proxmox().server().idle_tasks().await;
        Ok(())
    }
}

fn guest(vmid: u32, call: &str) -> String {
    format!("/nodes/pve1/qemu/{vmid}{call}")
}
