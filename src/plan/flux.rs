//! What Flux shows of itself, read from its objects. Pure.
//!
//! The conditions are those of its API (source, kustomize and helm controllers, `docs/spec`): an object is
//! done when the controller has seen its present generation, says Ready, and is at the wanted revision. A
//! suspended object keeps its last condition, so that Ready alone says nothing of it.

mod cause;
mod patience;
mod progress;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use cause::likely_cause;
pub use patience::Patience;
pub use progress::telling;

use crate::ports::ObjectKind;

/// The namespace of the controllers and of what they read.
pub const NAMESPACE: &str = "flux-system";
/// The name of the source, of the Kustomization of the cluster's entry point, and of the Secret that opens
/// the source, as `flux bootstrap` names them.
pub const ROOT: &str = "flux-system";
/// The Secret with the age key.
pub const AGE_SECRET: &str = "sops-age";
/// What Flux reads in the Secret that opens an `ssh://` source.
pub const LOGIN_BY_KEY: [&str; 2] = ["identity", "known_hosts"];
/// The same for an `https://` source.
pub const LOGIN_BY_TOKEN: [&str; 2] = ["username", "password"];
/// The age key's name in its Secret; Flux takes every one with this end.
pub const AGE_KEY: &str = "age.agekey";
/// Marks a Kustomization that we suspended, and that we will resume.
pub const SUSPENDED: &str = "homelab/suspended";
/// Without these nothing is fetched or applied.
pub const CONTROLLERS: [&str; 2] = ["kustomize-controller", "source-controller"];

pub const DEPLOYMENT: ObjectKind =
    ObjectKind { group: "apps", version: "v1", kind: "Deployment", plural: "deployments" };
pub const CONFIG_MAP: ObjectKind =
    ObjectKind { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps" };
pub const SECRET: ObjectKind =
    ObjectKind { group: "", version: "v1", kind: "Secret", plural: "secrets" };
pub const POD: ObjectKind = ObjectKind { group: "", version: "v1", kind: "Pod", plural: "pods" };
pub const GIT_REPOSITORY: ObjectKind = ObjectKind {
    group: "source.toolkit.fluxcd.io",
    version: "v1",
    kind: "GitRepository",
    plural: "gitrepositories",
};
pub const KUSTOMIZATION: ObjectKind = ObjectKind {
    group: "kustomize.toolkit.fluxcd.io",
    version: "v1",
    kind: "Kustomization",
    plural: "kustomizations",
};
pub const HELM_RELEASE: ObjectKind = ObjectKind {
    group: "helm.toolkit.fluxcd.io",
    version: "v2",
    kind: "HelmRelease",
    plural: "helmreleases",
};

/// Flux as it stands in a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FluxSight {
    /// Whether each controller is available, by name; empty where Flux is not installed.
    pub controllers: BTreeMap<String, bool>,
    /// The keys of the Secret that opens the repository; `None` where it is not there.
    pub login: Option<BTreeSet<String>>,
    /// The same of the Secret with the age key.
    pub age: Option<BTreeSet<String>>,
    /// Whether the age key that the tree is encrypted for now is among the cluster's; `None` where that cannot be
    /// known here.
    pub age_known: Option<bool>,
    pub source: Option<Source>,
    pub kustomizations: Vec<Managed>,
    pub releases: Vec<Managed>,
}

/// The repository as Flux knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub url: String,
    pub branch: String,
    pub object: Managed,
}

/// An object that a controller of Flux works on.
#[derive(Clone, Debug, PartialEq)]
pub struct Managed {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// In the repository; of a Kustomization.
    pub path: Option<String>,
    pub suspended: bool,
    /// Suspended by a run of ours.
    pub held_by_us: bool,
    /// Whether the controller has seen the object as it is now.
    pub current: bool,
    pub ready: Option<bool>,
    pub reason: String,
    pub message: String,
    /// The commit that it is at.
    pub commit: Option<String>,
    /// The titles of those that must be done before it: its `dependsOn`.
    pub needs: Vec<String>,
}

