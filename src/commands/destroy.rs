//! `homelab destroy`: what is ours, and nothing else. Backups never.

use std::collections::BTreeSet;

use tracing::Instrument;

use super::{
    change::{Consent, Terms, carry_out},
    nodes::known_nodes,
    plan::remember_hosts,
};
use crate::{
    cli::{DestroyArgs, Global},
    engine::Run,
    error::{Failure, Kind, Result},
    inventory::{Desired, Pins},
    model::{Marker, Vmid, marker::MarkerRole},
    observe::{self, Depth},
    plan::{
        Change, Impact, Observed, Plan, Step, StepId,
        diff::{abandoned_tunnel, template_vmid},
        edge::is_ours,
        observed::{MachineSight, Sight, TemplateSight},
    },
    ports::{ContentKind, GuestSummary, Proxmox, World},
    stage::image,
    trace,
};

/// Proxmox takes none below it.
const LEAST_VMID: u32 = 100;

pub(crate) async fn run(global: &Global, args: DestroyArgs) -> Result<()> {
    let terms = Terms {
        command: "destroy",
        // What is there is known by its markers.
        pins: Pins::Optional,
        new_host: args.new_host,
        consent: Consent::unless_asked(args.yes),
        timeout: args.timeout,
        question: |_, desired| {
            format!("Delete all this of cluster `{}` for good?", desired.cluster)
        },
    };
    carry_out(global, terms, async |run, _| {
        known_nodes(&run.desired, &args.nodes)?;
        // The guests are asked, too: they know which devices they are.
        let span = tracing::trace_span!(target: trace::TARGET, "look", what = "look at the world");
        let observed = Box::pin(observe::observe(run, Depth::Guests)).instrument(span).await?;
        remember_hosts(run, &observed)?;
        let plan = removal(run, &observed, &args).await?;
        Ok((plan, observed))
    })
    .await
}

/// The steps that take away what is ours. What is not is named and left alone.
async fn removal<W: World>(run: &Run<W>, observed: &Observed, args: &DestroyArgs) -> Result<Plan> {
    let mut plan = Plan { in_part: !args.nodes.is_empty(), ..Plan::default() };
    let desired = &run.desired;
    // While a machine of it still stands the cluster can say which devices are its proxies'.
    let first = if args.nodes.is_empty() { proxies(run, observed, &mut plan).await } else { None };
    let first: Vec<StepId> = first.into_iter().collect();
    for (node, sight) in &observed.machines {
        if !args.nodes.is_empty() && !args.nodes.contains(node) {
            continue;
        }
        let wanted = &desired.nodes[node];
        match sight {
            MachineSight::Ours(machine) => {
                let change = Change::RemoveMachine {
                    node: node.clone(),
                    proxmox_node: machine.proxmox_node.clone(),
                    vmid: machine.vmid,
                    // The cluster goes, too.
                    member: false,
                };
                plan.add(Step::new(change, Impact::DataLoss, "destroy"), &first);
            }
            // The VM may be gone and its device not.
            MachineSight::Absent
                if run.memory().devices.contains_key(node) && observed.stray_of(node).is_none() =>
            {
                let change = Change::RemoveMachine {
                    node: node.clone(),
                    proxmox_node: wanted.proxmox_node.clone(),
                    vmid: wanted.vmid,
                    // The cluster goes, too.
                    member: false,
                };
                plan.add(Step::new(change, Impact::DataLoss, "its VM is gone, its device is not"), &[]);
            }
            MachineSight::Absent => {}
            MachineSight::HalfMade { .. } => plan.notes.push(format!(
                "{node} is half made and carries no marker yet: `homelab up` finishes it, then destroy it"
            )),
            // It is its VMID alone that somebody has, or it itself on another Proxmox node: it goes as a stray.
            MachineSight::Foreign(_) if observed.stray_of(node).is_some() => {}
            MachineSight::Foreign(stranger) => plan.notes.push(format!(
                "{node}: VMID {} is taken by {stranger}; it is left alone",
                wanted.vmid
            )),
        }
    }
    for stray in &observed.strays {
        if !args.nodes.is_empty() && !args.nodes.contains(&stray.node) {
            continue;
        }
        if let Some(other) = observed.double_of(stray) {
            plan.notes.push(stray.unclear(other));
            continue;
        }
        let change = Change::RemoveMachine {
            node: stray.node.clone(),
            proxmox_node: stray.proxmox_node.clone(),
            vmid: stray.vmid,
            // The cluster goes, too.
            member: false,
        };
        let reason = match desired.nodes.get(&stray.node) {
            Some(_) => "ours, in another place than the inventory says",
            None => "ours, though not in the inventory",
        };
        plan.add(Step::new(change, Impact::DataLoss, reason), &first);
    }
    if args.nodes.is_empty() {
        let machines: Vec<_> = plan.steps.iter().map(|step| step.id.clone()).collect();
        edge(desired, observed, &machines, &mut plan)?;
        for (proxmox_node, volumes) in &observed.seeds {
            for volume in volumes {
                let change = Change::SweepSeed {
                    proxmox_node: proxmox_node.clone(),
                    volume: volume.id.clone(),
                };
                // On a storage that they share, each Proxmox node lists it.
                if !plan.has(&change.id()) {
                    plan.add(Step::new(change, Impact::DataLoss, "a seed of ours"), &machines);
                }
            }
        }
    }
    if args.all {
        image_and_template(run, observed, &mut plan).await?;
        plan.notes.extend(former_templates(run, observed).await);
    }
    Ok(plan)
}

