//! The inventory as meant: validated, defaults filled in, addresses resolved, versions pinned.
//!
//! Secrets are still references here: they are resolved last, where they are used.

mod gitops;

use std::{collections::BTreeMap, net::IpAddr, net::Ipv4Addr, time::Duration};

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use ipnet::{IpNet, Ipv4Net};

pub use self::gitops::{
    Authentik, CertManager, Cloudflare, Cloudflared, CloudnativePg, DatabaseBackup,
    DatastoreBackup, Flux, GitAccess, Gitops, Jellyfin, JobTask, Longhorn, Metallb, Monitoring,
    ObjectStore, Outside, RecurringJob, SecretStore, Stalwart, TailscaleOperator, Traefik, Tunnel,
    Way,
};
use crate::{
    model::{ClusterId, NodeName, Vmid},
    ports::Taint,
};

/// Longhorn makes a disk on nodes that carry this label, and on no other.
pub const STORAGE_LABEL: &str = "node.longhorn.io/create-default-disk";

/// A whole cluster as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The cluster's name: a DNS label; names the state folder and the kubeconfig context.
    pub cluster: String,
    pub id: ClusterId,
    pub proxmox: ProxmoxSite,
    pub image: CloudImage,
    pub access: Access,
    /// In the order of the inventory, servers first.
    pub nodes: IndexMap<NodeName, Node>,
    pub tailnet: TailnetPlan,
    pub k3s: K3s,
    pub longhorn: Option<Longhorn>,
    pub flux: Option<Flux>,
    pub gitops: Option<Gitops>,
    /// Every encrypted file that the inventory takes a secret from.
    pub age_files: Vec<AgeFile>,
}

/// A file encrypted with age that the inventory names, and the identity that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeFile {
    pub file: Utf8PathBuf,
    pub identity: Utf8PathBuf,
}

/// Where a secret comes from; resolved by [`crate::inventory`] only when it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file of ours (its mode is checked: not readable by others).
    File(Utf8PathBuf),
    /// A command's standard output, run without a shell.
    Command(Vec<String>),
    /// A file encrypted with age, and the identity that opens it.
    Age { file: Utf8PathBuf, identity: Utf8PathBuf },
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProxmoxSite {
    /// `https://host:8006`, without a path.
    pub endpoint: String,
    pub tls: TlsTrust,
    /// `user@realm!name=uuid`.
    pub token: SecretSource,
    pub pool: Option<String>,
    /// The bridge of the first interface.
    pub bridge: String,
    pub vlan: Option<u16>,
    /// Where the guests' disks go.
    pub disk_storage: String,
    /// Where the cloud image goes (content `import`).
    pub image_storage: String,
    /// Where the seeds go (content `iso`).
    pub seed_storage: String,
    /// Clones at once on one storage.
    pub parallel_clones: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsTrust {
    /// The operating system's certificate authorities.
    System,
    /// One PEM file (`/etc/pve/pve-root-ca.pem` of the host).
    CaFile(Utf8PathBuf),
    /// SHA-256 fingerprints of accepted certificates: 32 bytes each.
    Fingerprints(Vec<[u8; 32]>),
}

/// Something that is fetched, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// `1.102.5`, `v1.34.4+k3s1`; for images a free text.
    pub version: String,
    /// `https://`, `http://` (checked by sha256 all the same) or `file://`.
    pub url: String,
    /// 64 hexadecimal digits, lower case.
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CloudImage {
    pub artifact: Artifact,
    /// The VMID of the template on the first Proxmox node by name; further ones count up from it.
    pub template: Vmid,
}

/// How the operator reaches the guests.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    pub user: String,
    /// `ssh-ed25519 AAAA... comment`, for `authorized_keys`.
    pub public_keys: Vec<String>,
    /// The private key's file; `None` asks the agent.
    pub private_key: Option<Utf8PathBuf>,
    pub port: u16,
    pub exposure: Exposure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// SSH and 6443 stay open on the LAN.
    Lan,
    /// Closed on the LAN side once contact over the tailnet is confirmed.
    Tailnet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Server,
    Agent,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub name: NodeName,
    pub role: Role,
    /// The Proxmox node that it runs on.
    pub proxmox_node: String,
    pub vmid: Vmid,
    pub cores: u32,
    pub memory_mib: u64,
    /// Size of the boot disk.
    pub disk_bytes: u64,
    /// A second disk for storage; grows only, too.
    pub storage_disk_bytes: Option<u64>,
    /// Where that disk goes.
    pub storage_disk_storage: String,
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Ipv4Addr,
    pub nameservers: Vec<IpAddr>,
    pub search_domain: Option<String>,
    /// The MTU of the LAN link; 1500 unless said.
    pub link_mtu: u16,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    /// Starts with the Proxmox host.
    pub on_boot: bool,
    pub cpu_type: String,
    pub tags: Vec<String>,
}

