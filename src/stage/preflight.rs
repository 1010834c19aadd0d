//! The preflight stage: everything that can be known before anything is touched, for the whole plan at
//! once.

use std::collections::BTreeMap;

use crate::{
    commands::role,
    engine::Run,
    error::{Failure, Kind, Result},
    inventory::desired::TailnetControl,
    plan::{Change, Observed, Plan, Refusal, observed::MachineSight},
    ports::{ContentKind, NodeSummary, Proxmox, StorageSummary, Tailnet, Version, World},
};

/// The oldest Proxmox VE that has `import` content and the texts that we read.
const OLDEST_MAJOR: u32 = 8;

/// Checks the whole plan against what Proxmox and the tailnet allow.
///
/// # Errors
/// Everything that is wrong, in one failure: of the kind of the only one, or [`Kind::Refused`].
pub async fn check<W: World>(run: &Run<W>, observed: &Observed, plan: &Plan) -> Result<()> {
    let touches_proxmox = plan.steps.iter().any(|step| {
        matches!(
            step.change,
            Change::FetchImage { .. }
                | Change::MakeTemplate { .. }
                | Change::MakeMachine { .. }
                | Change::ConfigureMachine { .. }
        )
    });
    let joins = plan.steps.iter().any(|step| matches!(step.change, Change::JoinTailnet { .. }));
    let (proxmox, tailnet) = futures::join!(
        async { if touches_proxmox { site(run, observed, plan).await } else { Ok(Vec::new()) } },
        async { if joins { credentials(run).await } else { Ok(()) } },
    );
    let refusals = proxmox?;
    if !refusals.is_empty() {
        let mut failure = Refusal::failure(&refusals);
        if refusals.iter().all(|refusal| refusal.message.starts_with("missing privilege")) {
            failure.kind = Kind::Proxmox;
        }
        return Err(failure);
    }
    tailnet
}

async fn site<W: World>(run: &Run<W>, observed: &Observed, plan: &Plan) -> Result<Vec<Refusal>> {
    let proxmox = run.world.proxmox();
    let (version, nodes) = futures::try_join!(proxmox.version(), proxmox.nodes())?;
    let mut refusals = Vec::new();
    refusals.extend(supported(&version));
    let mut storages = BTreeMap::new();
    for node in used_nodes(run) {
        match nodes.iter().find(|known| known.name == node) {
            None => {
                let known: Vec<&str> = nodes.iter().map(|known| known.name.as_str()).collect();
                refusals.push(Refusal::new(
                    node.clone(),
                    format!("there is no such Proxmox node; there is {}", known.join(", ")),
                    "set `proxmox_node` to one of them (the node's name, not its address)",
                ));
            }
            Some(known) if !known.online => refusals.push(Refusal::new(
                node.clone(),
                "the Proxmox node is offline",
                "start it, or move its nodes in the inventory",
            )),
            Some(known) => {
                storages.insert(node.clone(), proxmox.storages(&node).await?);
                let bridge = &run.desired.proxmox.bridge;
                refusals.extend(link(run, &node, proxmox.bridge_mtu(&node, bridge).await?));
                refusals.extend(memory(run, observed, known));
            }
        }
    }
    for (node, storages) in &storages {
        refusals.extend(contents(run, node, storages));
        refusals.extend(space(run, observed, node, storages));
    }
    refusals.extend(privileges(run, version.major).await?);
    refusals.extend(free_vmids(run, plan).await?);
    Ok(refusals)
}

fn used_nodes<W: World>(run: &Run<W>) -> Vec<String> {
    let mut nodes: Vec<String> =
        run.desired.nodes.values().map(|node| node.proxmox_node.clone()).collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

fn supported(version: &Version) -> Option<Refusal> {
    (version.major < OLDEST_MAJOR).then(|| {
        Refusal::new(
            "Proxmox VE",
            format!("version {} is older than {OLDEST_MAJOR}.0", version.text),
            "upgrade the host",
        )
    })
}

/// Guests that are still to be made must find their memory on the node.
fn memory<W: World>(run: &Run<W>, observed: &Observed, node: &NodeSummary) -> Option<Refusal> {
    let needed: u64 =
        to_make(run, observed, &node.name).map(|wanted| wanted.memory_mib << 20).sum();
    let free = node.memory_bytes.saturating_sub(node.memory_used_bytes);
    (needed > free).then(|| {
        Refusal::new(
            node.name.clone(),
            format!(
                "the nodes to be made need {} MiB of memory, {} MiB of {} MiB are free",
                needed >> 20,
                free >> 20,
                node.memory_bytes >> 20
            ),
            "give the nodes less `memory`, or stop other guests",
        )
    })
}

/// A bridge that carries less than the inventory says loses large packets without a word, and the
/// tailnet's MTU was planned on it.
fn link<W: World>(run: &Run<W>, proxmox_node: &str, set: Option<u16>) -> Option<Refusal> {
    let set = set?;
    let bridge = &run.desired.proxmox.bridge;
    let nodes = run.desired.nodes.values().filter(|node| node.proxmox_node == proxmox_node);
    let wanted = nodes.map(|node| node.link_mtu).max()?;
    (wanted > set).then(|| {
        Refusal::new(
            format!("bridge {bridge} on {proxmox_node}"),
            format!("carries {set} bytes, the inventory's link has an MTU of {wanted}"),
            format!(
                "set `network.mtu: {set}` (or the node's `mtu`), or raise the bridge's MTU and that of everything below it"
            ),
        )
    })
}

fn to_make<'a, W: World>(
    run: &'a Run<W>,
    observed: &'a Observed,
    proxmox_node: &'a str,
) -> impl Iterator<Item = &'a crate::inventory::desired::Node> {
    run.desired.nodes.values().filter(move |node| {
        node.proxmox_node == proxmox_node
            && matches!(observed.machines.get(&node.name), Some(MachineSight::Absent))
    })
}

