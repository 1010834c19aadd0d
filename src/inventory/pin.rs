//! Pins artifacts: which SHA-256 the publishers' own checksum files state.
//!
//! A hash is read from the publisher, or computed from bytes that a stronger sum of the publisher's
//! vouches for, or (only when asked) taken from what is served now. None is ever made up.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use serde::Serialize;

use super::{
    file::{FluxFile, InventoryFile},
    lock::{LockFile, LockedArtifact},
    publisher, scalar, versions,
};
use crate::error::{Failure, Kind, Result};

/// What pinning asks of the world.
pub trait Fetch: Send + Sync {
    /// A small text; `None` when there is no such thing there (404).
    fn text(&self, url: &str) -> impl Future<Output = Result<Option<String>>> + Send;
    /// The hashes of what is served, read as a stream; `file://` too.
    fn hashes(&self, url: &str) -> impl Future<Output = Result<Hashes>> + Send;
}

/// Two hashes of the same bytes, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashes {
    pub sha256: String,
    pub sha512: String,
}

/// How far pinning goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Takes a new hash for a version or URL that was pinned to another.
    pub update: bool,
    /// Where the publisher states no hash, pins what is served now.
    pub trust_download: bool,
}

/// What became of all of them.
#[derive(Debug)]
pub struct Pinning {
    /// The lock file that the inventory asks for; what could not be pinned anew is in it as it was.
    pub lock: LockFile,
    pub pinned: Vec<Pinned>,
    /// What could not be pinned, all of it.
    pub failure: Option<Failure>,
}

/// What became of one artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// `image`, `tailscale`, `k3s`, `k3s_images`, `flux`.
    pub artifact: &'static str,
    pub version: String,
    pub sha256: String,
    /// Who says so.
    pub source: String,
    pub changed: bool,
}

/// One artifact to be pinned.
#[derive(Clone, Debug)]
struct Wanted {
    name: &'static str,
    version: String,
    url: String,
    /// Where its hash is looked for, in order.
    sums: Vec<Sums>,
    locked: Option<LockedArtifact>,
}

#[derive(Clone, Debug)]
enum Sums {
    /// A list of SHA-256 sums and file names.
    Sha256List { url: String, file: String },
    /// A list of SHA-512 sums: the bytes have to be fetched.
    Sha512List { url: String, file: String },
    /// One SHA-256 and nothing else.
    Sha256 { url: String },
}

/// The lock file that an inventory asks for, with what became of each entry. One that cannot be pinned
/// does not keep the others from it: a publisher states no hash, what was pinned has changed
/// ([`Kind::Refused`]), or [`Fetch`] failed.
///
/// # Errors
///
/// [`Kind::Inventory`] when a version or URL is missing.
pub async fn pin<F: Fetch>(
    file: &InventoryFile,
    lock: &LockFile,
    policy: Policy,
    fetch: &Arc<F>,
) -> Result<Pinning> {
    let wanted = wanted(file, lock)?;
    // At once, so that where nothing can be reached that is known after one wait.
    let found = wanted.iter().map(|one| find(one, policy, &**fetch));
    let found = futures::future::join_all(found).await;
    let mut lock = LockFile::empty();
    let (mut pinned, mut failures) = (Vec::new(), Vec::new());
    for (wanted, found) in wanted.into_iter().zip(found) {
        let checked =
            found.and_then(|found| refuse_change(&wanted, &found.0, policy).map(|()| found));
        let entry = match checked {
            Ok((sha256, source)) => {
                let (version, url) = (wanted.version, wanted.url);
                let entry = LockedArtifact { version, url, sha256 };
                pinned.push(Pinned {
                    artifact: wanted.name,
                    version: entry.version.clone(),
                    sha256: entry.sha256.clone(),
                    source,
                    changed: wanted.locked.as_ref() != Some(&entry),
                });
                Some(entry)
            }
            Err(failure) => {
                failures.push((wanted.name, failure));
                wanted.locked
            }
        };
        *match wanted.name {
            "image" => &mut lock.image,
            "tailscale" => &mut lock.tailscale,
            "k3s" => &mut lock.k3s,
            "flux" => &mut lock.flux,
            _ => &mut lock.k3s_images,
        } = entry;
    }
    Ok(Pinning { lock, pinned, failure: all_failures(failures) })
}

