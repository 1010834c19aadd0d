//! Whether the storages take what is put on them. That they are there is looked at with the rights.

use std::collections::BTreeMap;

use crate::{
    inventory::Desired,
    plan::Refusal,
    ports::{ContentKind, StorageSummary},
};

/// What a storage is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    content: ContentKind,
    /// Where the inventory says so.
    field: &'static str,
    /// The role that allows it.
    pub(super) role: &'static str,
}

impl Use {
    /// Whether a storage could be made to serve it.
    pub(super) fn fits(&self, storage: &StorageSummary) -> bool {
        can_hold(&storage.kind, self.content)
    }
}

const DISKS: Use =
    Use { content: ContentKind::Images, field: "proxmox.storage.disks", role: "HomelabDisks" };
const SECOND_DISKS: Use = Use { field: "storage_disk.storage", ..DISKS };
const IMAGE: Use =
    Use { content: ContentKind::Import, field: "proxmox.storage.image", role: "HomelabImages" };
const SEEDS: Use =
    Use { content: ContentKind::Iso, field: "proxmox.storage.seeds", role: "HomelabSeeds" };

/// The storages that are used on a Proxmox node, each with what for.
pub(super) fn wanted<'a>(desired: &'a Desired, proxmox_node: &str) -> BTreeMap<&'a str, Vec<Use>> {
    let site = &desired.proxmox;
    let mut wanted: BTreeMap<&str, Vec<Use>> = BTreeMap::new();
    let first =
        [(&site.disk_storage, DISKS), (&site.image_storage, IMAGE), (&site.seed_storage, SEEDS)];
    let second = desired
        .nodes
        .values()
        .filter(|node| node.proxmox_node == proxmox_node && node.storage_disk_bytes.is_some())
        .map(|node| (&node.storage_disk_storage, SECOND_DISKS));
    for (storage, purpose) in first.into_iter().chain(second) {
        let purposes = wanted.entry(storage).or_default();
        if !purposes.iter().any(|known| known.content == purpose.content) {
            purposes.push(purpose);
        }
    }
    wanted
}

/// Each storage must be active, and take what is put on it.
pub(super) fn contents(desired: &Desired, node: &str, storages: &[StorageSummary]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (name, purposes) in wanted(desired, node) {
        let Some(storage) = storages.iter().find(|storage| storage.name == name) else { continue };
        let place = format!("storage {name} on {node}");
        let lacks =
            |purpose: &Use| !storage.content.iter().any(|known| known == purpose.content.name());
        let (never, missing): (Vec<Use>, Vec<Use>) =
            purposes.into_iter().filter(lacks).partition(|purpose| !purpose.fits(storage));
        if !never.is_empty() {
            refusals.push(Refusal::new(
                place.clone(),
                format!("is of type {}, which cannot hold content {}", storage.kind, names(&never)),
                instead(node, storages, &never),
            ));
        }
        if !missing.is_empty() {
            let mut all = storage.content.clone();
            all.extend(missing.iter().map(|purpose| purpose.content.name().to_owned()));
            refusals.push(Refusal::new(
                place.clone(),
                format!("does not take content {}", names(&missing)),
                format!("as root on {node}: pvesm set {name} --content {}", all.join(",")),
            ));
        }
        if !storage.active {
            refusals.push(Refusal::new(
                place,
                "is not active",
                format!("as root on {node}: pvesm status --storage {name}"),
            ));
        }
    }
    refusals
}

/// Whether a storage of that type can be made to hold it. Of a type that is not known here Proxmox itself
/// is the judge.
fn can_hold(kind: &str, content: ContentKind) -> bool {
    match kind {
        "lvm" | "lvmthin" | "zfspool" | "zfs" | "rbd" | "iscsi" | "iscsidirect" => {
            content == ContentKind::Images
        }
        "cephfs" => content != ContentKind::Images,
        "pbs" => false,
        _ => true,
    }
}

/// Where what a storage can never hold may go: the storages that take it already, or else those that
/// could.
fn instead(node: &str, storages: &[StorageSummary], never: &[Use]) -> String {
    let fields = fields(never);
    let fit = |holds: &dyn Fn(&StorageSummary, &Use) -> bool| {
        let fits = |storage: &&StorageSummary| never.iter().all(|purpose| holds(storage, purpose));
        storages.iter().filter(fits).map(|storage| format!("`{}`", storage.name)).collect()
    };
    let mut able: Vec<String> = fit(&|storage, purpose| {
        storage.content.iter().any(|known| known == purpose.content.name())
    });
    if able.is_empty() {
        able = fit(&|storage, purpose| purpose.fits(storage));
    }
    if able.is_empty() {
        let contents = names(never).replace(", ", ",");
        return format!(
            "set {fields} to a directory storage; as root on {node}, for a new one: pvesm add dir homelab-files --path /var/lib/homelab-files --content {contents}"
        );
    }
    format!("set {fields} to a storage of files, such as {}", able.join(" or "))
}

/// Where the inventory says which storage it is.
pub(super) fn fields(purposes: &[Use]) -> String {
    let fields: Vec<String> =
        purposes.iter().map(|purpose| format!("`{}`", purpose.field)).collect();
    fields.join(" and ")
}

fn names(purposes: &[Use]) -> String {
    purposes.iter().map(|purpose| purpose.content.name()).collect::<Vec<_>>().join(", ")
}
