//! One storage as one node sees it: where its bytes are and what paths it shows.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::volume::{Content, Volume, VolumeId};
use crate::pve::{
    config::{StorageConfig, StorageKind},
    task::FileLock,
};

/// Size of an extent of the emulated volume group.
const EXTENT: u64 = 4 << 20;

/// A storage on a node.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) config: StorageConfig,
    /// The folder below the data directory that stands for the storage.
    root: Utf8PathBuf,
    /// Held while volumes are allocated or freed.
    pub(crate) lock: Arc<FileLock>,
}

impl Place {
    pub(crate) fn new(config: StorageConfig, root: Utf8PathBuf) -> Self {
        let lock = FileLock::new(format!("/var/lock/pve-manager/pve-storage-{}", config.id));
        Self { config, root, lock }
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }

    pub(crate) fn id(&self) -> &str {
        &self.config.id
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.config.kind == StorageKind::Directory
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self.config.kind {
            StorageKind::Directory => "dir",
            StorageKind::LvmThin => "lvmthin",
        }
    }

    pub(crate) fn holds(&self, content: Content) -> bool {
        self.config.content.iter().any(|name| name == content.name())
    }

    pub(crate) fn volume_id(&self, name: &str) -> VolumeId {
        VolumeId::new(self.id(), name)
    }

    /// Reads the part of a volume's name behind the storage.
    ///
    /// # Errors
    ///
    /// The plugin's text.
    pub(crate) fn parse(&self, name: &str) -> Result<Volume, String> {
        Volume::parse(self.config.kind, name)
    }

    /// The folder of one sort of content.
    pub(crate) fn folder(&self, content: Content) -> Utf8PathBuf {
        match self.config.kind {
            StorageKind::Directory => self.root.join(content.folder()),
            StorageKind::LvmThin => self.root.clone(),
        }
    }

    /// Where a volume's bytes are.
    pub(crate) fn file(&self, volume: &Volume) -> Utf8PathBuf {
        below(&self.folder(volume.content), self.config.kind, volume)
    }

    /// The path that the API shows for a volume.
    pub(crate) fn shown_path(&self, volume: &Volume) -> String {
        match self.config.kind {
            StorageKind::Directory => {
                let root = Utf8Path::new(self.config.path.as_deref().unwrap_or_default());
                let folder = root.join(volume.content.folder());
                below(&folder, self.config.kind, volume).into_string()
            }
            StorageKind::LvmThin => format!("/dev/{}/{}", self.volume_group(), volume.file),
        }
    }

    pub(crate) fn volume_group(&self) -> &str {
        self.config.volume_group.as_deref().unwrap_or("pve")
    }

    pub(crate) fn size(&self, volume: &Volume) -> Option<u64> {
        fs_err::metadata(self.file(volume)).ok().map(|found| found.len())
    }

    /// The size that a volume of so many bytes really gets.
    pub(crate) fn rounded(&self, bytes: u64) -> u64 {
        match self.config.kind {
            StorageKind::Directory => bytes,
            StorageKind::LvmThin => bytes.div_ceil(EXTENT).max(1) * EXTENT,
        }
    }

    /// The format of a new volume of which nobody says more.
    pub(crate) fn default_format(&self) -> &'static str {
        "raw"
    }

    /// The name of an image behind the storage: `100/vm-100-disk-0.raw` or `vm-100-disk-0`.
    pub(crate) fn image_name(&self, vmid: u32, stem: &str, format: &str) -> String {
        match self.config.kind {
            StorageKind::Directory => format!("{vmid}/{stem}.{format}"),
            StorageKind::LvmThin => stem.to_owned(),
        }
    }
}

fn below(folder: &Utf8Path, kind: StorageKind, volume: &Volume) -> Utf8PathBuf {
    match (kind, volume.content, volume.vmid) {
        (StorageKind::Directory, Content::Images, Some(vmid)) => {
            folder.join(vmid.to_string()).join(&volume.file)
        }
        _ => folder.join(&volume.file),
    }
}