/// All that cannot be pinned as one failure, each reason and each hint once.
fn all_failures(failures: Vec<(&'static str, Failure)>) -> Option<Failure> {
    let refused = failures.iter().any(|(_, failure)| failure.kind == Kind::Refused);
    let kind = failures.first().map(|(_, failure)| failure.kind)?;
    let (mut reasons, mut hints) = (Vec::<(Vec<&str>, String)>::new(), Vec::<String>::new());
    for (name, failure) in failures {
        let reason = failure.chain().join(": ");
        let reason = failure.place.map_or(reason.clone(), |place| format!("{place}: {reason}"));
        match reasons.iter_mut().find(|(_, known)| *known == reason) {
            Some((names, _)) => names.push(name),
            None => reasons.push((vec![name], reason)),
        }
        hints.extend(failure.hints);
    }
    let mut known = BTreeSet::new();
    hints.retain(|hint| known.insert(hint.clone()));
    let names: Vec<&str> = reasons.iter().flat_map(|(names, _)| names.clone()).collect();
    let told = reasons.iter().map(|(names, reason)| format!("\n  {}: {reason}", names.join(", ")));
    let message = format!("cannot pin {}:{}", names.join(", "), told.collect::<String>());
    let failure = Failure::new(if refused { Kind::Refused } else { kind }, message);
    Some(hints.into_iter().fold(failure, Failure::hint))
}

/// What has no hash in the inventory itself.
fn wanted(file: &InventoryFile, lock: &LockFile) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    if file.image.sha256.is_none() {
        let locked = lock.image.clone();
        let url = file.image.url.clone().or(locked.as_ref().map(|locked| locked.url.clone()));
        let url = url.ok_or_else(|| missing("image.url"))?;
        let file_name = publisher::file_name(&url).to_owned();
        let folder = url.strip_suffix(&file_name).unwrap_or(&url).to_owned();
        wanted.push(Wanted {
            name: "image",
            version: file.image.version.clone().unwrap_or_else(|| file_name.clone()),
            sums: vec![
                Sums::Sha256List { url: format!("{folder}SHA256SUMS"), file: file_name.clone() },
                Sums::Sha512List { url: format!("{folder}SHA512SUMS"), file: file_name },
            ],
            url,
            locked,
        });
    }
    let release = &file.tailnet.tailscale;
    if release.sha256.is_none() {
        let locked = lock.tailscale.clone();
        let version = version(release.version.as_deref(), locked.as_ref(), "tailnet.tailscale")?;
        let publishers = publisher::tailscale(&version);
        wanted.push(Wanted {
            name: "tailscale",
            sums: vec![Sums::Sha256 { url: format!("{publishers}.sha256") }],
            url: release.url.clone().unwrap_or(publishers),
            version,
            locked,
        });
    }
    if file.k3s.sha256.is_none() {
        let locked = lock.k3s.clone();
        let version = version(file.k3s.version.as_deref(), locked.as_ref(), "k3s")?;
        wanted.push(k3s(
            "k3s",
            file.k3s.url.clone().unwrap_or_else(|| publisher::k3s(&version)),
            publisher::k3s(&version),
            version,
            locked,
        ));
    }
    if let Some(images) = file.k3s.images.as_ref().filter(|images| images.sha256.is_none()) {
        let locked = lock.k3s_images.clone();
        let version = version(file.k3s.version.as_deref(), lock.k3s.as_ref(), "k3s")?;
        wanted.push(k3s(
            "k3s_images",
            images.url.clone().unwrap_or_else(|| publisher::k3s_images(&version)),
            publisher::k3s_images(&version),
            version,
            locked,
        ));
    }
    if let Some(flux) = file.flux.as_ref().filter(|flux| flux.sha256.is_none()) {
        wanted.push(self::flux(flux, lock.flux.clone()));
    }
    Ok(wanted)
}

/// The manifests of Flux's controllers; a version that nobody named is the one that fits the templates.
fn flux(flux: &FluxFile, locked: Option<LockedArtifact>) -> Wanted {
    let version = flux.version.clone().or(locked.as_ref().map(|locked| locked.version.clone()));
    let version = version.unwrap_or_else(|| versions::FLUX.to_owned());
    let publishers = publisher::flux(&version);
    Wanted {
        name: "flux",
        sums: vec![Sums::Sha256List {
            url: publisher::flux_sums(&version),
            file: publisher::file_name(&publishers).to_owned(),
        }],
        url: flux.components.clone().unwrap_or(publishers),
        version,
        locked,
    }
}

