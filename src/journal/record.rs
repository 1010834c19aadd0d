//! The wire format of the journal. Variants and fields are only ever added: journals of every released
//! version stay readable (fixtures in `tests/`).

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{
    error::Effect,
    model::{ClusterId, NodeName, Nonce, Upid, Vmid},
    plan::StepId,
    ports::KeyMark,
};

/// The version of the format that this program writes.
pub const JOURNAL_VERSION: u32 = 1;

/// One line of the journal. What is about to be done is written before it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The first line: whose journal this is.
    Opened {
        version: u32,
        program: String,
        cluster: ClusterId,
        site: SiteIdentity,
    },
    RunStarted {
        run: String,
        command: String,
        at: jiff::Timestamp,
    },
    RunFinished {
        run: String,
        at: jiff::Timestamp,
        ok: bool,
    },
    StepStarted {
        step: StepId,
    },
    StepFinished {
        step: StepId,
        result: StepResult,
    },

    /// A guest is about to be made under these ids.
    GuestIntended {
        node: NodeName,
        making: Making,
    },
    /// The guest carries its marker now: from here on the world knows it.
    GuestMade {
        node: NodeName,
    },
    /// Its host key as it was last verified.
    HostKeyVerified {
        node: NodeName,
        key: String,
    },
    /// The guest is about to be deleted, or was.
    GuestDropped {
        node: NodeName,
    },
    /// A template is about to be made under this VMID.
    TemplateIntended {
        proxmox_node: String,
        vmid: Vmid,
        nonce: Nonce,
    },
    /// The template is gone: what has its VMID from now on is somebody else's.
    TemplateDropped {
        proxmox_node: String,
    },
    /// Proxmox began a task for a step.
    TaskBegun {
        step: StepId,
        upid: Upid,
    },
    TaskEnded {
        upid: Upid,
    },
    /// A volume of ours was or will be put on a storage.
    VolumeIntended {
        proxmox_node: String,
        volume: String,
    },
    VolumeDropped {
        volume: String,
    },

    /// A tailnet key is about to be minted for a node, with a mark by which it is found where its id was
    /// never heard of. Older journals have none.
    KeyIntended {
        node: NodeName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<KeyMark>,
    },
    KeyMinted {
        node: NodeName,
        id: String,
    },
    /// The key was spent or taken back.
    KeyGone {
        node: NodeName,
        id: String,
    },
    /// The node joined the tailnet as this device.
    DeviceJoined {
        node: NodeName,
        device: DeviceIdentity,
    },
    DeviceDropped {
        node: NodeName,
    },

    /// A tunnel of this name is about to be made at the edge.
    TunnelIntended {
        name: String,
    },
    TunnelMade {
        id: String,
    },
    TunnelDropped,
    /// A DNS record of ours is about to be made or changed.
    NameIntended {
        name: String,
    },
    NamePointed {
        name: String,
        /// The record's id.
        id: String,
    },
    NameDropped {
        name: String,
    },

    /// The lease on the Proxmox side is about to be taken by this run.
    LeaseIntended {
        run: String,
    },
    /// The lease was given back.
    LeaseReleased {
        run: String,
    },

    /// All that went before, compacted.
    Snapshot {
        state: Box<super::state::RunState>,
    },
}

/// The Proxmox that the ids belong to: a reinstalled host has another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteIdentity {
    pub endpoint: String,
}

/// The ids chosen for the making of one guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Making {
    pub proxmox_node: String,
    pub vmid: Vmid,
    pub nonce: Nonce,
    /// The public half of the bootstrap host key.
    pub host_key: String,
    /// The seed's volume id.
    pub seed: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceIdentity {
    /// Tailscale's stable node id.
    pub node_id: String,
    pub ipv4: Ipv4Addr,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum StepResult {
    Done,
    Unchanged,
    Failed {
        message: String,
        effect: Effect,
    },
    /// Left on request, at a place where it can be taken up again.
    Left,
}
