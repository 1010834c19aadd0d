//! The longhorn stage: nodes that are made fit for replicated storage.

use crate::{
    inventory::{Desired, desired::Node},
    plan::{
        guest::{self, STORAGE_DISK},
        observed::{MachineSight, Observed},
        step::{Change, Impact, Plan, Step},
    },
    stage::longhorn,
};

/// Beside everything else that a node goes through once it is reached: nothing there waits for it but Flux.
pub(super) fn steps(desired: &Desired, observed: &Observed, node: &Node, plan: &mut Plan) {
    if desired.longhorn.is_none() {
        return;
    }
    let name = &node.name;
    let mut reasons = match observed.probe(name) {
        None => vec!["not there yet".to_owned()],
        Some(probe) => longhorn::reasons(desired, node, probe),
    };
    if reasons.is_empty() && storage_disk_changes(observed, node) {
        reasons.push("its file system must grow with its disk".to_owned());
    }
    if reasons.is_empty() {
        return;
    }
    let configured =
        Change::ConfigureMachine { node: name.clone(), keys: vec![], reboot: false }.id();
    let finished = Change::FinishMachine { node: name.clone() }.id();
    let step = Step::new(Change::PrepareStorage { node: name.clone() }, Impact::InPlace, "");
    plan.add(Step { reasons, ..step }, &[configured, finished]);
}

/// Whether the step before it makes or grows the storage disk.
fn storage_disk_changes(observed: &Observed, node: &Node) -> bool {
    let Some(MachineSight::Ours(machine)) = observed.machines.get(&node.name) else { return false };
    guest::changed_disks(node, &machine.config).iter().any(|disk| disk.disk == STORAGE_DISK)
}

#[cfg(test)]
mod tests;