/// A file of a k3s release; a mirror serves the publisher's bytes, so the publisher's sums hold for it.
fn k3s(
    name: &'static str,
    url: String,
    publishers: String,
    version: String,
    locked: Option<LockedArtifact>,
) -> Wanted {
    let sums = Sums::Sha256List {
        url: publisher::k3s_sums(&version),
        file: publisher::file_name(&publishers).to_owned(),
    };
    Wanted { name, version, url, sums: vec![sums], locked }
}

fn version(
    written: Option<&str>,
    locked: Option<&LockedArtifact>,
    section: &str,
) -> Result<String> {
    written
        .map(str::to_owned)
        .or(locked.map(|locked| locked.version.clone()))
        .ok_or_else(|| missing(&format!("{section}.version")))
}

fn missing(field: &str) -> Failure {
    Failure::new(Kind::Inventory, format!("the inventory lacks `{field}`: there is nothing to pin"))
        .hint(format!("write `{field}`"))
}

/// The hash of an artifact, and who says so.
async fn find(wanted: &Wanted, policy: Policy, fetch: &impl Fetch) -> Result<(String, String)> {
    if wanted.url.starts_with("file://") {
        let hashes = fetch.hashes(&wanted.url).await?;
        return Ok((hashes.sha256, "the file itself".to_owned()));
    }
    for sums in &wanted.sums {
        match sums {
            Sums::Sha256List { url, file } => {
                let Some(text) = fetch.text(url).await? else { continue };
                if let Some(sum) = listed(&text, file, 64) {
                    return Ok((sum, url.clone()));
                }
            }
            Sums::Sha256 { url } => {
                let Some(text) = fetch.text(url).await? else { continue };
                let sum = text.split_ascii_whitespace().next().unwrap_or_default().to_lowercase();
                if scalar::is_sha256(&sum) {
                    return Ok((sum, url.clone()));
                }
            }
            Sums::Sha512List { url, file } => {
                let Some(text) = fetch.text(url).await? else { continue };
                let Some(sum) = listed(&text, file, 128) else { continue };
                let hashes = fetch.hashes(&wanted.url).await?;
                if hashes.sha512 != sum {
                    return Err(Failure::new(
                        Kind::Runtime,
                        format!("what {} serves is not what {url} states", wanted.url),
                    )
                    .hint("try again: the publisher may be in the midst of a release"));
                }
                return Ok((hashes.sha256, format!("{url}, over the bytes fetched")));
            }
        }
    }
    if policy.trust_download {
        let hashes = fetch.hashes(&wanted.url).await?;
        return Ok((hashes.sha256, "the bytes served now, which nobody vouches for".to_owned()));
    }
    let looked: Vec<&str> = wanted
        .sums
        .iter()
        .map(|sums| match sums {
            Sums::Sha256List { url, .. } | Sums::Sha512List { url, .. } | Sums::Sha256 { url } => {
                url.as_str()
            }
        })
        .collect();
    Err(Failure::new(
        Kind::Inventory,
        format!(
            "no publisher's checksum was found for {} {} (looked at {})",
            wanted.name,
            wanted.version,
            looked.join(", ")
        ),
    )
    .hint("check the version or URL; or write `sha256` into the inventory")
    .hint("or pin the bytes served now, unvouched for: `homelab lock --trust-download`"))
}

/// The sum of a file in a list as `sha256sum` writes it: `<sum>  name`, `<sum> *name`, maybe with a path.
fn listed(text: &str, file: &str, digits: usize) -> Option<String> {
    text.lines().find_map(|line| {
        let (sum, name) = line.trim().split_once(char::is_whitespace)?;
        let name = name.trim().trim_start_matches('*');
        let same = name == file || name.rsplit('/').next() == Some(file);
        let sound = sum.len() == digits && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        (same && sound).then(|| sum.to_lowercase())
    })
}

/// The same version at the same place has the same bytes; anything else is somebody's decision.
fn refuse_change(wanted: &Wanted, sha256: &str, policy: Policy) -> Result<()> {
    let Some(locked) = &wanted.locked else { return Ok(()) };
    let same = locked.version == wanted.version && locked.url == wanted.url;
    if !same || locked.sha256 == sha256 || policy.update {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Refused,
        format!(
            "{} {} was pinned to {} and is now {sha256}",
            wanted.name, wanted.version, locked.sha256
        ),
    )
    .at(&wanted.url)
    .hint("a `latest` or `current` image changes; a release should not: ask the publisher")
    .hint("take the new one: `homelab lock --update`"))
}

#[cfg(test)]
mod tests;
