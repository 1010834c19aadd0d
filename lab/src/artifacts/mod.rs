//! What the lab builds before it can start, cached by version and recipe.
//!
//! Tailscale, Headscale, CoreDNS, Flux and an S3 gateway are built from their Go modules, a few binaries come out of Debian
//! packages that are never installed, and k3s is a stand-in (`lab/go/k3s`) unless a real one is to be
//! had ([`release`]). An artifact lives in `$XDG_CACHE_HOME/homelab-lab/artifacts/` under its name, its
//! version and the hash of its recipe: whatever could change the result changes the directory, so a hit
//! needs no dates and two clones share one cache.

pub mod command;

mod apps;
mod archive;
mod cache;
mod charts;
mod combined;
mod custom_resources;
mod debian;
mod error;
mod flux;
mod golang;
mod images;
mod paths;
mod private;
mod progress;
mod recipe;
mod recipes;
mod release;
mod standin;
mod tailscale;
mod traefik;

use camino::Utf8PathBuf;

pub use cache::Cache;
pub(crate) use cache::sha256_of;
pub(crate) use charts::{CHARTS, files as chart_files};
pub use combined::combine;
pub use error::ArtifactError;
pub(crate) use paths::PINNED as PINNED_IMAGES;
pub use recipe::Name;

/// A file that is ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    pub name: Name,
    /// As its publisher writes it, without a leading `v` (`1.102.5`), except for k3s (`v1.34.4+k3s1`).
    pub version: String,
    pub path: Utf8PathBuf,
    /// 64 lower-case hex digits, computed from the file just now.
    pub sha256: String,
    /// Whether the file was there already.
    pub hit: bool,
}

/// Gives the artifact, building it first where needed.
///
/// Blocks for as long as the build takes, minutes when the caches are cold: call it from
/// `spawn_blocking` in async code. Progress goes to standard error. Builds of the same artifact in two
/// processes wait for each other.
///
/// # Errors
/// When a tool is missing (Go, apt), a build fails (the error carries the end of its log), or what was
/// fetched does not have the sha256 that was asked for.
pub fn ensure(name: Name) -> Result<Artifact, ArtifactError> {
    Cache::open()?.ensure(name)
}
