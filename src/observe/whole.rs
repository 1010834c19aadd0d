//! The whole world in one look.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::{join_all, try_join, try_join_all};

use super::{
    cluster::answered,
    datastore::snapshots,
    edge::{edge, edge_secret},
    flux::{flux, repository},
    hosts,
    longhorn::longhorn,
    proxmox,
};
use crate::{
    engine::Run,
    error::{Failure, Result},
    gitops::age_key::AgeKey,
    inventory::desired::Exposure,
    model::{Marker, NodeName, Vmid},
    plan::{
        Refusal,
        datastore::Snapshot,
        diff::template_vmid,
        edge::EdgeSight,
        flux::FluxSight,
        guest::{self, cluster_tag},
        longhorn::LonghornSight,
        observed::{MachineSight, Observed, Sight, Stranger, Stray, TemplateSight},
        probe::HostProbe,
    },
    ports::{Cluster, ContentKind, GuestSummary, PowerState, Proxmox, Volume, World},
    secret::Secret,
    stage::preflight,
};

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Proxmox alone.
    Proxmox,
    /// The guests, and Kubernetes' own nodes and snapshots: what `status` prints. Nobody outside is asked.
    Cluster,
    /// The guests, the tailnet and the edge.
    Guests,
    /// Of those Kubernetes as well, what runs on it, and what Flux reads.
    All,
}

impl Depth {
    /// Whether those outside the cluster are asked: the tailnet, and who makes the edge.
    const fn asks_others(self) -> bool {
        matches!(self, Self::Guests | Self::All)
    }
}

/// Looks at everything that the diff reads. Nothing is changed.
///
/// Costs one request for all guests, one for Proxmox's nodes, one for each guest of ours (two where it
/// does not run or does not answer) and for each VMID that is to be taken, one for each template and one for the seeds of each Proxmox node; one
/// connection and script for each running guest; one list of the tailnet's devices; one list of
/// Kubernetes' nodes, one of the datastore's snapshots. All in parallel, each as soon as it can be.
///
/// # Errors
/// [`Kind::Refused`](crate::error::Kind) where the inventory names a Proxmox node that is not there or
/// is offline; all privileges that are missing where Proxmox forbids to look.
pub async fn observe<W: World>(run: &Arc<Run<W>>, depth: Depth) -> Result<Observed> {
    match look(run, depth).await {
        Err(failure) if preflight::is_forbidden(&failure) => {
            Err(preflight::missing_rights(run, failure).await)
        }
        other => other,
    }
}

async fn look<W: World>(run: &Arc<Run<W>>, depth: Depth) -> Result<Observed> {
    if depth != Depth::Proxmox {
        run.connect_early();
    }
    let looked = look_further(run, depth).await;
    run.drop_early();
    looked
}

async fn look_further<W: World>(run: &Arc<Run<W>>, depth: Depth) -> Result<Observed> {
    let proxmox = run.world.proxmox();
    let (listed, ()) = futures::join!(
        async { futures::try_join!(proxmox.guests(), proxmox.nodes()) },
        find_addresses(run, depth)
    );
    let (guests, nodes) = listed?;
    let refusals = hosts::unusable(&run.desired, &nodes);
    if !refusals.is_empty() {
        return Err(Refusal::failure(&refusals));
    }
    let proxmox_nodes = run.desired.proxmox_nodes();
    let machines = join_machines(run, &guests, depth);
    let templates = try_join_all(proxmox_nodes.iter().map(|node| {
        let vmid = template_vmid(&run.desired, node);
        let here = find(&guests, vmid.0, node);
        let known = here || run.memory().templates.contains_key(node);
        let elsewhere = guests.iter().find(|guest| guest.vmid == vmid && !here);
        async move {
            let sight = if let Some(other) = elsewhere {
                TemplateSight::Foreign(proxmox::in_the_way(run, other).await?)
            } else if !known && is_free(run, vmid).await? {
                TemplateSight::Absent
            } else {
                proxmox::template(run, node).await?
            };
            Ok::<_, Failure>((node.clone(), sight))
        }
    }));
    let seeds = try_join_all(
        proxmox_nodes.iter().map(|node| async { Ok((node.clone(), seeds(run, node).await?)) }),
    );
    let strays = find_strays(run, &guests);
    // While no guest of ours can run there is nothing to ask the tailnet about.
    let any_guest = run.desired.nodes.values().any(|node| {
        let known =
            |guest: &&GuestSummary| guest.vmid == node.vmid && guest.node == node.proxmox_node;
        guests.iter().find(known).is_some_and(|guest| guest.power == PowerState::Running)
    });
    let devices = async {
        Ok(if depth.asks_others() && any_guest { devices(run).await } else { Sight::Unseen })
    };
    let repository =
        async { Ok(if depth == Depth::All { repository(run).await } else { Sight::Unseen }) };
    let edge = async { Ok(if depth.asks_others() { edge(run).await } else { Sight::Unseen }) };
    let ((((machines, hosts, inside), templates), ((seeds, strays), devices)), (repository, edge)) =
        try_join(
            try_join(try_join(machines, templates), try_join(try_join(seeds, strays), devices)),
            try_join(repository, edge),
        )
        .await?;
    let edge = match edge {
        Sight::Seen(Ok(seen)) => Sight::Seen(Ok(EdgeSight { secret: inside.secret, ..seen })),
        other => other,
    };
    Ok(Observed {
        nodes,
        guests,
        templates: templates.into_iter().collect(),
        machines: machines.into_iter().collect(),
        hosts,
        addresses: run
            .memory()
            .devices
            .iter()
            .map(|(node, device)| (node.clone(), device.ipv4))
            .collect(),
        devices,
        kube: inside.kube,
        flux: inside.flux,
        longhorn: inside.longhorn,
        snapshots: inside.snapshots,
        datastore_key: Sight::Unseen,
        repository,
        held: AgeKey::held(&run.desired),
        edge,
        tunnel: run.memory().tunnel.clone(),
        unchecked: run.memory().unchecked,
        unverified: run.memory().unverified,
        seeds: seeds.into_iter().collect(),
        strays,
    })
}

