//! Steps: what would be done, why, at what price, and after which others.

mod id;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub use id::StepId;

use crate::{
    model::{NodeName, Vmid},
    stage::StageId,
};

/// The price of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// Looks, and sends test packets.
    Check,
    /// Something new comes to be.
    Create,
    /// Changed under running work.
    InPlace,
    /// A service restarts; pods stay.
    Restart,
    /// The node is drained and rebooted.
    Reboot,
    /// Something cannot be reached for a while, and no drain helps.
    Downtime,
    /// Something is deleted for good.
    DataLoss,
}

impl Impact {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Create => "create",
            Self::InPlace => "in place",
            Self::Restart => "restart",
            Self::Reboot => "reboot",
            Self::Downtime => "downtime",
            Self::DataLoss => "data loss",
        }
    }
}

/// Everything that a step can be. Closed, so that whoever matches sees each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    FetchImage {
        proxmox_node: String,
    },
    MakeTemplate {
        proxmox_node: String,
        vmid: Vmid,
    },
    /// Seed and clone.
    MakeMachine {
        node: NodeName,
    },
    /// Keys of the configuration and sizes of disks; `reboot` when a running guest must take them up.
    ConfigureMachine {
        node: NodeName,
        keys: Vec<String>,
        reboot: bool,
    },
    StartMachine {
        node: NodeName,
    },
    /// First contact: cloud-init done and out of the way, host key rotated, seed gone, disk grown.
    FinishMachine {
        node: NodeName,
    },
    InstallTailscale {
        node: NodeName,
    },
    JoinTailnet {
        node: NodeName,
    },
    InstallServer {
        node: NodeName,
        first: bool,
    },
    InstallAgent {
        node: NodeName,
    },
    /// Labels and taints of the Node object.
    LabelNode {
        node: NodeName,
    },
    CheckNetwork,
    /// SSH and the Kubernetes API closed on the LAN side.
    Expose {
        node: NodeName,
    },
    /// Opened again, because the inventory no longer wants it closed.
    OpenLan {
        node: NodeName,
    },
    /// What Longhorn needs of its host: packages, modules, its own disk.
    PrepareStorage {
        node: NodeName,
    },
    /// The controllers, from the repository's own manifests.
    InstallFlux,
    /// What opens the repository, and its own source and entry point.
    ConnectFlux,
    /// The tunnel of the public path, at the edge.
    MakeTunnel,
    /// Where the tunnel leads, by name.
    RouteTunnel,
    /// The tunnel's token, put into the cluster.
    GiveTunnel,
    /// A DNS record that leads a public name into the tunnel.
    PointName {
        name: String,
    },
    /// A DNS record of ours that nobody wants any more.
    DropName {
        name: String,
        /// Its id.
        record: String,
    },
    RemoveTunnel,
    /// Everything that Git has is applied.
    SyncFlux,
    Verify,
    /// A seed that nothing refers to any more.
    SweepSeed {
        proxmox_node: String,
        volume: String,
    },
    /// The tailnet devices of the cluster's own proxies.
    RemoveProxies,
    /// A node that left the inventory (`--prune`), or all of them (`destroy`).
    RemoveMachine {
        node: NodeName,
        proxmox_node: String,
        vmid: Vmid,
        /// Whether it has a Node object in a cluster that goes on without it.
        #[serde(default)]
        member: bool,
    },
    RemoveTemplate {
        proxmox_node: String,
        vmid: Vmid,
    },
    RemoveImage {
        proxmox_node: String,
        volume: String,
    },
}

impl Change {
    pub fn stage(&self) -> StageId {
        match self {
            Self::FetchImage { .. }
            | Self::MakeTemplate { .. }
            | Self::RemoveTemplate { .. }
            | Self::RemoveImage { .. } => StageId::Image,
            Self::MakeMachine { .. }
            | Self::ConfigureMachine { .. }
            | Self::StartMachine { .. }
            | Self::FinishMachine { .. }
            | Self::SweepSeed { .. }
            | Self::RemoveMachine { .. } => StageId::Machines,
            Self::InstallTailscale { .. } | Self::JoinTailnet { .. } | Self::RemoveProxies => {
                StageId::Tailnet
            }
            Self::InstallServer { .. } | Self::InstallAgent { .. } | Self::LabelNode { .. } => {
                StageId::Cluster
            }
            Self::CheckNetwork | Self::Expose { .. } | Self::OpenLan { .. } => StageId::Network,
            Self::PrepareStorage { .. } => StageId::Longhorn,
            Self::InstallFlux | Self::ConnectFlux => StageId::Flux,
            Self::MakeTunnel
            | Self::RouteTunnel
            | Self::GiveTunnel
            | Self::PointName { .. }
            | Self::DropName { .. }
            | Self::RemoveTunnel => StageId::Edge,
            Self::SyncFlux => StageId::Sync,
            Self::Verify => StageId::Verify,
        }
    }

