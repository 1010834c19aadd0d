//! Moving: disks to other storages and guests, guests to other nodes; what a guest's volumes can.

use serde_json::{Value, json};

use super::{
    call::{CONFIG_WAIT, Subject, begin, check_lock},
    config::GuestConfig,
    disks::{Site, blocking},
    drive::{self, Drive},
    endpoints::{digest, on_guest, snapshot_name},
    pending, size, snapshot, spec, update,
};
use crate::pve::{
    access::permission::all_of,
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{Schema, boolean, formatted, integer, one_of, string},
    storage::{Content, CopyOptions, copy_image},
    task::Worker,
};

const VM: &str = "/vms/{vmid}";

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        on_guest(Endpoint::post("/nodes/{node}/qemu/{vmid}/move_disk"))
            .protected()
            .permission(all_of(VM, &["VM.Config.Disk"]))
            .parameters([
                integer().minimum(0).optional().named("bwlimit"),
                boolean().optional().named("delete"),
                digest(),
                drive_or_unused().named("disk"),
                one_of(["raw", "qcow2", "vmdk"]).optional().named("format"),
                formatted("pve-storage-id").optional().named("storage"),
                string().max_length(40).optional().named("target-digest"),
                drive_or_unused().optional().named("target-disk"),
                integer()
                    .format("pve-vmid")
                    .minimum(100)
                    .maximum(999_999_999)
                    .optional()
                    .named("target-vmid"),
            ])
            .handler(move_disk),
        on_guest(Endpoint::get("/nodes/{node}/qemu/{vmid}/feature"))
            .protected()
            .permission(all_of(VM, &["VM.Audit"]))
            .parameters([
                one_of(["snapshot", "clone", "copy"]).named("feature"),
                snapshot_name().optional().named("snapname"),
            ])
            .handler(feature),
        on_guest(Endpoint::post("/nodes/{node}/qemu/{vmid}/migrate"))
            .protected()
            .permission(all_of(VM, &["VM.Migrate"]))
            .parameters([
                integer().minimum(0).optional().named("bwlimit"),
                boolean().optional().named("force"),
                formatted("CIDR").optional().named("migration_network"),
                one_of(["secure", "insecure"]).optional().named("migration_type"),
                boolean().optional().named("online"),
                formatted("pve-node").named("target"),
                formatted("storage-pair-list").optional().named("targetstorage"),
                boolean().optional().named("with-conntrack-state"),
                boolean().optional().named("with-local-disks"),
            ])
            .handler(migrate),
    ]
}

/// A drive, or a volume that is kept as unused.
fn drive_or_unused() -> Schema {
    one_of(drive::names().chain((0..256).map(|index| format!("unused{index}"))))
}

async fn feature(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let config = subject.load().map_err(|_| {
        let (vmid, node) = (subject.vmid, &subject.node);
        ApiError::failure(format!(
            "unable to find configuration file for VM {vmid} on node '{node}'"
        ))
    })?;
    let snapname = request.text("snapname");
    let section = match &snapname {
        Some(name) => config
            .snapshots
            .get(name)
            .ok_or_else(|| ApiError::failure(format!("snapshot '{name}' does not exist")))?,
        None => &config.current,
    };
    let wanted = request.text("feature").unwrap_or_default();
    let mut has = true;
    for drive in spec::drives(section).into_iter().filter(|drive| !drive.is_cdrom()) {
        let Some(id) = drive.volume() else { continue };
        let (place, volume) =
            subject.state.storage.locate(&subject.node, &id).map_err(ApiError::failure)?;
        has &= match wanted.as_str() {
            "clone" => volume.is_base() || (snapname.is_some() && !place.is_directory()),
            "snapshot" => snapshot::can_snapshot(place, &volume),
            _ => true,
        };
    }
    let nodes: Vec<&str> = match has {
        true => subject.state.nodes().iter().map(|node| node.name.as_str()).collect(),
        false => vec![subject.node.as_str()],
    };
    let shared = subject.state.nodes().len() == 1 || !has;
    let nodes = if shared { nodes } else { vec![subject.node.as_str()] };
    Ok(json!({ "hasFeature": u8::from(has), "nodes": nodes }))
}

async fn move_disk(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let disk = request.text("disk").unwrap_or_default();
    let storage = request.text("storage");
    let target_vmid = request.integer("target-vmid").and_then(|vmid| u32::try_from(vmid).ok());
    match (target_vmid, &storage) {
        (Some(_), Some(_)) | (None, None) => {
            let text = "either set 'storage' or 'target-vmid', but not both";
            Err(ApiError::parameters([
                ("target-vmid".to_owned(), text.to_owned()),
                ("storage".to_owned(), text.to_owned()),
            ]))
        }
        (Some(vmid), None) if vmid == subject.vmid => Err(ApiError::parameter(
            "target-vmid",
            "must be different than source VMID to reassign disk",
        )),
        (Some(vmid), None) => {
            let target = request.text("target-disk").unwrap_or_else(|| disk.clone());
            reassign(&request, &subject, &disk, vmid, &target)
        }
        (None, Some(storage)) => to_storage(&request, subject, disk, storage.clone()).await,
    }
}

