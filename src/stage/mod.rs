//! The ladder: stages in the order in which a node climbs them, and what each does.

pub mod access;
pub mod artifact;
pub mod backup;
pub mod check;
pub mod cluster;
mod deliver;
pub mod drift;
pub mod edge;
pub mod files;
pub mod flux;
pub mod guest;
pub mod image;
pub mod join;
mod kubernetes;
pub mod longhorn;
pub mod machine;
pub mod network;
mod outside;
pub mod overlay;
pub(crate) mod paths;
pub mod preflight;
mod recall;
pub mod remove;
mod remove_proxies;
mod room;
mod run;
pub mod scripts;
pub mod sync;
pub mod systems;
pub mod tailnet;
pub mod trial;
pub mod verify;

use serde::{Deserialize, Serialize};

use crate::{engine::StepContext, error::Result, plan::Change, ports::World};

/// How a step ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It was so already.
    Unchanged(String),
}

/// Does what a step says. Each arm looks before it acts: it may have been done half already.
pub async fn apply<W: World>(context: &StepContext<W>, change: &Change) -> Result<Outcome> {
    match change {
        Change::FetchImage { proxmox_node } => image::fetch(context, proxmox_node).await,
        Change::MakeTemplate { proxmox_node, vmid } => {
            image::make_template(context, proxmox_node, *vmid).await
        }
        Change::MakeMachine { node } => machine::make(context, node).await,
        Change::ConfigureMachine { node, reboot, .. } => {
            machine::configure(context, node, *reboot).await
        }
        Change::StartMachine { node } => machine::start(context, node).await,
        Change::FinishMachine { node } => machine::finish(context, node).await,
        Change::InstallTailscale { node } => join::install(context, node).await,
        Change::JoinTailnet { node } => join::join(context, node).await,
        Change::InstallServer { node, .. } | Change::InstallAgent { node } => {
            kubernetes::install_k3s(context, node).await
        }
        Change::LabelNode { node } => kubernetes::label(context, node).await,
        Change::CheckNetwork => verify::check_network(context).await,
        Change::Expose { node } => access::expose(context, node).await,
        Change::OpenLan { node } => access::open_again(context, node).await,
        Change::PrepareStorage { node } => longhorn::prepare(context, node).await,
        Change::InstallFlux => flux::install(context).await,
        Change::ConnectFlux => flux::connect(context).await,
        Change::MakeTunnel => edge::make(context).await,
        Change::RouteTunnel => edge::route(context).await,
        Change::GiveTunnel => edge::give(context).await,
        Change::PointName { name } => edge::point(context, name).await,
        Change::DropName { name, record } => edge::drop_name(context, name, record).await,
        Change::RemoveTunnel => edge::remove(context).await,
        Change::SyncFlux => sync::sync(context).await,
        Change::Verify => verify::after_change(context).await,
        Change::SweepSeed { proxmox_node, volume } => {
            remove::volume(context, proxmox_node, volume).await
        }
        Change::RemoveProxies => remove_proxies::remove(context).await,
        Change::RemoveMachine { node, proxmox_node, vmid, member } => {
            remove::machine(context, node, proxmox_node, *vmid, *member).await
        }
        Change::RemoveTemplate { proxmox_node, vmid } => {
            remove::template(context, proxmox_node, *vmid).await
        }
        Change::RemoveImage { proxmox_node, volume } => {
            remove::volume(context, proxmox_node, volume).await
        }
    }
}

/// The stages. Steps depend on steps, not stages on stages: a node waits for another only where the
/// facts demand it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum StageId {
    /// API, version, privileges, capacity, clashes, secrets, artifacts.
    Preflight,
    /// A checksum-pinned cloud image, and a template made from it that was never booted.
    Image,
    /// Guests of ours, of the asked size, cloud-init done and out of the way, SSH with the known key.
    Machines,
    /// tailscaled pinned and joined; address, MTU, persistent TUN as planned.
    Tailnet,
    /// k3s: the server, then the agents.
    Cluster,
    /// VTEPs, routes, MTU and packets between nodes; DNS.
    Network,
    /// Nodes that are fit for replicated storage, with a disk of their own for it.
    Longhorn,
    /// Flux's controllers, and the repository that they read.
    Flux,
    /// The public edge: the tunnel, where it leads, the names that lead into it, its token in the cluster.
    Edge,
    /// Everything that Git has is applied, at the head of its branch.
    Sync,
    /// Every check passes.
    Verify,
}

impl StageId {
    /// All of them, in order.
    pub const LADDER: [Self; 11] = [
        Self::Preflight,
        Self::Image,
        Self::Machines,
        Self::Tailnet,
        Self::Cluster,
        Self::Network,
        Self::Longhorn,
        Self::Flux,
        Self::Edge,
        Self::Sync,
        Self::Verify,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Image => "image",
            Self::Machines => "machines",
            Self::Tailnet => "tailnet",
            Self::Cluster => "cluster",
            Self::Network => "network",
            Self::Longhorn => "longhorn",
            Self::Flux => "flux",
            Self::Edge => "edge",
            Self::Sync => "sync",
            Self::Verify => "verify",
        }
    }
}

impl std::fmt::Display for StageId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}
