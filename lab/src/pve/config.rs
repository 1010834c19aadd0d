//! What an emulator is started with.

use std::{net::SocketAddr, sync::Arc};

use camino::Utf8PathBuf;

use super::InstantHypervisor;
use crate::{hypervisor::Hypervisor, sim::gate::Gate};

/// Everything that [`crate::pve::Server::start`] needs.
#[derive(Clone)]
pub struct Config {
    /// Where the API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Keeps the certificate authority, volumes and uploads. Created when absent.
    pub data_dir: Utf8PathBuf,
    /// The cluster's nodes; the first one is the one that answers.
    pub nodes: Vec<NodeConfig>,
    /// The cluster's name, `None` for a node that stands alone.
    pub cluster_name: Option<String>,
    pub storages: Vec<StorageConfig>,
    /// The password of `root@pam`.
    pub root_password: String,
    /// Further names and addresses that the node certificate is valid for.
    pub subject_names: Vec<String>,
    /// Scales the real server's delays (3 s after a failed login, 10 s for a lock): 1.0 is real.
    pub pace: f64,
    /// The Proxmox VE major version whose privileges are in force: 8 or 9.
    pub era: u32,
    pub hypervisor: Arc<dyn Hypervisor>,
    /// The same hypervisor where it is the one of guests on paper, whose agents the host's shell
    /// can take away.
    pub paper: Option<Arc<InstantHypervisor>>,
    /// What the host lacks of a whole one.
    pub lacks: HostLacks,
    /// Where each request passes before it is answered.
    pub gate: Gate,
}

/// What a Proxmox host lacks: its calls fail there as they do on a host that was put together
/// from parts. Nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostLacks {
    /// Its QEMU cannot mirror the disks of a running guest: such clones fail.
    pub disk_mirror: bool,
    /// `virt-fw-vars` is not installed: no EFI disk gets enrolled keys.
    pub key_enrolment: bool,
    /// No time service of systemd: `/nodes/{node}/time` fails.
    pub time_service: bool,
}

impl HostLacks {
    /// The host of the recording: Proxmox' own daemons over a stock QEMU, without systemd.
    pub const RECORDING: Self = Self { disk_mirror: true, key_enrolment: true, time_service: true };
}

/// One node of the cluster.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub name: String,
    pub address: String,
    pub cores: u32,
    pub memory_bytes: u64,
    /// Linux bridges, `vmbr0` among them; the first one carries the node's address.
    pub bridges: Vec<String>,
    /// What is set as their MTU; `None`: nothing is, and their ports' counts.
    pub bridge_mtu: Option<u16>,
    /// Of the node's address: 24 for a netmask of 255.255.255.0.
    pub prefix_length: u8,
    pub gateway: Option<String>,
    /// The node's name servers, which guests without their own inherit.
    pub dns: Vec<String>,
    pub search_domain: Option<String>,
}

impl NodeConfig {
    /// A node of the size of the recording's: 4 cores, 16 GiB, one bridge.
    pub fn new(name: &str, address: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            cores: 4,
            memory_bytes: 16 << 30,
            bridges: vec!["vmbr0".to_owned()],
            bridge_mtu: None,
            prefix_length: 24,
            gateway: None,
            dns: Vec::new(),
            search_domain: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageKind {
    /// A folder.
    Directory,
    /// An LVM thin pool.
    LvmThin,
}

/// A storage of the cluster, on every node unless `nodes` says otherwise.
#[derive(Clone, Debug)]
pub struct StorageConfig {
    pub id: String,
    pub kind: StorageKind,
    /// The path that the API shows for a directory storage, such as `/var/lib/vz`; the bytes are
    /// below the data directory.
    pub path: Option<String>,
    /// Volume group and pool of a thin pool.
    pub volume_group: Option<String>,
    pub thin_pool: Option<String>,
    /// Content types, such as `images` and `iso`.
    pub content: Vec<String>,
    pub shared: bool,
    pub nodes: Option<Vec<String>>,
    pub total_bytes: u64,
}

impl StorageConfig {
    pub fn directory(id: &str, path: &str, content: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            kind: StorageKind::Directory,
            path: Some(path.to_owned()),
            volume_group: None,
            thin_pool: None,
            content: content.iter().map(|name| (*name).to_owned()).collect(),
            shared: false,
            nodes: None,
            total_bytes: 200 << 30,
        }
    }

    pub fn lvm_thin(id: &str, volume_group: &str, pool: &str, content: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            kind: StorageKind::LvmThin,
            path: None,
            volume_group: Some(volume_group.to_owned()),
            thin_pool: Some(pool.to_owned()),
            content: content.iter().map(|name| (*name).to_owned()).collect(),
            shared: false,
            nodes: None,
            total_bytes: 48 << 30,
        }
    }
}

impl Config {
    /// The set-up of the recording that the conformance run replays: one node `pve1`, bridge
    /// `vmbr0`, storages `local`, `local-lvm` and `dirstore`, `root@pam` with `rootpw12345`.
    /// Its guests exist on paper.
    pub fn recording(listen: SocketAddr, data_dir: Utf8PathBuf) -> Self {
        let paper = Arc::new(InstantHypervisor::default());
        let node = NodeConfig {
            gateway: Some("192.0.2.1".to_owned()),
            dns: vec!["192.0.2.53".to_owned()],
            ..NodeConfig::new("pve1", "192.0.2.11")
        };
        Self {
            listen,
            data_dir,
            nodes: vec![node],
            cluster_name: None,
            storages: vec![
                StorageConfig::directory(
                    "local",
                    "/var/lib/vz",
                    &["iso", "vztmpl", "backup", "import", "snippets"],
                ),
                StorageConfig::lvm_thin("local-lvm", "pve", "data", &["images", "rootdir"]),
                StorageConfig::directory("dirstore", "/var/lib/dirstore", &["images", "rootdir"]),
            ],
            root_password: "rootpw12345".to_owned(),
            subject_names: Vec::new(),
            pace: 1.0,
            era: 9,
            hypervisor: Arc::clone(&paper) as Arc<dyn Hypervisor>,
            paper: Some(paper),
            lacks: HostLacks::default(),
            gate: Gate::default(),
        }
    }
}
