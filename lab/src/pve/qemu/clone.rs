//! `POST .../clone`.

use serde_json::Value;

use super::{
    call::{CLONE_WAIT, Subject, begin, check_lock},
    config::{GuestConfig, Section},
    disks::{Site, blocking, cloudinit_format},
    drive::{self, Drive},
    network::{self, Network},
    options, size,
};
use crate::pve::{
    error::ApiError,
    request::Request,
    storage::{Content, CopyError, CopyOptions, VolumeId, copy_image},
    task::{Held, Worker},
};

/// What a clone was asked for.
#[derive(Clone, Debug)]
struct Wish {
    newid: u32,
    name: Option<String>,
    description: Option<String>,
    pool: Option<String>,
    snapshot: Option<String>,
    storage: Option<String>,
    format: Option<String>,
    target: Option<String>,
    full: bool,
    bytes_per_second: Option<u64>,
}

impl Wish {
    fn of(request: &Request, template: bool) -> Self {
        let limit = request.integer("bwlimit").and_then(|limit| u64::try_from(limit).ok());
        Self {
            newid: request.integer("newid").and_then(|id| id.try_into().ok()).unwrap_or(0),
            name: request.text("name"),
            description: request.text("description"),
            pool: request.text("pool"),
            snapshot: request.text("snapname"),
            storage: request.text("storage"),
            format: request.text("format"),
            target: request.text("target"),
            full: request.boolean("full").unwrap_or(!template),
            bytes_per_second: limit.filter(|limit| *limit > 0).map(|limit| limit * 1024),
        }
    }
}

pub(crate) async fn clone(request: Request) -> Result<Value, ApiError> {
    let source = Subject::of(&request);
    let vmid = source.vmid;
    if let Some(pool) = request.text("pool") {
        request.state.access.require_pool(&pool)?;
    }
    let unknown = || {
        let node = &source.node;
        ApiError::failure(format!(
            "unable to find configuration file for VM {vmid} on node '{node}'"
        ))
    };
    let config = source.load().map_err(|_| unknown())?;
    let wish = Wish::of(&request, config.is_template());
    check_target(&request, &source, &wish)?;
    check_lock(&config).map_err(ApiError::failure)?;
    let section = match &wish.snapshot {
        Some(name) => config
            .snapshots
            .get(name)
            .cloned()
            .ok_or_else(|| ApiError::failure(format!("snapshot '{name}' does not exist")))?,
        None => config.current.clone(),
    };
    check_linked(&source, &config, &section, &wish)?;
    refuse_taken(&source, wish.newid).map_err(ApiError::failure)?;
    super::access::check_bridges(&request, &section)?;
    Ok(begin(&request, "qmclone", &vmid.to_string(), move |worker| async move {
        let target = source.with_vmid(wish.newid);
        let held_target = target.lock(CLONE_WAIT, Some(&worker)).await?;
        refuse_taken(&source, wish.newid)?;
        let held_source = if source.is_running() {
            source.lock(CLONE_WAIT, Some(&worker)).await?
        } else {
            source.lock_shared(CLONE_WAIT, Some(&worker)).await?
        };
        let job = Job { source, target, section, wish, worker };
        job.run((held_source, held_target)).await
    }))
}

fn refuse_taken(source: &Subject, newid: u32) -> Result<(), String> {
    match source.state.qemu.node_of(newid) {
        Some(_) => Err(format!("unable to create VM {newid}: config file already exists")),
        None => Ok(()),
    }
}

