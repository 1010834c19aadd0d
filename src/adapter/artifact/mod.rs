//! Things that are fetched and known by their sha256: the k3s binary, tailscale, images.
//!
//! They are kept under their sha256 in `$XDG_CACHE_HOME/homelab`, checked when they are whole and again
//! each time they are used. What does not match is never kept, and never used.

mod cache;
mod download;
mod hash;
mod part;
mod tailscale;
#[cfg(test)]
pub(crate) mod tests;

use camino::{Utf8Path, Utf8PathBuf};

pub use cache::Cache;
pub use tailscale::TailscaleBinaries;

use crate::{
    error::{Failure, Kind, Result},
    inventory::desired::Artifact,
};

/// Bytes so far, and in all where that is known.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// An artifact as a local file, fetched where it must be, by the user's cache.
pub async fn file(artifact: &Artifact, progress: Progress<'_>) -> Result<Utf8PathBuf> {
    Cache::of_user()?.file(artifact, progress).await
}

/// The two programs of a Tailscale release, by the user's cache.
pub async fn tailscale(artifact: &Artifact) -> Result<TailscaleBinaries> {
    Cache::of_user()?.tailscale(artifact, &|_, _| ()).await
}

fn altered(artifact: &Artifact, place: &Utf8Path, seen: &str) -> Failure {
    Failure::new(
        Kind::Refused,
        format!(
            "{} is not what was pinned: expected sha256 {}, seen {seen}",
            artifact.url, artifact.sha256
        ),
    )
    .at(place)
    .hint("if its publisher changed it on purpose, `homelab lock` pins it anew; otherwise do not use it")
}
