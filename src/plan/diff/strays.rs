//! Nodes of ours that the inventory no longer names.

use super::Wishes;
use crate::{
    inventory::Desired,
    plan::{
        observed::{MachineSight, Observed, Stray},
        step::{Change, Impact, Plan, Step, StepId},
    },
};

pub(super) fn steps(desired: &Desired, observed: &Observed, wishes: Wishes, plan: &mut Plan) {
    let first = &desired.first_server().name;
    // Its Node object is deleted by way of the server, which may have to be started first, or is rebooted in this run.
    let of_the_server = |step: &&Step| step.change.node() == Some(first);
    // While the server is down nobody knows whether there is one: it is looked for.
    let stands = matches!(observed.machines.get(first), Some(MachineSight::Ours(_)));
    let unknown = stands && observed.kube.seen().is_none();
    let needs: Vec<StepId> =
        plan.steps.iter().filter(of_the_server).map(|step| step.id.clone()).collect();
    for stray in &observed.strays {
        if let Some(other) = observed.double_of(stray) {
            plan.notes.push(stray.unclear(other));
        } else if desired.nodes.contains_key(&stray.node) {
            // It is in the inventory, in another place: refused there.
        } else if wishes.prune {
            let member = unknown || observed.has_node_object(&stray.node);
            plan.add(removal(stray, member), &needs);
        } else {
            plan.notes.push(format!(
                "{} (VMID {}) is ours and not in the inventory: `--prune` deletes it",
                stray.node, stray.vmid
            ));
        }
    }
}

fn removal(stray: &Stray, member: bool) -> Step {
    let Stray { node, proxmox_node, vmid, .. } = stray.clone();
    let change = Change::RemoveMachine { node, proxmox_node, vmid, member };
    Step::new(change, Impact::DataLoss, "no longer in the inventory (--prune)")
}
