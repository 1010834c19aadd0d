//! Whether the volumes of the apps fit on the disks that hold them (LH-04), and what their copies share (LH-05).

use super::services::storage_nodes;
use crate::inventory::{
    file::{GitopsFile, InventoryFile, LonghornFile},
    path::FieldPath,
    report::Report,
    scalar::Size,
};

/// How much of a disk can be promised, in percent: Longhorn keeps the rest of a node's default disk in reserve.
const USABLE_PERCENT: u64 = 70;

pub(super) fn check(file: &InventoryFile, report: &mut Report<'_>) {
    let Some(longhorn) = &file.longhorn else { return };
    if longhorn.backup.is_none() {
        unsaved(file, longhorn, report);
    }
    if let Some(gitops) = &file.gitops {
        room(file, longhorn, gitops, report);
    }
}

fn unsaved(file: &InventoryFile, longhorn: &LonghornFile, report: &mut Report<'_>) {
    let hosts =
        storage_nodes(file, longhorn).map(|(_, node)| file.defaults.complete(node).proxmox_node);
    let mut hosts: Vec<_> = hosts.collect();
    hosts.sort();
    hosts.dedup();
    let shared = match hosts.as_slice() {
        [Some(host)] if longhorn.replicas > 1 => {
            format!(", and all copies of them are on one host, `{host}`")
        }
        _ => String::new(),
    };
    let message = format!("the volumes are backed up nowhere: `backup` is not written{shared}");
    report.warn(&FieldPath::dotted("longhorn"), message, None);
}

/// Compares what the apps ask for with what the disks can promise.
fn room(
    file: &InventoryFile,
    longhorn: &LonghornFile,
    gitops: &GitopsFile,
    report: &mut Report<'_>,
) {
    let asked: u64 = volumes(gitops).iter().map(|size| size.bytes()).fold(0, u64::saturating_add);
    let disks = storage_nodes(file, longhorn).filter_map(|(_, node)| {
        let boot = file.defaults.complete(node).disk;
        node.storage_disk.as_ref().map(|disk| disk.size).or(boot).map(Size::bytes)
    });
    let disks: Vec<u64> = disks.collect();
    let copies = u64::from(longhorn.replicas);
    // With a copy on each node no node can hold more than the smallest.
    let in_all = match disks.iter().min() {
        Some(smallest) if disks.len() as u64 == copies => smallest.saturating_mul(copies),
        _ => disks.iter().copied().fold(0, u64::saturating_add),
    };
    let usable = in_all / 100 * USABLE_PERCENT;
    let wanted = asked.saturating_mul(copies);
    if wanted > usable {
        let shown = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
        report.warn(
            &FieldPath::dotted("longhorn"),
            format!(
                "the apps' volumes ask for {}, {copies} times each; the storage nodes' disks can promise {} ({USABLE_PERCENT} %): \
                 some claims would wait for ever",
                shown(asked),
                shown(usable),
            ),
            "give the storage nodes a larger `storage_disk`, or the apps smaller volumes".to_owned(),
        );
    }
}

/// The sizes of the claims that the tree has.
fn volumes(gitops: &GitopsFile) -> Vec<Size> {
    let mut sizes = Vec::new();
    sizes.extend(gitops.authentik.iter().map(|app| app.database_size));
    sizes.extend(gitops.monitoring.iter().flat_map(|app| [app.grafana_size, app.prometheus_size]));
    sizes.extend(gitops.jellyfin.iter().flat_map(|app| [app.config_size, app.library_size]));
    sizes.extend(gitops.stalwart.iter().map(|app| app.size));
    sizes
}
