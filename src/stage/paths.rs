//! Where our things are on a node: what the probe looks at, and what the stages write.

pub(crate) const TAILSCALE: &str = "/usr/local/bin/tailscale";
pub(crate) const TAILSCALED: &str = "/usr/local/sbin/tailscaled";
pub(crate) const TAILSCALED_UNIT: &str = "/etc/systemd/system/tailscaled.service";
pub(crate) const TAILSCALED_ENVIRONMENT: &str = "/etc/homelab/tailscaled.env";
pub(crate) const TUN_PROGRAM: &str = "/usr/local/lib/homelab/tun";
pub(crate) const TUN_UNIT: &str = "/etc/systemd/system/homelab-tun.service";
pub(crate) const FILTER: &str = "/etc/homelab/overlay.nft";
pub(crate) const FILTER_UNIT: &str = "/etc/systemd/system/homelab-filter.service";
pub(crate) const EXPOSURE: &str = "/etc/homelab/exposure.nft";
pub(crate) const EXPOSURE_UNIT: &str = "/etc/systemd/system/homelab-exposure.service";
pub(crate) const K3S: &str = "/usr/local/bin/k3s";
pub(crate) const K3S_CONFIG: &str = "/etc/rancher/k3s/config.yaml";
pub(crate) const K3S_TOKEN: &str = "/etc/rancher/k3s/token";
pub(crate) const K3S_AGENT_TOKEN: &str = "/etc/rancher/k3s/agent-token";
pub(crate) const K3S_IMAGES: &str = "/var/lib/rancher/k3s/agent/images/homelab.tar";
pub(crate) const K3S_IMAGES_GZ: &str = "/var/lib/rancher/k3s/agent/images/homelab.tar.gz";
pub(crate) const K3S_IMAGES_ZST: &str = "/var/lib/rancher/k3s/agent/images/homelab.tar.zst";
/// The key of the datastore's snapshots: k3s reads it after its configuration.
pub(crate) const K3S_DATASTORE_KEY: &str = "/etc/rancher/k3s/config.yaml.d/homelab-datastore.yaml";
pub(crate) const K3S_DATASTORE_CA: &str = "/etc/rancher/k3s/datastore-ca.crt";
pub(crate) const K3S_RESOLV: &str = "/etc/rancher/k3s/resolv.conf";
pub(crate) const K3S_SERVER_UNIT: &str = "/etc/systemd/system/k3s.service";
pub(crate) const K3S_AGENT_UNIT: &str = "/etc/systemd/system/k3s-agent.service";
pub(crate) const AWAIT_ADDRESS: &str = "/usr/local/lib/homelab/await-address";
pub(crate) const GUARD_PROGRAM: &str = "/usr/local/lib/homelab/guard";
pub(crate) const GUARD_UNIT: &str = "/etc/systemd/system/homelab-guard.service";
pub(crate) const ISCSI_INITIATOR: &str = "/etc/iscsi/initiatorname.iscsi";
pub(crate) const LONGHORN_MODULES: &str = "/etc/modules-load.d/homelab-longhorn.conf";
pub(crate) const LONGHORN_MULTIPATH: &str = "/etc/multipath/conf.d/homelab-longhorn.conf";
pub(crate) const STORAGE_PROGRAM: &str = "/usr/local/lib/homelab/storage";
pub(crate) const STORAGE_UNIT: &str = "/etc/systemd/system/homelab-storage.service";
/// Where Longhorn keeps its copies.
pub(crate) const LONGHORN_DATA: &str = "/var/lib/longhorn";

/// What the probe prints the sha256 of, where it exists.
pub(crate) const FILES: &[&str] = &[
    TAILSCALE,
    TAILSCALED,
    TAILSCALED_UNIT,
    TAILSCALED_ENVIRONMENT,
    TUN_PROGRAM,
    TUN_UNIT,
    FILTER,
    FILTER_UNIT,
    EXPOSURE,
    EXPOSURE_UNIT,
    K3S,
    K3S_IMAGES,
    K3S_IMAGES_GZ,
    K3S_IMAGES_ZST,
    K3S_CONFIG,
    K3S_DATASTORE_KEY,
    K3S_DATASTORE_CA,
    K3S_RESOLV,
    K3S_SERVER_UNIT,
    K3S_AGENT_UNIT,
    AWAIT_ADDRESS,
    GUARD_PROGRAM,
    GUARD_UNIT,
    ISCSI_INITIATOR,
    LONGHORN_MODULES,
    LONGHORN_MULTIPATH,
    STORAGE_PROGRAM,
    STORAGE_UNIT,
];

/// What the probe prints the state of.
pub(crate) const UNITS: &[&str] = &[
    "tailscaled.service",
    "homelab-tun.service",
    "homelab-filter.service",
    "homelab-exposure.service",
    "homelab-guard.service",
    "k3s.service",
    "k3s-agent.service",
    "iscsid.socket",
    "multipathd.service",
    "homelab-storage.service",
];