    /// The node of ours that it works on.
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Self::MakeMachine { node }
            | Self::ConfigureMachine { node, .. }
            | Self::StartMachine { node }
            | Self::FinishMachine { node }
            | Self::InstallTailscale { node }
            | Self::JoinTailnet { node }
            | Self::InstallServer { node, .. }
            | Self::InstallAgent { node }
            | Self::LabelNode { node }
            | Self::Expose { node }
            | Self::OpenLan { node }
            | Self::PrepareStorage { node }
            | Self::RemoveMachine { node, .. } => Some(node),
            _ => None,
        }
    }

    /// The step's name, which follows from what it does.
    pub fn id(&self) -> StepId {
        let (verb, object): (&str, String) = match self {
            Self::FetchImage { proxmox_node } => ("fetch", proxmox_node.clone()),
            Self::MakeTemplate { proxmox_node, .. } => ("template", proxmox_node.clone()),
            Self::MakeMachine { node } => ("make", node.to_string()),
            Self::ConfigureMachine { node, .. } => ("configure", node.to_string()),
            Self::StartMachine { node } => ("start", node.to_string()),
            Self::FinishMachine { node } => ("finish", node.to_string()),
            Self::InstallTailscale { node } => ("install", node.to_string()),
            Self::JoinTailnet { node } => ("join", node.to_string()),
            Self::InstallServer { node, .. } => ("server", node.to_string()),
            Self::InstallAgent { node } => ("agent", node.to_string()),
            Self::LabelNode { node } => ("label", node.to_string()),
            Self::CheckNetwork => ("check", String::new()),
            Self::Expose { node } => ("close-lan", node.to_string()),
            Self::OpenLan { node } => ("open-lan", node.to_string()),
            Self::PrepareStorage { node } => ("prepare", node.to_string()),
            Self::InstallFlux => ("controllers", String::new()),
            Self::ConnectFlux => ("source", String::new()),
            Self::MakeTunnel => ("tunnel", String::new()),
            Self::RouteTunnel => ("routes", String::new()),
            Self::GiveTunnel => ("token", String::new()),
            Self::PointName { name } => ("point", name.clone()),
            // Two records may have the same name.
            Self::DropName { name, record } => {
                ("drop", format!("{name}-{}", record.get(..8).unwrap_or(record)))
            }
            Self::RemoveTunnel => ("remove-tunnel", String::new()),
            Self::RemoveProxies => ("remove-proxies", String::new()),
            Self::SyncFlux => ("head", String::new()),
            Self::Verify => ("all", String::new()),
            Self::SweepSeed { volume, .. } => ("sweep", volume.clone()),
            Self::RemoveMachine { node, .. } => ("remove", node.to_string()),
            Self::RemoveTemplate { proxmox_node, .. } => ("remove-template", proxmox_node.clone()),
            Self::RemoveImage { volume, .. } => ("remove-image", volume.clone()),
        };
        let stage = self.stage();
        let name = match object.as_str() {
            "" => format!("{stage}/{verb}"),
            object => format!("{stage}/{verb}/{object}"),
        };
        StepId(name.into())
    }

    /// What it does, as a person reads it.
    pub fn title(&self) -> String {
        match self {
            Self::FetchImage { proxmox_node } => format!("fetch the cloud image to {proxmox_node}"),
            Self::MakeTemplate { proxmox_node, vmid } => {
                format!("make template {vmid} on {proxmox_node}")
            }
            Self::MakeMachine { .. } => "seed and clone".into(),
            Self::ConfigureMachine { keys, reboot, .. } => {
                let then = if *reboot { ", then reboot" } else { "" };
                format!("configure {}{then}", keys.join(", "))
            }
            Self::StartMachine { .. } => "start".into(),
            Self::FinishMachine { .. } => "first contact".into(),
            Self::InstallTailscale { .. } => "install tailscaled and the overlay's units".into(),
            Self::JoinTailnet { .. } => "join the tailnet".into(),
            Self::InstallServer { first: true, .. } => {
                "install k3s server (makes the cluster)".into()
            }
            Self::InstallServer { .. } => "install k3s server (joins)".into(),
            Self::InstallAgent { .. } => "install k3s agent".into(),
            Self::LabelNode { .. } => "set labels and taints".into(),
            Self::CheckNetwork => "send packets between all nodes".into(),
            Self::Expose { .. } => "close SSH and 6443 on the LAN side".into(),
            Self::OpenLan { .. } => "open SSH and 6443 on the LAN side".into(),
            Self::PrepareStorage { .. } => "make it fit for Longhorn".into(),
            Self::InstallFlux => "install Flux's controllers".into(),
            Self::ConnectFlux => "tell Flux its repository".into(),
            Self::MakeTunnel => "make the tunnel at Cloudflare".into(),
            Self::RouteTunnel => "lead each public name through the tunnel to Traefik".into(),
            Self::GiveTunnel => "put the tunnel's token into the cluster".into(),
            Self::PointName { name } => format!("point DNS record {name} at the tunnel"),
            Self::DropName { name, .. } => format!("delete DNS record {name}"),
            Self::RemoveTunnel => "end the tunnel's connections and delete it".into(),
            Self::RemoveProxies => "take the proxies' devices out of the tailnet".into(),
            Self::SyncFlux => "wait until all of Git is applied".into(),
            Self::Verify => "run every check".into(),
            Self::SweepSeed { volume, .. } => format!("delete left-over seed {volume}"),
            Self::RemoveMachine { vmid, member: true, .. } => {
                format!(
                    "delete VM {vmid}, its disks, its Node object, and its device in the tailnet"
                )
            }
            Self::RemoveMachine { vmid, .. } => {
                format!("delete VM {vmid}, its disks, and its device in the tailnet")
            }
            Self::RemoveTemplate { vmid, .. } => format!("delete template {vmid}"),
            Self::RemoveImage { volume, .. } => format!("delete image {volume}"),
        }
    }
}