impl Node {
    pub fn network(&self) -> Ipv4Net {
        Ipv4Net::new_assert(self.address, self.prefix).trunc()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct TailnetPlan {
    pub control: TailnetControl,
    /// `tag:k3s`.
    pub tag: String,
    pub tailscale: Artifact,
    /// The MTU of tailscale0, planned from the smallest link up; with `Overlay::Tailscale` pods get 50 less.
    pub mtu: u16,
    pub persistent_tun: bool,
    pub guard: bool,
    /// Further environment of tailscaled.
    pub environment: BTreeMap<String, String>,
    /// The prefixes that tailnet addresses come from, for the `unreachable` routes.
    pub prefixes: Vec<IpNet>,
    /// How long a join may take.
    pub join_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TailnetControl {
    Tailscale {
        /// `https://api.tailscale.com` unless said.
        api: String,
        /// `-` or the tailnet's name.
        tailnet: String,
        credentials: TailscaleCredentials,
    },
    Headscale {
        /// The login server, and the API below it.
        login_server: String,
        api_key: SecretSource,
        /// The user that the keys belong to.
        user: String,
    },
    /// A ready-made key and nothing more: no listing, no twins removed, no re-addressing.
    AuthKey { login_server: Option<String>, key: SecretSource },
}

#[derive(Clone, Debug, PartialEq)]
pub enum TailscaleCredentials {
    OAuth { client_id: String, client_secret: SecretSource },
    ApiKey(SecretSource),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// Flannel's VTEPs are the Tailscale addresses (`flannel-iface: tailscale0`).
    Tailscale,
    /// Flannel's VTEPs are the LAN addresses; clear text on the LAN.
    Lan,
}

#[derive(Clone, Debug, PartialEq)]
pub struct K3s {
    pub binary: Artifact,
    /// A tar of images for `agent/images`.
    pub images: Option<Artifact>,
    pub cluster_cidr: Ipv4Net,
    pub service_cidr: Ipv4Net,
    pub overlay: Overlay,
    /// Beside the node's own addresses and names.
    pub tls_sans: Vec<String>,
    /// `servicelb`, `traefik`, `local-storage`, `metrics-server`, `coredns`.
    pub disable: Vec<String>,
    pub secrets_encryption: bool,
    /// Where snapshots of the datastore go.
    pub datastore_backup: Option<DatastoreBackup>,
    /// Keys added to the servers' `config.yaml` as they are.
    pub server_config: serde_json::Map<String, serde_json::Value>,
    /// Keys added to the agents' `config.yaml` as they are.
    pub agent_config: serde_json::Map<String, serde_json::Value>,
}

impl Desired {
    /// The Proxmox nodes that the inventory uses, in its order.
    pub fn proxmox_nodes(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for node in self.nodes.values() {
            if !names.contains(&node.proxmox_node) {
                names.push(node.proxmox_node.clone());
            }
        }
        names
    }

    /// Which of the templates is that of a Proxmox node, if the inventory uses it: they count by the nodes' names.
    pub fn template_index(&self, proxmox_node: &str) -> Option<usize> {
        let mut names = self.proxmox_nodes();
        names.sort();
        names.iter().position(|name| name == proxmox_node)
    }

    pub fn servers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.role == Role::Server)
    }

    /// The nodes on which Longhorn keeps copies of volumes.
    pub fn storage_nodes(&self) -> impl Iterator<Item = &NodeName> {
        let labelled = |node: &&Node| node.labels.contains_key(STORAGE_LABEL);
        self.nodes.values().filter(labelled).map(|node| &node.name)
    }

    pub fn agents(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.role == Role::Agent)
    }

    /// The server that makes the cluster: the first of the inventory.
    pub fn first_server(&self) -> &Node {
        self.servers().next().expect("validation asks for at least one server")
    }
}