type Machines = Vec<(NodeName, MachineSight)>;
type Hosts = BTreeMap<NodeName, Sight<HostProbe>>;
type Kube = Sight<Vec<crate::ports::KubeNode>>;

/// What Kubernetes shows, asked on the first server.
struct Inside {
    kube: Kube,
    flux: Sight<FluxSight>,
    longhorn: Sight<LonghornSight>,
    snapshots: Sight<Vec<Snapshot>>,
    /// The tunnel that the Secret opens.
    secret: Sight<Option<String>>,
}

impl Inside {
    const UNSEEN: Self = Self {
        kube: Sight::Unseen,
        flux: Sight::Unseen,
        longhorn: Sight::Unseen,
        snapshots: Sight::Unseen,
        secret: Sight::Unseen,
    };
}

async fn join_machines<W: World>(
    run: &Arc<Run<W>>,
    guests: &[GuestSummary],
    depth: Depth,
) -> Result<(Machines, Hosts, Inside)> {
    let first = &run.desired.first_server().name;
    let looks = run.desired.nodes.values().map(|node| async move {
        let known = find(guests, node.vmid.0, &node.proxmox_node);
        let begun = run.memory().guests.get(&node.name).is_some_and(|guest| !guest.made);
        let elsewhere = guests.iter().find(|guest| guest.vmid == node.vmid && !known);
        let runs_now = |guest: &GuestSummary| {
            guest.vmid == node.vmid && guest.power == PowerState::Running
        };
        let running = known && guests.iter().any(runs_now);
        // What runs is asked itself: its answer is the proof that it does.
        let believed = (running && depth != Depth::Proxmox).then_some(PowerState::Running);
        let sight = if let Some(other) = elsewhere {
            MachineSight::Foreign(Stranger::elsewhere(other))
        } else if known || begun || !is_free(run, node.vmid).await? {
            proxmox::machine_believing(run, &node.name, believed).await?
        } else {
            MachineSight::Absent
        };
        let server = node.name == *first && matches!(depth, Depth::Cluster | Depth::All);
        let runs = |sight: &MachineSight| {
            matches!(sight, MachineSight::Ours(machine) if machine.power == PowerState::Running)
        };
        let (mut sight, mut host, mut kubeconfig) = (sight, Sight::Unseen, None);
        if runs(&sight) && depth != Depth::Proxmox {
            (host, kubeconfig) = probe(run, &node.name, server).await;
        }
        if believed.is_some() && matches!(host, Sight::Silent(_)) {
            sight = proxmox::machine(run, &node.name).await?;
            if !runs(&sight) {
                host = Sight::Unseen;
            }
        }
        // Not waiting for the others, which may be slow to answer.
        let inside = if server { inside(run, &host, kubeconfig, depth).await } else { Inside::UNSEEN };
        Ok::<_, Failure>((node.name.clone(), sight, host, inside))
    });
    let mut machines = Vec::new();
    let mut hosts = BTreeMap::new();
    let mut of_the_first = Inside::UNSEEN;
    for (name, sight, host, inside) in try_join_all(looks).await? {
        if name == *first {
            of_the_first = inside;
        }
        machines.push((name.clone(), sight));
        hosts.insert(name, host);
    }
    Ok((machines, hosts, of_the_first))
}

