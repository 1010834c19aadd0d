//! The fold: what all records together say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::{DeviceIdentity, JOURNAL_VERSION, Making, Record, SiteIdentity, StepResult};
use crate::{
    model::{ClusterId, NodeName, Nonce, Upid, Vmid},
    plan::StepId,
    ports::KeyMark,
};

/// What a run knows from the runs before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    pub cluster: Option<ClusterId>,
    pub site: Option<SiteIdentity>,
    pub guests: BTreeMap<NodeName, GuestMemory>,
    /// Templates begun, by Proxmox node.
    pub templates: BTreeMap<String, TemplateMemory>,
    /// Steps that were started and have not ended.
    pub open_steps: BTreeSet<StepId>,
    /// Tasks that were begun and not seen to end.
    pub open_tasks: BTreeMap<Upid, StepId>,
    /// Volumes of ours that were not seen to be deleted, with the Proxmox node to ask.
    pub volumes: BTreeMap<String, String>,
    /// Tailnet keys minted and not known to be gone.
    pub keys: BTreeMap<NodeName, Vec<String>>,
    /// Of the key that is being minted for a node: of its id nothing was heard yet.
    #[serde(default)]
    pub intended_keys: BTreeMap<NodeName, KeyMark>,
    /// Tailnet keys that are gone, and with which a device may have been made that is not on record.
    #[serde(default)]
    pub spent_keys: BTreeMap<NodeName, Vec<String>>,
    /// Those of both that were minted for a former machine of the node's name.
    #[serde(default)]
    pub former_keys: BTreeMap<NodeName, Vec<String>>,
    pub devices: BTreeMap<NodeName, DeviceIdentity>,
    /// Something between the nodes was changed, and the network between them has not passed its check since.
    #[serde(default)]
    pub unchecked: bool,
    /// Something was changed, and the checks of it all have not passed since.
    #[serde(default)]
    pub unverified: bool,
    /// Runs of this state folder that may still hold the lease: all of them dead, but for this one.
    #[serde(default)]
    pub leases: BTreeSet<String>,
    /// The id of the tunnel that was made at the edge.
    #[serde(default)]
    pub tunnel: Option<String>,
    /// Public names that were pointed at it, with their records' ids.
    #[serde(default)]
    pub public_names: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestMemory {
    pub making: Making,
    /// Whether the marker was seen on the guest.
    pub made: bool,
    pub verified_host_key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateMemory {
    pub vmid: Vmid,
    pub nonce: Nonce,
}

/// A record that cannot follow what went before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalRecord {
    #[error("the journal has version {0}; this program reads up to {JOURNAL_VERSION}")]
    NewerVersion(u32),
    #[error("the journal belongs to cluster {found}, not {expected}")]
    OtherCluster { expected: ClusterId, found: ClusterId },
}

/// The step that sends packets between all nodes.
const NETWORK_CHECK: &str = "network/check";

/// The step that runs every check.
const VERIFICATION: &str = "verify/all";
/// Steps that only tidy up, at any time.
const SWEEPING: &str = "machines/sweep/";

/// Whether a step changes what the last step of a run verifies.
fn is_to_be_verified(step: &StepId) -> bool {
    ![NETWORK_CHECK, VERIFICATION].contains(&&*step.0) && !step.0.starts_with(SWEEPING)
}

/// Whether a step belongs to the stages that the check of the network follows.
fn touches_the_network(step: &StepId) -> bool {
    let stage = step.0.split('/').next().unwrap_or_default();
    matches!(stage, "machines" | "tailnet" | "cluster" | "network") && is_to_be_verified(step)
}

impl RunState {
    /// Whether a record can follow.
    pub fn admits(&self, record: &Record) -> Result<(), IllegalRecord> {
        let Record::Opened { version, cluster, .. } = record else { return Ok(()) };
        if *version > JOURNAL_VERSION {
            return Err(IllegalRecord::NewerVersion(*version));
        }
        match self.cluster.filter(|known| known != cluster) {
            Some(expected) => Err(IllegalRecord::OtherCluster { expected, found: *cluster }),
            None => Ok(()),
        }
    }

