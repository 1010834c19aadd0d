//! kustomize-controller: what a folder of Git has becomes objects, in the order of `dependsOn`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Shared,
    build::{self, Built},
    health, place, referred,
    report::{Report, is_ready, is_settled, tell},
    sops,
};

const CONTROLLER: &str = "kustomize-controller";
const KIND: &str = "kustomizations.kustomize.toolkit.fluxcd.io";
/// An object with this annotation outlives its file.
const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";

/// Looks after each change in the store.
pub(super) async fn attend(shared: Arc<Shared>) {
    let mut changes = shared.kubernetes.changes();
    loop {
        changes.borrow_and_update();
        if shared.runs(CONTROLLER) {
            for one in shared.kubernetes.list(KIND, None) {
                look(&shared, &one).await;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn look(shared: &Shared, one: &Value) {
    if one["spec"]["suspend"] == true || !one["metadata"]["deletionTimestamp"].is_null() {
        return;
    }
    let source = referred(one, &one["spec"]["sourceRef"]);
    let repositories = "gitrepositories.source.toolkit.fluxcd.io";
    let source = shared.kubernetes.get(repositories, (&source.0, &source.1)).unwrap_or_default();
    let report = match shared.artifact(&source) {
        None => {
            let message = "Source artifact not found, retrying in 30s";
            Report::failed("ArtifactFailed", message)
        }
        Some((revision, _))
            if is_settled(one) && one["status"]["lastAppliedRevision"] == *revision =>
        {
            return;
        }
        Some((revision, files)) => match waits_for(shared, one, &revision) {
            Some(needed) => {
                Report::failed("DependencyNotReady", format!("dependency '{needed}' is not ready"))
            }
            None => {
                shared.labour().await;
                let done = applied(shared, one, &revision, &files);
                let report = done.unwrap_or_else(|failed| failed);
                report.with("lastAttemptedRevision", json!(revision))
            }
        },
    };
    tell(&shared.kubernetes, CONTROLLER, KIND, one, report);
}

/// What it depends on and what is not done at this revision.
fn waits_for(shared: &Shared, one: &Value, revision: &str) -> Option<String> {
    let needed = one["spec"]["dependsOn"].as_array().into_iter().flatten();
    needed.map(|reference| referred(one, reference)).find_map(|(namespace, name)| {
        let found = shared.kubernetes.get(KIND, (&namespace, &name));
        let done = found
            .is_some_and(|it| is_ready(&it) && it["status"]["lastAppliedRevision"] == revision);
        (!done).then(|| format!("{namespace}/{name}"))
    })
}

fn applied(
    shared: &Shared,
    one: &Value,
    revision: &str,
    files: &super::Files,
) -> Result<Report, Report> {
    let folder = one["spec"]["path"].as_str().unwrap_or_default();
    let mut built = build::build(files, folder).map_err(|why| {
        let reason =
            if why.starts_with("kustomization path") { "ArtifactFailed" } else { "BuildFailed" };
        Report::failed(reason, why)
    })?;
    decrypt(shared, one, &mut built).map_err(|why| Report::failed("BuildFailed", why))?;
    built.sort_by_key(|built| rank(&built.object));
    let (namespace, name) = place(one);
    let mut made = Vec::new();
    for Built { mut object, .. } in built {
        object["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = json!(name);
        object["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/namespace"] = json!(namespace);
        let live = shared.kubernetes.apply(CONTROLLER, &object).map_err(|failure| {
            let message = format!("{} dry-run failed: {}", title(&object), failure.message);
            Report::failed("ReconciliationFailed", message)
        })?;
        made.push(live);
    }
    let entries: Vec<Value> = made.iter().map(entry).collect();
    if one["spec"]["prune"] == true {
        prune(shared, &one["status"]["inventory"]["entries"], &entries);
    }
    let inventory = json!({ "entries": entries });
    let open = made.iter().find(|object| one["spec"]["wait"] == true && !health::is_done(object));
    Ok(match open {
        Some(object) => {
            let message = format!("Running health checks: {} is not ready", title(object));
            Report::under_way(message).with("inventory", inventory)
        }
        None => Report::done("ReconciliationSucceeded", format!("Applied revision: {revision}"))
            .with("inventory", inventory)
            .with("lastAppliedRevision", json!(revision)),
    })
}

/// Opens what is encrypted, where the object says by what.
fn decrypt(shared: &Shared, one: &Value, built: &mut [Built]) -> Result<(), String> {
    let sealed: Vec<&mut Built> =
        built.iter_mut().filter(|built| built.object["sops"].is_object()).collect();
    let decryption = &one["spec"]["decryption"];
    if decryption["provider"] != "sops" {
        return match sealed.first() {
            Some(first) => Err(format!("{} is encrypted with sops", first.path)),
            None => Ok(()),
        };
    }
    let (namespace, name) = referred(one, &decryption["secretRef"]);
    let Some(secret) = shared.kubernetes.get("secrets", (&namespace, &name)) else {
        return Err(format!(
            "cannot get sops decryption Secret '{namespace}/{name}': secrets \"{name}\" not found"
        ));
    };
    let keys = sops::keys(&secret);
    for built in sealed {
        built.object = sops::open(&built.object, &keys).map_err(|why| {
            format!(
                "failed to decrypt and format '{}': cannot get sops data key: {why}",
                built.path
            )
        })?;
    }
    Ok(())
}

/// What others stand in or are made of comes first.
fn rank(object: &Value) -> u8 {
    match object["kind"].as_str() {
        Some("Namespace") => 0,
        Some("CustomResourceDefinition") => 1,
        _ => 2,
    }
}

/// `Deployment/jellyfin/jellyfin`.
fn title(object: &Value) -> String {
    let (namespace, name) = place(object);
    let kind = object["kind"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        format!("{kind}/{name}")
    } else {
        format!("{kind}/{namespace}/{name}")
    }
}

/// How an inventory names an object.
fn entry(object: &Value) -> Value {
    let (namespace, name) = place(object);
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let kind = object["kind"].as_str().unwrap_or_default();
    json!({ "id": format!("{namespace}_{name}_{group}_{kind}"), "v": version })
}

/// Deletes what was applied before and is in Git no more.
fn prune(shared: &Shared, before: &Value, now: &[Value]) {
    for gone in before.as_array().into_iter().flatten().filter(|entry| !now.contains(entry)) {
        let id: Vec<&str> = gone["id"].as_str().unwrap_or_default().split('_').collect();
        let [namespace, name, group, kind] = id.as_slice() else { continue };
        let Some(resource) = shared.kubernetes.resource_of(group, kind) else { continue };
        let place = (*namespace, *name);
        let kept = shared
            .kubernetes
            .get(&resource, place)
            .is_none_or(|object| object["metadata"]["annotations"][PRUNE] == "disabled");
        if !kept {
            shared.kubernetes.delete(&resource, place).ok();
        }
    }
}
