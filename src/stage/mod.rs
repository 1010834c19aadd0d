//! The ladder: stages in the order in which a node climbs them.

pub mod access;
pub mod artifact;
pub mod check;
pub mod cluster;
pub mod files;
pub mod guest;
pub mod overlay;
mod paths;
mod run;
pub mod scripts;
pub mod tailnet;

use serde::{Deserialize, Serialize};

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
    /// Every check passes.
    Verify,
}

impl StageId {
    /// All of them, in order.
    pub const LADDER: [Self; 7] = [
        Self::Preflight,
        Self::Image,
        Self::Machines,
        Self::Tailnet,
        Self::Cluster,
        Self::Network,
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
            Self::Verify => "verify",
        }
    }
}

impl std::fmt::Display for StageId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}
