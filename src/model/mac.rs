//! Hardware addresses that are derived, not discovered.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{ClusterId, NodeName};

/// The MAC address of a guest's first interface: Proxmox's own prefix `BC:24:11` and three bytes that
/// follow from cluster and node, so that the seed can name the interface before the guest exists.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    pub fn of(cluster: &ClusterId, node: &NodeName) -> Self {
        let hash =
            Sha256::new().chain_update(cluster.as_bytes()).chain_update(node.as_str()).finalize();
        Self([0xbc, 0x24, 0x11, hash[0], hash[1], hash[2]])
    }

    /// Upper case with colons, as Proxmox prints it.
    pub fn proxmox(&self) -> String {
        self.joined(|byte| format!("{byte:02X}"))
    }

    /// Lower case with colons, as Linux and cloud-init print it.
    pub fn linux(&self) -> String {
        self.joined(|byte| format!("{byte:02x}"))
    }

    fn joined(&self, print: impl Fn(&u8) -> String) -> String {
        self.0.iter().map(print).collect::<Vec<_>>().join(":")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.linux())
    }
}
