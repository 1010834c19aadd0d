//! Snapshots of images: copies beside them that share blocks where the file system can.

use camino::Utf8PathBuf;

use super::{
    copy::{CopyOptions, copy_image},
    place::Place,
    volume::Volume,
};

impl Place {
    /// `snap_vm-310-disk-0_s1`, hidden from listings in directories.
    fn snapshot_file(&self, volume: &Volume, snapshot: &str) -> Utf8PathBuf {
        let name = format!("snap_{}_{snapshot}", volume.file);
        let name = if self.is_directory() { format!(".{name}") } else { name };
        self.file(volume).with_file_name(name)
    }

    /// Keeps an image's present bytes under a name. Blocks.
    ///
    /// # Errors
    ///
    /// When the copy fails.
    pub(crate) fn take_snapshot(&self, volume: &Volume, snapshot: &str) -> Result<(), String> {
        let target = self.snapshot_file(volume, snapshot);
        copy_image(&self.file(volume), &target, &CopyOptions::default())
            .map_err(|error| error.to_string())
    }

    /// Puts a snapshot's bytes back; size included. Blocks.
    ///
    /// # Errors
    ///
    /// When there is no such snapshot or the copy fails.
    pub(crate) fn roll_back(&self, volume: &Volume, snapshot: &str) -> Result<(), String> {
        let source = self.snapshot_file(volume, snapshot);
        let file = self.file(volume);
        if !source.exists() {
            return Err(format!("no such logical volume {}", source.file_name().unwrap_or("?")));
        }
        fs_err::remove_file(&file).map_err(|error| error.to_string())?;
        copy_image(&source, &file, &CopyOptions::default()).map_err(|error| error.to_string())
    }

    /// Forgets a snapshot; an absent one is none.
    pub(crate) fn drop_snapshot(&self, volume: &Volume, snapshot: &str) {
        let _ = fs_err::remove_file(self.snapshot_file(volume, snapshot));
    }

    /// Where a snapshot's bytes are (clones are made from them).
    pub(crate) fn snapshot_path(&self, volume: &Volume, snapshot: &str) -> Utf8PathBuf {
        self.snapshot_file(volume, snapshot)
    }

    /// Forgets all snapshots of an image.
    pub(crate) fn drop_snapshots(&self, volume: &Volume) {
        let file = self.file(volume);
        let Some(folder) = file.parent() else { return };
        let start = format!("snap_{}_", volume.file);
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.trim_start_matches('.').starts_with(&start) {
                let _ = fs_err::remove_file(entry.path());
            }
        }
    }
}
