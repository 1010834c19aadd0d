//! What no single field can know: whether the fields agree.

mod gitops;
mod k3s;
mod network;
mod nodes;
mod services;
mod tailnet;

use super::{file::InventoryFile, report::Report};

/// Tells everything that does not fit together.
pub(crate) fn all(file: &InventoryFile, report: &mut Report<'_>) {
    nodes::check(file, report);
    network::check(file, report);
    tailnet::check(file, report);
    k3s::check(file, report);
    services::longhorn(file, report);
    services::flux(file, report);
    gitops::check(file, report);
}
