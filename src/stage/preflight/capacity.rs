//! Whether the disks that are still to be made fit.

use std::collections::BTreeMap;

use super::to_make;
use crate::{
    inventory::Desired,
    plan::{Observed, Refusal},
    ports::StorageSummary,
};

/// The bytes that are to be taken on a Proxmox node, by storage.
pub(super) type Needed<'a> = BTreeMap<&'a str, u64>;

/// What the disks to be made take when they are filled to the brim.
pub(super) fn needed<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    proxmox_node: &'a str,
) -> Needed<'a> {
    let mut needed = Needed::new();
    for wanted in to_make(desired, observed, proxmox_node) {
        *needed.entry(&desired.proxmox.disk_storage).or_default() += wanted.disk_bytes;
        if let Some(bytes) = wanted.storage_disk_bytes {
            *needed.entry(&wanted.storage_disk_storage).or_default() += bytes;
        }
    }
    needed
}

/// Storages that take up what is written, not what is promised: they may be over-committed on purpose.
fn is_thin(storage: &StorageSummary) -> bool {
    matches!(&*storage.kind, "lvmthin" | "zfspool" | "rbd")
}

fn too_small<'a>(
    needed: &'a Needed<'_>,
    storages: &'a [StorageSummary],
) -> impl Iterator<Item = (&'a StorageSummary, u64)> {
    storages.iter().filter_map(|storage| {
        let needed = *needed.get(storage.name.as_str())?;
        (needed > storage.available_bytes).then_some((storage, needed))
    })
}

/// The storages on which the disks cannot be made.
pub(super) fn refusals(
    needed: &Needed<'_>,
    node: &str,
    storages: &[StorageSummary],
) -> Vec<Refusal> {
    let thick = too_small(needed, storages).filter(|(storage, _)| !is_thin(storage));
    let refusal = |(storage, needed): (&StorageSummary, u64)| {
        Refusal::new(
            format!("storage {} on {node}", storage.name),
            format!(
                "the disks to be made need {} GiB, {} GiB are free",
                needed.div_ceil(1 << 30),
                storage.available_bytes >> 30
            ),
            "make the disks smaller, or free space",
        )
    };
    thick.map(refusal).collect()
}

/// The storages that promise more than they have.
pub(super) fn warnings(
    needed: &Needed<'_>,
    node: &str,
    storages: &[StorageSummary],
) -> Vec<String> {
    let thin = too_small(needed, storages).filter(|(storage, _)| is_thin(storage));
    let warning = |(storage, needed): (&StorageSummary, u64)| {
        format!(
            "storage {} on {node}: the disks to be made may grow to {} GiB, {} GiB of {} GiB are free: over-committed by {} GiB. Guests with disks there stop when it is full",
            storage.name,
            needed.div_ceil(1 << 30),
            storage.available_bytes >> 30,
            storage.total_bytes >> 30,
            (needed - storage.available_bytes).div_ceil(1 << 30)
        )
    };
    thin.map(warning).collect()
}
