//! A picture of a world: what exists, who has what, in words that are the same whenever the same was made.
//!
//! Ids, keys and times that are chosen anew each time are left out, or are there as "one is there".

use std::{collections::BTreeMap, io};

use camino::Utf8Path;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

mod objects;

pub use self::objects::Remote;
use super::{guest::Guest, world::World};
use crate::pve::as_root;

/// What a world holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Each guest's Proxmox node, configuration and power, by its VMID.
    pub guests: BTreeMap<u32, Value>,
    /// Volumes of all storages, by their ids and Proxmox nodes; what is random in a name is `*`.
    pub volumes: Vec<String>,
    /// Each running guest's files and units, by its name.
    pub hosts: BTreeMap<String, Value>,
    /// Names, tags and whether they are online, of the tailnet's devices.
    pub devices: Vec<String>,
    /// Auth keys that could still be used.
    pub keys: usize,
    /// Name, readiness, labels and taints of each node.
    pub nodes: BTreeMap<String, Value>,
    /// Every other object of the cluster: what is asked of it, and what Flux says of its own.
    pub objects: BTreeMap<String, Value>,
    /// What the Git remote has; `None` where there is none.
    pub git: Option<Remote>,
}

/// Files whose content is random, or tells a time.
const RANDOM: [&str; 13] = [
    // Both name what is this world's alone: its folder, its operator's key.
    "etc/ssh/sshd_config.d/10-homelab.conf",
    "home/debian/.ssh/authorized_keys",
    // The tailnet's addresses go by who joins first.
    "usr/local/lib/homelab/await-address",
    "etc/ssh/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_ed25519_key.pub",
    "etc/machine-id",
    "etc/rancher/k3s/token",
    "etc/rancher/k3s/agent-token",
    "etc/rancher/k3s/k3s.yaml",
    "etc/rancher/k3s/config.yaml",
    "sys/class/dmi/id/product_uuid",
    "sys/class/net/tailscale0/ifindex",
    "var/lib/cloud/data/instance-id",
];
/// Folders that no run leaves the same.
const SKIPPED: [&str; 8] =
    ["run", "tmp", "proc", "dev", "usr/bin", "usr/sbin", "var/log", "var/lib/rancher"];

impl World {
    /// Looks at everything.
    ///
    /// # Errors
    /// When a guest's folder can't be read, or the emulator refuses its own root.
    pub async fn picture(&self) -> io::Result<Picture> {
        let server = self.proxmox();
        let resources = as_root(server, "/cluster/resources").await?;
        let mut guests = BTreeMap::new();
        for entry in
            resources.as_array().into_iter().flatten().filter(|entry| entry["type"] == "qemu")
        {
            let vmid =
                entry["vmid"].as_u64().and_then(|vmid| u32::try_from(vmid).ok()).unwrap_or(0);
            let node = entry["node"].as_str().unwrap_or_default();
            let path = format!("/nodes/{node}/qemu/{vmid}/config");
            let config = as_root(server, &path).await?;
            let config = constant(config);
            let guest = json!({ "status": entry["status"], "node": node, "config": config });
            guests.insert(vmid, guest);
        }
        let mut volumes = Vec::new();
        for node in &self.terrain().proxmox_nodes {
            for storage in &self.terrain().storages {
                let path = format!("/nodes/{node}/storage/{}/content", storage.id);
                let content = as_root(server, &path).await?;
                let ids = content.as_array().into_iter().flatten();
                let ids = ids.filter_map(|volume| volume["volid"].as_str());
                volumes.extend(ids.map(|id| format!("{} on {node}", starred(id))));
            }
        }
        volumes.sort();
        let mut hosts = BTreeMap::new();
        for guest in self.hypervisor.guests() {
            let name = guest.state().node_name.clone();
            hosts.insert(name, host(&guest)?);
        }
        let nodes = self.kubernetes.list("nodes", None);
        let nodes = nodes.iter().map(|node| {
            let name = node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let ready = &node["status"]["conditions"][0]["status"];
            let seen = json!({
                "ready": ready, "labels": node["metadata"]["labels"], "taints": node["spec"]["taints"],
                "unschedulable": node["spec"]["unschedulable"],
            });
            (name, seen)
        });
        let nodes = nodes.collect();
        let (devices, keys) = self.tailnet_picture();
        let (objects, git) = (objects::seen(self)?, objects::remote(self).await?);
        Ok(Picture { guests, volumes, hosts, devices, keys, nodes, objects, git })
    }
}

/// A guest's configuration without what is chosen anew each time.
fn constant(mut config: Value) -> Value {
    if let Some(fields) = config.as_object_mut() {
        for name in ["digest", "meta", "vmgenid", "smbios1"] {
            fields.remove(name);
        }
        if let Some(notes) = fields.get("description").and_then(Value::as_str) {
            // Host keys and nonces are random; that there is a marker is not.
            let marked = notes.lines().filter(|line| line.contains("homelab")).count();
            fields.insert("description".into(), json!(marked > 0));
        }
    }
    config
}

/// A volume's name, with `*` for what follows the node's name in a seed.
fn starred(volume: &str) -> String {
    match volume.split_once(":iso/homelab-") {
        Some((storage, rest)) => {
            let parts: Vec<&str> = rest.split('-').collect();
            let node = parts[..parts.len().saturating_sub(1)].join("-");
            format!("{storage}:iso/homelab-{node}-*")
        }
        None => volume.to_owned(),
    }
}

fn host(guest: &Guest) -> io::Result<Value> {
    let mut files = BTreeMap::new();
    walk(guest.root(), guest.root(), &mut files)?;
    let state = guest.state();
    let units: BTreeMap<&str, Value> = state
        .units
        .iter()
        .map(|(name, unit)| (name, json!({ "enabled": unit.enabled, "active": unit.active })))
        .collect();
    Ok(json!({
        "files": files, "units": units, "tables": state.tables,
        "filesystem_bytes": state.filesystem_bytes, "memory_mib": state.booted.memory_mib,
        "tun": state.tun.as_ref().map(|tun| (tun.persistent, tun.mtu)),
        "flannel": state.flannel.as_ref().map(|flannel| flannel.mtu),
        "flags": state.tailscale.flags,
    }))
}

fn walk(
    root: &Utf8Path,
    folder: &Utf8Path,
    files: &mut BTreeMap<String, String>,
) -> io::Result<()> {
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        let place = entry.path().strip_prefix(root).map_err(io::Error::other)?.to_string();
        if SKIPPED.contains(&place.as_str()) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(root, entry.path(), files)?;
        } else if kind.is_file() && RANDOM.contains(&place.as_str()) {
            files.insert(place, "there".to_owned());
        } else if kind.is_file() {
            let hash = hex::encode(Sha256::digest(fs_err::read(entry.path())?));
            files.insert(place, hash[..16].to_owned());
        }
    }
    Ok(())
}