/// Of more needs than these each is looked up, not looked for.
const FEW: usize = 8;

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub id: StepId,
    #[serde(flatten)]
    pub change: Change,
    pub reasons: Vec<String>,
    pub impact: Impact,
    /// Steps of the same plan that must be done first.
    pub needs: Vec<StepId>,
}

impl Step {
    pub fn new(change: Change, impact: Impact, reason: impl Into<String>) -> Self {
        Self { id: change.id(), change, reasons: vec![reason.into()], impact, needs: Vec::new() }
    }

    pub fn stage(&self) -> StageId {
        self.change.stage()
    }
}

/// All steps, in the order of the ladder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// What a person should know and the plan does not change.
    pub notes: Vec<String>,
    /// Only some stages or nodes were asked for: nothing is said of the others.
    pub in_part: bool,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Adds a step that waits for those of `needs` that are part of this plan.
    pub fn add(&mut self, mut step: Step, needs: &[StepId]) -> StepId {
        step.needs = if needs.len() <= FEW {
            needs.iter().filter(|need| self.has(need)).cloned().collect()
        } else {
            let known = self.ids();
            needs.iter().filter(|need| known.contains(need)).cloned().collect()
        };
        let id = step.id.clone();
        self.steps.push(step);
        id
    }

    pub fn has(&self, id: &StepId) -> bool {
        self.steps.iter().any(|step| step.id == *id)
    }

    fn ids(&self) -> HashSet<StepId> {
        self.steps.iter().map(|step| step.id.clone()).collect()
    }

    /// Keeps the steps of `stages`, and of one node (with those that belong to no node) if one is named.
    pub fn narrowed(
        mut self,
        stages: std::ops::RangeInclusive<StageId>,
        nodes: &[NodeName],
    ) -> Self {
        self.steps.retain(|step| {
            let node = step.change.node();
            stages.contains(&step.stage())
                && (nodes.is_empty() || node.is_none_or(|node| nodes.contains(node)))
        });
        let every = *stages.start() == StageId::LADDER[0]
            && *stages.end() == StageId::LADDER[StageId::LADDER.len() - 1];
        self.in_part = !every || !nodes.is_empty();
        let kept = self.ids();
        for step in &mut self.steps {
            step.needs.retain(|need| kept.contains(need));
        }
        self
    }
}
