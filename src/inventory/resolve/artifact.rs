//! Where each artifact comes from and how it is known: the inventory's word, else the lock's.

use super::Context;
use crate::inventory::{
    desired::Artifact,
    file::{FluxFile, InventoryFile},
    load::Pins,
    lock::LockedArtifact,
    path::FieldPath,
    publisher,
    report::Report,
    versions,
};

/// A fault was told.
pub(super) struct Told;

/// What the inventory says of an artifact.
struct Asked<'a> {
    /// For messages: `k3s`.
    what: &'static str,
    path: FieldPath,
    version: Option<&'a str>,
    url: Option<&'a str>,
    sha256: Option<&'a str>,
}

pub(super) fn image(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Artifact> {
    let asked = Asked {
        what: "the cloud image",
        path: FieldPath::dotted("image"),
        version: file.image.version.as_deref(),
        url: file.image.url.as_deref(),
        sha256: file.image.sha256.as_deref(),
    };
    let locked = context.lock.image.as_ref();
    // An image has no version but what its URL says.
    let stale = |locked: &LockedArtifact| {
        asked.url.filter(|url| *url != locked.url).map(|url| {
            format!(
                "{} pins {} for the cloud image, the inventory asks for {url}",
                context.lock_name, locked.url
            )
        })
    };
    let url = asked.url.or(locked.map(|locked| locked.url.as_str()));
    let version = asked
        .version
        .or(locked.filter(|one| stale(one).is_none()).map(|locked| locked.version.as_str()))
        .or(url.map(publisher::file_name));
    pinned(&asked, version, url.map(str::to_owned), locked, stale, context, report)
}

pub(super) fn tailscale(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Artifact> {
    let release = &file.tailnet.tailscale;
    let asked = Asked {
        what: "Tailscale",
        path: FieldPath::dotted("tailnet.tailscale"),
        version: release.version.as_deref(),
        url: release.url.as_deref(),
        sha256: release.sha256.as_deref(),
    };
    versioned(&asked, context.lock.tailscale.as_ref(), publisher::tailscale, context, report)
}

pub(super) fn k3s(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Artifact> {
    let asked = Asked {
        what: "k3s",
        path: FieldPath::dotted("k3s"),
        version: file.k3s.version.as_deref(),
        url: file.k3s.url.as_deref(),
        sha256: file.k3s.sha256.as_deref(),
    };
    versioned(&asked, context.lock.k3s.as_ref(), publisher::k3s, context, report)
}

/// The manifests of Flux's controllers.
pub(super) fn flux(
    flux: &FluxFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Artifact> {
    let asked = Asked {
        what: "Flux",
        path: FieldPath::dotted("flux"),
        // What nobody named is what fits the templates: `homelab lock` takes it, too.
        version: flux
            .version
            .as_deref()
            .or_else(|| context.lock.flux.is_none().then_some(versions::FLUX)),
        url: flux.components.as_deref(),
        sha256: flux.sha256.as_deref(),
    };
    versioned(&asked, context.lock.flux.as_ref(), publisher::flux, context, report)
}

/// The images are left out where neither the inventory nor the lock speaks of them.
pub(super) fn images(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Result<Option<Artifact>, Told> {
    let locked = context.lock.k3s_images.as_ref();
    let version = file.k3s.version.as_deref();
    let Some(images) = &file.k3s.images else {
        return match locked {
            Some(locked) if version.is_none_or(|version| version == locked.version) => {
                Ok(Some(Artifact::from(locked.clone())))
            }
            _ => Ok(None),
        };
    };
    let asked = Asked {
        what: "k3s's images",
        path: FieldPath::dotted("k3s.images"),
        version: version.or(context.lock.k3s.as_ref().map(|locked| locked.version.as_str())),
        url: images.url.as_deref(),
        sha256: images.sha256.as_deref(),
    };
    versioned(&asked, locked, publisher::k3s_images, context, report).map(Some).ok_or(Told)
}

fn versioned(
    asked: &Asked<'_>,
    locked: Option<&LockedArtifact>,
    publisher: fn(&str) -> String,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Artifact> {
    let version = asked.version.or(locked.map(|locked| locked.version.as_str()));
    let stale = |locked: &LockedArtifact| {
        version.filter(|version| *version != locked.version).map(|version| {
            format!(
                "{} pins {} {}, the inventory asks for {version}",
                context.lock_name, asked.what, locked.version
            )
        })
    };
    let url = asked
        .url
        .or(locked.filter(|locked| stale(locked).is_none()).map(|locked| locked.url.as_str()))
        .map(str::to_owned)
        .or(version.map(publisher));
    pinned(asked, version, url, locked, stale, context, report)
}

fn pinned(
    asked: &Asked<'_>,
    version: Option<&str>,
    url: Option<String>,
    locked: Option<&LockedArtifact>,
    stale: impl Fn(&LockedArtifact) -> Option<String>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Artifact> {
    let known = version.zip(url);
    let sha256 = match (known.is_some(), asked.sha256, locked) {
        (false, ..) => {
            let field = if url_alone(asked) { "url" } else { "version" };
            Err((
                asked.path.clone(),
                format!("no {field} is known for {}", asked.what),
                format!("write `{field}` here, then run `homelab lock`"),
            ))
        }
        (true, Some(sha256), _) => Ok(sha256.to_owned()),
        (true, None, Some(locked)) => match stale(locked) {
            None => Ok(locked.sha256.clone()),
            Some(message) => {
                let path = asked.path.key(if url_alone(asked) { "url" } else { "version" });
                Err((path, message, "run `homelab lock`".to_owned()))
            }
        },
        (true, None, None) => Err((
            asked.path.clone(),
            format!(
                "no SHA-256 is known for {} {}: {} has none",
                asked.what,
                version.unwrap_or_default(),
                context.lock_name
            ),
            "run `homelab lock`, or write `sha256` here".to_owned(),
        )),
    };
    let (version, url) =
        known.map_or_else(Default::default, |(version, url)| (version.to_owned(), url));
    let sha256 = match (sha256, context.pins) {
        (Ok(sha256), _) => sha256,
        // A faulty lock file has been told already.
        (Err(_), Pins::Required) if context.lock_is_faulty => return None,
        (Err((path, message, suggestion)), Pins::Required) => {
            report.fault(&path, message, suggestion);
            return None;
        }
        (Err((path, message, suggestion)), Pins::Warned) => {
            report.warn(&path, message, suggestion);
            String::new()
        }
        (Err(_), Pins::Optional) => String::new(),
    };
    Some(Artifact { version, url, sha256 })
}

/// The image is known by its URL, the others by their version.
fn url_alone(asked: &Asked<'_>) -> bool {
    asked.what == "the cloud image"
}

impl From<LockedArtifact> for Artifact {
    fn from(locked: LockedArtifact) -> Self {
        Self { version: locked.version, url: locked.url, sha256: locked.sha256 }
    }
}