/// The devices that Tailscale's operator made: nobody else could take them away once its cluster is gone.
async fn proxies<W: World>(run: &Run<W>, observed: &Observed, plan: &mut Plan) -> Option<StepId> {
    if !observed.machines.values().any(|sight| matches!(sight, MachineSight::Ours(_))) {
        return None;
    }
    match observe::proxies(run).await {
        Sight::Unseen => None,
        Sight::Seen(proxies) if proxies.is_empty() => None,
        Sight::Seen(proxies) => {
            let names: Vec<String> = proxies.into_iter().map(|proxy| proxy.name).collect();
            let step = Step::new(Change::RemoveProxies, Impact::DataLoss, names.join(", "));
            Some(plan.add(step, &[]))
        }
        Sight::Silent(why) => {
            plan.notes.push(format!(
                "the tailnet devices of the apps' proxies can't be seen ({why}): what is left of them has to be removed in the admin console"
            ));
            None
        }
    }
}

/// The public edge: our names first, then the tunnel, when no connector of ours can come back.
fn edge(
    desired: &Desired,
    observed: &Observed,
    machines: &[StepId],
    plan: &mut Plan,
) -> Result<()> {
    let silent = |message: &str, hint: &str| {
        Err(Failure::new(Kind::Refused, format!("what is ours at Cloudflare can't be seen: {message}"))
            .hint(hint)
            .hint("or take `gitops.cloudflared.cloudflare` out of the inventory, to delete the rest and leave \
                   tunnel and DNS records to you"))
    };
    let seen = match &observed.edge {
        Sight::Seen(Ok(seen)) => seen,
        Sight::Seen(Err(refusal)) => return silent(&refusal.message, &refusal.hint),
        Sight::Silent(why) => return silent(why, "run it again when it answers"),
        Sight::Unseen => {
            plan.notes.extend(abandoned_tunnel(desired, observed));
            return Ok(());
        }
    };
    let mut needs = machines.to_vec();
    for record in seen.records.iter().filter(|record| is_ours(desired, record)) {
        let change = Change::DropName { name: record.name.clone(), record: record.id.clone() };
        needs.push(plan.add(Step::new(change, Impact::DataLoss, "destroy"), &[]));
    }
    if seen.tunnel.is_some() {
        plan.add(Step::new(Change::RemoveTunnel, Impact::DataLoss, "destroy"), &needs);
    }
    Ok(())
}

async fn image_and_template<W: World>(
    run: &Run<W>,
    observed: &Observed,
    plan: &mut Plan,
) -> Result<()> {
    let machines: Vec<_> = plan.steps.iter().map(|step| step.id.clone()).collect();
    let names = image::volumes(&run.desired, image_hashes(&run.desired, observed));
    for (proxmox_node, sight) in &observed.templates {
        let vmid = template_vmid(&run.desired, proxmox_node);
        match sight {
            TemplateSight::Absent => {}
            TemplateSight::Foreign(stranger) => {
                plan.notes.push(format!(
                    "template on {proxmox_node}: VMID {vmid} is taken by {stranger}; it is left alone"
                ));
            }
            TemplateSight::HalfMade { .. } | TemplateSight::Ready { .. } => {
                let change = Change::RemoveTemplate { proxmox_node: proxmox_node.clone(), vmid };
                plan.add(Step::new(change, Impact::DataLoss, "destroy --all"), &machines);
            }
        }
        let storage = &run.desired.proxmox.image_storage;
        let volumes =
            run.world.proxmox().volumes(proxmox_node, storage, ContentKind::Import).await?;
        for volume in volumes.iter().filter(|volume| names.contains(&volume.id)) {
            let volume = volume.id.clone();
            let change = Change::RemoveImage { proxmox_node: proxmox_node.clone(), volume };
            plan.add(Step::new(change, Impact::DataLoss, "destroy --all"), &[]);
        }
    }
    Ok(())
}

