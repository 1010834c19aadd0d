//! From what is wanted and what is there to the steps between them. Pure.

mod edge;
mod elsewhere;
mod flux;
mod image;
mod longhorn;
mod machine;
mod node;
mod strays;

use super::{
    guest,
    observed::{MachineSight, Observed},
    room::Room,
    step::{Change, Impact, Plan, Step, StepId},
};
pub use edge::{abandoned as abandoned_tunnel, foreign as foreign_record};
pub use flux::{connect_reasons, install_reasons};
pub use image::template_vmid;
pub use node::{join_reasons, tailscale_reasons};

use crate::{
    error::{Failure, Kind},
    inventory::{Desired, desired::Exposure},
    ports::Volume,
    seed::SeedName,
    stage::access,
};

/// Something that a plan must not go over: found before anything is touched, all of them at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A node, VMID or file.
    pub place: String,
    pub message: String,
    pub hint: String,
}

impl Refusal {
    pub fn new(
        place: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), message: message.into(), hint: hint.into() }
    }

    /// All refusals as the failure that the command ends with.
    pub fn failure(refusals: &[Self]) -> Failure {
        let texts: Vec<String> = refusals
            .iter()
            .map(|refusal| format!("{}: {}", refusal.place, refusal.message))
            .collect();
        let mut failure = Failure::new(Kind::Refused, texts.join("\n"));
        for refusal in refusals {
            if !failure.hints.contains(&refusal.hint) {
                failure = failure.hint(refusal.hint.clone());
            }
        }
        failure
    }
}

/// What the caller asks for beyond the inventory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Delete nodes of ours that the inventory no longer names.
    pub prune: bool,
}

/// The steps from `observed` to `desired`, or everything that forbids taking them.
pub fn diff(desired: &Desired, observed: &Observed, wishes: Wishes) -> Result<Plan, Vec<Refusal>> {
    let mut plan = Plan::default();
    let mut refusals = Vec::new();
    image::image(desired, observed, &mut plan, &mut refusals);
    machine::guard_the_server(desired, observed, &mut refusals);
    for node in desired.nodes.values() {
        machine::machine(desired, observed, node, &mut plan, &mut refusals);
    }
    machine::one_reboot_at_a_time(&mut plan);
    for node in desired.nodes.values() {
        node::tailnet_steps(desired, observed, node, &mut plan);
    }
    for node in desired.nodes.values() {
        node::cluster_steps(desired, observed, node, &mut plan, &mut refusals);
    }
    // What goes is gone before the network is checked.
    strays::steps(desired, observed, wishes, &mut plan);
    whole_cluster(desired, observed, &mut plan, &mut refusals);
    room(desired, observed, &mut plan);
    sweep(desired, observed, &mut plan);
    if refusals.is_empty() { Ok(plan) } else { Err(refusals) }
}

fn whole_cluster(
    desired: &Desired,
    observed: &Observed,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) {
    exposure(desired, observed, plan);
    if !plan.is_empty() || observed.unchecked {
        let all: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
        let reason = if plan.is_empty() {
            "a run that changed something ended before it was checked"
        } else {
            "something between the nodes changes"
        };
        plan.add(Step::new(Change::CheckNetwork, Impact::Check, reason), &all);
    }
    for node in desired.nodes.values() {
        longhorn::steps(desired, observed, node, plan);
    }
    longhorn::guard_the_ladder(desired, observed, refusals);
    let flux = flux::steps(desired, observed, plan, refusals);
    edge::steps(desired, observed, plan, refusals);
    flux::sync(desired, observed, flux, plan);
    // The last one waits for all others.
    if !plan.is_empty() || observed.unverified {
        let all: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
        let reason = if plan.is_empty() {
            "a run that changed something ended before it was verified"
        } else {
            "after a change"
        };
        plan.add(Step::new(Change::Verify, Impact::Check, reason), &all);
    }
}

/// The LAN side is closed last of all, and opened at any time.
fn exposure(desired: &Desired, observed: &Observed, plan: &mut Plan) {
    let all: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
    for node in desired.nodes.values() {
        let probe = observed.probe(&node.name);
        match desired.access.exposure {
            Exposure::Tailnet if !probe.is_some_and(access::lan_is_closed) => {
                let change = Change::Expose { node: node.name.clone() };
                plan.add(Step::new(change, Impact::InPlace, "`access.exposure: tailnet`"), &all);
            }
            Exposure::Lan if probe.is_some_and(access::lan_is_held) => {
                let change = Change::OpenLan { node: node.name.clone() };
                plan.add(Step::new(change, Impact::InPlace, "`access.exposure: lan`"), &[]);
            }
            Exposure::Tailnet | Exposure::Lan => {}
        }
    }
}

/// Nothing that a run does makes room; who reads the plan should know.
fn room(desired: &Desired, observed: &Observed, plan: &mut Plan) {
    for node in desired.nodes.keys() {
        let room = observed.probe(node).and_then(|probe| Room::of(&probe.root_disk));
        if let Some(lack) = room.and_then(|room| room.lack()) {
            plan.notes.push(format!(
                "{node}: its root file system has little room: {lack}; `homelab verify` says what to do"
            ));
        }
    }
}

/// Seeds that no guest refers to, left by a run that died.
fn sweep(desired: &Desired, observed: &Observed, plan: &mut Plan) {
    let mut in_use: Vec<String> = Vec::new();
    for (node, sight) in &observed.machines {
        let MachineSight::Ours(machine) = sight else { continue };
        if machine.config.get(guest::SEED_DRIVE).is_some() {
            in_use.extend(guest::seed_volume(&machine.config).map(str::to_owned));
        } else {
            // Cloned and not configured yet: the next step gives it the seed of its making.
            let name = SeedName::new(&desired.id, node, &machine.marker.nonce);
            in_use.push(format!("{}:iso/{name}", desired.proxmox.seed_storage));
        }
    }
    // Of a guest that is not seen yet the seed may wait for its clone. One that is absent chooses another when
    // it is made: what lies there is of a making that failed.
    let may_wait = |volume: &str| {
        let named = SeedName::parse(volume).filter(|name| desired.nodes.contains_key(&name.node));
        named.is_some_and(|name| {
            let sight = observed.machines.get(&name.node);
            !matches!(sight, Some(MachineSight::Ours(_) | MachineSight::Absent))
        })
    };
    for (proxmox_node, volumes) in &observed.seeds {
        let unused = |volume: &&Volume| !in_use.contains(&volume.id) && !may_wait(&volume.id);
        for volume in volumes.iter().filter(unused) {
            let change =
                Change::SweepSeed { proxmox_node: proxmox_node.clone(), volume: volume.id.clone() };
            // On a storage that they share, each Proxmox node lists it.
            if !plan.has(&change.id()) {
                plan.add(Step::new(change, Impact::InPlace, "no guest refers to it"), &[]);
            }
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod settled;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod worlds;
