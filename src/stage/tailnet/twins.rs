//! Devices that earlier lives of a node left in the tailnet, told from those of others (TS-03).

use std::net::Ipv4Addr;

use crate::{journal::RunState, model::NodeName, ports::Device};

/// What is on record of a node's devices.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Ids, node ids, of devices that were this node.
    pub ids: Vec<String>,
    pub address: Option<Ipv4Addr>,
    /// Ids of one-shot keys that were minted for this node and that no device on record came of.
    pub auth_keys: Vec<String>,
    /// The node id that the running node itself tells, if it has joined.
    pub current: Option<String>,
}

impl Record {
    /// What the journal knows of a node's devices.
    pub fn remembered(memory: &RunState, node: &NodeName) -> Self {
        let device = memory.devices.get(node);
        Self {
            ids: device.map(|device| device.node_id.clone()).into_iter().collect(),
            address: device.map(|device| device.ipv4),
            auth_keys: memory.keys_of(node),
            current: None,
        }
    }

    /// Whether nothing could be told to be the node's.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.address.is_none() && self.auth_keys.is_empty()
    }
}

/// Devices that are not the running node, but have to do with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Twins {
    /// Ours by record, and offline: to be deleted before the node joins anew.
    pub stale: Vec<Device>,
    /// Ours by record, yet online: another machine lives on with this identity.
    pub alive: Vec<Device>,
    /// Has the node's name, and nothing proves it ours: not to be touched.
    pub foreign: Vec<Device>,
}

impl Twins {
    pub fn is_empty(&self) -> bool {
        self.stale.is_empty() && self.alive.is_empty() && self.foreign.is_empty()
    }
}

/// Sorts the devices. Ours is a device whose id is on record, or whose address is on record and which
/// has our tag, or that was registered with a one-shot key of ours; name and tag alone prove nothing.
pub fn find(devices: &[Device], node: &NodeName, tag: &str, record: &Record) -> Twins {
    let mut twins = Twins::default();
    for device in devices {
        if record.current.as_deref().is_some_and(|id| id == device.node_id || id == device.id) {
            continue;
        }
        let by_id = record.ids.iter().any(|id| *id == device.id || *id == device.node_id);
        let by_address = device.ipv4.is_some()
            && device.ipv4 == record.address
            && device.tags.iter().any(|known| known == tag);
        // A run that died, or lost the reply, between the registration and its record.
        let by_key = device.auth_key.as_ref().is_some_and(|key| record.auth_keys.contains(key));
        if by_id || by_address || by_key {
            match device.online {
                Some(true) => twins.alive.push(device.clone()),
                _ => twins.stale.push(device.clone()),
            }
        } else if has_name(device, node) {
            twins.foreign.push(device.clone());
        }
    }
    twins
}

/// Whether a device has the node's name, or the one that a second device of that name gets.
fn has_name(device: &Device, node: &NodeName) -> bool {
    let name = device.name.split('.').next().unwrap_or_default();
    let numbered =
        name.strip_prefix(node.as_str()).and_then(|rest| rest.strip_prefix('-')).is_some_and(
            |number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()),
        );
    name == node.as_str() || device.hostname == node.as_str()
        // `agent-1` is no twin of `agent`, unless it says itself that its host is called `agent`.
        || (numbered && device.hostname == node.as_str())
}
