//! The LAN and the nodes in it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use garde::Validate;
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::inventory::scalar::Size;

/// The LAN that the guests stand in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct NetworkFile {
    /// The LAN's network.
    #[schemars(with = "String", extend("format" = "ipv4-network"))]
    pub cidr: Ipv4Net,
    /// The guests' default gateway.
    #[schemars(with = "String", extend("format" = "ipv4"))]
    pub gateway: Ipv4Addr,
    /// DNS servers; the gateway unless said.
    #[schemars(with = "Vec<String>", extend("items" = {"type": "string", "format": "ip"}))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<IpAddr>,
    /// The DNS search domain.
    #[schemars(extend("format" = "dns-name"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_domain: Option<String>,
    /// The MTU of the LAN.
    #[garde(range(min = 1280, max = 9216))]
    #[serde(default = "mtu")]
    pub mtu: u16,
}

/// What holds for each node that does not say otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct NodeDefaults {
    /// The Proxmox node that the guest runs on.
    #[schemars(extend("format" = "dns-label"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxmox_node: Option<String>,
    /// Cores; 2 unless said.
    #[garde(inner(range(min = 1, max = 512)))]
    #[schemars(range(min = 1, max = 512))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Memory; `4G` unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// The boot disk; `32G` unless said. It can grow later, never shrink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Size>,
    /// The CPU that the guest sees; `x86-64-v2-AES` unless said.
    #[schemars(extend("format" = "text"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_type: Option<String>,
    /// Whether the guest starts with the Proxmox host; yes unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_boot: Option<bool>,
    /// Proxmox tags of each guest, beside the node's own.
    #[schemars(extend("items" = {"type": "string", "format": "proxmox-tag"}))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Kubernetes labels of each node, beside the node's own.
    #[schemars(extend("propertyNames" = {"format": "label-key"}), extend("additionalProperties" = {"type": "string", "format": "label-value"}))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// One node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct NodeFile {
    /// `server` runs the control plane, `agent` only workloads. The first server makes the cluster.
    pub role: RoleFile,
    /// The guest's VMID.
    #[garde(range(min = 100, max = 999_999_999))]
    pub vmid: u32,
    /// The guest's address on the LAN.
    #[schemars(with = "String", extend("format" = "ipv4"))]
    pub address: Ipv4Addr,
    /// The Proxmox node that the guest runs on.
    #[schemars(extend("format" = "dns-label"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxmox_node: Option<String>,
    /// Cores.
    #[garde(inner(range(min = 1, max = 512)))]
    #[schemars(range(min = 1, max = 512))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// The boot disk. It can grow later, never shrink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Size>,
    /// A second disk, for storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_disk: Option<StorageDisk>,
    /// The MTU of this node's link, where it differs from the LAN's.
    #[garde(inner(range(min = 1280, max = 9216)))]
    #[schemars(range(min = 1280, max = 9216))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// The CPU that the guest sees.
    #[schemars(extend("format" = "text"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_type: Option<String>,
    /// Whether the guest starts with the Proxmox host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_boot: Option<bool>,
    /// Proxmox tags.
    #[schemars(extend("items" = {"type": "string", "format": "proxmox-tag"}))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Kubernetes labels.
    #[schemars(extend("propertyNames" = {"format": "label-key"}), extend("additionalProperties" = {"type": "string", "format": "label-value"}))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<TaintFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleFile {
    /// Runs the control plane.
    Server,
    /// Runs workloads.
    Agent,
}

/// A second disk, for storage.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageDisk {
    /// Its size. It can grow later, never shrink.
    pub size: Size,
    /// Its Proxmox storage, where it differs from the boot disk's.
    #[schemars(extend("format" = "proxmox-id"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
}

/// A Kubernetes taint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaintFile {
    /// Its key.
    #[schemars(extend("format" = "label-key"))]
    pub key: String,
    /// Its value.
    #[schemars(extend("format" = "label-value"))]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What it does to pods that don't tolerate it.
    pub effect: TaintEffect,
}

/// What a taint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl TaintEffect {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

impl NodeDefaults {
    /// What is taken where neither the node nor `defaults` says anything.
    pub(crate) const CORES: u32 = 2;
    pub(crate) const MEMORY: Size = Size::of_gibibytes(4);
    pub(crate) const DISK: Size = Size::of_gibibytes(32);
    pub(crate) const CPU_TYPE: &str = "x86-64-v2-AES";

    /// The node with everything filled in that `defaults` or the program has a value for.
    pub(crate) fn complete(&self, node: &NodeFile) -> NodeFile {
        let mut labels = self.labels.clone();
        labels.extend(node.labels.clone());
        let mut tags = self.tags.clone();
        tags.extend(node.tags.iter().filter(|tag| !self.tags.contains(tag)).cloned());
        NodeFile {
            proxmox_node: node.proxmox_node.clone().or_else(|| self.proxmox_node.clone()),
            cores: node.cores.or(self.cores).or(Some(Self::CORES)),
            memory: node.memory.or(self.memory).or(Some(Self::MEMORY)),
            disk: node.disk.or(self.disk).or(Some(Self::DISK)),
            cpu_type: node
                .cpu_type
                .clone()
                .or_else(|| self.cpu_type.clone())
                .or_else(|| Some(Self::CPU_TYPE.to_owned())),
            on_boot: node.on_boot.or(self.on_boot).or(Some(yes())),
            labels,
            tags,
            ..node.clone()
        }
    }
}

const fn mtu() -> u16 {
    1500
}
