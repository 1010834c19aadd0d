//! The image stage: a pinned cloud image on the storage, and a template made from it.

use std::time::Duration;

use super::Outcome;
use crate::{
    engine::{StepContext, lease},
    error::{Effect, Failure, Kind, Result},
    inventory::Desired,
    journal::Record,
    model::{Marker, Nonce, Vmid, marker::MarkerRole},
    observe,
    plan::{
        guest::{BOOT_DISK, TEMPLATE_NAME},
        observed::TemplateSight,
    },
    ports::{ContentKind, Image, Proxmox, World, says_taken},
};

const DOWNLOAD_LIMIT: Duration = Duration::from_secs(3600);
/// How often it is asked for, where replies are lost and it is not there.
const TURNS: usize = 3;
const IMPORT_LIMIT: Duration = Duration::from_secs(1800);

/// The name that the image has on the storage: it carries the hash, so it never changes its meaning.
pub fn file_name(desired: &Desired) -> String {
    let artifact = &desired.image.artifact;
    // Ubuntu's `.img` is a qcow2; a storage takes it under its true name only (PVE-07).
    let extension = match artifact.url.rsplit_once('.').map(|(_, extension)| extension) {
        Some("raw") => "raw",
        Some("vmdk") => "vmdk",
        _ => "qcow2",
    };
    named(&artifact.sha256, extension)
}

fn named(sha256: &str, extension: &str) -> String {
    format!("homelab-{}.{extension}", &sha256[..16])
}

/// The volume ids under which images of these hashes may stand.
pub fn volumes<'a>(desired: &Desired, hashes: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let storage = &desired.proxmox.image_storage;
    let under = |sha256: &'a str| {
        ["raw", "vmdk", "qcow2"].map(|kind| format!("{storage}:import/{}", named(sha256, kind)))
    };
    // A marker is a text that anybody may edit: what is no hash names no image.
    let sound = |sha256: &&str| sha256.len() == 64 && sha256.is_ascii();
    hashes.into_iter().filter(sound).flat_map(under).collect()
}

/// The image's volume id.
pub fn volume(desired: &Desired) -> String {
    format!("{}:import/{}", desired.proxmox.image_storage, file_name(desired))
}

async fn is_there<W: World>(context: &StepContext<W>, proxmox_node: &str) -> Result<bool> {
    let desired = &context.run.desired;
    let (storage, wanted) = (&desired.proxmox.image_storage, volume(desired));
    let proxmox = context.run.world.proxmox();
    let volumes = proxmox.volumes(proxmox_node, storage, ContentKind::Import).await?;
    Ok(volumes.iter().any(|volume| volume.id == wanted))
}

/// Lets the Proxmox node fetch the image, checked by sha256.
pub async fn fetch<W: World>(context: &StepContext<W>, proxmox_node: &str) -> Result<Outcome> {
    let desired = &context.run.desired;
    let proxmox = context.run.world.proxmox();
    let storage = &desired.proxmox.image_storage;
    if is_there(context, proxmox_node).await? {
        return Ok(Outcome::Unchanged(format!("{} is there", volume(desired))));
    }
    let artifact = &desired.image.artifact;
    let image = Image {
        url: artifact.url.clone(),
        file_name: file_name(desired),
        sha256: artifact.sha256.clone(),
    };
    for turn in 1.. {
        let fetched = context
            .task(DOWNLOAD_LIMIT, || async {
                proxmox.download(proxmox_node, storage, ContentKind::Import, &image).await.map(Some)
            })
            .await;
        let failure = match fetched {
            Ok(()) => break,
            Err(failure) if failure.effect == Effect::Unknown => {
                context.output(format!("looking whether it happened: {failure}"));
                let followed = follow_download(context, proxmox_node, &image.file_name).await;
                followed.err().unwrap_or(failure)
            }
            Err(failure) => failure,
        };
        // Another run may have fetched it meanwhile: it stands under its name only when it is whole.
        if is_there(context, proxmox_node).await? {
            break;
        }
        if failure.effect != Effect::Unknown || turn == TURNS {
            return Err(failure
                .hint(format!("the image is {}, pinned to sha256 {}", image.url, image.sha256)));
        }
    }
    Ok(Outcome::Done)
}

/// Sees a download to its end whose UPID was in the reply that was lost: its task names the file.
async fn follow_download<W: World>(
    context: &StepContext<W>,
    proxmox_node: &str,
    file_name: &str,
) -> Result<()> {
    let active = context.run.world.proxmox().active_tasks(proxmox_node).await?;
    let download = active.iter().find(|task| task.kind() == "download" && task.id() == file_name);
    match download {
        Some(task) => context.follow(task, DOWNLOAD_LIMIT).await.map(drop),
        None => Ok(()),
    }
}

