//! Guests' disks on a storage: naming, allocating, listing, freeing.

use std::{
    collections::BTreeSet,
    fs::File,
    sync::atomic::{AtomicU64, Ordering},
};

use camino::Utf8Path;

use super::{
    place::Place,
    volume::{Content, Volume},
};
use crate::pve::task::Worker;

/// An image that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// The name behind the storage, with its base where it is a linked clone in a directory.
    pub(crate) name: String,
    pub(crate) volume: Volume,
    pub(crate) bytes: u64,
    pub(crate) changed: i64,
}

fn io(error: &std::io::Error) -> String {
    error.to_string()
}

/// Where a linked clone's base is written down, next to the clone.
fn base_note(file: &str) -> String {
    format!(".{file}.base")
}

/// A thin volume goes in a moment, however large it is. A file's blocks may take longer to be given back
/// than another removal waits for the storage's lock: it loses its name first.
fn forget_then_remove(file: &Utf8Path) -> std::io::Result<()> {
    static REMOVED: AtomicU64 = AtomicU64::new(0);
    let number = REMOVED.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let gone = file.with_file_name(format!(".gone-{process}-{number}"));
    fs_err::rename(file, &gone)?;
    std::thread::spawn(move || fs_err::remove_file(gone));
    Ok(())
}