impl Managed {
    pub fn read(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
        let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
        let revision = [&status["lastAppliedRevision"], &status["artifact"]["revision"]];
        Self {
            kind: text(&object["kind"]),
            namespace: text(&metadata["namespace"]),
            name: text(&metadata["name"]),
            path: spec["path"].as_str().map(|path| trimmed(path).to_owned()),
            suspended: spec["suspend"] == true,
            held_by_us: metadata["annotations"][SUSPENDED].is_string(),
            current: status["observedGeneration"] == metadata["generation"]
                && !metadata["generation"].is_null(),
            ready: ready.and_then(|ready| match ready["status"].as_str() {
                Some("True") => Some(true),
                Some("False") => Some(false),
                _ => None,
            }),
            reason: ready.map(|ready| text(&ready["reason"])).unwrap_or_default(),
            message: ready.map(|ready| text(&ready["message"])).unwrap_or_default(),
            commit: revision.iter().find_map(|revision| commit(revision.as_str()?)),
            needs: needs(object),
        }
    }

    /// Why it is not done; `None` when it is. `head`: the commit at which it should be, where that is known
    /// and it has one.
    pub fn lacks(&self, head: Option<&str>) -> Option<String> {
        if !self.current {
            return Some("its controller has not looked at it yet".into());
        }
        if self.ready != Some(true) {
            let why = format!("{}: {}", self.reason, self.message);
            let why = why.trim_matches([':', ' ']).to_owned();
            return Some(if why.is_empty() { "it has no condition Ready yet".into() } else { why });
        }
        match (head, &self.commit) {
            (Some(head), Some(commit)) if self.is_behind(head) => {
                Some(format!("it is at {}, Git at {}", short(commit), short(head)))
            }
            (Some(head), None) if self.path.is_some() => {
                Some(format!("nothing was applied yet, Git is at {}", short(head)))
            }
            _ => None,
        }
    }

    /// Whether it is at another commit.
    pub fn is_behind(&self, head: &str) -> bool {
        self.commit.as_deref().is_some_and(|commit| commit != head)
    }

    /// A person suspended it: it is left as it is.
    pub fn is_held_by_others(&self) -> bool {
        self.suspended && !self.held_by_us
    }

    /// `Kustomization flux-system/apps`.
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl FluxSight {
    /// The Kustomization of the cluster's entry point.
    pub fn root(&self) -> Option<&Managed> {
        self.kustomizations.iter().find(|one| one.namespace == NAMESPACE && one.name == ROOT)
    }

    /// Those that a run of ours suspended.
    pub fn held(&self) -> impl Iterator<Item = &Managed> {
        self.kustomizations.iter().filter(|one| one.suspended && one.held_by_us)
    }
}

/// The source, where the object is one.
pub fn source(object: &Value) -> Source {
    Source {
        url: object["spec"]["url"].as_str().unwrap_or_default().to_owned(),
        // Without a branch Flux takes this one.
        branch: object["spec"]["ref"]["branch"].as_str().unwrap_or("master").to_owned(),
        object: Managed::read(object),
    }
}

/// Whether a Deployment has what it asks for.
pub fn is_available(deployment: &Value) -> bool {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && status["availableReplicas"].as_u64().unwrap_or_default() >= wanted
        && status["updatedReplicas"].as_u64().unwrap_or_default() >= wanted
}

/// The titles of an object's `dependsOn`; they are of its own kind, and of its namespace unless they say another.
fn needs(object: &Value) -> Vec<String> {
    let (kind, own) = (object["kind"].as_str(), object["metadata"]["namespace"].as_str());
    let needed = object["spec"]["dependsOn"].as_array().into_iter().flatten();
    let titles = needed.filter_map(|one| {
        let namespace = one["namespace"].as_str().or(own)?;
        Some(format!("{} {namespace}/{}", kind?, one["name"].as_str()?))
    });
    titles.collect()
}

/// A path without what begins and ends one.
fn trimmed(path: &str) -> &str {
    path.trim_start_matches("./").trim_matches('/')
}

/// The commit of a revision: `main@sha1:<commit>`.
fn commit(revision: &str) -> Option<String> {
    revision.rsplit_once("sha1:").map(|(_, commit)| commit.to_owned())
}

/// A commit as people write it.
pub fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

#[cfg(test)]
mod tests;
