//! The nodes among themselves: ids, places, roles, sizes.

use std::collections::BTreeSet;

use super::claims::{self, Claims};
use crate::inventory::{
    file::{InventoryFile, NodeFile, RoleFile},
    path::FieldPath,
    report::Report,
    scalar::Size,
};

/// Less than this and Debian's or Ubuntu's cloud image does not fit.
const SMALLEST_DISK: u64 = 3 << 30;
/// Less than this and no kernel with k3s starts.
const SMALLEST_MEMORY_MIB: u64 = 512;
/// What k3s asks of a server (its documentation's minimum).
const SERVER_MEMORY_MIB: u64 = 2048;

pub(super) fn check(file: &InventoryFile, claims: &Claims, report: &mut Report<'_>) {
    let nodes = FieldPath::dotted("nodes");
    if file.nodes.is_empty() {
        return report.fault(&nodes, "there is no node", "write at least one server".to_owned());
    }
    templates(file, claims, report);
    servers(file, report);
    for (name, written) in &file.nodes {
        let path = nodes.key(name);
        let node = file.defaults.complete(written);
        if node.proxmox_node.is_none() {
            report.fault(
                &path,
                format!("`{name}` has no `proxmox_node`"),
                "write `proxmox_node: NAME` here or under `defaults`".to_owned(),
            );
        }
        if name == "localhost" {
            report.fault(&path, "`localhost` can't be a node's name", None);
        }
        sizes(&node, written, &path, report);
    }
}

pub(super) fn clashes(claims: &Claims, file: Option<&InventoryFile>, report: &mut Report<'_>) {
    let free = || next_free(claims, file);
    claims::clashes(&claims.vmids, "VMID ", free, report);
}

fn templates(file: &InventoryFile, claims: &Claims, report: &mut Report<'_>) {
    let hosts: BTreeSet<Option<String>> =
        file.nodes.values().map(|node| file.defaults.complete(node).proxmox_node).collect();
    let first = file.image.template;
    // One template a Proxmox node, counting up.
    let templates = first..first.saturating_add(u32::try_from(hosts.len()).unwrap_or(1).max(1));
    for claim in &claims.vmids {
        if templates.contains(&claim.value) {
            let whose = if claim.value == first {
                "the template's (`image.template`)".to_owned()
            } else {
                format!(
                    "the template's of a further Proxmox node: they count up from {first}, one a node"
                )
            };
            report.fault_of_sound(&claim.path, format!("VMID {} is {whose}", claim.value), None);
        }
    }
}

fn next_free(claims: &Claims, file: Option<&InventoryFile>) -> Option<u32> {
    let template = file?.image.template;
    let used: BTreeSet<u32> = claims.vmids.iter().map(|claim| claim.value).collect();
    (used.first()?.saturating_add(1)..).find(|vmid| !used.contains(vmid) && *vmid != template)
}

fn servers(file: &InventoryFile, report: &mut Report<'_>) {
    let path = FieldPath::dotted("nodes");
    let servers = file.nodes.values().filter(|node| node.role == RoleFile::Server).count();
    match servers {
        0 => report.fault(
            &path,
            "no node is a server",
            "give one node `role: server`; the first of them makes the cluster".to_owned(),
        ),
        even if even % 2 == 0 => report.fault(
            &path,
            format!("{even} servers: etcd wants an odd number, since {even} bear no more failures than {}", even - 1),
            format!("make it {} or {}", even - 1, even + 1),
        ),
        _ => {}
    }
}

fn sizes(node: &NodeFile, written: &NodeFile, path: &FieldPath, report: &mut Report<'_>) {
    // A size from `defaults` is told at `defaults`.
    let place = |field: &str, own: bool| {
        if own { path.key(field) } else { FieldPath::dotted("defaults").key(field) }
    };
    // So that it is told once, not once a node.
    let whose = |own: bool| if own { format!(" for `{path}`") } else { String::new() };
    if let Some(memory) = node.memory.map(Size::mebibytes) {
        let place = place("memory", written.memory.is_some());
        if memory < SMALLEST_MEMORY_MIB {
            report.fault(
                &place,
                format!(
                    "{memory} MiB of memory{}; expected at least {SMALLEST_MEMORY_MIB}",
                    whose(written.memory.is_some())
                ),
                None,
            );
        } else if node.role == RoleFile::Server && memory < SERVER_MEMORY_MIB {
            report.warn(
                &place,
                match written.memory {
                    Some(_) => format!("{memory} MiB of memory for the server `{path}`: k3s asks for {SERVER_MEMORY_MIB}"),
                    None => format!("{memory} MiB of memory for servers, too: k3s asks for {SERVER_MEMORY_MIB}"),
                },
                None,
            );
        }
    }
    if let Some(disk) = node.disk.filter(|disk| disk.bytes() < SMALLEST_DISK) {
        report.fault(
            &place("disk", written.disk.is_some()),
            format!("a boot disk of {disk}{}; expected at least 3G", whose(written.disk.is_some())),
            None,
        );
    }
    if let Some(disk) = node.storage_disk.as_ref().filter(|disk| disk.size.bytes() < 1 << 30) {
        report.fault(
            &path.key("storage_disk").key("size"),
            format!("a storage disk of {}; expected at least 1G", disk.size),
            None,
        );
    }
    let mut keys = BTreeSet::new();
    for (index, taint) in node.taints.iter().enumerate() {
        if !keys.insert((&taint.key, taint.effect.name())) {
            report.fault(
                &path.key("taints").index(index),
                format!(
                    "the taint `{}:{}` stands here a second time",
                    taint.key,
                    taint.effect.name()
                ),
                None,
            );
        }
    }
}
