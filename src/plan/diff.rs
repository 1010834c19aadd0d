//! From what is wanted and what is there to the steps between them. Pure.

use std::net::Ipv4Addr;

use super::{
    guest::{self, Reach},
    observed::{Machine, MachineSight, Observed, Sight, TemplateSight},
    probe::HostProbe,
    step::{Change, Impact, Plan, Step, StepId},
};
use crate::{
    error::{Failure, Kind},
    inventory::{
        Desired,
        desired::{Exposure, Node, Role, TailnetControl},
    },
    model::Vmid,
    ports::PowerState,
    stage::{
        check::{Check, CheckState},
        cluster, guest as guest_stage, tailnet,
    },
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
    image(desired, observed, &mut plan, &mut refusals);
    guard_the_server(desired, observed, &mut refusals);
    for node in desired.nodes.values() {
        machine(desired, observed, node, &mut plan, &mut refusals);
    }
    for node in desired.nodes.values() {
        tailnet_steps(desired, observed, node, &mut plan);
    }
    for node in desired.nodes.values() {
        cluster_steps(desired, observed, node, &mut plan, &mut refusals);
    }
    whole_cluster(desired, observed, &mut plan);
    strays(observed, wishes, &mut plan);
    sweep(desired, observed, &mut plan);
    if refusals.is_empty() { Ok(plan) } else { Err(refusals) }
}

fn image(desired: &Desired, observed: &Observed, plan: &mut Plan, refusals: &mut Vec<Refusal>) {
    for (proxmox_node, sight) in &observed.templates {
        let vmid = template_vmid(desired, proxmox_node);
        // A template is only needed for as long as a machine is still to be made from it.
        let needed = desired.nodes.values().any(|node| {
            node.proxmox_node == *proxmox_node
                && !matches!(observed.machines.get(&node.name), Some(MachineSight::Ours(_)))
        });
        let wanted = &desired.image.artifact.sha256;
        let reason = match sight {
            TemplateSight::Ready { image_sha256 } if image_sha256 == wanted => continue,
            TemplateSight::Ready { image_sha256 } => {
                if needed {
                    refusals.push(Refusal::new(
                        format!("VMID {vmid} on {proxmox_node}"),
                        format!(
                            "the template was made from image {}, the inventory pins {}",
                            &image_sha256[..12.min(image_sha256.len())],
                            &wanted[..12]
                        ),
                        "give the new image a template VMID of its own (`image.template`); linked and full clones of the old one stay as they are",
                    ));
                }
                continue;
            }
            TemplateSight::Foreign { name } => {
                if needed {
                    refusals.push(Refusal::new(
                        format!("VMID {vmid} on {proxmox_node}"),
                        format!("is taken by `{name}`, which is not ours"),
                        "choose another `image.template`",
                    ));
                }
                continue;
            }
            TemplateSight::Absent => "there is no template",
            TemplateSight::HalfMade { .. } => "the template was begun and not finished",
        };
        if !needed {
            continue;
        }
        let node = proxmox_node.clone();
        let fetch = plan.add(
            Step::new(Change::FetchImage { proxmox_node: node.clone() }, Impact::Create, reason),
            &[],
        );
        plan.add(
            Step::new(Change::MakeTemplate { proxmox_node: node, vmid }, Impact::Create, reason),
            &[fetch],
        );
    }
}

/// The VMID of the template on a Proxmox node: they count up in the order in which the inventory names
/// the nodes.
pub fn template_vmid(desired: &Desired, proxmox_node: &str) -> Vmid {
    let mut names: Vec<&str> = Vec::new();
    for node in desired.nodes.values() {
        if !names.contains(&node.proxmox_node.as_str()) {
            names.push(&node.proxmox_node);
        }
    }
    let index = names.iter().position(|name| *name == proxmox_node).unwrap_or_default();
    let offset = u32::try_from(index).unwrap_or_default();
    Vmid(desired.image.template.0 + offset)
}

/// A server that is gone while others still know its cluster is never made anew in silence: that would
/// be a second cluster.
fn guard_the_server(desired: &Desired, observed: &Observed, refusals: &mut Vec<Refusal>) {
    let first = desired.first_server();
    let gone = matches!(observed.machines.get(&first.name), Some(MachineSight::Absent));
    if !gone {
        return;
    }
    let witnesses: Vec<String> = desired
        .agents()
        .filter(|agent| observed.probe(&agent.name).is_some_and(cluster::knows_a_cluster))
        .map(|agent| agent.name.to_string())
        .collect();
    if !witnesses.is_empty() {
        refusals.push(Refusal::new(
            first.name.to_string(),
            format!(
                "the server's VM is gone, but {} still belong{} to its cluster; making it anew would make a second cluster",
                witnesses.join(" and "),
                if witnesses.len() == 1 { "s" } else { "" },
            ),
            "restore the server's VM from a backup, or give the cluster up: `homelab destroy`, then `homelab up`",
        ));
    }
}

