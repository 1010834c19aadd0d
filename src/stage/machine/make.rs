//! Seed and clone.

use std::time::Duration;

use super::seed;
use crate::{
    engine::StepContext,
    error::{Effect, Failure, Kind, Result},
    journal::{Record, record::Making},
    model::{Marker, NodeName, Nonce, marker::MarkerRole},
    observe,
    plan::{
        diff::template_vmid,
        guest::seed_of,
        observed::{MachineSight, Stranger},
    },
    ports::{CloneRequest, Proxmox, World, says_taken},
    seed::HostKey,
    stage::{Outcome, image::allocation},
};

const CLONE_LIMIT: Duration = Duration::from_secs(1800);
/// Looks and calls until the guest is there; each turn either sees progress or ends.
const TURNS: usize = 5;

/// Sees to it that the guest exists and carries our marker. A reply that was lost, a clone that still
/// runs, a run that died: each is found by looking.
pub async fn make<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Outcome> {
    let wanted = &context.run.desired.nodes[node];
    let mut unanswered = None;
    for _ in 0..TURNS {
        context.still_wanted()?;
        match observe::machine(&context.run, node).await? {
            MachineSight::Ours(_) => {
                context.record(&Record::GuestMade { node: node.clone() })?;
                return Ok(Outcome::Done);
            }
            MachineSight::HalfMade { task: Some(task), .. } => {
                context.output(format!("attached to {task}"));
                context.follow(&task, CLONE_LIMIT).await?;
            }
            MachineSight::HalfMade { lock, .. } => {
                let lock = lock.unwrap_or_else(|| "none".into());
                return Err(Failure::new(
                    Kind::Refused,
                    format!("its clone died half way (lock: {lock}) and no task works on it"),
                )
                .at(format!("VMID {}", wanted.vmid))
                .effect(Effect::Partial)
                .hint(format!(
                    "as root on {}: qm unlock {vmid} && qm destroy {vmid} --purge --destroy-unreferenced-disks 1",
                    wanted.proxmox_node,
                    vmid = wanted.vmid
                )));
            }
            MachineSight::Foreign(stranger) => {
                return Err(Failure::new(
                    Kind::Refused,
                    format!("VMID {} is taken by {stranger}", wanted.vmid),
                )
                .at(node)
                .hint("give the node another `vmid`"));
            }
            MachineSight::Absent => unanswered = clone(context, node).await?.or(unanswered),
        }
    }
    // It is not there; a request that nobody answered may still arrive.
    let failure =
        Failure::new(Kind::Proxmox, format!("the VM did not come to be in {TURNS} turns"))
            .at(node)
            .effect(Effect::Unknown)
            .hint("run the same command again: it looks what became of it, and goes on from there");
    Err(match unanswered {
        Some(last) => failure.because(last),
        None => failure,
    })
}

/// Asks for a clone; gives back the failure of a call of which nobody knows whether it was done.
async fn clone<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Option<Failure>> {
    let desired = &context.run.desired;
    let wanted = &desired.nodes[node];
    let proxmox = context.run.world.proxmox();
    if !proxmox.vmid_is_free(wanted.vmid).await? {
        // Not in the list that the token sees, and taken all the same (PVE-09).
        return Err(Failure::new(
            Kind::Refused,
            format!("VMID {} is taken by {}", wanted.vmid, Stranger::default()),
        )
        .at(node)
        .hint("give the node another `vmid`"));
    }
    let nonce = Nonce::random();
    let host_key = HostKey::generate()?;
    let making = Making {
        proxmox_node: wanted.proxmox_node.clone(),
        vmid: wanted.vmid,
        nonce: nonce.clone(),
        host_key: host_key.public.clone(),
        seed: seed_of(desired, node, &nonce),
    };
    context.record(&Record::GuestIntended { node: node.clone(), making })?;
    seed::upload(context, node, &nonce, &host_key).await?;
    let marker = Marker {
        cluster: desired.id,
        role: MarkerRole::Node(node.clone()),
        nonce,
        host_keys: vec![host_key.public.clone()],
        address: Some(wanted.address),
    };
    let request = CloneRequest {
        source: template_vmid(desired, &wanted.proxmox_node),
        target: wanted.vmid,
        name: node.to_string(),
        description: marker.to_string(),
        storage: Some(desired.proxmox.disk_storage.clone()),
        pool: desired.proxmox.pool.clone(),
        full: true,
    };
    let _allocation = allocation(context).await?;
    let outcome = context
        .task(CLONE_LIMIT, || async {
            proxmox.clone_guest(&wanted.proxmox_node, &request).await.map(Some)
        })
        .await;
    match outcome {
        Err(failure) if failure.effect == Effect::Unknown => {
            context.output(format!("looking whether it happened: {failure}"));
            Ok(Some(failure))
        }
        Err(failure) if says_taken(&failure.message, wanted.vmid) => {
            if let MachineSight::Ours(_) = observe::machine(&context.run, node).await? {
                return Ok(None);
            }
            // It was free a moment ago: whatever is there now is not our clone, alive or dead.
            context.record(&Record::GuestDropped { node: node.clone() })?;
            Err(Failure::new(
                Kind::Refused,
                format!(
                    "VMID {} was taken by somebody else a moment earlier: {}",
                    wanted.vmid, failure.message
                ),
            )
            .at(node)
            .hint("give the node another `vmid`; the seed that was made for it is swept by the next `homelab up`"))
        }
        other => other.map(|()| None),
    }
}
