//! The folder in which artifacts are kept under their sha256.

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::Mutex;

use super::{Progress, TailscaleBinaries, altered, download, hash, tailscale};
use crate::{
    environment,
    error::{Failure, Kind, Result},
    inventory::desired::Artifact,
};

/// Nodes that are set up at the same time want the same files: who comes second finds them.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A cache of artifacts.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Utf8PathBuf,
}

impl Cache {
    /// `$XDG_CACHE_HOME/homelab`, or `~/.cache/homelab`.
    pub fn of_user() -> Result<Self> {
        let base = environment::base_folder("XDG_CACHE_HOME", ".cache")?;
        Ok(Self::at(base.join("homelab")))
    }

    pub fn at(folder: Utf8PathBuf) -> Self {
        Self { folder }
    }

    /// An artifact as a local file that has just been checked. A `file://` one stays where it is.
    pub async fn file(&self, artifact: &Artifact, progress: Progress<'_>) -> Result<Utf8PathBuf> {
        let _turn = ONE_AT_A_TIME.lock().await;
        self.checked_file(artifact, progress).await
    }

    /// The two programs of a Tailscale release (`tailscale_VERSION_ARCH.tgz`).
    pub async fn tailscale(
        &self,
        artifact: &Artifact,
        progress: Progress<'_>,
    ) -> Result<TailscaleBinaries> {
        let _turn = ONE_AT_A_TIME.lock().await;
        let folder = self.folder.join(format!("{}.unpacked", artifact.sha256));
        if let Some(binaries) = tailscale::unpacked(&folder).await? {
            return Ok(binaries);
        }
        let archive = self.checked_file(artifact, progress).await?;
        fs_err::create_dir_all(&self.folder)?;
        tailscale::unpack(&archive, &self.folder, &folder).await
    }

    async fn checked_file(
        &self,
        artifact: &Artifact,
        progress: Progress<'_>,
    ) -> Result<Utf8PathBuf> {
        if let Some(path) = hash::local_path(&artifact.url) {
            return check_local(artifact, path).await;
        }
        let path = self.path(artifact)?;
        match hash::of_file(&path).await? {
            Some(seen) if seen == artifact.sha256 => return Ok(path),
            // Written to since it was kept, or by a failing disk.
            Some(seen) => {
                tracing::warn!(%path, %seen, "a cached file was altered; fetching it again");
                fs_err::remove_file(&path)?;
            }
            None => {}
        }
        fs_err::create_dir_all(&self.folder)?;
        download::into(artifact, &self.folder, &path, progress).await?;
        Ok(path)
    }

    /// Where an artifact is kept. A sha256 that is none would be a path of somebody's choice.
    fn path(&self, artifact: &Artifact) -> Result<Utf8PathBuf> {
        let sha256 = &artifact.sha256;
        let sound = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if sound {
            return Ok(self.folder.join(sha256));
        }
        Err(Failure::new(Kind::Inventory, format!("`{sha256}` is no sha256")).at(&artifact.url))
    }
}

async fn check_local(artifact: &Artifact, path: Utf8PathBuf) -> Result<Utf8PathBuf> {
    match hash::of_file(&path).await? {
        Some(seen) if seen == artifact.sha256 => Ok(path),
        Some(seen) => Err(altered(artifact, &path, &seen)),
        None => Err(missing(&path)),
    }
}

fn missing(path: &Utf8Path) -> Failure {
    Failure::new(Kind::Inventory, "there is no such file").at(path)
}