fn machine(
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
    match observed.machines.get(name) {
        None => {}
        Some(MachineSight::Absent) => make("there is no such VM", plan),
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
        Some(MachineSight::Foreign { name: taken_by, why }) => refusals.push(Refusal::new(
            format!("VMID {}", node.vmid),
            format!("is taken by `{taken_by}`, which is not ours: {why}"),
            format!("give {name} another `vmid`, or delete that VM yourself"),
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

fn existing_machine(
    desired: &Desired,
    observed: &Observed,
    node: &Node,
    machine: &Machine,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) {
    let name = &node.name;
    if machine.proxmox_node != node.proxmox_node {
        refusals.push(Refusal::new(
            name.to_string(),
            format!("runs on {}, the inventory says {}", machine.proxmox_node, node.proxmox_node),
            "migrate it in Proxmox, or change `proxmox_node` (moving a guest is not done by homelab)",
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
    if !keys.is_empty() || !disks.is_empty() {
        let reboot = running && keys.iter().any(|change| change.reach == Reach::Reboot);
        let mut names: Vec<String> = keys.iter().map(|change| change.key.to_owned()).collect();
        names.extend(disks.iter().map(|change| change.disk.to_owned()));
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
            .chain(disks.iter().map(|disk| {
                let seen = disk.seen_bytes.map_or_else(|| "absent".into(), size);
                format!("{}: {seen} -> {}", disk.disk, size(disk.wanted_bytes))
            }))
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

/// Why tailscaled and what stands around it must be installed anew on a node.
pub fn tailscale_reasons(desired: &Desired, node: &Node, probe: &HostProbe) -> Vec<String> {
    let differs = tailnet::install_reasons(desired, node, probe);
    if !differs.is_empty() {
        return differs;
    }
    failed(tailnet::checks(desired, node, probe, None), &["mtu", "tun", "leak", "filter"])
}

/// Why a node must join the tailnet, take its address back, or have its preferences set.
pub fn join_reasons(
    desired: &Desired,
    node: &Node,
    probe: &HostProbe,
    recorded: Option<Ipv4Addr>,
) -> Vec<String> {
    let mut reasons = tailnet::join_reasons(desired, node, probe);
    reasons.extend(failed(tailnet::checks(desired, node, probe, recorded), &["address"]));
    reasons
}

fn failed(checks: Vec<Check>, kinds: &[&str]) -> Vec<String> {
    checks
        .into_iter()
        .filter(|check| kinds.iter().any(|kind| check.id == format!("tailnet/{kind}")))
        .filter_map(|check| match check.state {
            CheckState::Failed { cause, .. } => Some(format!("{}: {cause}", check.title)),
            _ => None,
        })
        .collect()
}

/// A node that was in the tailnet before gets its address back, where the control plane can do that.
fn not_joined(desired: &Desired, observed: &Observed, node: &Node) -> Vec<String> {
    let mut reasons = vec!["not joined yet".to_owned()];
    if let Some(address) = observed.addresses.get(&node.name) {
        reasons.push(match desired.tailnet.control {
            TailnetControl::Tailscale { .. } => format!("its address {address} is taken back"),
            _ => format!(
                "its address {address} changes, since this control plane cannot give it back: \
                 kubelet, VTEP and whoever uses the address see a new one"
            ),
        });
    }
    reasons
}

fn tailnet_steps(desired: &Desired, observed: &Observed, node: &Node, plan: &mut Plan) {
    let name = &node.name;
    let finished = Change::FinishMachine { node: name.clone() }.id();
    let configured =
        Change::ConfigureMachine { node: name.clone(), keys: vec![], reboot: false }.id();
    let before = [finished, configured];
    let probe = observed.probe(name);
    let reasons = match probe {
        None => vec!["not there yet".to_owned()],
        Some(probe) => tailscale_reasons(desired, node, probe),
    };
    let mut needs = before.to_vec();
    if !reasons.is_empty() {
        let running = probe.is_some_and(|probe| probe.unit("tailscaled.service").is_active());
        let impact = if running { Impact::Restart } else { Impact::Create };
        let mut step = Step::new(Change::InstallTailscale { node: name.clone() }, impact, "");
        step.reasons = reasons;
        needs.push(plan.add(step, &before));
    }
    let reasons = match probe {
        None => not_joined(desired, observed, node),
        Some(probe) => join_reasons(desired, node, probe, observed.addresses.get(name).copied()),
    };
    if !reasons.is_empty() {
        let mut step = Step::new(Change::JoinTailnet { node: name.clone() }, Impact::Create, "");
        step.reasons = reasons;
        plan.add(step, &needs);
    }
}

fn cluster_steps(
    desired: &Desired,
    observed: &Observed,
    node: &Node,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) {
    let name = &node.name;
    let first = desired.first_server();
    let mut needs = vec![
        Change::InstallTailscale { node: name.clone() }.id(),
        Change::JoinTailnet { node: name.clone() }.id(),
        Change::FinishMachine { node: name.clone() }.id(),
    ];
    let change = match node.role {
        Role::Server => Change::InstallServer { node: name.clone(), first: *name == first.name },
        Role::Agent => Change::InstallAgent { node: name.clone() },
    };
    // Servers one by one, in order; agents after the first.
    if *name != first.name {
        let before = match node.role {
            Role::Server => desired.servers().take_while(|server| server.name != *name).last(),
            Role::Agent => None,
        };
        let waits_for = before.unwrap_or(first);
        needs.push(
            Change::InstallServer {
                node: waits_for.name.clone(),
                first: waits_for.name == first.name,
            }
            .id(),
        );
    }
    let probe = observed.probe(name);
    let reasons = match probe {
        None => vec!["not there yet".to_owned()],
        Some(probe) => {
            if let Some((message, hint)) =
                cluster::immutable_change(desired, node, probe, observed.kube_node(name))
            {
                refusals.push(Refusal::new(name.to_string(), message, hint));
            }
            cluster::install_reasons(desired, node, probe, observed.kube_node(name))
        }
    };
    if !reasons.is_empty() {
        let impact =
            if probe.is_some_and(cluster::is_running) { Impact::Restart } else { Impact::Create };
        let mut step = Step::new(change.clone(), impact, "");
        step.reasons = reasons;
        needs.push(plan.add(step, &needs));
    }
    let labels = cluster::label_reasons(node, observed.kube_node(name));
    if !labels.is_empty() {
        let mut step = Step::new(Change::LabelNode { node: name.clone() }, Impact::InPlace, "");
        step.reasons = labels;
        plan.add(step, &[change.id()]);
    }
}

fn whole_cluster(desired: &Desired, observed: &Observed, plan: &mut Plan) {
    if desired.access.exposure == Exposure::Tailnet {
        let all: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
        for node in desired.nodes.values() {
            let closed = observed.probe(&node.name).is_some_and(guest_stage::lan_is_closed);
            if !closed {
                plan.add(
                    Step::new(
                        Change::Expose { node: node.name.clone() },
                        Impact::InPlace,
                        "`access.exposure: tailnet`",
                    ),
                    &all,
                );
            }
        }
    }
    if plan.is_empty() {
        return;
    }
    let all: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
    let checked = plan.add(
        Step::new(Change::CheckNetwork, Impact::Check, "something between the nodes changes"),
        &all,
    );
    plan.add(Step::new(Change::Verify, Impact::Check, "after a change"), &[checked]);
}

fn strays(observed: &Observed, wishes: Wishes, plan: &mut Plan) {
    for stray in &observed.strays {
        if wishes.prune {
            plan.add(
                Step::new(
                    Change::RemoveMachine {
                        node: stray.node.clone(),
                        proxmox_node: stray.proxmox_node.clone(),
                        vmid: stray.vmid,
                    },
                    Impact::DataLoss,
                    "no longer in the inventory (--prune)",
                ),
                &[],
            );
        } else {
            plan.notes.push(format!(
                "{} (VMID {}) is ours and not in the inventory: `--prune` deletes it",
                stray.node, stray.vmid
            ));
        }
    }
}

/// Seeds that no guest refers to, left by a run that died.
fn sweep(desired: &Desired, observed: &Observed, plan: &mut Plan) {
    let mut in_use: Vec<&str> = Vec::new();
    for sight in observed.machines.values() {
        if let MachineSight::Ours(machine) = sight {
            in_use.extend(guest::seed_volume(&machine.config));
        }
    }
    // While a machine is being made, its seed may wait for its clone.
    let making = desired
        .nodes
        .values()
        .any(|node| !matches!(observed.machines.get(&node.name), Some(MachineSight::Ours(_))));
    if making {
        return;
    }
    for (proxmox_node, volumes) in &observed.seeds {
        for volume in volumes.iter().filter(|volume| !in_use.contains(&volume.id.as_str())) {
            plan.add(
                Step::new(
                    Change::SweepSeed {
                        proxmox_node: proxmox_node.clone(),
                        volume: volume.id.clone(),
                    },
                    Impact::InPlace,
                    "no guest refers to it",
                ),
                &[],
            );
        }
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
