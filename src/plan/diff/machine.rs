//! The machines stage: made, changed, started, finished; or refused.

use super::{Refusal, elsewhere, image::template_vmid};
use crate::{
    inventory::{
        Desired,
        desired::{Node, Role},
    },
    plan::{
        guest::{self, Reach},
        observed::{Machine, MachineSight, Observed, Sight},
        step::{Change, Impact, Plan, Step, StepId},
    },
    ports::PowerState,
    stage::{cluster, guest as guest_stage},
};

/// A server that is gone while others still know its cluster is never made anew in silence: that would
/// be a second cluster.
pub(super) fn guard_the_server(
    desired: &Desired,
    observed: &Observed,
    refusals: &mut Vec<Refusal>,
) {
    let first = desired.first_server();
    let gone = matches!(observed.machines.get(&first.name), Some(MachineSight::Absent));
    // One that is elsewhere is told as such.
    if !gone || observed.stray_of(&first.name).is_some() {
        return;
    }
    let knows = |node: &&Node| observed.probe(&node.name).is_some_and(cluster::knows_a_cluster);
    let witnesses: Vec<&Node> = desired.nodes.values().filter(knows).collect();
    let names: Vec<String> = witnesses.iter().map(|node| node.name.to_string()).collect();
    if names.is_empty() {
        return;
    }
    let hint = match witnesses.iter().find(|node| node.role == Role::Server) {
        // Whoever stands first is asked for the cluster, and joined.
        Some(other) => format!(
            "put {} first in `nodes`: `homelab up` then makes {} anew and lets it join",
            other.name, first.name
        ),
        None => "restore the server's VM from a backup, or give the cluster up: `homelab destroy`, then `homelab up`".to_owned(),
    };
    refusals.push(Refusal::new(
        first.name.to_string(),
        format!(
            "the server's VM is gone, but {} still belong{} to its cluster; making it anew would make a second cluster",
            names.join(" and "),
            if names.len() == 1 { "s" } else { "" },
        ),
        hint,
    ));
}

pub(super) fn machine(
    desired: &Desired,
    observed: &Observed,
    node: &Node,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) {
    let name = &node.name;
    let make = |reason: &str, plan: &mut Plan| {
        let template = Change::MakeTemplate {
            proxmox_node: node.proxmox_node.clone(),
            vmid: template_vmid(desired, &node.proxmox_node),
        };
        let made = plan.add(
            Step::new(Change::MakeMachine { node: name.clone() }, Impact::Create, reason),
            &[template.id()],
        );
        let keys = vec!["hardware".to_owned(), "seed".to_owned(), "disk".to_owned()];
        let configured = plan.add(
            Step::new(
                Change::ConfigureMachine { node: name.clone(), keys, reboot: false },
                Impact::Create,
                "a new machine",
            ),
            &[made],
        );
        start_and_finish(node, plan, configured, "a new machine");
    };
    let stray = observed.stray_of(name);
    match observed.machines.get(name) {
        None => {}
        // Made a second time, it would take its own former self's address and device.
        Some(MachineSight::Absent | MachineSight::Foreign(_)) if stray.is_some() => {
            refusals.extend(stray.map(|stray| elsewhere::misplaced(node, stray)));
        }
        Some(MachineSight::Absent) => match elsewhere::namesake(desired, observed, node) {
            Some(refusal) => refusals.push(refusal),
            None => make("there is no such VM", plan),
        },
        Some(MachineSight::HalfMade { task: Some(_), .. }) => {
            make("its clone is still being made", plan);
        }
        Some(MachineSight::HalfMade { lock, .. }) => refusals.push(Refusal::new(
            format!("VMID {}", node.vmid),
            format!(
                "a clone that died half way{}: no task works on it and it carries no marker yet",
                lock.as_ref().map(|lock| format!(" (lock: {lock})")).unwrap_or_default()
            ),
            format!(
                "as root on {}: qm unlock {vmid} && qm destroy {vmid} --purge --destroy-unreferenced-disks 1",
                node.proxmox_node,
                vmid = node.vmid
            ),
        )),
        Some(MachineSight::Foreign(stranger)) => refusals.push(Refusal::new(
            name.to_string(),
            format!("VMID {} is taken by {stranger}", node.vmid),
            match &stranger.node {
                // Deleted by hand it would leave its device and its Node object.
                Some(other) => format!(
                    "a node is not renamed in place: name it `{other}` again, then `homelab destroy --node {other}`, rename it and `homelab up`; or give {name} another `vmid`"
                ),
                None => format!("give {name} another `vmid`, or delete that VM yourself"),
            },
        )),
        Some(MachineSight::Ours(machine)) => {
            existing_machine(desired, observed, node, machine, plan, refusals);
        }
    }
}

fn start_and_finish(node: &Node, plan: &mut Plan, after: StepId, reason: &str) {
    let name = &node.name;
    let started = plan.add(
        Step::new(Change::StartMachine { node: name.clone() }, Impact::Create, reason),
        &[after],
    );
    plan.add(
        Step::new(Change::FinishMachine { node: name.clone() }, Impact::Create, reason),
        &[started],
    );
}

/// Whether a guest has the address that it should have: as its marker says, or, where that does not, as its
/// host shows. A host that is silent at a wrong address would otherwise be waited for.
fn has_its_address(observed: &Observed, node: &Node, machine: &Machine) -> bool {
    if let Some(address) = machine.marker.address {
        return address == node.address;
    }
    let probe = observed.probe(&node.name).filter(|probe| guest_stage::is_finished(probe));
    probe.is_none_or(|probe| {
        probe.links.is_empty() || probe.interface_of(node.address.into()).is_some()
    })
}

