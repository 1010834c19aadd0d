//! All guests of the cluster: their configurations, in memory and as files, and their locks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::config::GuestConfig;
use crate::pve::{config::Config, state::lock, task::FileLock};

/// Every guest, by VMID.
pub(crate) struct Table {
    /// Keeps `<node>/qemu-server/<vmid>.conf`.
    folder: Utf8PathBuf,
    guests: Mutex<BTreeMap<u32, Guest>>,
    locks: Mutex<BTreeMap<u32, Arc<FileLock>>>,
}

/// One guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    pub(crate) node: String,
    pub(crate) config: GuestConfig,
    /// Stopped in mid-air by `suspend`; only told to those who ask, the guest itself runs on.
    pub(crate) paused: bool,
}

/// The path of a guest's configuration in Proxmox' own words.
fn shown(node: &str, vmid: u32) -> String {
    format!("nodes/{node}/qemu-server/{vmid}.conf")
}

impl Table {
    /// Reads the configurations that an earlier run left behind.
    pub(crate) fn new(config: &Config) -> Self {
        let folder = config.data_dir.join("nodes");
        let mut guests = BTreeMap::new();
        for node in &config.nodes {
            for (vmid, config) in read_folder(&folder.join(&node.name).join("qemu-server")) {
                let guest = Guest { node: node.name.clone(), config, paused: false };
                guests.insert(vmid, guest);
            }
        }
        Self { folder, guests: Mutex::new(guests), locks: Mutex::default() }
    }

    /// The lock on a guest's configuration, whether or not there is such a guest.
    pub(crate) fn lock_of(&self, vmid: u32) -> Arc<FileLock> {
        let mut locks = lock(&self.locks);
        let file = || FileLock::new(format!("/var/lock/qemu-server/lock-{vmid}.conf"));
        Arc::clone(locks.entry(vmid).or_insert_with(file))
    }

    /// A guest's configuration.
    ///
    /// # Errors
    ///
    /// `Configuration file '..' does not exist` where the node has no such guest.
    pub(crate) fn load(&self, node: &str, vmid: u32) -> Result<GuestConfig, String> {
        self.find(vmid)
            .filter(|guest| guest.node == node)
            .map(|guest| guest.config)
            .ok_or_else(|| format!("Configuration file '{}' does not exist", shown(node, vmid)))
    }

    pub(crate) fn find(&self, vmid: u32) -> Option<Guest> {
        lock(&self.guests).get(&vmid).cloned()
    }

    /// All guests, by VMID.
    pub(crate) fn all(&self) -> Vec<(u32, Guest)> {
        lock(&self.guests).iter().map(|(vmid, guest)| (*vmid, guest.clone())).collect()
    }

    /// Has these guests and no others; their files are the caller's business.
    pub(crate) fn remember(&self, guests: BTreeMap<u32, Guest>) {
        *lock(&self.guests) = guests;
    }

    /// Where a VMID is taken.
    pub(crate) fn node_of(&self, vmid: u32) -> Option<String> {
        lock(&self.guests).get(&vmid).map(|guest| guest.node.clone())
    }

    /// Enters a new guest.
    ///
    /// # Errors
    ///
    /// The node that has one of that VMID.
    pub(crate) fn create(&self, node: &str, vmid: u32, config: GuestConfig) -> Result<(), String> {
        let mut guests = lock(&self.guests);
        if let Some(guest) = guests.get(&vmid) {
            return Err(guest.node.clone());
        }
        self.write(node, vmid, &config);
        guests.insert(vmid, Guest { node: node.to_owned(), config, paused: false });
        Ok(())
    }

    /// Replaces a guest's configuration; one that is gone stays gone.
    pub(crate) fn save(&self, vmid: u32, config: GuestConfig) {
        let mut guests = lock(&self.guests);
        if let Some(guest) = guests.get_mut(&vmid) {
            self.write(&guest.node, vmid, &config);
            guest.config = config;
        }
    }

    pub(crate) fn remove(&self, vmid: u32) {
        if let Some(guest) = lock(&self.guests).remove(&vmid) {
            let _ = fs_err::remove_file(self.path(&guest.node, vmid));
        }
    }

    /// Gives a guest to another node.
    pub(crate) fn relocate(&self, vmid: u32, node: &str) {
        let mut guests = lock(&self.guests);
        if let Some(guest) = guests.get_mut(&vmid) {
            let _ = fs_err::remove_file(self.path(&guest.node, vmid));
            node.clone_into(&mut guest.node);
            self.write(node, vmid, &guest.config);
        }
    }

    pub(crate) fn set_paused(&self, vmid: u32, paused: bool) {
        if let Some(guest) = lock(&self.guests).get_mut(&vmid) {
            guest.paused = paused;
        }
    }

    fn path(&self, node: &str, vmid: u32) -> Utf8PathBuf {
        self.folder.join(node).join("qemu-server").join(format!("{vmid}.conf"))
    }

    /// The file is for people and for the next run; this run works with what is in memory.
    fn write(&self, node: &str, vmid: u32, config: &GuestConfig) {
        let path = self.path(node, vmid);
        let parent = path.parent().unwrap_or(Utf8Path::new("."));
        let partial = path.with_extension("tmp");
        let result = fs_err::create_dir_all(parent)
            .and_then(|()| fs_err::write(&partial, config.print()))
            .and_then(|()| fs_err::rename(&partial, &path));
        if let Err(error) = result {
            tracing::warn!(%path, %error, "cannot write a guest's configuration");
        }
    }
}

fn read_folder(folder: &Utf8Path) -> Vec<(u32, GuestConfig)> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let vmid = name.strip_suffix(".conf").and_then(|vmid| vmid.parse().ok());
        if let (Some(vmid), Ok(text)) = (vmid, fs_err::read_to_string(entry.path())) {
            found.push((vmid, GuestConfig::parse(&text)));
        }
    }
    found
}