/// Where the LAN side may be closed and the journal is lost, the tailnet knows where the nodes are.
async fn find_addresses<W: World>(run: &Arc<Run<W>>, depth: Depth) {
    let memory = run.memory();
    let known = &memory.devices;
    let lost = run.desired.nodes.keys().any(|node| !known.contains_key(node));
    if run.desired.access.exposure != Exposure::Tailnet || depth == Depth::Proxmox || !lost {
        return;
    }
    let Ok(devices) = run.devices().await else { return };
    for node in run.desired.nodes.keys().filter(|node| !known.contains_key(*node)) {
        let mut named = devices.iter().filter(|device| {
            device.name == node.as_str() && device.tags.contains(&run.desired.tailnet.tag)
        });
        if let Some(address) = named.next().and_then(|device| device.ipv4) {
            run.found_at(node, address);
        }
    }
}

/// One connection, one script; with the kubeconfig of a server that is to be asked for its cluster.
async fn probe<W: World>(
    run: &Arc<Run<W>>,
    node: &NodeName,
    server: bool,
) -> (Sight<HostProbe>, Option<Secret>) {
    let seen = if server {
        run.probe_server(node).await
    } else {
        run.probe(node).await.map(|probe| (probe, None))
    };
    match seen {
        Ok((probe, kubeconfig)) => (Sight::Seen(probe), kubeconfig),
        Err(failure) => (Sight::Silent(failure.to_string()), None),
    }
}

async fn devices<W: World>(run: &Arc<Run<W>>) -> Sight<Vec<crate::ports::Device>> {
    match run.devices().await {
        Ok(devices) => Sight::Seen(devices.to_vec()),
        Err(error) => Sight::Silent(error.to_string()),
    }
}

/// What the first server's Kubernetes says, where its host runs it.
async fn inside<W: World>(
    run: &Arc<Run<W>>,
    server: &Sight<HostProbe>,
    kubeconfig: Option<Secret>,
    depth: Depth,
) -> Inside {
    if !server.seen().is_some_and(crate::stage::cluster::is_running) {
        return Inside::UNSEEN;
    }
    if let Some(kubeconfig) = kubeconfig {
        run.has_kubeconfig(kubeconfig);
    }
    if depth == Depth::Cluster {
        let (kube, snapshots) = futures::join!(kube(run), snapshots(run));
        return Inside { kube, snapshots, ..Inside::UNSEEN };
    }
    let (kube, flux, longhorn, snapshots, secret) =
        futures::join!(kube(run), flux(run), longhorn(run), snapshots(run), edge_secret(run));
    Inside { kube, flux, longhorn, snapshots, secret }
}

async fn kube<W: World>(run: &Arc<Run<W>>) -> Kube {
    answered(run, async { Ok(run.cluster().await?.nodes().await?) }).await
}

/// The seeds of our cluster on a Proxmox node.
async fn seeds<W: World>(run: &Arc<Run<W>>, proxmox_node: &str) -> Result<Vec<Volume>> {
    let storage = &run.desired.proxmox.seed_storage;
    let prefix = format!("{storage}:iso/homelab-{}-", run.desired.id.short());
    let volumes = run.world.proxmox().volumes(proxmox_node, storage, ContentKind::Iso).await?;
    Ok(volumes.into_iter().filter(|volume| volume.id.starts_with(&prefix)).collect())
}

/// Guests with our tag that the inventory does not name; the tag finds them, the marker proves them.
async fn find_strays<W: World>(run: &Arc<Run<W>>, guests: &[GuestSummary]) -> Result<Vec<Stray>> {
    let tag = cluster_tag(&run.desired);
    let candidates = guests.iter().filter(|guest| {
        guest.tags.contains(&tag)
            && !guest.template
            && !run
                .desired
                .nodes
                .values()
                .any(|node| node.vmid == guest.vmid && node.proxmox_node == guest.node)
    });
    let looks = candidates.map(|guest| async {
        let config = run.world.proxmox().guest_config(&guest.node, guest.vmid).await.ok()??;
        let marker = Marker::find(config.get("description")?)?;
        let node = marker.node_of(&run.desired.id)?.clone();
        // A copy that somebody made has our marker and our tags, and another UUID: it is theirs.
        guest::has_our_uuid(&run.desired, &node, &config).then(|| Stray {
            node,
            proxmox_node: guest.node.clone(),
            vmid: guest.vmid,
            name: guest.name.clone(),
            address: marker.address,
        })
    });
    Ok(join_all(looks).await.into_iter().flatten().collect())
}

/// Whether a VMID that no list shows is free: a guest that the token may not see has it all the same
/// (PVE-09).
async fn is_free<W: World>(run: &Run<W>, vmid: Vmid) -> Result<bool> {
    Ok(run.world.proxmox().vmid_is_free(vmid).await?)
}

fn find(guests: &[GuestSummary], vmid: u32, node: &str) -> bool {
    guests.iter().any(|guest| guest.vmid.0 == vmid && guest.node == node)
}