    /// The state after one more record. Recording, resuming and testing all go through here.
    pub fn next(mut self, record: &Record) -> Result<Self, IllegalRecord> {
        self.admits(record)?;
        match record.clone() {
            Record::Opened { cluster, site, .. } => {
                self.cluster = Some(cluster);
                self.site = Some(site);
            }
            Record::Snapshot { state } => self = *state,
            Record::RunStarted { .. } => self.open_steps.clear(),
            Record::RunFinished { .. } => {}
            Record::StepStarted { step } => {
                self.unchecked |= touches_the_network(&step);
                self.unverified |= is_to_be_verified(&step);
                self.open_steps.insert(step);
            }
            Record::StepFinished { step, result } => {
                self.open_steps.remove(&step);
                if matches!(result, StepResult::Done | StepResult::Unchanged) {
                    self.unchecked &= *step.0 != *NETWORK_CHECK;
                    self.unverified &= *step.0 != *VERIFICATION;
                    self.open_tasks.retain(|_, owner| *owner != step);
                }
            }
            Record::GuestIntended { node, making } => {
                let former = self.keys_of(&node);
                if !former.is_empty() {
                    self.former_keys.insert(node.clone(), former);
                }
                self.guests
                    .insert(node, GuestMemory { making, made: false, verified_host_key: None });
            }
            Record::GuestMade { node } => {
                if let Some(guest) = self.guests.get_mut(&node) {
                    guest.made = true;
                }
            }
            Record::HostKeyVerified { node, key } => {
                if let Some(guest) = self.guests.get_mut(&node) {
                    guest.verified_host_key = Some(key);
                }
            }
            Record::GuestDropped { node } => {
                self.guests.remove(&node);
            }
            Record::TemplateIntended { proxmox_node, vmid, nonce } => {
                self.templates.insert(proxmox_node, TemplateMemory { vmid, nonce });
            }
            Record::TemplateDropped { proxmox_node } => {
                self.templates.remove(&proxmox_node);
            }
            Record::TaskBegun { step, upid } => {
                self.open_tasks.insert(upid, step);
            }
            Record::TaskEnded { upid } => {
                self.open_tasks.remove(&upid);
            }
            Record::VolumeIntended { proxmox_node, volume } => {
                self.volumes.insert(volume, proxmox_node);
            }
            Record::VolumeDropped { volume } => {
                self.volumes.remove(&volume);
            }
            Record::KeyIntended { node, mark } => {
                self.intended_keys.extend(mark.map(|mark| (node, mark)));
            }
            Record::TunnelIntended { .. } | Record::NameIntended { .. } => {}
            Record::TunnelMade { id } => self.tunnel = Some(id),
            Record::TunnelDropped => self.tunnel = None,
            Record::NamePointed { name, id } => drop(self.public_names.insert(name, id)),
            Record::NameDropped { name } => drop(self.public_names.remove(&name)),
            Record::KeyMinted { node, id } => {
                self.intended_keys.remove(&node);
                self.keys.entry(node).or_default().push(id);
            }
            Record::KeyGone { node, id } => {
                if let Some(keys) = self.keys.get_mut(&node) {
                    keys.retain(|known| *known != id);
                }
                self.spent_keys.entry(node).or_default().push(id);
            }
            Record::DeviceJoined { node, device } => {
                self.spent_keys.remove(&node);
                self.former_keys.remove(&node);
                self.devices.insert(node, device);
            }
            Record::LeaseIntended { run } => {
                self.leases.insert(run);
            }
            // Those of runs that died may stand where this one had no reason to write.
            Record::LeaseReleased { run } => drop(self.leases.remove(&run)),
            Record::DeviceDropped { node } => {
                self.spent_keys.remove(&node);
                self.former_keys.remove(&node);
                self.devices.remove(&node);
            }
        }
        Ok(self)
    }