/// The drive to move, after the checks that are made at once.
fn movable(config: &GuestConfig, disk: &str) -> Result<Drive, String> {
    let value = config.get(disk).ok_or_else(|| format!("disk '{disk}' does not exist"))?;
    let drive = Drive::parse(disk, value)?;
    if drive.is_cdrom() {
        return Err("you can't move a cdrom".to_owned());
    }
    if drive.volume().is_none() {
        return Err(format!("disk '{disk}' has no associated volume"));
    }
    Ok(drive)
}

async fn to_storage(
    request: &Request,
    subject: Subject,
    disk: String,
    storage: String,
) -> Result<Value, ApiError> {
    let held = subject.lock(CONFIG_WAIT, None).await.map_err(ApiError::failure)?;
    let config = subject.load().map_err(ApiError::failure)?;
    check_lock(&config).map_err(ApiError::failure)?;
    if request.text("digest").is_some_and(|digest| digest != config.digest()) {
        return Err(ApiError::failure("checksum mismatch (file change by other user?)"));
    }
    let drive = movable(&config, &disk).map_err(ApiError::failure)?;
    let id = drive.volume().ok_or_else(|| ApiError::failure("no volume"))?;
    let place =
        subject.state.storage.on_node(&subject.node, &storage).map_err(ApiError::failure)?.clone();
    let (_, volume) =
        subject.state.storage.locate(&subject.node, &id).map_err(ApiError::failure)?;
    let format = request.text("format");
    if id.storage == storage && format.as_ref().is_none_or(|format| *format == volume.format) {
        return Err(ApiError::failure("you can't move to the same storage with same format"));
    }
    if !place.holds(Content::Images) {
        let text = format!("storage '{storage}' does not support vm images");
        return Err(ApiError::parameter("storage", text));
    }
    request.require(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    let delete = request.boolean("delete").unwrap_or(false);
    if delete && !config.snapshots.is_empty() {
        let text = "you can't move a disk with snapshots and delete the source";
        return Err(ApiError::failure(text));
    }
    Ok(begin(request, "qmmove", &subject.vmid.to_string(), move |worker| async move {
        let _held = held;
        let site = Site { subject: subject.clone(), worker: Some(worker.clone()) };
        move_volume(&site, config, drive, &storage, format.as_deref(), delete, &worker)
            .await
            .map_err(|error| format!("storage migration failed: {error}"))
    }))
}

#[allow(clippy::too_many_arguments)]
async fn move_volume(
    site: &Site,
    mut config: GuestConfig,
    mut drive: Drive,
    storage: &str,
    format: Option<&str>,
    delete: bool,
    worker: &Worker,
) -> Result<(), String> {
    let subject = &site.subject;
    let id = drive.volume().ok_or_else(|| "no volume".to_owned())?;
    worker.log(format!("create full clone of drive {} ({id})", drive.name));
    let (from, volume) = subject.state.storage.locate(&subject.node, &id)?;
    let bytes = from.size(&volume).ok_or_else(|| format!("volume '{id}' does not exist"))?;
    let place = site.place(storage)?;
    let format = if place.is_directory() { format } else { None };
    let new = site.allocate(&place, None, format, bytes).await?;
    worker.log(format!("allocated target volume '{new}'"));
    let (source, target) = (from.file(&volume), place.file(&place.parse(&new.name)?));
    let options = CopyOptions { worker: Some(worker.clone()), bytes_per_second: None };
    let copied =
        blocking(move || copy_image(&source, &target, &options).map_err(|error| error.to_string()))
            .await;
    if let Err(error) = copied {
        place.free(None, &new.name)?;
        return Err(error);
    }
    drive.set("file", new.to_string());
    drive.remove("format");
    drive.set("size", size::print(site.size_of(&new)?));
    if !delete {
        pending::add_unused(&mut config, &id.to_string());
    }
    update::replace_drive(subject, config, &drive).await?;
    if delete {
        site.free(&id).await?;
    }
    Ok(())
}

/// Gives a disk to another guest: its volume gets a name of that guest's.
fn reassign(
    request: &Request,
    subject: &Subject,
    disk: &str,
    target_vmid: u32,
    target_disk: &str,
) -> Result<Value, ApiError> {
    let vmid = subject.vmid;
    request.require(&format!("/vms/{target_vmid}"), &["VM.Config.Disk"])?;
    let target = subject.with_vmid(target_vmid);
    if target.state.qemu.find(target_vmid).is_none() {
        return Err(ApiError::failure(format!("could not find target VM {target_vmid}")));
    }
    let subject = subject.clone();
    let (disk, target_disk) = (disk.to_owned(), target_disk.to_owned());
    let check = {
        let (subject, target) = (subject.clone(), target.clone());
        let (disk, target_disk) = (disk.clone(), target_disk.clone());
        move || -> Result<(GuestConfig, GuestConfig, Drive), String> {
            let (from, into) = (subject.load()?, target.load()?);
            if from.is_template() || into.is_template() {
                return Err("Can't move disks from or to template VMs".to_owned());
            }
            check_lock(&from).map_err(|error| format!("VM {vmid}: {error}"))?;
            check_lock(&into).map_err(|error| format!("VM {target_vmid}: {error}"))?;
            let value = from
                .get(&disk)
                .ok_or_else(|| format!("Disk '{disk}' for VM '{vmid}' does not exist"))?;
            let drive = Drive::parse(&disk, value)?;
            if into.current.contains_key(&target_disk) {
                return Err(format!(
                    "Target disk key '{target_disk}' is already in use for VM '{target_vmid}'"
                ));
            }
            if drive.is_cdrom() {
                return Err("CD drive contents can't be moved to another VM".to_owned());
            }
            if subject.is_running() {
                return Err("Cannot move disk to another VM while the source VM is running - \
                            detach first"
                    .to_owned());
            }
            Ok((from, into, drive))
        }
    };
    check().map_err(ApiError::failure)?;
    let id = format!("{vmid}-{disk}>{target_vmid}-{target_disk}");
    Ok(begin(request, "qmmove", &id, move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        let _held_too = target.lock(CONFIG_WAIT, Some(&worker)).await?;
        let (mut from, mut into, drive) = check()?;
        let id = drive.volume().ok_or_else(|| "no volume".to_owned())?;
        let (place, volume) = subject.state.storage.locate(&subject.node, &id)?;
        worker.log("moving disk to another VM");
        let stem = place.free_stem(target_vmid);
        let name = place.image_name(target_vmid, &stem, &volume.format);
        place.rename(&volume, &place.parse(&name)?)?;
        from.current.remove(&disk);
        subject.save(&from);
        let new = place.volume_id(&name);
        let mut moved = Drive { name: target_disk.clone(), ..drive };
        moved.set("file", new.to_string());
        into.set(&target_disk, moved.print());
        target.save(&into);
        worker.log(format!("renaming volume '{id}' to '{new}'"));
        Ok(())
    }))
}

