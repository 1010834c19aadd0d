//! The Kubernetes API, as far as provisioning needs it.

use std::{collections::BTreeMap, future::Future, net::IpAddr};

use crate::{
    error::{Effect, Failure, Kind},
    model::NodeName,
    ports::{Host, HostError},
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

/// An open cluster.
pub trait Cluster: Clone + Send + Sync + 'static {
    fn version(&self) -> impl Future<Output = Result<String, ClusterError>> + Send;
    fn nodes(&self) -> impl Future<Output = Result<Vec<KubeNode>, ClusterError>> + Send;
    /// Deletes the Node object; absent is fine.
    fn delete_node(&self, node: &NodeName)
    -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Deletes k3s's node password secret of a node (K3S-04); absent is fine.
    fn delete_node_password(
        &self,
        node: &NodeName,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Marks a node (un)schedulable.
    fn cordon(
        &self,
        node: &NodeName,
        unschedulable: bool,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Evicts what runs on a node, DaemonSets and mirror pods left alone; what refuses is named.
    fn drain(
        &self,
        node: &NodeName,
        timeout: std::time::Duration,
    ) -> impl Future<Output = Result<Vec<String>, ClusterError>> + Send;
    /// Sets labels and taints as asked (server-side apply, field manager `homelab`).
    fn label_node(
        &self,
        node: &NodeName,
        labels: &BTreeMap<String, String>,
        taints: &[Taint],
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeNode {
    pub name: String,
    pub uid: String,
    pub ready: bool,
    /// The Ready condition's reason and message when it is not.
    pub not_ready: Option<String>,
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
