//! What a guest's programs reach outside of it.

use std::net::Ipv4Addr;

/// What `tailscale up` asks of the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    pub key: String,
    pub hostname: String,
    /// The machine's own, lasting identity: the same for each join from the same disk.
    pub machine: String,
    /// `None`: Tailscale's own.
    pub login_server: Option<String>,
}

/// A device as its node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The stable id.
    pub id: String,
    /// Its first label in the tailnet: `name`, or `name-1` for a twin.
    pub name: String,
    pub address: Ipv4Addr,
    pub tags: Vec<String>,
    /// `None`: never.
    pub expiry: Option<String>,
}

/// How a k3s that runs tells of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    pub name: String,
    pub server: bool,
    /// `v1.34.4+k3s1`.
    pub version: String,
    pub internal_ip: Ipv4Addr,
    pub vtep: Ipv4Addr,
    pub vtep_mac: String,
    pub boot_id: String,
    pub system_uuid: String,
    pub labels: Vec<(String, String)>,
    /// `key=value:Effect`.
    pub taints: Vec<String>,
}

/// A peer as Flannel enters it into the kernel's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub name: String,
    /// `10.42.1.0/24`.
    pub pods: ipnet::Ipv4Net,
    pub vtep: Ipv4Addr,
    pub vtep_mac: String,
}

/// The cluster's secrets, as its first server made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSecrets {
    /// PEM.
    pub authority: String,
    pub kubeconfig: String,
    /// The password half of the server token.
    pub server_token: String,
}

/// The world as a guest sees it.
pub trait Surroundings: Send + Sync {
    /// Joins a tailnet; the same machine keeps its device.
    ///
    /// # Errors
    /// What `tailscale up` prints.
    fn join(&self, request: &JoinRequest) -> Result<Device, String>;
    /// A device as the control plane knows it now; `None` when it was deleted.
    fn device(&self, id: &str) -> Option<Device>;
    fn log_out(&self, id: &str);
    fn set_online(&self, id: &str, online: bool);
    /// The cluster that a first server makes, or made: the same for the same machine.
    fn cluster(&self, machine: &str) -> ClusterSecrets;
    /// A kubelet begins to tell of its node, or tells it anew.
    ///
    /// # Errors
    /// What k3s writes into its journal when the cluster does not take it.
    fn node_reports(&self, report: &NodeReport) -> Result<ipnet::Ipv4Net, String>;
    /// It tells nothing any more.
    fn node_is_silent(&self, name: &str);
    /// The other nodes of the cluster.
    fn peers(&self, name: &str) -> Vec<Peer>;
    /// Whether a packet from a guest to an address is answered.
    fn answers(&self, address: Ipv4Addr) -> bool;
}