fn check_target(request: &Request, source: &Subject, wish: &Wish) -> Result<(), ApiError> {
    if let Some(node) = &wish.target
        && source.state.node(node).is_none()
    {
        return Err(ApiError::failure(format!("no such cluster node '{node}'")));
    }
    if let Some(storage) = &wish.storage {
        let place =
            source.state.storage.on_node(&source.node, storage).map_err(ApiError::failure)?;
        if !place.holds(Content::Images) {
            let text = format!("storage '{storage}' does not support vm images");
            return Err(ApiError::parameter("storage", text));
        }
        request.require(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    }
    if let Some(node) = &wish.target
        && *node != source.node
    {
        let vmid = source.vmid;
        return Err(ApiError::failure(format!(
            "can't clone VM {vmid} to node '{node}' (VM uses local storage)"
        )));
    }
    Ok(())
}

/// Linked clones need a base, and take neither storage nor format.
fn check_linked(
    source: &Subject,
    config: &GuestConfig,
    section: &Section,
    wish: &Wish,
) -> Result<(), ApiError> {
    if !wish.full {
        if wish.storage.is_some() {
            return Err(ApiError::failure("parameter 'storage' not allowed for linked clones"));
        }
        if wish.format.is_some() {
            return Err(ApiError::failure("parameter 'format' not allowed for linked clones"));
        }
    }
    for drive in super::spec::drives(section) {
        let Some(id) = drive.volume().filter(|_| !drive.is_cdrom()) else { continue };
        let (place, volume) =
            source.state.storage.locate(&source.node, &id).map_err(ApiError::failure)?;
        let linkable = volume.is_base() || (wish.snapshot.is_some() && !place.is_directory());
        if !wish.full && !(linkable && (config.is_template() || wish.snapshot.is_some())) {
            return Err(ApiError::failure(format!(
                "Linked clone feature is not supported for '{id}' ({})",
                drive.name
            )));
        }
    }
    Ok(())
}

/// A clone at work.
struct Job {
    source: Subject,
    target: Subject,
    section: Section,
    wish: Wish,
    worker: Worker,
}

impl Job {
    async fn run(self, held: (Held, Held)) -> Result<(), String> {
        let (vmid, newid) = (self.source.vmid, self.wish.newid);
        let mut config = self.new_config();
        if self.source.state.qemu.create(&self.target.node, newid, config.clone()).is_err() {
            return Err(format!("unable to create VM {newid}: config file already exists"));
        }
        self.worker.log(format!("creating a clone of VM {vmid} with ID {newid}"));
        let mut made = Vec::new();
        let result = self.copy_drives(&mut config, &mut made).await;
        if let Err(error) = result {
            let site = Site { subject: self.target.clone(), worker: Some(self.worker.clone()) };
            for id in made {
                // A copy that was stopped is taken away all the same.
                let place = site.place(&id.storage)?;
                if let Err(error) = place.free(Some(&self.worker), &id.name) {
                    self.worker.log(error);
                }
            }
            self.target.state.qemu.remove(newid);
            return Err(format!("clone failed: {error}"));
        }
        config.current.remove("lock");
        self.target.save(&config);
        if let Some(pool) = &self.wish.pool {
            self.target.state.access.add_guest_to_pool(pool, newid);
        }
        drop(held);
        Ok(())
    }

    /// The clone's configuration without its drives: locked, with identities of its own. The
    /// description comes with the first disk.
    fn new_config(&self) -> GuestConfig {
        let mut config = GuestConfig::default();
        for (option, value) in &self.section {
            let dropped = drive::is_unused(option)
                || matches!(
                    option.as_str(),
                    "template"
                        | "lock"
                        | "parent"
                        | "snaptime"
                        | "vmstate"
                        | "runningcpu"
                        | "runningmachine"
                        | "description"
                        | "protection"
                );
            if dropped || drive::is_drive(option) {
                if let Some(drive) = copied_as_it_is(option, value) {
                    config.set(option, drive);
                }
                continue;
            }
            let value = if network::is_network(option) {
                Network::parse(option, value)
                    .map(|net| net.with_new_address().print())
                    .unwrap_or_else(|_| value.clone())
            } else {
                value.clone()
            };
            config.set(option, value);
        }
        config.set("lock", "clone");
        config.set("smbios1", new_smbios(config.get("smbios1")));
        if config.get("vmgenid").is_some() {
            config.set("vmgenid", uuid::Uuid::new_v4().to_string());
        }
        let old_name = self.section.get("name").cloned();
        let name = self.wish.name.clone().unwrap_or_else(|| {
            let old = old_name.unwrap_or_else(|| self.source.vmid.to_string());
            format!("Copy-of-VM-{old}")
        });
        config.set("name", name);
        config
    }

    async fn copy_drives(
        &self,
        config: &mut GuestConfig,
        made: &mut Vec<VolumeId>,
    ) -> Result<(), String> {
        let drives: Vec<Drive> = super::spec::drives(&self.section)
            .into_iter()
            .filter(|drive| copied_as_it_is(&drive.name, &drive.print()).is_none())
            .collect();
        for drive in &drives {
            let copy = self.copy_drive(drive, made).await?;
            config.set(&drive.name, copy.print());
            self.describe(config);
            self.target.save(config);
        }
        self.describe(config);
        Ok(())
    }

    fn describe(&self, config: &mut GuestConfig) {
        let description =
            self.wish.description.as_ref().or_else(|| self.section.get("description"));
        if let Some(description) = description {
            config.set("description", description.clone());
        }
    }

    async fn copy_drive(&self, drive: &Drive, made: &mut Vec<VolumeId>) -> Result<Drive, String> {
        let Some(id) = drive.volume() else {
            return Err(format!("unable to parse volume of drive {}", drive.name));
        };
        let site = Site { subject: self.target.clone(), worker: Some(self.worker.clone()) };
        if !self.wish.full && !drive.is_cloudinit() {
            return self.link(&site, drive, &id, made).await;
        }
        self.worker.log(format!("create full clone of drive {} ({id})", drive.name));
        let (source_place, source_volume) =
            self.source.state.storage.locate(&self.source.node, &id)?;
        let bytes = source_place
            .size(&source_volume)
            .ok_or_else(|| format!("volume '{id}' does not exist"))?;
        let storage = self.wish.storage.as_deref().unwrap_or(&id.storage);
        let place = site.place(storage)?;
        let stem = drive.is_cloudinit().then(|| format!("vm-{}-cloudinit", self.wish.newid));
        let format = match (&self.wish.format, place.is_directory()) {
            (_, false) => "raw".to_owned(),
            _ if drive.is_cloudinit() => cloudinit_format(&place, None).to_owned(),
            (Some(format), true) => format.clone(),
            (None, true) if source_place.is_directory() => source_volume.format.clone(),
            (None, true) => place.default_format().to_owned(),
        };
        let new = site.allocate(&place, stem.as_deref(), Some(&format), bytes).await?;
        made.push(new.clone());
        self.worker.log(format!("allocated target volume '{new}'"));
        let target = place.parse(&new.name)?;
        if !drive.is_cloudinit() {
            let from = match &self.wish.snapshot {
                Some(name) => source_place.snapshot_path(&source_volume, name),
                None => source_place.file(&source_volume),
            };
            let into = place.file(&target);
            let options = CopyOptions {
                worker: Some(self.worker.clone()),
                bytes_per_second: self.wish.bytes_per_second,
            };
            let shown = (source_place.shown_path(&source_volume), place.shown_path(&target));
            let formats = (source_volume.format.clone(), target.format.clone());
            let limit = self.wish.bytes_per_second;
            blocking(move || {
                copy_image(&from, &into, &options)
                    .map_err(|error| copy_failed(&error, &shown, &formats, limit))
            })
            .await?;
        }
        let bytes = place.size(&target).unwrap_or(bytes);
        Ok(renamed(drive, &new, Some(bytes)))
    }

    /// A linked clone shares its base's blocks where the file system can; its name says so in a
    /// directory only.
    async fn link(
        &self,
        site: &Site,
        drive: &Drive,
        id: &VolumeId,
        made: &mut Vec<VolumeId>,
    ) -> Result<Drive, String> {
        self.worker.log(format!("create linked clone of drive {} ({id})", drive.name));
        let place = site.place(&id.storage)?;
        let base = place.parse(&id.name)?;
        let bytes = place.size(&base).ok_or_else(|| format!("volume '{id}' does not exist"))?;
        let stem = place.free_stem(self.wish.newid);
        let quiet = Site { worker: None, ..site.clone() };
        let format = if place.is_directory() { "qcow2" } else { "raw" };
        let new = quiet.allocate(&place, Some(&stem), Some(format), bytes).await?;
        made.push(new.clone());
        let target = place.parse(&new.name)?;
        self.say_linked(&place, id, &target, bytes);
        let from = match &self.wish.snapshot {
            Some(name) => place.snapshot_path(&base, name),
            None => place.file(&base),
        };
        let into = place.file(&target);
        let worker = self.worker.clone();
        blocking(move || {
            copy_image(&from, &into, &CopyOptions::default()).map_err(|error| error.to_string())
        })
        .await?;
        if worker.interrupted() {
            return Err(crate::pve::task::INTERRUPTED.to_owned());
        }
        if place.is_directory() {
            place.link_to_base(&target, &id.name)?;
            let name = format!("{}/{}", id.name, new.name);
            return Ok(renamed(drive, &place.volume_id(&name), None));
        }
        Ok(renamed(drive, &new, None))
    }

    fn say_linked(
        &self,
        place: &crate::pve::storage::Place,
        id: &VolumeId,
        target: &crate::pve::storage::Volume,
        bytes: u64,
    ) {
        let file = &target.file;
        if !place.is_directory() {
            self.worker.log(format!("  Logical volume \"{file}\" created."));
            return;
        }
        let newid = self.wish.newid;
        self.worker.log(format!(
            "clone {}: images, {file}, {newid} to {file} (base=../{})",
            id.name, id.name
        ));
        self.worker.log(format!(
            "Formatting '{}', fmt=qcow2 cluster_size=131072 extended_l2=on preallocation=metadata \
             compression_type=zlib size={bytes} backing_file=../{} backing_fmt=qcow2 \
             lazy_refcounts=off refcount_bits=16",
            place.shown_path(target),
            id.name
        ));
    }
}

/// CD-ROM drives are taken over as they are, except for cloud-init images.
fn copied_as_it_is(option: &str, value: &str) -> Option<String> {
    let drive = Drive::parse(option, value).ok()?;
    (drive::is_drive(option) && drive.is_cdrom() && !drive.is_cloudinit()).then(|| drive.print())
}

fn renamed(drive: &Drive, id: &VolumeId, bytes: Option<u64>) -> Drive {
    let mut copy = drive.clone();
    copy.set("file", id.to_string());
    copy.remove("format");
    if let Some(bytes) = bytes {
        copy.set("size", size::print(bytes));
    }
    copy
}

fn new_smbios(old: Option<&str>) -> String {
    let mut keys =
        old.and_then(|old| options::SMBIOS1.parse(old, "smbios1").ok()).unwrap_or_default();
    keys.insert("uuid".to_owned(), uuid::Uuid::new_v4().to_string());
    options::SMBIOS1.print(&keys, &[])
}

fn copy_failed(
    error: &CopyError,
    (from, into): &(String, String),
    (from_format, into_format): &(String, String),
    limit: Option<u64>,
) -> String {
    let rate = limit.map(|bytes| format!(" -r {}K", bytes / 1024)).unwrap_or_default();
    format!(
        "copy failed: command '/usr/bin/qemu-img convert -p -n{rate} -f {from_format} -O \
         {into_format} {from} zeroinit:{into}' failed: {error}"
    )
}
