//! Making, copying and freeing the volumes of drives.

use std::sync::Arc;

use super::{
    call::{STORAGE_WAIT, Subject, patience},
    drive::{self, Drive, NewVolume},
    size,
};
use crate::pve::{
    state::State,
    storage::{Content, CopyOptions, Place, VolumeId, copy_image, unpack},
    task::Worker,
};

/// Size of a cloud-init drive.
const CLOUDINIT_BYTES: u64 = 4 << 20;

/// Who works: the guest, and the task that tells of it.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) subject: Subject,
    pub(crate) worker: Option<Worker>,
}

impl Site {
    fn say(&self, text: impl AsRef<str>) {
        if let Some(worker) = &self.worker {
            worker.log(text);
        }
    }

    fn state(&self) -> &Arc<State> {
        &self.subject.state
    }

    pub(crate) fn place(&self, storage: &str) -> Result<Place, String> {
        Ok(self.state().storage.on_node(&self.subject.node, storage)?.clone())
    }

    /// Makes an empty volume under the storage's lock. `stem` is `None` for the next free disk.
    ///
    /// # Errors
    ///
    /// The plugin's text.
    pub(crate) async fn allocate(
        &self,
        place: &Place,
        stem: Option<&str>,
        format: Option<&str>,
        bytes: u64,
    ) -> Result<VolumeId, String> {
        let vmid = self.subject.vmid;
        let wait = patience(self.state(), STORAGE_WAIT, self.worker.as_ref());
        let _held = place.lock.exclusive(wait).await?;
        let stem = stem.map_or_else(|| place.free_stem(vmid), str::to_owned);
        let format = format.unwrap_or_else(|| place.default_format());
        if !place.is_directory() && format != "raw" {
            return Err(format!("unsupported format '{format}'"));
        }
        let name = place.image_name(vmid, &stem, format);
        place.allocate(self.worker.as_ref(), vmid, &name, bytes)?;
        Ok(place.volume_id(&name))
    }

    /// Removes a volume under its storage's lock.
    ///
    /// # Errors
    ///
    /// The plugin's text.
    pub(crate) async fn free(&self, id: &VolumeId) -> Result<(), String> {
        let place = self.place(&id.storage)?;
        let wait = patience(self.state(), STORAGE_WAIT, self.worker.as_ref());
        let _held = place.lock.exclusive(wait).await?;
        place.free(self.worker.as_ref(), &id.name)
    }

    /// Gives a drive what it asks for: a new volume, an imported one, a cloud-init image, or one
    /// that is there already. Volumes made here are added to `made`.
    ///
    /// # Errors
    ///
    /// The text of what could not be made or found.
    pub(crate) async fn furnish(
        &self,
        mut drive: Drive,
        made: &mut Vec<VolumeId>,
    ) -> Result<Drive, String> {
        if drive.file().ends_with(":cloudinit") {
            let storage = drive.volume().map(|id| id.storage).unwrap_or_default();
            let place = self.place(&storage)?;
            let stem = format!("vm-{}-cloudinit", self.subject.vmid);
            let format = cloudinit_format(&place, drive.get("format"));
            let id = self.allocate(&place, Some(&stem), Some(format), CLOUDINIT_BYTES).await?;
            made.push(id.clone());
            drive.set("file", id.to_string());
            drive.set("media", "cdrom");
            drive.remove("format");
            drive.remove("size");
            self.say_created(&drive);
            return Ok(drive);
        }
        if let Some(new) = NewVolume::parse(drive.file()) {
            let place = self.place(&new.storage)?;
            let format = drive.remove("format");
            let (id, bytes) = match drive.remove("import-from") {
                Some(source) => {
                    let id = self.import(&source, &place, format.as_deref(), made).await?;
                    let bytes = self.size_of(&id)?;
                    (id, bytes)
                }
                None => {
                    let bytes = firmware_bytes(&drive).unwrap_or_else(|| new.bytes());
                    let id = self.allocate(&place, None, format.as_deref(), bytes).await?;
                    made.push(id.clone());
                    self.enrol_keys(&drive)?;
                    let bytes =
                        if firmware_bytes(&drive).is_some() { self.size_of(&id)? } else { bytes };
                    (id, bytes)
                }
            };
            drive.set("file", id.to_string());
            drive.set("size", size::print(bytes));
            self.say_created(&drive);
            return Ok(drive);
        }
        self.adopt(drive)
    }