/// A stopped guest goes to another node with its volumes.
async fn migrate(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let target = request.text("target").unwrap_or_default();
    if subject.state.node(&target).is_none() {
        return Err(ApiError::failure(format!("no such cluster node '{target}'")));
    }
    if target == subject.node {
        return Err(ApiError::parameter("target", "target is local node."));
    }
    let config = subject.load().map_err(ApiError::failure)?;
    check_lock(&config).map_err(ApiError::failure)?;
    if subject.is_running() {
        if !request.boolean("online").unwrap_or(false) {
            return Err(ApiError::failure("can't migrate running VM without --online"));
        }
        return Err(ApiError::failure("migrating running guests is not emulated"));
    }
    Ok(begin(&request, "qmigrate", &subject.vmid.to_string(), move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        let config = subject.load()?;
        check_lock(&config)?;
        worker.log(format!("starting migration of VM {} to node '{target}'", subject.vmid));
        let ids: Vec<_> = super::destroy::own_volumes(&subject, &config);
        let mut copied = Vec::new();
        for id in &ids {
            let (from, volume) = subject.state.storage.locate(&subject.node, id)?;
            let into = subject.state.storage.on_node(&target, &id.storage)?;
            if from.config.shared {
                continue;
            }
            worker.log(format!("copying local disk image '{id}'"));
            let bytes = from.size(&volume).unwrap_or(0);
            into.allocate(None, subject.vmid, &id.name, bytes)?;
            let (source, destination) = (from.file(&volume), into.file(&volume));
            let options = CopyOptions { worker: Some(worker.clone()), bytes_per_second: None };
            blocking(move || {
                copy_image(&source, &destination, &options).map_err(|error| error.to_string())
            })
            .await?;
            copied.push(id.clone());
        }
        subject.state.qemu.relocate(subject.vmid, &target);
        for id in copied {
            let (from, _) = subject.state.storage.locate(&subject.node, &id)?;
            from.free(None, &id.name)?;
        }
        worker.log("migration finished successfully");
        Ok(())
    }))
}
