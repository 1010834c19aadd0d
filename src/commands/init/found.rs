//! What a Proxmox host has to offer to a new inventory.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::ports::{Bridge, ContentKind, NodeSummary, Proxmox, ProxmoxError, StorageSummary};

/// What the token sees of a Proxmox cluster.
pub(super) struct Found {
    /// Those that are online, the one with most free memory first.
    pub(super) nodes: Vec<NodeSummary>,
    /// The VMIDs that it sees in use; others may be, too.
    taken: BTreeSet<u32>,
}

/// What one of its nodes has.
pub(super) struct Site {
    storages: Vec<StorageSummary>,
    /// The one with the node's own address first.
    pub(super) bridges: Vec<Bridge>,
}

impl Found {
    pub(super) async fn look(proxmox: &impl Proxmox) -> Result<Self, ProxmoxError> {
        let (mut nodes, guests) = futures::try_join!(proxmox.nodes(), proxmox.guests())?;
        nodes.retain(|node| node.online);
        nodes.sort_by_key(|node| Reverse(node.memory_bytes.saturating_sub(node.memory_used_bytes)));
        Ok(Self { nodes, taken: guests.iter().map(|guest| guest.vmid.0).collect() })
    }

    /// The first of `count` free VMIDs in a row, from `first` on, each asked for.
    ///
    /// # Errors
    /// What Proxmox says; its own last VMID ends the search.
    pub(super) async fn free_vmids(
        &self,
        proxmox: &impl Proxmox,
        first: u32,
        count: u32,
    ) -> Result<u32, ProxmoxError> {
        let (mut begin, mut at) = (first, first);
        while at < begin + count {
            let free =
                !self.taken.contains(&at) && proxmox.vmid_is_free(crate::model::Vmid(at)).await?;
            at += 1;
            if !free {
                begin = at;
            }
        }
        Ok(begin)
    }
}

impl Site {
    pub(super) async fn look(proxmox: &impl Proxmox, node: &str) -> Result<Self, ProxmoxError> {
        let (mut storages, mut bridges) =
            futures::try_join!(proxmox.storages(node), proxmox.bridges(node))?;
        storages.retain(|storage| storage.active);
        storages.sort_by_key(|storage| Reverse(storage.available_bytes));
        bridges.sort_by_key(|bridge| (bridge.address.is_none(), bridge.name.clone()));
        Ok(Self { storages, bridges })
    }

    /// The storages that take a content, the one with most room first.
    pub(super) fn storages(&self, content: ContentKind) -> Vec<&StorageSummary> {
        let takes =
            |storage: &&StorageSummary| storage.content.iter().any(|known| known == content.name());
        self.storages.iter().filter(takes).collect()
    }
}
