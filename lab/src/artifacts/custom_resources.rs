//! The kinds that come with charts of the lab.
//!
//! Where this project's shared folder of published definitions is there, its schemas are served, so that
//! a stand-in is held to them; elsewhere a kind takes any field.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::{ArtifactError, recipe::Ingredient};

/// One kind of an API group.
pub(crate) struct CustomResource {
    /// The folder of published definitions that it is looked for in.
    pub(crate) folder: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) namespaced: bool,
}

const fn longhorn(kind: &'static str, plural: &'static str) -> CustomResource {
    CustomResource {
        folder: "longhorn",
        group: "longhorn.io",
        version: "v1beta2",
        kind,
        plural,
        namespaced: true,
    }
}

/// Those of Longhorn's kinds that its stand-in writes or reads.
pub(crate) const LONGHORN: &[CustomResource] = &[
    longhorn("Backup", "backups"),
    longhorn("BackupTarget", "backuptargets"),
    longhorn("BackupVolume", "backupvolumes"),
    longhorn("Engine", "engines"),
    longhorn("Node", "nodes"),
    longhorn("RecurringJob", "recurringjobs"),
    longhorn("Replica", "replicas"),
    longhorn("Setting", "settings"),
    longhorn("Snapshot", "snapshots"),
    longhorn("SystemBackup", "systembackups"),
    longhorn("Volume", "volumes"),
    longhorn("VolumeAttachment", "volumeattachments"),
];

/// Those of Tailscale's kinds that the stand-in for its operator reads.
pub(crate) const TAILSCALE: &[CustomResource] = &[CustomResource {
    folder: "tailscale",
    group: "tailscale.com",
    version: "v1alpha1",
    kind: "ProxyClass",
    plural: "proxyclasses",
    namespaced: false,
}];

impl CustomResource {
    fn published(&self) -> Option<Utf8PathBuf> {
        let shared = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/crds");
        let file = shared.join(self.folder).join(format!("{}_{}.yaml", self.group, self.plural));
        file.is_file().then_some(file)
    }

    /// The published definition, or the name under which any field is taken.
    pub(crate) fn ingredient(&self) -> Ingredient {
        match self.published() {
            Some(file) => Ingredient::Tree(file),
            None => Ingredient::Text(self.permissive()),
        }
    }

    /// The name of its file, and what is in it.
    pub(crate) fn manifest(&self) -> Result<(String, String), ArtifactError> {
        let text = match self.published() {
            Some(file) => fs_err::read_to_string(file)?,
            None => self.permissive(),
        };
        Ok((format!("{}_{}.yaml", self.group, self.plural), text))
    }

    fn permissive(&self) -> String {
        let Self { group, version, kind, plural, namespaced, .. } = self;
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group,
                "names": {
                    "kind": kind,
                    "listKind": format!("{kind}List"),
                    "plural": plural,
                    "singular": kind.to_lowercase(),
                },
                "scope": if *namespaced { "Namespaced" } else { "Cluster" },
                "versions": [{
                    "name": version,
                    "served": true,
                    "storage": true,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": any},
                }],
            },
        });
        // JSON is YAML.
        serde_json::to_string_pretty(&definition).expect("plain JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_whose_definition_is_not_there_takes_any_field() {
        let kind = CustomResource { folder: "nowhere", ..longhorn("Volume", "volumes") };
        let (name, text) = kind.manifest().unwrap();
        assert_eq!(name, "longhorn.io_volumes.yaml");
        assert!(text.contains("x-kubernetes-preserve-unknown-fields"), "{text}");
        assert!(text.contains("\"volumes.longhorn.io\""), "{text}");
    }

    #[test]
    fn a_published_definition_is_of_the_same_kind() {
        for kind in LONGHORN.iter().chain(TAILSCALE) {
            if kind.published().is_none() {
                eprintln!("skipped: no published definition of {} is there", kind.kind);
                continue;
            }
            let (_, text) = kind.manifest().unwrap();
            assert!(text.contains(&format!("kind: {}\n", kind.kind)), "{}", kind.kind);
            assert!(text.contains(&format!("name: {}\n", kind.version)), "{}", kind.kind);
        }
    }
}
