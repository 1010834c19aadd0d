//! The longhorn stage: nodes that are made fit for replicated storage.

use crate::{
    inventory::{Desired, desired::Node},
    plan::{
        Refusal,
        guest::{self, STORAGE_DISK},
        longhorn::may_follow,
        observed::{MachineSight, Observed, Sight},
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

/// A version that cannot follow the one that runs is refused before Git has it: Flux would apply it, and Longhorn
/// stop in the middle (LH-10).
pub(super) fn guard_the_ladder(
    desired: &Desired,
    observed: &Observed,
    refusals: &mut Vec<Refusal>,
) {
    let (Some(wanted), Sight::Seen(seen)) = (longhorn::wanted_version(desired), &observed.longhorn)
    else {
        return;
    };
    let Some(running) = seen.version() else { return };
    if let Err(refused) = may_follow(running, wanted) {
        refusals.push(Refusal::new("longhorn", refused.to_string(), longhorn::LADDER));
    }
}

/// Whether the step before it makes or grows the storage disk.
fn storage_disk_changes(observed: &Observed, node: &Node) -> bool {
    let Some(MachineSight::Ours(machine)) = observed.machines.get(&node.name) else { return false };
    guest::changed_disks(node, &machine.config).iter().any(|disk| disk.disk == STORAGE_DISK)
}

#[cfg(test)]
mod tests;
