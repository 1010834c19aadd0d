//! The cluster's objects, and what lies in the Git remote.

use std::{collections::BTreeMap, io};

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::sim::{git::BRANCH, world::World};

/// What only Flux's own kinds are in.
const FLUX: &str = ".toolkit.fluxcd.io/";

/// What homelab wrote when it rendered the tree: a hash of each file, encrypted ones too.
const RECORD: &str = ".homelab-gitops.json";

/// A Git remote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remote {
    /// Branches and tags.
    pub references: Vec<String>,
    /// How many commits lead to the head: one that came twice shows here.
    pub commits: usize,
    /// The head's files; what is encrypted anew each time, or for a key that is, is "there".
    pub files: BTreeMap<String, String>,
}

/// Looks at the remote, where there is one.
pub(super) async fn remote(world: &World) -> io::Result<Option<Remote>> {
    let Some(git) = world.git() else { return Ok(None) };
    let repository = git.repository();
    let files = match repository.head(BRANCH)? {
        Some(head) => repository.files(&head).await?,
        None => BTreeMap::new(),
    };
    let files = files.into_iter().map(|(path, bytes)| {
        let random = path.ends_with(".sops.yaml") || path == RECORD;
        let text = if random { "there".to_owned() } else { hash(&bytes) };
        (path, text)
    });
    Ok(Some(Remote {
        references: repository.references().await?,
        commits: repository.commits().await?,
        files: files.collect(),
    }))
}

/// Each object but nodes, by its kind and name.
pub(super) fn seen(world: &World) -> io::Result<BTreeMap<String, Value>> {
    let head = match world.git() {
        Some(git) => git.repository().head(BRANCH)?,
        None => None,
    };
    let objects = world.kubernetes.everything().into_iter();
    let others = objects.filter(|object| object["kind"] != "Node" || is_custom(object));
    Ok(others.map(|object| (title(&object), shown(&object, head.as_deref()))).collect())
}

fn is_custom(object: &Value) -> bool {
    object["apiVersion"] != "v1"
}

fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let group = text(&object["apiVersion"]);
    let kind = text(&object["kind"]);
    format!("{group} {kind} {}/{}", text(&metadata["namespace"]), text(&metadata["name"]))
}

fn shown(object: &Value, head: Option<&str>) -> Value {
    let metadata = &object["metadata"];
    let mut annotations = metadata["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        // It tells a time.
        annotations.remove("reconcile.fluxcd.io/requestedAt");
    }
    let mut seen = json!({ "labels": metadata["labels"], "ending": metadata["deletionTimestamp"].is_string() });
    if annotations.as_object().is_some_and(|annotations| !annotations.is_empty()) {
        seen["annotations"] = annotations;
    }
    if object["kind"] == "Secret" {
        let data = object["data"].as_object().into_iter().flatten();
        seen["data"] = data.map(|(name, _)| name.as_str()).collect();
        return seen;
    }
    let asked = ["spec", "data", "value", "parameters"].map(|field| &object[field]);
    seen["asked"] = json!(hash(json!(asked).to_string().as_bytes()));
    if object["apiVersion"].as_str().is_some_and(|version| version.contains(FLUX)) {
        let status = &object["status"];
        let revisions = [&status["lastAppliedRevision"], &status["artifact"]["revision"]];
        let revision = revisions.into_iter().find_map(Value::as_str);
        seen["ready"] = status["conditions"][0]["status"].clone();
        seen["suspended"] = json!(object["spec"]["suspend"] == true);
        seen["at_head"] =
            json!(revision.map(|revision| head.is_some_and(|head| revision.ends_with(head))));
    }
    seen
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..8])
}
