//! The world as it was seen, before anything is decided.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use indexmap::IndexMap;

use crate::{
    model::{Marker, NodeName, Upid, Vmid},
    plan::{
        Refusal, datastore::Snapshot, edge::EdgeSight, flux::FluxSight, longhorn::LonghornSight,
        probe::HostProbe,
    },
    ports::{
        Checkout, Device, GuestConfig, GuestSummary, KubeNode, NodeSummary, PowerState, Volume,
    },
};

/// What looking at something gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight<T> {
    /// It was not looked at: there was no reason to, or no way yet.
    Unseen,
    Seen(T),
    /// It was looked for and did not answer.
    Silent(String),
}

impl<T> Sight<T> {
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            _ => None,
        }
    }
}

/// Everything that the diff reads.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Proxmox's own nodes; each that the inventory uses is there and online.
    pub nodes: Vec<NodeSummary>,
    /// All guests that the token sees, ours or not.
    pub guests: Vec<GuestSummary>,
    /// By Proxmox node that the inventory uses.
    pub templates: BTreeMap<String, TemplateSight>,
    pub machines: IndexMap<NodeName, MachineSight>,
    pub hosts: BTreeMap<NodeName, Sight<HostProbe>>,
    /// The tailnet addresses that the nodes had before: of the journal.
    pub addresses: BTreeMap<NodeName, Ipv4Addr>,
    pub devices: Sight<Vec<Device>>,
    pub kube: Sight<Vec<KubeNode>>,
    /// Unseen where the cluster is not to have it, or does not run.
    pub flux: Sight<FluxSight>,
    /// The same of Longhorn.
    pub longhorn: Sight<LonghornSight>,
    /// Every snapshot of the datastore that k3s knows of, and failures to take one.
    pub snapshots: Sight<Vec<Snapshot>>,
    /// The sha256 of the file with the key of those snapshots, as it should be; looked for by a plan alone.
    pub datastore_key: Sight<String>,
    /// What Flux is to read, as this computer reads it.
    pub repository: Sight<Checkout>,
    /// The recipients whose Secrets the age key here opens, retired ones too; `None` where it is not known.
    pub held: Option<Vec<String>>,
    /// The public edge, or what forbids to look at it; unseen where the inventory has no API for it.
    pub edge: Sight<Result<EdgeSight, Refusal>>,
    /// The tunnel that a run made: of the journal.
    pub tunnel: Option<String>,
    /// Something between the nodes was changed, and a run ended before that was checked: of the journal.
    pub unchecked: bool,
    /// Something was changed, and a run ended before all of it was verified: of the journal.
    pub unverified: bool,
    /// Seeds with our cluster's name, by Proxmox node.
    pub seeds: BTreeMap<String, Vec<Volume>>,
    /// Guests with our cluster's marker that the inventory does not name.
    pub strays: Vec<Stray>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TemplateSight {
    Absent,
    Foreign(Stranger),
    /// Begun by us and not finished: no marker of a finished template.
    HalfMade {
        task: Option<Upid>,
        lock: Option<String>,
        template: bool,
    },
    /// Ours, a template, made from this image.
    Ready {
        image_sha256: String,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum MachineSight {
    Absent,
    Foreign(Stranger),
    /// Begun under ids that the journal knows; no marker yet.
    HalfMade {
        task: Option<Upid>,
        lock: Option<String>,
    },
    Ours(Box<Machine>),
}

/// A guest that is not ours and has a VMID that we want: it has no marker of ours, or it hides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stranger {
    /// `None` where the token may not look at it.
    pub name: Option<String>,
    /// How it is known not to be ours, where there is something to say.
    pub why: Option<String>,
    /// Which of our nodes it is, where it is one under another name.
    pub node: Option<NodeName>,
    /// Where it is a template of ours: its Proxmox node.
    pub template_on: Option<String>,
}

impl Stranger {
    /// A guest on another Proxmox node than the one that we want its VMID on: a cluster has each VMID once.
    pub fn elsewhere(guest: &GuestSummary) -> Self {
        Self {
            name: Some(guest.name.clone()),
            why: Some(format!("the VMID is in use on {}", guest.node)),
            ..Self::default()
        }
    }

    /// There is a guest, and the token may not look at it.
    pub fn is_hidden(&self) -> bool {
        self.name.is_none()
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = &self.node {
            return write!(formatter, "node `{node}` of this very cluster");
        }
        if let Some(proxmox_node) = &self.template_on {
            return write!(formatter, "this cluster's own template on {proxmox_node}");
        }
        match &self.name {
            Some(name) => write!(formatter, "`{name}`, which is not ours")?,
            None => formatter.write_str("a guest that the token may not see")?,
        }
        self.why.iter().try_for_each(|why| write!(formatter, ": {why}"))
    }
}

/// A guest of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    pub proxmox_node: String,
    pub vmid: Vmid,
    pub config: GuestConfig,
    pub marker: Marker,
    pub power: PowerState,
    pub lock: Option<String>,
    /// The keys that wait for a stop or reboot, of a guest that runs.
    pub pending: Vec<String>,
}