fn existing_machine(
    desired: &Desired,
    observed: &Observed,
    node: &Node,
    machine: &Machine,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) {
    let name = &node.name;
    plan.notes.extend(elsewhere::notes(desired, observed, node, machine));
    if !has_its_address(observed, node, machine) {
        let address = node.address;
        refusals.push(Refusal::new(
            name.to_string(),
            match machine.marker.address {
                Some(seen) => format!("it has the address {seen}, the inventory says {address}: static addresses come with the seed, and only once"),
                None => format!("it does not have the address {address}: static addresses come with the seed, and only once"),
            },
            format!("put the old `address` back, or `homelab destroy --node {name}`, then `homelab up`: it is made anew"),
        ));
    }
    for disk in guest::shrunken_disks(node, &machine.config) {
        refusals.push(Refusal::new(
            format!("{name} (VMID {})", machine.vmid),
            format!(
                "{} has {}, the inventory asks for {}: disks only grow",
                disk.disk,
                size(disk.seen_bytes.unwrap_or_default()),
                size(disk.wanted_bytes)
            ),
            "set the size back in the inventory; to have a smaller disk, rebuild the node",
        ));
    }
    let running = machine.power == PowerState::Running;
    let keys = guest::changed_keys(desired, node, &machine.config);
    let disks = guest::changed_disks(node, &machine.config);
    // A guest that never ran is still being made, whatever its configuration already says.
    let unfinished = guest::seed_volume(&machine.config).is_some()
        || observed.probe(name).is_some_and(|probe| !guest_stage::is_finished(probe));
    let mut after = None;
    // A run may have died between the change and the reboot: the configuration then looks as wanted.
    let mut waiting =
        if running { guest::waiting_for_reboot(&machine.pending) } else { Vec::new() };
    waiting.retain(|waiting| !keys.iter().any(|change| change.key == waiting));
    let seed_is_gone = guest::awaited_seed(desired, name, machine).is_some_and(|seed| {
        let there = observed.seeds.get(&machine.proxmox_node);
        there.is_some_and(|there| there.iter().all(|volume| volume.id != seed))
    });
    if !keys.is_empty() || !disks.is_empty() || !waiting.is_empty() || seed_is_gone {
        let needs_it = keys.iter().any(|change| change.reach == Reach::Reboot);
        let reboot = running && (needs_it || !waiting.is_empty());
        let mut names: Vec<String> = keys.iter().map(|change| change.key.to_owned()).collect();
        names.extend(waiting.iter().cloned());
        names.extend(disks.iter().map(|change| change.disk.to_owned()));
        names.extend(seed_is_gone.then(|| "seed".to_owned()));
        let impact = if reboot { Impact::Reboot } else { Impact::InPlace };
        let mut step = Step::new(
            Change::ConfigureMachine { node: name.clone(), keys: names, reboot },
            impact,
            "",
        );
        step.reasons = keys
            .iter()
            .map(|change| {
                let seen = change.seen.as_deref().unwrap_or("unset");
                format!("{}: {seen} -> {}", change.key, change.value)
            })
            .chain(waiting.iter().map(|key| format!("{key} waits for a reboot")))
            .chain(disks.iter().map(|disk| {
                let seen = disk.seen_bytes.map_or_else(|| "absent".into(), size);
                format!("{}: {seen} -> {}", disk.disk, size(disk.wanted_bytes))
            }))
            .chain(seed_is_gone.then(|| "its seed is gone from the storage".to_owned()))
            .collect();
        after = Some(plan.add(step, &[]));
    }
    if !running {
        let needs: Vec<StepId> = after.into_iter().collect();
        after = Some(plan.add(
            Step::new(
                Change::StartMachine { node: name.clone() },
                Impact::InPlace,
                "it is stopped",
            ),
            &needs,
        ));
    }
    let grown = disks.iter().any(|disk| disk.disk == guest::BOOT_DISK);
    let small = observed
        .probe(name)
        .is_some_and(|probe| guest_stage::root_is_smaller_than_disk(probe, node.disk_bytes));
    if unfinished || !running || grown || small {
        let reason = match () {
            () if unfinished => "first contact is not finished",
            () if grown || small => "the file system must grow with its disk",
            () => "it is started",
        };
        let needs: Vec<StepId> = after.into_iter().collect();
        plan.add(
            Step::new(Change::FinishMachine { node: name.clone() }, Impact::InPlace, reason),
            &needs,
        );
    } else if let Some(Sight::Silent(why)) = observed.hosts.get(name) {
        plan.add(
            Step::new(
                Change::FinishMachine { node: name.clone() },
                Impact::Check,
                format!("it runs, but SSH does not answer: {why}"),
            ),
            &[],
        );
    }
}

/// Nodes that are rebooted take turns: pods that left one must find another.
pub(super) fn one_reboot_at_a_time(plan: &mut Plan) {
    let mut before: Option<StepId> = None;
    for step in plan.steps.iter_mut().filter(|step| step.impact == Impact::Reboot) {
        step.needs.extend(before.replace(step.id.clone()));
    }
}

fn size(bytes: u64) -> String {
    for (unit, power) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >= 1 << power && bytes.is_multiple_of(1 << power) {
            return format!("{} {unit}", bytes >> power);
        }
    }
    format!("{bytes} B")
}
