//! Guests and storages as lists over the whole cluster show them.

use super::{state::State, storage};

pub(crate) use super::qemu::{Summary, summaries};

/// Bytes used on a storage.
pub(crate) fn used_bytes(state: &State, node: &str, storage: &str) -> u64 {
    state.storage.on_node(node, storage).map_or(0, |place| storage::room(place).1)
}
