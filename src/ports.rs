//! The outside world on one page.
//!
//! Everything above this line is pure or drives these traits; everything that touches a socket is an
//! implementation of one. [`World`] bundles them so that code carries one type parameter.

mod buckets;
mod cluster;
mod edge;
mod git;
mod host;
mod objects;
mod outside;
mod proxmox;
mod tailnet;

use std::{future::Future, time::Duration};

pub use buckets::{BucketAccess, BucketError, Buckets, LifecycleRule};
pub use cluster::{
    CORDONED, Cluster, ClusterAccess, ClusterError, Drained, KubeNode, OUR_LABELS, OUR_TAINTS,
    Taint,
};
pub use edge::{Alias, DnsRecord, Edge, EdgeError, Permission, Rule, Tunnel, TunnelHealth, Zone};
pub use git::{Checkout, Git, GitError, GitLogin, GitSource};
pub use host::{Connector, Host, HostError, HostTarget, Output, RemoteFile};
pub use objects::{ObjectKind, Objects};
pub use outside::{Answer, Outside, OutsideError, Question};
pub use proxmox::{
    AgentState, Bridge, CloneRequest, ContentKind, GuestConfig, GuestStatus, GuestSummary, Image,
    LockedGuest, NodeSummary, PowerState, Proxmox, ProxmoxError, StorageSummary, TaskState, Upload,
    Version, Volume, says_changed, says_locked, says_taken,
};
pub use tailnet::{Capabilities, Device, KeyMark, MintedKey, Tailnet, TailnetError};

/// The worlds are interchangeable: the real one, and the simulated ones of the lab.
pub trait World: Send + Sync + 'static {
    type Proxmox: Proxmox;
    type Connector: Connector;
    type Tailnet: Tailnet;
    type ClusterAccess: ClusterAccess<Host = <Self::Connector as Connector>::Host>;
    type Git: Git;
    type Outside: Outside;
    type Buckets: Buckets;
    type Edge: Edge;
    type Clock: Clock;

    fn proxmox(&self) -> &Self::Proxmox;
    fn connector(&self) -> &Self::Connector;
    fn tailnet(&self) -> &Self::Tailnet;
    /// The Kubernetes API, reached through a connected server.
    fn cluster(&self) -> &Self::ClusterAccess;
    fn git(&self) -> &Self::Git;
    /// Who asks for the apps by their names.
    fn outside(&self) -> &Self::Outside;
    fn buckets(&self) -> &Self::Buckets;
    /// The public edge, where the inventory has an API for it.
    fn edge(&self) -> Option<&Self::Edge>;
    fn clock(&self) -> &Self::Clock;
}

/// The connected host of a world.
pub type HostOf<W> = <<W as World>::Connector as Connector>::Host;

/// Time, so that a simulated world can have its own.
pub trait Clock: Send + Sync {
    /// Monotonic, since some fixed moment.
    fn now(&self) -> Duration;
    fn wall(&self) -> jiff::Timestamp;
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}