impl Place {
    /// Every image here, by owner and name.
    pub(crate) fn images(&self) -> Vec<Image> {
        let folder = self.folder(Content::Images);
        let mut names = Vec::new();
        for entry in fs_err::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if self.is_directory() {
                let inner = fs_err::read_dir(entry.path()).into_iter().flatten().flatten();
                names.extend(
                    inner.map(|file| format!("{name}/{}", file.file_name().to_string_lossy())),
                );
            } else {
                names.push(name);
            }
        }
        names.sort();
        names.into_iter().filter_map(|name| self.image(&name)).collect()
    }

    fn image(&self, name: &str) -> Option<Image> {
        use std::os::unix::fs::MetadataExt as _;
        let mut volume = self.parse(name).ok()?;
        let found = fs_err::metadata(self.file(&volume)).ok()?;
        volume.base = self.base_of(&volume);
        let name = match &volume.base {
            Some(base) => format!("{base}/{name}"),
            None => name.to_owned(),
        };
        Some(Image { name, bytes: found.len(), changed: found.mtime(), volume })
    }

    fn base_of(&self, volume: &Volume) -> Option<String> {
        let file = self.file(volume);
        fs_err::read_to_string(file.with_file_name(base_note(&volume.file))).ok()
    }

    /// Notes what a clone in a directory is linked to.
    pub(crate) fn link_to_base(&self, volume: &Volume, base: &str) -> Result<(), String> {
        let file = self.file(volume);
        fs_err::write(file.with_file_name(base_note(&volume.file)), base)
            .map_err(|error| io(&error))
    }

    /// The lowest free `vm-<vmid>-disk-<n>`; template disks count as taken.
    pub(crate) fn free_stem(&self, vmid: u32) -> String {
        let taken: BTreeSet<String> = self
            .images()
            .into_iter()
            .filter(|image| image.volume.vmid == Some(vmid))
            .map(|image| {
                let stem = image.volume.file.split('.').next().unwrap_or_default().to_owned();
                stem.strip_prefix("base-").map(|rest| format!("vm-{rest}")).unwrap_or(stem)
            })
            .collect();
        (0_u32..)
            .map(|number| format!("vm-{vmid}-disk-{number}"))
            .find(|stem| !taken.contains(stem))
            .unwrap_or_default()
    }

    /// Makes an empty image of at least so many bytes. The caller holds the storage's lock.
    ///
    /// # Errors
    ///
    /// The plugin's text, when the name is taken or no such image can be.
    pub(crate) fn allocate(
        &self,
        worker: Option<&Worker>,
        vmid: u32,
        name: &str,
        bytes: u64,
    ) -> Result<Volume, String> {
        let volume = self.parse(name)?;
        if volume.content != Content::Images || volume.vmid != Some(vmid) {
            return Err(format!("illegal name '{}' - should be 'vm-{vmid}-*'", volume.file));
        }
        let file = self.file(&volume);
        if file.exists() {
            return Err(if self.is_directory() {
                format!("disk image '{}' already exists", self.shown_path(&volume))
            } else {
                let group = self.volume_group();
                format!(
                    "lvcreate '{group}/{0}' error:   Logical Volume \"{0}\" already exists in \
                     volume group \"{group}\"",
                    volume.file
                )
            });
        }
        if let Some(folder) = file.parent() {
            fs_err::create_dir_all(folder).map_err(|error| io(&error))?;
        }
        let size = self.rounded(bytes);
        File::create_new(&file).and_then(|file| file.set_len(size)).map_err(|error| io(&error))?;
        self.say_created(worker, &volume, size);
        Ok(volume)
    }

    fn say_created(&self, worker: Option<&Worker>, volume: &Volume, size: u64) {
        let Some(worker) = worker else { return };
        if !self.is_directory() {
            worker.log(format!("  Logical volume \"{}\" created.", volume.file));
        } else if volume.format == "qcow2" {
            worker.log(format!(
                "Formatting '{}', fmt=qcow2 cluster_size=65536 extended_l2=off \
                 preallocation=metadata compression_type=zlib size={size} lazy_refcounts=off \
                 refcount_bits=16",
                self.shown_path(volume)
            ));
        } else {
            worker.log(format!("Formatting '{}', fmt=raw size={size}", self.shown_path(volume)));
        }
    }

    /// The images that are linked to a base in this directory.
    pub(crate) fn clones_of(&self, base: &str) -> Vec<Image> {
        let mut all = self.images();
        all.retain(|image| image.volume.base.as_deref() == Some(base));
        all
    }

    /// Removes an image. The caller holds the storage's lock.
    ///
    /// # Errors
    ///
    /// When clones still need it, or the file can't be removed. An absent image is none.
    pub(crate) fn free(&self, worker: Option<&Worker>, name: &str) -> Result<(), String> {
        let volume = self.parse(name)?;
        if volume.is_base() && self.is_directory() && !self.clones_of(name).is_empty() {
            return Err(format!("base volume '{name}' is still in use by linked clones"));
        }
        let file = self.file(&volume);
        if !file.exists() {
            if let Some(worker) = worker
                && self.is_directory()
            {
                worker.log(format!("disk image '{}' does not exist", self.shown_path(&volume)));
            } else if !self.is_directory() {
                let group = self.volume_group();
                return Err(format!("no such logical volume {group}/{}", volume.file));
            }
            return Ok(());
        }
        if self.is_directory() { fs_err::remove_file(&file) } else { forget_then_remove(&file) }
            .map_err(|error| io(&error))?;
        let _ = fs_err::remove_file(file.with_file_name(base_note(&volume.file)));
        self.drop_snapshots(&volume);
        if self.is_directory()
            && let Some(folder) = file.parent()
        {
            // The guest's folder goes with its last image.
            let _ = fs_err::remove_dir(folder);
        }
        if let Some(worker) = worker
            && !self.is_directory()
        {
            worker.log(format!("  Logical volume \"{}\" successfully removed.", volume.file));
        }
        Ok(())
    }

    /// Gives an image another name (a template's disk becomes a base).
    ///
    /// # Errors
    ///
    /// When the file can't be renamed.
    pub(crate) fn rename(&self, from: &Volume, to: &Volume) -> Result<(), String> {
        let target = self.file(to);
        if let Some(folder) = target.parent() {
            fs_err::create_dir_all(folder).map_err(|error| io(&error))?;
        }
        fs_err::rename(self.file(from), target).map_err(|error| io(&error))
    }

    /// Grows an image.
    ///
    /// # Errors
    ///
    /// When the file can't be grown.
    pub(crate) fn grow(&self, volume: &Volume, bytes: u64) -> Result<(), String> {
        File::options()
            .write(true)
            .open(self.file(volume))
            .and_then(|file| file.set_len(self.rounded(bytes)))
            .map_err(|error| io(&error))
    }
}
