//! The longhorn stage: nodes that are fit for replicated storage, before Flux brings it. What Longhorn
//! itself shows is waited for in `sync`, and judged by its checks.

mod host;
mod leave;
mod verify;

pub(crate) use host::prepare_script;
pub use host::{check, files, prepare, reasons};
pub use leave::await_copies_elsewhere;
pub use verify::{checks, unfit};

use crate::inventory::Desired;

/// What to do where a version of Longhorn cannot follow the one that runs.
pub(crate) const LADDER: &str = "set `longhorn.version` to one of the minor version after the one that runs, \
    render and push, and go on from there once `homelab verify` finds volumes and engines well; back up before each";

/// The version that the tree has Flux install.
pub(crate) fn wanted_version(desired: &Desired) -> Option<&str> {
    desired.gitops.as_ref()?.versions.get("longhorn").map(String::as_str)
}