/// Ours by its marker, and not in the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    pub node: NodeName,
    pub proxmox_node: String,
    pub vmid: Vmid,
    pub name: String,
    /// What its marker says of its address on the LAN.
    pub address: Option<Ipv4Addr>,
}

impl Stray {
    pub fn place(&self) -> String {
        format!("VMID {} on {}", self.vmid, self.proxmox_node)
    }

    /// What a person must know of it where nobody can tell which of two guests is the node.
    pub fn unclear(&self, other: Vmid) -> String {
        format!(
            "{} (VMID {}) has the marks of VMID {other}, too, as a restored backup has: it is left alone; delete \
             the one that is not wanted yourself",
            self.node, self.vmid
        )
    }
}

impl Observed {
    /// Why Kubernetes is unseen, whose API is asked on this server.
    pub fn why_unasked(&self, server: &NodeName) -> String {
        match self.hosts.get(server) {
            Some(Sight::Silent(_)) => {
                format!("{server} does not answer by SSH, so the Kubernetes API cannot be asked")
            }
            Some(Sight::Seen(_)) => {
                format!("k3s does not run on {server}, so the Kubernetes API cannot be asked")
            }
            Some(Sight::Unseen) | None => {
                format!("{server} does not run, so the Kubernetes API cannot be asked")
            }
        }
    }

    /// Another guest with the marks of the same node: deleting either takes the node's device with it.
    pub fn double_of(&self, stray: &Stray) -> Option<Vmid> {
        let machine = self.machine(&stray.node).map(|machine| machine.vmid);
        let other = |other: &&Stray| other.node == stray.node && other.vmid != stray.vmid;
        machine.or_else(|| self.strays.iter().find(other).map(|other| other.vmid))
    }

    /// Where a node of the inventory is, if it is ours in another place than the inventory says.
    pub fn stray_of(&self, node: &NodeName) -> Option<&Stray> {
        self.strays.iter().find(|stray| stray.node == *node)
    }

    pub fn machine(&self, node: &NodeName) -> Option<&Machine> {
        match self.machines.get(node) {
            Some(MachineSight::Ours(machine)) => Some(machine),
            _ => None,
        }
    }

    /// Whether the cluster is known to have a Node object of that name.
    pub fn has_node_object(&self, node: &NodeName) -> bool {
        let seen = self.kube.seen();
        seen.is_some_and(|nodes| nodes.iter().any(|one| one.name == node.as_str()))
    }

    pub fn probe(&self, node: &NodeName) -> Option<&HostProbe> {
        self.hosts.get(node).and_then(Sight::seen)
    }

    pub fn kube_node(&self, node: &NodeName) -> Option<&KubeNode> {
        self.kube.seen()?.iter().find(|seen| seen.name == node.as_str())
    }
}
