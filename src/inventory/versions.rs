//! The charts and images of the GitOps tree, with the versions that they are pinned to at first.
//!
//! A HelmRelease names a chart by its version and an image is named by its tag: neither has a place for a
//! SHA-256 of a chart, so the lock file pins versions here, and not bytes.

use std::collections::BTreeMap;

use super::{
    file::InventoryFile, load::Pins, lock::LockFile, path::FieldPath, report::Report,
    resolve::Context,
};

/// What a version is the version of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packaging {
    Chart,
    Image,
}

/// One chart or image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    /// The chart's name, or the image's without its tag.
    pub(crate) name: &'static str,
    pub(crate) packaging: Packaging,
    /// What `homelab lock` pins when nothing was said before: known to fit the templates.
    pub(crate) default: &'static str,
    /// Where another version is asked for.
    pub(crate) field: &'static str,
    /// What the inventory says; `None` when the component is off.
    written: fn(&InventoryFile) -> Option<Option<&str>>,
    write: fn(&mut InventoryFile, &str),
}

/// Flux's own manifests; their SHA-256 is in the lock file.
pub(crate) const FLUX: &str = "2.9.4";

macro_rules! releases {
    ($($packaging:ident $name:literal $default:literal $component:ident.$field:ident),* $(,)?) => {
        &[$(Release {
            name: $name,
            packaging: Packaging::$packaging,
            default: $default,
            field: concat!("gitops.", stringify!($component), ".", stringify!($field)),
            written: |file| {
                let component = file.gitops.as_ref()?.$component.as_ref()?;
                Some(component.$field.as_deref())
            },
            write: |file, version| {
                let gitops = file.gitops.as_mut();
                if let Some(component) = gitops.and_then(|gitops| gitops.$component.as_mut()) {
                    component.$field = Some(version.to_owned());
                }
            },
        }),*]
    };
}

const COMPONENTS: &[Release] = releases![
    Chart "cert-manager" "v1.21.1" cert_manager.version,
    Chart "metallb" "0.16.1" metallb.version,
    Chart "cloudnative-pg" "0.29.0" cloudnative_pg.version,
    Chart "plugin-barman-cloud" "0.7.0" cloudnative_pg.plugin_version,
    Chart "tailscale-operator" "1.102.3" tailscale_operator.version,
    Chart "authentik" "2026.8.0" authentik.version,
    Chart "kube-prometheus-stack" "88.5.3" monitoring.version,
    Chart "reloader" "2.2.16" reloader.version,
    Image "cloudflare/cloudflared" "2026.8.2" cloudflared.version,
    Image "jellyfin/jellyfin" "10.11.10" jellyfin.version,
    Image "stalwartlabs/stalwart" "v0.16.18" stalwart.version,
];

const LONGHORN: Release = Release {
    name: "longhorn",
    packaging: Packaging::Chart,
    default: "1.12.1",
    field: "longhorn.version",
    // Without a GitOps tree nothing of it is rendered, and nothing has to be pinned.
    written: |file| {
        file.gitops.as_ref()?;
        Some(file.longhorn.as_ref()?.version.as_deref())
    },
    write: |file, version| {
        if let Some(longhorn) = &mut file.longhorn {
            longhorn.version = Some(version.to_owned());
        }
    },
};

/// The charts and images of the components that are on.
fn wanted(file: &InventoryFile) -> impl Iterator<Item = (&'static Release, Option<&str>)> {
    all().filter_map(move |release| Some((release, (release.written)(file)?)))
}

fn locked<'a>(lock: &'a LockFile, release: &Release) -> Option<&'a String> {
    match release.packaging {
        Packaging::Chart => lock.charts.get(release.name),
        Packaging::Image => lock.containers.get(release.name),
    }
}

fn all() -> impl Iterator<Item = &'static Release> {
    std::iter::once(&LONGHORN).chain(COMPONENTS)
}

/// Writes every version where the inventory would ask for it.
pub(crate) fn fill_in(file: &mut InventoryFile, versions: &BTreeMap<String, String>) {
    for release in all() {
        if let Some(version) = versions.get(release.name) {
            (release.write)(file, version);
        }
    }
}

/// What the lock file says of the version that is asked for at a field; `None` for other fields.
pub(crate) fn locked_at<'a>(field: &str, lock: &'a LockFile) -> Option<&'a String> {
    locked(lock, all().find(|release| release.field == field)?)
}

/// A version as `homelab lock` leaves it.
pub(crate) struct Settled {
    pub(crate) release: &'static Release,
    pub(crate) version: String,
    /// Who says so.
    pub(crate) source: &'static str,
    pub(crate) changed: bool,
}

/// What the lock file should say: the inventory's word, else what it said, else the table's; with
/// `update` the table's before what it said.
pub(crate) fn settle(file: &InventoryFile, lock: &LockFile, update: bool) -> Vec<Settled> {
    wanted(file)
        .map(|(release, written)| {
            let before = locked(lock, release);
            let (version, source) = match (written, before) {
                (Some(version), _) => (version.to_owned(), "the inventory"),
                (None, Some(version)) if !update => (version.clone(), "the lock file"),
                _ => (release.default.to_owned(), "this version of homelab"),
            };
            let changed = before != Some(&version);
            Settled { release, version, source, changed }
        })
        .collect()
}

