//! What a world has to have, so that an inventory finds on it what it names.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{Own, translation::text};
use crate::pve::StorageConfig;

/// Of each storage: more than anybody's guests want.
const STORAGE_BYTES: u64 = 64 << 40;

/// What an inventory names that a world must have.
#[derive(Clone, Debug)]
pub struct Terrain {
    /// Proxmox's nodes, by name.
    pub proxmox_nodes: Vec<String>,
    /// Their bridges.
    pub bridges: Vec<String>,
    pub storages: Vec<StorageConfig>,
    pub pools: Vec<String>,
    /// Tags that the tailnet's policy knows.
    pub tags: Vec<String>,
    /// The pods' network; by the number of agents unless said.
    pub pods: Option<Ipv4Net>,
    /// The releases that are published; the first is the world's own inventory's.
    pub k3s: Vec<String>,
    pub tailscale: Vec<String>,
    /// The guests' addresses on their owner's LAN, in the order of the world's own.
    pub addresses: Vec<Ipv4Addr>,
    /// VMIDs that somebody wants.
    pub vmids: BTreeSet<u32>,
}

impl Default for Terrain {
    fn default() -> Self {
        Self {
            proxmox_nodes: vec!["pve1".to_owned()],
            bridges: vec!["vmbr0".to_owned()],
            storages: vec![
                StorageConfig::directory(
                    "local",
                    "/var/lib/vz",
                    &["iso", "vztmpl", "backup", "import"],
                ),
                StorageConfig {
                    total_bytes: STORAGE_BYTES,
                    ..StorageConfig::lvm_thin("local-lvm", "pve", "data", &["images", "rootdir"])
                },
            ],
            pools: vec!["homelab".to_owned()],
            tags: Vec::new(),
            pods: None,
            k3s: vec!["v1.34.9+k3s1".to_owned()],
            tailscale: vec!["1.102.5".to_owned()],
            addresses: Vec::new(),
            vmids: BTreeSet::new(),
        }
    }
}

/// For all of these inventories at once.
pub fn terrain(owns: &[Own]) -> Terrain {
    let all = |pointers: &[&str]| {
        let mut named: Vec<String> = Vec::new();
        let texts =
            owns.iter().flat_map(|own| pointers.iter().filter_map(|at| text(&own.document, at)));
        texts.for_each(|text| push(&mut named, text));
        named
    };
    let nodes = || owns.iter().flat_map(|own| own.document["nodes"].as_object()).flatten();
    let mut proxmox_nodes = all(&["/defaults/proxmox_node"]);
    for (_, node) in nodes() {
        if let Some(name) = node["proxmox_node"].as_str() {
            push(&mut proxmox_nodes, name);
        }
    }
    let named = Named {
        disks: all(&["/proxmox/storage/disks"]),
        image: all(&["/proxmox/storage/image"]),
        seeds: all(&["/proxmox/storage/seeds"]),
    };
    let standing = Terrain::default();
    let mut addresses: Vec<Ipv4Addr> = Vec::new();
    for address in owns.iter().flat_map(Own::addresses) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    // Templates count up from the first one, one for each of Proxmox's nodes.
    let templates = owns.iter().filter_map(|own| own.document["image"]["template"].as_u64());
    let templates = templates.flat_map(|first| (first..).take(proxmox_nodes.len()));
    let wanted = nodes().filter_map(|(_, node)| node["vmid"].as_u64()).chain(templates);
    let vmids = wanted.filter_map(|vmid| vmid.try_into().ok()).collect();
    Terrain {
        proxmox_nodes: or(proxmox_nodes, standing.proxmox_nodes),
        bridges: or(all(&["/proxmox/bridge"]), standing.bridges),
        storages: storages(&named),
        pools: all(&["/proxmox/pool"]),
        tags: all(&["/tailnet/tag"]),
        pods: owns.iter().find_map(|own| text(&own.document, "/k3s/cluster_cidr")?.parse().ok()),
        k3s: with(standing.k3s, all(&["/k3s/version"])),
        tailscale: with(standing.tailscale, all(&["/tailnet/tailscale/version"])),
        addresses,
        vmids,
    }
}

/// Storages by what is put there, in each inventory.
#[derive(Default)]
struct Named {
    disks: Vec<String>,
    image: Vec<String>,
    seeds: Vec<String>,
}

/// The named ones, and those that are taken where none is. Where guests' disks alone lie it is a thin pool, else
/// folders.
fn storages(named: &Named) -> Vec<StorageConfig> {
    let [disks, image, seeds] =
        [(&named.disks, "local-lvm"), (&named.image, "local"), (&named.seeds, "local")]
            .map(|(names, usual)| with(names.clone(), vec![usual.to_owned()]));
    let mut ids: Vec<&String> = Vec::new();
    for id in image.iter().chain(&seeds).chain(&disks) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let storage = |id: &String| {
        let holds = [(&image, "import"), (&seeds, "iso"), (&disks, "images")];
        let content: Vec<&str> =
            holds.iter().filter(|(ids, _)| ids.contains(id)).map(|(_, name)| *name).collect();
        let config = match content[..] {
            ["images"] => StorageConfig::lvm_thin(id, "pve", id, &content),
            _ => StorageConfig::directory(id, &format!("/mnt/pve/{id}"), &content),
        };
        StorageConfig { total_bytes: STORAGE_BYTES, ..config }
    };
    ids.into_iter().map(storage).collect()
}

fn or(names: Vec<String>, otherwise: Vec<String>) -> Vec<String> {
    if names.is_empty() { otherwise } else { names }
}

fn with(mut names: Vec<String>, more: Vec<String>) -> Vec<String> {
    more.iter().for_each(|name| push(&mut names, name));
    names
}

fn push(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|there| there == name) {
        names.push(name.to_owned());
    }
}
