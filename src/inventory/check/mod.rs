//! What no single field can know: whether the fields agree.

mod buckets;
mod capacity;
mod claims;
mod folder;
mod gitops;
mod k3s;
mod network;
mod nodes;
mod services;
mod tailnet;

pub(crate) use claims::Claims;

use super::{file::InventoryFile, report::Report};

/// Tells what two nodes both claim; there may be no sound file yet.
pub(crate) fn clashes(claims: &Claims, file: Option<&InventoryFile>, report: &mut Report<'_>) {
    nodes::clashes(claims, file, report);
    network::clashes(claims, file, report);
}

/// Tells everything else that does not fit together.
pub(crate) fn all(file: &InventoryFile, claims: &Claims, report: &mut Report<'_>) {
    nodes::check(file, claims, report);
    network::check(file, claims, report);
    tailnet::check(file, report);
    k3s::check(file, report);
    services::longhorn(file, report);
    capacity::check(file, report);
    services::flux(file, report);
    gitops::check(file, report);
    buckets::check(file, report);
}