    /// The ids of keys that a device of the node may have been made with which is not on record.
    pub fn keys_of(&self, node: &NodeName) -> Vec<String> {
        let of =
            |keys: &BTreeMap<NodeName, Vec<String>>| keys.get(node).cloned().unwrap_or_default();
        let mut keys = [of(&self.keys), of(&self.spent_keys), of(&self.former_keys)].concat();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Those of them that were minted for the machine that the node is now: a device of theirs is itself.
    pub fn present_keys_of(&self, node: &NodeName) -> Vec<String> {
        let former = self.former_keys.get(node).map(Vec::as_slice).unwrap_or_default();
        self.keys_of(node).into_iter().filter(|key| !former.contains(key)).collect()
    }

    /// The task that a killed run left behind for a step.
    pub fn open_task(&self, step: &StepId) -> Option<&Upid> {
        self.open_tasks.iter().find(|(_, owner)| *owner == step).map(|(upid, _)| upid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(records: &[Record]) -> RunState {
        records.iter().try_fold(RunState::default(), RunState::next).unwrap()
    }

    #[test]
    fn what_was_changed_between_the_nodes_is_unchecked_until_the_check_has_passed() {
        let started = |step: &str| Record::StepStarted { step: StepId(step.into()) };
        let ended = |step: &str, result| Record::StepFinished { step: StepId(step.into()), result };
        let changed = [started("cluster/agent/a"), ended("cluster/agent/a", StepResult::Done)];
        assert!(after(&changed).unchecked);
        let died = [&changed[..], &[started("network/check")]].concat();
        assert!(after(&died).unchecked, "a run that was killed in it has not checked it");
        let left = [&died[..], &[ended("network/check", StepResult::Left)]].concat();
        assert!(after(&left).unchecked);
        let passed = [&left[..], &[ended("network/check", StepResult::Done)]].concat();
        assert!(!after(&passed).unchecked);
        let above = [&passed[..], &[started("flux/install"), started("verify/all")]].concat();
        assert!(!after(&above).unchecked);
    }

    #[test]
    fn what_was_changed_is_unverified_until_every_check_has_passed() {
        let started = |step: &str| Record::StepStarted { step: StepId(step.into()) };
        let ended = |step: &str, result| Record::StepFinished { step: StepId(step.into()), result };
        let changed = [started("flux/source"), ended("flux/source", StepResult::Done)];
        let checked = [started("network/check"), ended("network/check", StepResult::Done)];
        let died = [&changed[..], &checked[..], &[started("verify/all")]].concat();
        assert!(after(&died).unverified, "a run that was killed in it has not verified it");
        let left = [&died[..], &[ended("verify/all", StepResult::Left)]].concat();
        assert!(after(&left).unverified);
        let passed = [&left[..], &[ended("verify/all", StepResult::Done)]].concat();
        assert!(!after(&passed).unverified);
        let swept = [&passed[..], &[started("machines/sweep/local:iso/a.iso")]].concat();
        assert!(!after(&swept).unverified && !after(&swept).unchecked);
    }

    #[test]
    fn a_key_speaks_for_a_device_until_one_is_on_record() {
        let node: NodeName = "agent".parse().unwrap();
        let minted = |id: &str| Record::KeyMinted { node: node.clone(), id: id.into() };
        let gone = |id: &str| Record::KeyGone { node: node.clone(), id: id.into() };
        let device = DeviceIdentity { node_id: "n1".into(), ipv4: [100, 64, 0, 1].into() };
        let joined = Record::DeviceJoined { node: node.clone(), device };

        let died = [minted("1"), gone("1"), minted("2")];
        assert_eq!(after(&died).keys_of(&node), ["1", "2"]);
        assert_eq!(after(&died).present_keys_of(&node), ["1", "2"]);
        let making = Making {
            proxmox_node: "pve1".into(),
            vmid: Vmid(101),
            nonce: Nonce::random(),
            host_key: String::new(),
            seed: String::new(),
        };
        let made_anew = Record::GuestIntended { node: node.clone(), making };
        let again = [&died[..], &[made_anew, minted("3")]].concat();
        assert_eq!(after(&again).keys_of(&node), ["1", "2", "3"]);
        assert_eq!(after(&again).present_keys_of(&node), ["3"]);
        let ended = [&died[..], &[gone("2"), joined]].concat();
        assert!(after(&ended).keys_of(&node).is_empty());
    }

    #[test]
    fn a_key_that_was_asked_for_is_on_record_until_its_id_is_heard_of() {
        let node: NodeName = "agent".parse().unwrap();
        let mark = KeyMark::new("homelab agent", std::time::Duration::from_secs(600));
        let intended = Record::KeyIntended { node: node.clone(), mark: Some(mark.clone()) };
        assert_eq!(after(std::slice::from_ref(&intended)).intended_keys.get(&node), Some(&mark));
        let minted = Record::KeyMinted { node, id: "1".into() };
        assert!(after(&[intended, minted]).intended_keys.is_empty());
        let old = r#"{"record":"key_intended","node":"agent"}"#;
        let read: Result<Record, _> = serde_json::from_str(old);
        assert!(matches!(read, Ok(Record::KeyIntended { mark: None, .. })), "{read:?}");
    }
}
