//! Taking away what is ours: guests, seeds, devices, keys; image and template on request. Backups never.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Outcome, recall};
use crate::{
    engine::{StepContext, lease},
    error::{Effect, Failure, Kind, Result},
    journal::Record,
    model::{Marker, NodeName, Upid, Vmid, marker::MarkerRole},
    observe,
    plan::{guest, observed::TemplateSight},
    ports::{Cluster, GuestConfig, PowerState, Proxmox, Tailnet, World},
    stage::{image::allocation, machine::power, tailnet::twins},
};

const STOP_LIMIT: Duration = Duration::from_secs(180);
const DELETE_LIMIT: Duration = Duration::from_secs(600);

/// Deletes a guest, its disks and its tailnet device, of a `member` its Node object, too; ownership is proved
/// again right before.
pub async fn machine<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    proxmox_node: &str,
    vmid: Vmid,
    member: bool,
) -> Result<Outcome> {
    let proxmox = context.run.world.proxmox();
    let mut disks = Vec::new();
    let mut unanswered = None;
    for _ in 0..4 {
        context.still_wanted()?;
        let Some(config) = proxmox.guest_config(proxmox_node, vmid).await? else {
            forget(context, node).await?;
            return if disks.is_empty() {
                Ok(Outcome::Done)
            } else {
                Err(left(proxmox_node, &disks))
            };
        };
        prove(context, node, vmid, &config)?;
        if config.get("protection") == Some("1") {
            return Err(Failure::new(Kind::Refused, format!("VM {vmid} is protected"))
                .at(node)
                .hint(format!("lift it if you mean it: qm set {vmid} --protection 0")));
        }
        let running = proxmox
            .guest_status(proxmox_node, vmid)
            .await?
            .is_some_and(|status| status.power == PowerState::Running);
        if running {
            // Nothing on it is kept, so the power is taken away instead of asking.
            let place = (proxmox_node, vmid);
            let stopped = power::switch(context, place, PowerState::Stopped, STOP_LIMIT, || {
                proxmox.stop(proxmox_node, vmid)
            });
            if let Some(failure) = settle(context, stopped.await)? {
                // What follows is for a guest that is off: the next turn sees whether it is.
                unanswered = Some(failure);
                continue;
            }
            // It took its time: whose is it now?
            let Some(config) = proxmox.guest_config(proxmox_node, vmid).await? else { continue };
            prove(context, node, vmid, &config)?;
        }
        if is_stray(context, node) {
            recall::device(context, node, member).await?;
        }
        // While its guest is there, the next run knows of both; off, neither registers again. The device goes first:
        // with the state folder lost, it is the Node object that tells whose it is.
        if is_stray(context, node) {
            leave_tailnet(context, node).await?;
        }
        if member {
            kubernetes_node(context, node).await?;
        }
        context.record(&Record::GuestDropped { node: node.clone() })?;
        // Each disk is freed under its storage's lock; too many at once, and Proxmox gives some up.
        let _allocation = allocation(context).await?;
        // The last one: an earlier one that met a busy lock did nothing.
        let deletion = Mutex::new(None);
        let deleted = context
            .task_at_once(DELETE_LIMIT, || async {
                let upid = proxmox.delete_guest(proxmox_node, vmid).await?;
                *deletion.lock().unwrap_or_else(PoisonError::into_inner) = Some(upid.clone());
                Ok(Some(upid))
            })
            .await;
        // It was locked, for hours maybe: whose is it now?
        if let Ok(false) = deleted {
            continue;
        }
        let touched = running || member || is_stray(context, node);
        let deleted = deleted.map(drop).map_err(|failure| match failure.effect {
            Effect::None if touched => failure.effect(Effect::Partial),
            _ => failure,
        });
        unanswered = settle(context, deleted)?.or(unanswered);
        lease::went_with(&context.run, proxmox_node, vmid);
        let deletion = deletion.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(deletion) = deletion {
            disks = left_behind(context, &deletion).await?;
        }
    }
    Err(still_there(node, format!("VM {vmid} is still there"), unanswered))
}

/// What was asked for to be deleted and was not; with the last answer that did not come.
fn still_there(
    place: impl std::fmt::Display,
    message: String,
    unanswered: Option<Failure>,
) -> Failure {
    let failure = Failure::new(Kind::Proxmox, message).at(place);
    match unanswered {
        Some(cause) => failure.effect(Effect::Unknown).because(cause),
        None => failure,
    }
}

/// The disks that Proxmox could not free while it deleted their guest: it says so in the task's log alone,
/// the task counts as done, and without the guest a token may not even see them (PVE-01).
async fn left_behind<W: World>(context: &StepContext<W>, deletion: &Upid) -> Result<Vec<String>> {
    let log = context.run.world.proxmox().task_log(deletion, 0).await?;
    let told = log.iter().filter_map(|line| line.split_once("Could not remove disk '"));
    Ok(told.filter_map(|(_, rest)| Some(rest.split_once('\'')?.0.to_owned())).collect())
}

fn left(proxmox_node: &str, disks: &[String]) -> Failure {
    Failure::new(
        Kind::Proxmox,
        format!("its VM is deleted; Proxmox could not free its disk {}", disks.join(", ")),
    )
    .at(proxmox_node)
    .effect(Effect::Partial)
    .hint(format!("as root on {proxmox_node}: pvesm free {}", disks.join(" && pvesm free ")))
}