/// Templates with our marker under VMIDs that the inventory does not name any more. A copy that somebody
/// made looks the same, so that they are named and left to a person.
async fn former_templates<W: World>(run: &Run<W>, observed: &Observed) -> Vec<String> {
    let desired = &run.desired;
    let named = |guest: &GuestSummary| {
        let mut places = observed.templates.keys();
        places.any(|node| guest.node == *node && guest.vmid == template_vmid(desired, node))
    };
    let candidates = observed.guests.iter().filter(|guest| guest.template && !named(guest));
    let looks = candidates.map(|guest| async move {
        let config = run.world.proxmox().guest_config(&guest.node, guest.vmid).await.ok()??;
        let marker = Marker::find(config.get("description")?)?;
        let MarkerRole::Template { image_sha256 } = marker.role else { return None };
        if marker.cluster != desired.id {
            return None;
        }
        let storage = &desired.proxmox.image_storage;
        let names = image::volumes(desired, [image_sha256.as_str()]);
        // What cannot be listed cannot be named: the template is, all the same.
        let there = run.world.proxmox().volumes(&guest.node, storage, ContentKind::Import).await;
        let its_image = there.ok().into_iter().flatten().find(|volume| names.contains(&volume.id));
        Some(left_alone(desired, guest, its_image.map(|volume| volume.id).as_deref()))
    });
    futures::future::join_all(looks).await.into_iter().flatten().collect()
}

/// What a person must know of a template that is left, and of its image where that is not another template's, too.
fn left_alone(desired: &Desired, guest: &GuestSummary, its_image: Option<&str>) -> String {
    let GuestSummary { vmid, node, .. } = guest;
    let deleting = match first_template(desired, guest) {
        Some(first) => format!(
            "To delete it with its image, set `image.template: {first}` and run `homelab destroy --all`; it alone: `qm destroy {vmid}` on {node}"
        ),
        None => {
            let image =
                its_image.map(|volume| format!(", and its image there: `pvesm free {volume}`"));
            format!("To delete it: `qm destroy {vmid}` on {node}{}", image.unwrap_or_default())
        }
    };
    format!(
        "template {vmid} on {node} carries this cluster's marker, and the inventory does not name it: it is left alone. {deleting}"
    )
}

/// The `image.template` under which a guest's VMID is its Proxmox node's template: they count up from it.
fn first_template(desired: &Desired, guest: &GuestSummary) -> Option<Vmid> {
    let index = desired.template_index(&guest.node)?;
    let first = guest.vmid.0.checked_sub(u32::try_from(index).ok()?)?;
    (first >= LEAST_VMID).then_some(Vmid(first))
}

/// The hashes of the images that are ours: the pinned one, and those that our templates were made from.
fn image_hashes<'a>(desired: &'a Desired, observed: &'a Observed) -> BTreeSet<&'a str> {
    let pinned = Some(desired.image.artifact.sha256.as_str()).filter(|hash| !hash.is_empty());
    let made_from = observed.templates.values().filter_map(|sight| match sight {
        TemplateSight::Ready { image_sha256 } => Some(image_sha256.as_str()),
        _ => None,
    });
    pinned.into_iter().chain(made_from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ports::PowerState, stage::scripts::tests::desired};

    #[test]
    fn the_templates_of_several_proxmox_nodes_count_up_from_the_one_that_is_asked_for() {
        let mut desired = desired();
        let last = desired.nodes.keys().next_back().unwrap().clone();
        desired.nodes.get_mut(&last).unwrap().proxmox_node = "pve2".into();
        let template = |node: &str, vmid| GuestSummary {
            vmid: Vmid(vmid),
            node: node.into(),
            name: "template".into(),
            power: PowerState::Stopped,
            template: true,
            lock: None,
            tags: Vec::new(),
            memory_bytes: 0,
            is_container: false,
            pool: None,
        };
        assert_eq!(first_template(&desired, &template("pve1", 9000)), Some(Vmid(9000)));
        assert_eq!(first_template(&desired, &template("pve2", 9001)), Some(Vmid(9000)));
        assert_eq!(first_template(&desired, &template("pve2", 100)), None, "99 is no VMID");
        assert_eq!(first_template(&desired, &template("pve3", 9002)), None);
    }
}
