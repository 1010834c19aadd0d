//! Who is who: clusters, nodes, and the ids that Proxmox knows them by.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The random identity of a cluster, minted once by `homelab init`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ClusterId(Uuid);

impl ClusterId {
    /// A new random identity (UUIDv4).
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The first eight hexadecimal digits: enough to tell clusters apart in file names.
    pub fn short(&self) -> String {
        self.0.simple().to_string()[..8].to_owned()
    }

    /// The SMBIOS UUID of a node: UUIDv5 of cluster id and node name, so that it can be derived anew.
    pub fn smbios_uuid(&self, node: &NodeName) -> Uuid {
        Uuid::new_v5(&self.0, node.as_str().as_bytes())
    }

    /// The UUID of the file system on a node's storage disk: by it the disk is known as this node's.
    pub fn storage_uuid(&self, node: &NodeName) -> Uuid {
        Uuid::new_v5(&self.smbios_uuid(node), b"storage")
    }

    /// The part of a node's iSCSI initiator name that no other node has: twelve hexadecimal digits.
    pub fn initiator(&self, node: &NodeName) -> String {
        Uuid::new_v5(&self.smbios_uuid(node), b"iscsi").simple().to_string()[..12].to_owned()
    }

    /// 16 bytes to derive from.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for ClusterId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// A node's name: a lower-case DNS label of 1 to 63 characters. It is the guest's name and host name,
/// the tailnet device's name and the Kubernetes node's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct NodeName(#[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))] String);

impl NodeName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no [`NodeName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no DNS label: 1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit"
)]
pub struct InvalidNodeName(String);

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let bytes = text.as_bytes();
        let edges = [bytes.first(), bytes.last()];
        let sound = (1..=63).contains(&bytes.len())
            && bytes.iter().copied().all(inner)
            && edges.iter().all(|edge| edge.is_some_and(|byte| *byte != b'-'));
        if sound { Ok(Self(text.to_owned())) } else { Err(InvalidNodeName(text.to_owned())) }
    }
}

impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A Proxmox VM id: 100 to 999999999.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Vmid(#[schemars(range(min = 100, max = 999_999_999))] pub u32);

impl fmt::Display for Vmid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A random mark of one making of one guest, written to the journal before the call that uses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(String);

impl Nonce {
    /// Sixteen hexadecimal digits.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string()[..16].to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let sound = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        sound.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_is_a_dns_label() {
        for sound in ["a", "k3s-server", "0", &"x".repeat(63)] {
            assert_eq!(
                sound.parse::<NodeName>().map(|name| name.to_string()),
                Ok(sound.to_owned())
            );
        }
        for unsound in ["", "-a", "a-", "K3S", "a_b", "a.b", &"x".repeat(64), "ä"] {
            assert!(unsound.parse::<NodeName>().is_err(), "{unsound}");
        }
    }

    #[test]
    fn the_smbios_uuid_depends_on_cluster_and_node_alone() {
        let cluster: ClusterId = "2f1b6a52-2f0e-4a35-9b39-3d4f0c1d2e3f".parse().unwrap();
        let node: NodeName = "k3s-server".parse().unwrap();
        assert_eq!(cluster.smbios_uuid(&node), cluster.smbios_uuid(&node));
        assert_ne!(cluster.smbios_uuid(&node), ClusterId::random().smbios_uuid(&node));
        assert_ne!(cluster.smbios_uuid(&node), cluster.smbios_uuid(&"other".parse().unwrap()));
    }
}
