//! What an inventory must be, so that a world can be made for it: before anything is. Names become files' names there.

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{Own, address};

/// Made of keys and values, and needed.
const NEEDED: [&str; 6] = ["/cluster", "/proxmox", "/image", "/network", "/nodes", "/tailnet"];
/// Where it is there.
const OTHER: [&str; 8] = [
    "/access",
    "/defaults",
    "/k3s",
    "/longhorn",
    "/flux",
    "/gitops",
    "/tailnet/tailscale",
    "/proxmox/storage",
];
/// Ids of Proxmox's: a letter, then letters, digits, `.`, `-` and `_`.
const IDS: [&str; 5] = [
    "/proxmox/pool",
    "/proxmox/bridge",
    "/proxmox/storage/disks",
    "/proxmox/storage/image",
    "/proxmox/storage/seeds",
];
const VERSIONS: [&str; 2] = ["/k3s/version", "/tailnet/tailscale/version"];
/// More agents no world has.
const MOST_NODES: usize = 1000;
const VMIDS: std::ops::RangeInclusive<u64> = 100..=999_999_999;

impl Own {
    /// All that keeps a world from being made for it, a line each.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.shape();
        faults.extend(self.names());
        let nodes = self.document["nodes"].as_object();
        for (name, node) in nodes.into_iter().flatten() {
            if address(node).is_none() {
                faults.push(format!("  nodes.{name} has no `address`, such as 192.168.1.101"));
            }
            if !is_vmid(&node["vmid"]) {
                faults.push(format!("  nodes.{name} has no `vmid`, such as 101"));
            }
            if !node["proxmox_node"].is_null() && !is_id(&node["proxmox_node"]) {
                faults.push(format!("  nodes.{name}.proxmox_node is no name of a Proxmox node"));
            }
        }
        if nodes.is_some_and(|nodes| nodes.len() > MOST_NODES) {
            faults.push(format!("  it has more than {MOST_NODES} nodes"));
        }
        faults
    }

    fn shape(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for pointer in NEEDED.into_iter().chain(OTHER) {
            let name = dotted(pointer);
            match self.document.pointer(pointer) {
                Some(Value::Object(_)) => {}
                None | Some(Value::Null) if OTHER.contains(&pointer) => {}
                None | Some(Value::Null) => faults.push(format!("  it has no section `{name}`")),
                Some(_) => faults.push(format!("  `{name}` is not made of keys and values")),
            }
        }
        faults
    }

    fn names(&self) -> Vec<String> {
        let node = ["/defaults/proxmox_node"];
        let ids = IDS.into_iter().chain(node).map(|pointer| (pointer, is_id as fn(&Value) -> bool));
        let versions = VERSIONS.into_iter().map(|pointer| (pointer, is_version as _));
        let others = [
            ("/image/template", is_vmid as _),
            ("/tailnet/tag", is_tag as _),
            ("/k3s/cluster_cidr", has_room as _),
        ];
        ids.chain(versions)
            .chain(others)
            .filter_map(|(pointer, is_sound)| {
                let value = self.document.pointer(pointer)?;
                let sound = value.is_null() || is_sound(value);
                (!sound).then(|| format!("  `{}` cannot be {value}", dotted(pointer)))
            })
            .collect()
    }
}

fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

fn is_made_of(value: &Value, more: &[char]) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || more.contains(&letter);
    value
        .as_str()
        .is_some_and(|text| !text.is_empty() && text.len() <= 100 && text.chars().all(fits))
}

fn is_id(value: &Value) -> bool {
    let begins = |text: &str| text.starts_with(|letter: char| letter.is_ascii_alphabetic());
    value.as_str().is_some_and(begins) && is_made_of(value, &['.', '-', '_'])
}

fn is_version(value: &Value) -> bool {
    is_made_of(value, &['.', '-', '_', '+']) && value != ".." && value != "."
}

fn is_vmid(value: &Value) -> bool {
    value.as_u64().is_some_and(|vmid| VMIDS.contains(&vmid))
}

fn is_tag(value: &Value) -> bool {
    value.as_str().is_some_and(|tag| tag.starts_with("tag:")) && is_made_of(value, &[':', '-'])
}

/// Each node's pods have a /24.
fn has_room(value: &Value) -> bool {
    let network = value.as_str().and_then(|text| text.parse::<Ipv4Net>().ok());
    network.is_some_and(|network| network.prefix_len() <= 24)
}
