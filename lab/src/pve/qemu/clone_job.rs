//! A clone at work: identities of its own, copies of its drives, and nothing left when it fails.

use super::{
    call::Subject,
    clone::Wish,
    config::{GuestConfig, Section},
    disks::{Site, blocking, cloudinit_format},
    drive::{self, Drive},
    network::{self, Network},
    options, size,
};
use crate::pve::{
    storage::{CopyError, CopyOptions, VolumeId, copy_image},
    task::{Held, Worker},
};

/// A clone at work.
pub(super) struct Job {
    pub(super) source: Subject,
    pub(super) target: Subject,
    /// What is cloned: the source's options, or a snapshot's.
    pub(super) section: Section,
    pub(super) wish: Wish,
    pub(super) worker: Worker,
}

impl Job {
    /// Does it, with both configurations locked.
    ///
    /// # Errors
    ///
    /// The task's exit status.
    pub(super) async fn run(self, held: (Held, Held)) -> Result<(), String> {
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
        if self.source.state.config.lacks.disk_mirror
            && self.source.is_running()
            && !drive.is_cloudinit()
        {
            return Err(format!(
                "drive-{}: throttle node without file child node name!",
                drive.name
            ));
        }
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