    /// An EFI disk with enrolled keys wants a tool that reads their certificates.
    fn enrol_keys(&self, drive: &Drive) -> Result<(), String> {
        let enrolled = drive.get("pre-enrolled-keys") == Some("1");
        if !enrolled || !self.subject.state.config.lacks.key_enrolment {
            return Ok(());
        }
        let command = "virt-fw-vars --input /usr/share/pve-edk2-firmware//OVMF_VARS_4M.ms.fd \
                       --print --verbose";
        Err(format!(
            "command '{command}' failed: open3: exec of {command} failed: No such file or \
             directory at /usr/share/perl5/PVE/Cmd.pm line 174."
        ))
    }

    /// A volume that should be there already: its size is looked up.
    fn adopt(&self, mut drive: Drive) -> Result<Drive, String> {
        let file = drive.file().to_owned();
        if matches!(file.as_str(), "none" | "cdrom") {
            return Ok(drive);
        }
        let Some(id) = drive.volume() else {
            return Err(format!("volume {file} does not exist"));
        };
        let (place, volume) = self.state().storage.locate(&self.subject.node, &id)?;
        match place.size(&volume) {
            Some(bytes) => {
                if !drive.is_cloudinit() {
                    drive.set("size", size::print(bytes));
                }
                Ok(drive)
            }
            None if place.is_directory() => Err(format!("volume '{id}' does not exist")),
            None => Err(format!("no such logical volume {}/{}", place.volume_group(), volume.file)),
        }
    }

    fn say_created(&self, drive: &Drive) {
        self.say(format!("{}: successfully created disk '{}'", drive.name, drive.print()));
    }

    /// The size of a volume in bytes.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn size_of(&self, id: &VolumeId) -> Result<u64, String> {
        let (place, volume) = self.state().storage.locate(&self.subject.node, id)?;
        place
            .size(&volume)
            .ok_or_else(|| format!("Could not determine current size of volume '{id}'"))
    }

    async fn import(
        &self,
        source: &str,
        place: &Place,
        format: Option<&str>,
        made: &mut Vec<VolumeId>,
    ) -> Result<VolumeId, String> {
        let (file, source_format, bytes) = self.import_source(source)?;
        self.say(format!("create full clone of drive ({source})"));
        let id = self.allocate(place, None, format, bytes).await?;
        made.push(id.clone());
        self.say(format!("allocated target volume '{id}'"));
        let target = place.file(&place.parse(&id.name)?);
        let worker = self.worker.clone();
        let copied = if source_format == "qcow2" {
            blocking(move || unpack(&file, &target, &worker).map_err(|error| error.to_string()))
                .await
        } else {
            let options = CopyOptions { worker, bytes_per_second: None };
            blocking(move || {
                copy_image(&file, &target, &options).map_err(|error| error.to_string())
            })
            .await
        };
        copied.map_err(|error| format!("cannot import from '{source}' - copy failed: {error}"))?;
        Ok(id)
    }

    /// The file of an import, its format and the size of the disk in it.
    fn import_source(&self, source: &str) -> Result<(camino::Utf8PathBuf, String, u64), String> {
        let absent = || format!("failed to stat '{source}'");
        let (file, format, shown) = match VolumeId::parse(source) {
            Some(id) => {
                let (place, volume) = self.state().storage.locate(&self.subject.node, &id)?;
                let shown = place.shown_path(&volume);
                let format =
                    if volume.content == Content::Import { volume.format.as_str() } else { "raw" };
                (place.file(&volume), format.to_owned(), shown)
            }
            // Root may name a file of the host: here one of the machine that the emulator is on.
            None => {
                let format = if source.ends_with(".qcow2") { "qcow2" } else { "raw" };
                (source.into(), format.to_owned(), source.to_owned())
            }
        };
        let Ok(facts) = fs_err::metadata(&file) else {
            return Err(if VolumeId::parse(source).is_some() {
                format!("failed to stat '{shown}'")
            } else {
                absent()
            });
        };
        let bytes = if format == "qcow2" {
            crate::pve::storage::Qcow2Header::read(&file)
                .map(|header| header.bytes)
                .map_err(|error| format!("could not get file size of {shown}: {error}"))?
        } else {
            facts.len()
        };
        Ok((file, format, bytes))
    }
}

/// EFI variables and TPM state have sizes of their own, whatever was asked for.
fn firmware_bytes(drive: &Drive) -> Option<u64> {
    match drive::bus(&drive.name) {
        "efidisk" if drive.get("efitype") == Some("4m") => Some(528 << 10),
        "efidisk" => Some(128 << 10),
        "tpmstate" => Some(4 << 20),
        _ => None,
    }
}

/// Cloud-init images in directories are QCOW2 files on the real host.
pub(crate) fn cloudinit_format<'a>(place: &Place, asked: Option<&'a str>) -> &'a str {
    asked.unwrap_or(if place.is_directory() { "qcow2" } else { "raw" })
}

/// Runs file work on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(format!("the copying thread ended early: {error}")))
}
