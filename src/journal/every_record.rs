//! One record of every kind, for tests: a kind that is forgotten here does not compile.

use super::{
    Record, RunState, StepResult,
    record::{DeviceIdentity, JOURNAL_VERSION, Making, SiteIdentity},
};
use crate::{
    error::Effect,
    model::{ClusterId, NodeName, Nonce, Upid, Vmid},
    plan::StepId,
    ports::KeyMark,
};

fn cluster() -> ClusterId {
    "2f1b6a52-2f0e-4a35-9b39-3d4f0c1d2e3f".parse().unwrap()
}

fn node() -> NodeName {
    "k3s-server".parse().unwrap()
}

fn step() -> StepId {
    StepId("machines/make/k3s-server".into())
}

fn upid() -> Upid {
    "UPID:pve1:0000C530:001A2B3C:65A0F0F0:qmclone:9000:homelab@pve!up:".parse().unwrap()
}

fn nonce() -> Nonce {
    Nonce::from_text("0123456789abcdef").unwrap()
}

/// The kind that comes after another one, in the order in which a run may write them.
fn after(record: &Record) -> Option<Record> {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let (run, key) = ("20261122T190000Z-4711".to_owned(), "ssh-ed25519 AAAA".to_owned());
    let (pve, volume) = ("pve1".to_owned(), "local:iso/homelab-ä.iso".to_owned());
    Some(match record {
        Record::Opened { .. } => Record::RunStarted { run, command: "up".into(), at },
        Record::RunStarted { .. } => Record::LeaseIntended { run },
        Record::LeaseIntended { .. } => Record::StepStarted { step: step() },
        Record::StepStarted { .. } => {
            Record::TemplateIntended { proxmox_node: pve, vmid: Vmid(9000), nonce: nonce() }
        }
        Record::TemplateIntended { .. } => Record::VolumeIntended { proxmox_node: pve, volume },
        Record::VolumeIntended { .. } => {
            let making = Making {
                proxmox_node: pve,
                vmid: Vmid(102),
                nonce: nonce(),
                host_key: key,
                seed: volume,
            };
            Record::GuestIntended { node: node(), making }
        }
        Record::GuestIntended { .. } => Record::TaskBegun { step: step(), upid: upid() },
        Record::TaskBegun { .. } => Record::GuestMade { node: node() },
        Record::GuestMade { .. } => Record::TaskEnded { upid: upid() },
        Record::TaskEnded { .. } => Record::HostKeyVerified { node: node(), key },
        Record::HostKeyVerified { .. } => Record::VolumeDropped { volume },
        Record::VolumeDropped { .. } => {
            let message = "\"quoted\"\nand on two lines \u{2028} 🦀".to_owned();
            let result = StepResult::Failed { message, effect: Effect::Unknown };
            Record::StepFinished { step: step(), result }
        }
        Record::StepFinished { .. } => {
            let mark = KeyMark {
                description: "homelab 1f0e node 004711".into(),
                expires: jiff::Timestamp::UNIX_EPOCH,
            };
            Record::KeyIntended { node: node(), mark: Some(mark) }
        }
        Record::KeyIntended { .. } => Record::KeyMinted { node: node(), id: "k1".into() },
        Record::KeyMinted { .. } => Record::KeyGone { node: node(), id: "k1".into() },
        Record::KeyGone { .. } => {
            let device = DeviceIdentity { node_id: "n1".into(), ipv4: [100, 64, 0, 1].into() };
            Record::DeviceJoined { node: node(), device }
        }
        Record::DeviceJoined { .. } => Record::TunnelIntended { name: "homelab-home".into() },
        Record::TunnelIntended { .. } => Record::TunnelMade { id: "t1".into() },
        Record::TunnelMade { .. } => Record::NameIntended { name: "auth.example.org".into() },
        Record::NameIntended { .. } => {
            Record::NamePointed { name: "auth.example.org".into(), id: "r1".into() }
        }
        Record::NamePointed { .. } => Record::Snapshot { state: Box::new(state_of_all()) },
        Record::Snapshot { .. } => Record::NameDropped { name: "auth.example.org".into() },
        Record::NameDropped { .. } => Record::TunnelDropped,
        Record::TunnelDropped => Record::DeviceDropped { node: node() },
        Record::DeviceDropped { .. } => Record::GuestDropped { node: node() },
        Record::GuestDropped { .. } => Record::TemplateDropped { proxmox_node: pve },
        Record::TemplateDropped { .. } => Record::LeaseReleased { run },
        Record::LeaseReleased { .. } => Record::RunFinished { run, at, ok: false },
        Record::RunFinished { .. } => return None,
    })
}

/// The records of a run that met everything.
pub(super) fn records() -> Vec<Record> {
    let site = SiteIdentity { endpoint: "https://192.168.1.10:8006".into() };
    let program = "homelab 0.1.0".to_owned();
    let opened = Record::Opened { version: JOURNAL_VERSION, program, cluster: cluster(), site };
    std::iter::successors(Some(opened), after).collect()
}

/// What they say together before anything is dropped: each of its maps holds something.
fn state_of_all() -> RunState {
    let site = SiteIdentity { endpoint: "https://192.168.1.10:8006".into() };
    let opened = Record::Opened {
        version: JOURNAL_VERSION,
        program: "homelab".into(),
        cluster: cluster(),
        site,
    };
    let before_the_snapshot = |record: &Record| match record {
        Record::NamePointed { .. } => None,
        record => after(record),
    };
    std::iter::successors(Some(opened), before_the_snapshot)
        .try_fold(RunState::default(), |state, record| state.next(&record))
        .unwrap()
}
