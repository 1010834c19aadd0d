//! The Kubernetes API, as far as provisioning needs it.

use std::{collections::BTreeMap, future::Future, net::IpAddr};

use crate::{
    error::{Effect, Failure, Kind},
    model::NodeName,
    ports::{Host, HostError, Objects},
    secret::Secret,
};

/// Opens the Kubernetes API through a server that is connected by SSH, so that neither the tailnet nor
/// an open port is needed on the operator's machine.
pub trait ClusterAccess: Send + Sync {
    type Host: Host;
    type Cluster: Cluster;

    /// `kubeconfig` is the server's own `/etc/rancher/k3s/k3s.yaml`.
    fn open(
        &self,
        server: &Self::Host,
        kubeconfig: &Secret,
    ) -> impl Future<Output = Result<Self::Cluster, ClusterError>> + Send;
}

/// What a drain left on a node, each with its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// What should have left: a disruption budget did not allow it, or it is still ending.
    pub refused: Vec<String>,
    /// What nothing would make anew elsewhere: it was not evicted.
    pub orphans: Vec<String>,
}

/// The annotation that tells a node that we cordoned from one that a person did.
pub const CORDONED: &str = "homelab/cordoned";
/// The annotation that holds the labels that we set, as a JSON object.
pub const OUR_LABELS: &str = "homelab/labels";
/// The annotation that holds the taints that we set, as a JSON list of `key:Effect`.
pub const OUR_TAINTS: &str = "homelab/taints";

/// An open cluster.
pub trait Cluster: Objects + Clone + Send + Sync + 'static {
    fn version(&self) -> impl Future<Output = Result<String, ClusterError>> + Send;
    fn nodes(&self) -> impl Future<Output = Result<Vec<KubeNode>, ClusterError>> + Send;
    /// One of them; `None` where there is no such Node object. Whoever waits for one node asks for one: all of
    /// them, asked for by each, would take the square of the time.
    fn node(
        &self,
        node: &NodeName,
    ) -> impl Future<Output = Result<Option<KubeNode>, ClusterError>> + Send;
    /// Deletes the Node object; absent is fine.
    fn delete_node(&self, node: &NodeName)
    -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Deletes k3s's node password secret of a node (K3S-04); absent is fine.
    fn delete_node_password(
        &self,
        node: &NodeName,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Marks a node (un)schedulable, and that it was us ([`CORDONED`]).
    fn cordon(
        &self,
        node: &NodeName,
        unschedulable: bool,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Evicts what runs on a node, DaemonSets and mirror pods left alone.
    fn drain(
        &self,
        node: &NodeName,
        timeout: std::time::Duration,
    ) -> impl Future<Output = Result<Drained, ClusterError>> + Send;
    /// Sets labels and taints as asked, takes off what we set and no longer want, and writes down on the
    /// Node which are ours ([`OUR_LABELS`], [`OUR_TAINTS`]).
    fn label_node(
        &self,
        node: &NodeName,
        labels: &BTreeMap<String, String>,
        taints: &[Taint],
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeNode {
    pub name: String,
    pub uid: String,
    pub ready: bool,
    /// The Ready condition's reason and message when it is not.
    pub not_ready: Option<String>,
    /// What kubelet says it is short of: `DiskPressure: KubeletHasDiskPressure: ...`.
    pub pressures: Vec<String>,
    pub internal_ip: Option<IpAddr>,
    /// Flannel's `public-ip` annotation: the VTEP.
    pub vtep: Option<IpAddr>,
    /// Flannel's `backend-data` annotation: VNI and VTEP MAC, as JSON.
    pub backend_data: Option<String>,
    pub pod_cidr: Option<ipnet::IpNet>,
    pub kubelet_version: String,
    pub boot_id: String,
    pub system_uuid: String,
    pub unschedulable: bool,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    pub control_plane: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    pub key: String,
    pub value: Option<String>,
    pub effect: String,
}

impl KubeNode {
    /// Whether it is cordoned, and by us: a run of ours died between cordon and uncordon.
    pub fn cordoned_by_us(&self) -> bool {
        self.unschedulable && self.annotations.contains_key(CORDONED)
    }

    /// The labels that we set on it; `None` while that is not written down.
    pub fn our_labels(&self) -> Option<BTreeMap<String, String>> {
        self.annotations.get(OUR_LABELS).and_then(|text| serde_json::from_str(text).ok())
    }

    /// The taints that we set on it, as `key:Effect`; `None` while that is not written down.
    pub fn our_taints(&self) -> Option<Vec<String>> {
        self.annotations.get(OUR_TAINTS).and_then(|text| serde_json::from_str(text).ok())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("cannot reach the Kubernetes API through {server}: {reason}")]
    Unreachable { server: NodeName, reason: String },
    #[error("the Kubernetes API refused to {call}: {status} {message}")]
    Refused { call: String, status: u16, message: String, effect: Effect },
    /// A change was sent, and what became of it is not known.
    #[error("the Kubernetes API did not answer when asked to {call}: {reason}")]
    NoAnswer { call: String, reason: String },
    #[error("the kubeconfig of {server} cannot be read: {reason}")]
    Kubeconfig { server: NodeName, reason: String },
    /// The server's SSH connection does not lead there.
    #[error(transparent)]
    Host(HostError),
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        let effect = match &error {
            ClusterError::Refused { effect, .. } => *effect,
            ClusterError::NoAnswer { .. } => Effect::Unknown,
            _ => Effect::None,
        };
        if let ClusterError::Host(error) = error {
            return error.into();
        }
        Self::new(Kind::Kubernetes, error.to_string()).effect(effect)
    }
}