/// Makes a template from the image: created, marked, converted, never booted.
pub async fn make_template<W: World>(
    context: &StepContext<W>,
    proxmox_node: &str,
    vmid: Vmid,
) -> Result<Outcome> {
    let proxmox = context.run.world.proxmox();
    for _ in 0..4 {
        context.still_wanted()?;
        match observe::template(&context.run, proxmox_node).await? {
            TemplateSight::Ready { .. } => {
                // It may be another run's: then that run has the lease.
                lease::confirm(&context.run, proxmox_node, vmid).await?;
                return Ok(Outcome::Done);
            }
            TemplateSight::Foreign(stranger) => {
                return Err(Failure::new(
                    Kind::Refused,
                    format!("VMID {vmid} is taken by {stranger}"),
                )
                .at(proxmox_node));
            }
            TemplateSight::HalfMade { task: Some(task), .. } => {
                context.follow(&task, IMPORT_LIMIT).await?;
            }
            TemplateSight::HalfMade { lock: Some(lock), .. } => {
                return Err(Failure::new(
                    Kind::Refused,
                    format!("template {vmid} was begun and left with lock `{lock}`, and no task works on it"),
                )
                .at(proxmox_node)
                .hint(format!("as root on {proxmox_node}: qm unlock {vmid} && qm destroy {vmid} --purge")));
            }
            TemplateSight::HalfMade { template: false, .. } => {
                // The import is whole (no lock); what lacks is the conversion.
                let made =
                    context.task(IMPORT_LIMIT, || proxmox.make_template(proxmox_node, vmid)).await;
                match made {
                    // Whether it happened is seen by looking again.
                    Err(failure) if failure.effect == Effect::Unknown => {
                        context.output(format!("looking whether it happened: {failure}"));
                    }
                    other => other?,
                }
            }
            TemplateSight::HalfMade { .. } => {
                return Err(Failure::new(
                    Kind::Proxmox,
                    format!("template {vmid} carries no readable marker"),
                )
                .at(proxmox_node));
            }
            TemplateSight::Absent => create(context, proxmox_node, vmid).await?,
        }
    }
    // A request that nobody answered may still arrive.
    Err(Failure::new(Kind::Proxmox, format!("template {vmid} did not come to be in four tries"))
        .at(proxmox_node)
        .effect(Effect::Unknown))
}

async fn create<W: World>(context: &StepContext<W>, proxmox_node: &str, vmid: Vmid) -> Result<()> {
    let desired = &context.run.desired;
    let nonce = Nonce::random();
    context.record(&Record::TemplateIntended {
        proxmox_node: proxmox_node.to_owned(),
        vmid,
        nonce: nonce.clone(),
    })?;
    let marker = Marker {
        cluster: desired.id,
        role: MarkerRole::Template { image_sha256: desired.image.artifact.sha256.clone() },
        nonce,
        host_keys: Vec::new(),
        address: None,
    };
    let disk = format!("{}:0,import-from={}", desired.proxmox.disk_storage, volume(desired));
    let mut parameters: Vec<(String, String)> = [
        ("vmid", vmid.to_string()),
        ("name", format!("{TEMPLATE_NAME}{}", &desired.image.artifact.sha256[..12])),
        // Who makes the first guest of a cluster has its lease: Proxmox lets one creation of a VMID win.
        (
            "description",
            lease::written_into(&context.run, proxmox_node, vmid, &marker.to_string()).await?,
        ),
        ("memory", "1024".into()),
        ("cores", "1".into()),
        ("ostype", "l26".into()),
        ("scsihw", "virtio-scsi-single".into()),
        ("serial0", "socket".into()),
        ("vga", "serial0".into()),
        ("boot", format!("order={BOOT_DISK}")),
        (BOOT_DISK, disk),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    if let Some(pool) = &desired.proxmox.pool {
        parameters.push(("pool".to_owned(), pool.clone()));
    }
    let proxmox = context.run.world.proxmox();
    let _allocation = allocation(context).await?;
    let outcome = context
        .task(IMPORT_LIMIT, || async {
            proxmox.create_guest(proxmox_node, &parameters).await.map(Some)
        })
        .await;
    match outcome {
        // Whether it happened is seen by looking again.
        Err(failure) if failure.effect == Effect::Unknown => {
            context.output(format!("looking whether it happened: {failure}"));
            Ok(())
        }
        // It was free when this run looked, and its own replies are never taken for somebody else's.
        Err(failure) if says_taken(&failure.message, vmid) => Err(Failure::new(
            Kind::Locked,
            format!("another run made VMID {vmid} a moment earlier: {}", failure.message),
        )
        .at(proxmox_node)
        .hint("wait for it to end, then run `homelab up` again: it goes on from what is there")),
        other => other,
    }
}

/// A permit to allocate on the disks' storage (PVE-01).
pub async fn allocation<W: World>(
    context: &StepContext<W>,
) -> Result<tokio::sync::OwnedSemaphorePermit> {
    let storage = context.run.desired.proxmox.disk_storage.clone();
    let permits = context.run.allocations(&storage);
    tokio::select! {
        permit = permits.acquire_owned() => {
            Ok(permit.expect("the semaphore is never closed"))
        }
        () = context.run.stop.cancelled() => {
            context.still_wanted()?;
            unreachable!("a stopped run is no longer wanted")
        }
    }
}