/// A lost reply is answered by looking again, and is given back; anything else that failed has failed.
fn settle<W: World>(context: &StepContext<W>, outcome: Result<()>) -> Result<Option<Failure>> {
    match outcome {
        Ok(()) => Ok(None),
        Err(failure) if failure.effect == Effect::Unknown => {
            context.output(format!("looking whether it happened: {failure}"));
            Ok(Some(failure))
        }
        Err(failure) => Err(failure),
    }
}

fn prove<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    vmid: Vmid,
    config: &GuestConfig,
) -> Result<()> {
    let desired = &context.run.desired;
    let marker = config.get("description").and_then(Marker::find);
    let marked = marker.is_some_and(|marker| marker.node_of(&desired.id) == Some(node));
    // Under another VMID than the inventory's it may be a copy that somebody made, marker and all.
    let in_place = desired.nodes.get(node).is_some_and(|wanted| wanted.vmid == vmid);
    if marked && (in_place || guest::has_our_uuid(desired, node, config)) {
        return Ok(());
    }
    let lacks = if marked { "SMBIOS UUID" } else { "marker" };
    Err(Failure::new(Kind::Refused, format!("VM {vmid} does not carry the {lacks} of {node}"))
        .hint("it is left alone; delete it yourself if it is yours"))
}

/// A template that is being made carries its marker from its first configuration on; until then, or without
/// it, it may be anybody's.
async fn prove_template<W: World>(
    context: &StepContext<W>,
    proxmox_node: &str,
    vmid: Vmid,
) -> Result<()> {
    let config = context.run.world.proxmox().guest_config(proxmox_node, vmid).await?;
    let marker = config.and_then(|config| Marker::find(config.get("description")?));
    let ours = marker.is_some_and(|marker| {
        marker.cluster == context.run.desired.id
            && matches!(marker.role, MarkerRole::Template { .. })
    });
    if ours {
        return Ok(());
    }
    let message = format!("VMID {vmid} is being made and does not carry our marker");
    Err(Failure::new(Kind::Refused, message)
        .at(proxmox_node)
        .hint("run the same command again when its task has ended: what is ours is deleted then"))
}

/// Whether only its guest tells of the node.
fn is_stray<W: World>(context: &StepContext<W>, node: &NodeName) -> bool {
    !context.run.desired.nodes.contains_key(node)
}

/// What the guest leaves elsewhere: its device, its keys, its seeds.
async fn forget<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<()> {
    leave_tailnet(context, node).await?;
    if !is_stray(context, node) {
        super::machine::delete_seeds(context, node).await?;
    }
    Ok(())
}

/// Takes the node's device out of the tailnet, and its keys back.
async fn leave_tailnet<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<()> {
    let record = twins::Record::remembered(&context.run.memory(), node);
    if !record.is_empty() {
        match context.run.devices().await {
            Ok(devices) => {
                let tag = &context.run.desired.tailnet.tag;
                let ours = twins::find(&devices, node, tag, &record);
                for device in ours.stale.iter().chain(&ours.alive) {
                    context.run.world.tailnet().delete_device(&device.id).await?;
                }
                context.record(&Record::DeviceDropped { node: node.clone() })?;
            }
            // While its guest is there it can be asked again.
            Err(error) if is_stray(context, node) => return Err(error.into()),
            Err(error) => context.warn(format!("its tailnet device was not looked for: {error}")),
        }
    }
    super::join::take_keys_back(context, node).await
}

/// Deletes the Node object and the node password of a node that is rebuilt or gone (K3S-04).
pub async fn kubernetes_node<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<()> {
    let cluster = context.run.cluster().await?;
    cluster.delete_node(node).await?;
    cluster.delete_node_password(node).await?;
    Ok(())
}

/// Deletes a volume of ours by its name.
pub async fn volume<W: World>(
    context: &StepContext<W>,
    proxmox_node: &str,
    volume: &str,
) -> Result<Outcome> {
    let proxmox = context.run.world.proxmox();
    settle(
        context,
        context.task(DELETE_LIMIT, || proxmox.delete_volume(proxmox_node, volume)).await,
    )?;
    context.record(&Record::VolumeDropped { volume: volume.to_owned() })?;
    Ok(Outcome::Done)
}

/// Deletes the template; a clone of ours is a full one, so nothing depends on it.
pub async fn template<W: World>(
    context: &StepContext<W>,
    proxmox_node: &str,
    vmid: Vmid,
) -> Result<Outcome> {
    let proxmox = context.run.world.proxmox();
    let mut unanswered = None;
    for _ in 0..3 {
        match observe::template(&context.run, proxmox_node).await? {
            TemplateSight::Absent => {
                let proxmox_node = proxmox_node.to_owned();
                context.record(&Record::TemplateDropped { proxmox_node })?;
                return Ok(Outcome::Done);
            }
            TemplateSight::Foreign(stranger) => {
                return Err(Failure::new(
                    Kind::Refused,
                    format!("VMID {vmid} is taken by {stranger}"),
                )
                .at(proxmox_node));
            }
            TemplateSight::HalfMade { .. } | TemplateSight::Ready { .. } => {
                prove_template(context, proxmox_node, vmid).await?;
                let deleted = context
                    .task_at_once(DELETE_LIMIT, || async {
                        proxmox.delete_guest(proxmox_node, vmid).await.map(Some)
                    })
                    .await;
                if let Ok(false) = deleted {
                    continue;
                }
                unanswered = settle(context, deleted.map(drop))?.or(unanswered);
                lease::went_with(&context.run, proxmox_node, vmid);
            }
        }
    }
    Err(still_there(proxmox_node, format!("template {vmid} is still there"), unanswered))
}