/// Each storage must be there, be active, and take what is put on it.
fn contents<W: World>(run: &Run<W>, node: &str, storages: &[StorageSummary]) -> Vec<Refusal> {
    let site = &run.desired.proxmox;
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (storage, content) in [
        (&site.disk_storage, ContentKind::Images),
        (&site.image_storage, ContentKind::Import),
        (&site.seed_storage, ContentKind::Iso),
    ] {
        wanted.entry(storage).or_default().push(content.name());
    }
    let mut refusals = Vec::new();
    for (name, contents) in wanted {
        let Some(storage) = storages.iter().find(|storage| storage.name == name) else {
            let known: Vec<&str> = storages.iter().map(|storage| storage.name.as_str()).collect();
            refusals.push(Refusal::new(
                format!("storage {name} on {node}"),
                format!("there is no such storage; there is {}", known.join(", ")),
                "change `proxmox.storage` in the inventory",
            ));
            continue;
        };
        let missing: Vec<&str> = contents
            .into_iter()
            .filter(|content| !storage.content.iter().any(|known| known == content))
            .collect();
        if !missing.is_empty() {
            let mut all = storage.content.clone();
            all.extend(missing.iter().map(|content| (*content).to_owned()));
            refusals.push(Refusal::new(
                format!("storage {name} on {node}"),
                format!("does not take content {}", missing.join(", ")),
                format!("as root on {node}: pvesm set {name} --content {}", all.join(",")),
            ));
        }
        if !storage.active {
            refusals.push(Refusal::new(
                format!("storage {name} on {node}"),
                "is not active",
                format!("as root on {node}: pvesm status --storage {name}"),
            ));
        }
    }
    refusals
}

/// The disks that are still to be made must fit, even filled to the brim.
fn space<W: World>(
    run: &Run<W>,
    observed: &Observed,
    node: &str,
    storages: &[StorageSummary],
) -> Vec<Refusal> {
    let mut needed: BTreeMap<&str, u64> = BTreeMap::new();
    for wanted in to_make(run, observed, node) {
        *needed.entry(&run.desired.proxmox.disk_storage).or_default() += wanted.disk_bytes;
        if let Some(bytes) = wanted.storage_disk_bytes {
            *needed.entry(&wanted.storage_disk_storage).or_default() += bytes;
        }
    }
    let thin = |kind: &str| matches!(kind, "lvmthin" | "zfspool" | "rbd");
    storages
        .iter()
        .filter_map(|storage| {
            let needed = *needed.get(storage.name.as_str())?;
            // Thin pools may be over-committed on purpose; what is written is what counts there.
            (needed > storage.available_bytes && !thin(&storage.kind)).then(|| {
                Refusal::new(
                    format!("storage {} on {node}", storage.name),
                    format!(
                        "the disks to be made need {} GiB, {} GiB are free",
                        needed.div_ceil(1 << 30),
                        storage.available_bytes >> 30
                    ),
                    "make the disks smaller, or free space",
                )
            })
        })
        .collect()
}

/// Each missing privilege, with its path and the command that grants it.
async fn privileges<W: World>(run: &Run<W>, major: u32) -> Result<Vec<Refusal>> {
    let required = role::required_privileges(&run.desired, major);
    let mut paths: Vec<String> = required.iter().map(|need| need.path.clone()).collect();
    paths.sort();
    paths.dedup();
    let granted = run.world.proxmox().permissions(&paths).await?;
    let scope = role::Scope::of(&run.desired);
    let token = run.world.proxmox().token_id();
    Ok(required
        .into_iter()
        .filter(|need| {
            !granted.get(&need.path).is_some_and(|known| known.contains(&need.privilege))
        })
        .map(|need| {
            Refusal::new(
                need.path.clone(),
                format!("missing privilege {} ({})", need.privilege, need.why),
                role::grant_command(&need, &scope, &token),
            )
        })
        .collect())
}

/// A VMID that no list shows may be taken all the same (PVE-09).
async fn free_vmids<W: World>(run: &Run<W>, plan: &Plan) -> Result<Vec<Refusal>> {
    let mut refusals = Vec::new();
    for step in &plan.steps {
        let Change::MakeMachine { node } = &step.change else { continue };
        let vmid = run.desired.nodes[node].vmid;
        let begun = run.memory().guests.contains_key(node);
        if !begun && !run.world.proxmox().vmid_is_free(vmid).await? {
            refusals.push(Refusal::new(
                format!("VMID {vmid}"),
                "is taken by a guest that the token may not see",
                format!("give {node} another `vmid`"),
            ));
        }
    }
    Ok(refusals)
}

/// What the tailnet's credentials allow, as far as they can be asked without spending them.
async fn credentials<W: World>(run: &Run<W>) -> Result<()> {
    let capabilities = run.world.tailnet().check().await.map_err(Failure::from)?;
    for text in &capabilities.unchecked {
        run.events.send(crate::event::Event::Warning { step: None, text: text.clone() });
    }
    let listing = !matches!(run.desired.tailnet.control, TailnetControl::AuthKey { .. });
    if !capabilities.mint_keys || (listing && !capabilities.list_devices) {
        return Err(Failure::new(
            Kind::Tailnet,
            format!(
                "the credentials for {} cannot make keys and list devices",
                capabilities.service
            ),
        )
        .hint("`homelab init tailnet-policy` prints the scopes that are needed"));
    }
    Ok(())
}