/// The versions of all that is on; a fault for each that is pinned elsewhere, and one for all that are pinned nowhere. What need not be
/// pinned yet has the version that `homelab lock` would take.
pub(crate) fn resolve(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<BTreeMap<String, String>> {
    let (lock, lock_name) = (context.lock, context.lock_name);
    let mut versions = BTreeMap::new();
    let mut whole = true;
    let mut unpinned = Vec::new();
    for (release, written) in wanted(file) {
        let before = locked(lock, release);
        let version = match (written, before) {
            (Some(written), Some(before)) if written != before => Err(Some(format!(
                "{lock_name} pins {} {before}, the inventory asks for {written}",
                release.name
            ))),
            (_, Some(before)) => Ok(before.clone()),
            (Some(written), None) => Ok(written.to_owned()),
            (None, None) => Err(None),
        };
        match version {
            Ok(version) => {
                versions.insert(release.name.to_owned(), version);
            }
            Err(message) => {
                if context.pins == Pins::Required {
                    whole = false;
                } else {
                    let version = written.unwrap_or(release.default);
                    versions.insert(release.name.to_owned(), version.to_owned());
                }
                // What the lock lacks has been told by its own faults.
                if context.lock_is_faulty || context.pins == Pins::Optional {
                    continue;
                }
                match message {
                    Some(message) if context.pins == Pins::Required => {
                        let place = FieldPath::dotted(release.field);
                        report.fault(&place, message, "run `homelab lock`".to_owned());
                    }
                    _ => unpinned.push(release.name),
                }
            }
        }
    }
    if !unpinned.is_empty() {
        // One command pins them all, so that they are one fault.
        let place = FieldPath::dotted("gitops");
        let message = format!("{lock_name} does not pin the versions of {}", unpinned.join(", "));
        let suggestion = "run `homelab lock`".to_owned();
        match context.pins {
            Pins::Required => report.fault(&place, message, suggestion),
            _ => report.warn(&place, message, suggestion),
        }
    }
    whole.then_some(versions)
}

/// Every chart or image with its default.
#[cfg(test)]
pub(crate) fn defaults(packaging: Packaging) -> BTreeMap<String, String> {
    all()
        .filter(|release| release.packaging == packaging)
        .map(|release| (release.name.to_owned(), release.default.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{load::validate_text, tests::example};

    fn settled(
        file: &InventoryFile,
        lock: &LockFile,
        update: bool,
    ) -> (String, &'static str, bool) {
        let all = settle(file, lock, update);
        let one = all.into_iter().find(|one| one.release.name == "metallb").unwrap();
        (one.version, one.source, one.changed)
    }

    #[test]
    fn the_inventorys_word_wins_then_the_locks_then_the_table() {
        let (mut file, _) = validate_text("homelab.yaml".into(), &example("homelab")).unwrap();
        let mut lock = LockFile::empty();
        let ours = || "0.16.1".to_owned();
        assert_eq!(settled(&file, &lock, false), (ours(), "this version of homelab", true));
        lock.charts.insert("metallb".into(), "0.15.0".into());
        assert_eq!(settled(&file, &lock, false), ("0.15.0".into(), "the lock file", false));
        assert_eq!(settled(&file, &lock, true), (ours(), "this version of homelab", true));
        file.gitops.as_mut().unwrap().metallb.as_mut().unwrap().version = Some("0.14.9".into());
        assert_eq!(settled(&file, &lock, false), ("0.14.9".into(), "the inventory", true));
    }

    #[test]
    fn all_that_a_lock_file_lacks_is_one_fault_in_plan_as_in_validate() {
        use crate::inventory::{Faults, LoadOptions, Overrides, load};
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::try_from(folder.path().join("homelab.yaml")).unwrap();
        fs_err::write(&path, example("homelab")).unwrap();
        let overrides = Overrides::default();
        let failure =
            load(&LoadOptions { pins: Pins::Required, path, lock: None, overrides }).unwrap_err();
        let faults = &Faults::of(&failure).unwrap().0;
        let told = faults.iter().filter(|fault| fault.message.contains("pin"));
        let told: Vec<String> =
            told.map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
        let [one] = told.as_slice() else { panic!("{told:#?}") };
        assert!(one.starts_with("gitops: homelab.lock does not pin the versions of longhorn, "));
        assert!(one.contains("metallb") && one.contains("jellyfin/jellyfin"), "{one}");
    }

    #[test]
    fn what_is_off_is_not_pinned() {
        let (mut file, _) = validate_text("homelab.yaml".into(), &example("homelab")).unwrap();
        file.gitops.as_mut().unwrap().metallb = None;
        let all = settle(&file, &LockFile::empty(), false);
        assert!(all.iter().all(|one| one.release.name != "metallb"));
        assert!(all.iter().any(|one| one.release.name == "longhorn"));
        file.gitops = None;
        assert!(settle(&file, &LockFile::empty(), false).is_empty());
    }

    #[test]
    fn every_field_where_a_version_is_asked_for_is_a_field() {
        for release in all() {
            assert!(crate::inventory::class_of(release.field).is_some(), "{}", release.field);
        }
    }
}
