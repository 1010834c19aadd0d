//! What the server says that it serves.

use serde_json::{Value, json};

use super::{resource::Resource, store::State};

/// The answer to a path of discovery; `None` for any other path.
pub(super) fn answer(state: &State, path: &str) -> Option<Value> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ["apis"] => {
            let groups: Vec<Value> = groups(state).iter().map(|name| group(state, name)).collect();
            Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
        }
        ["api", version] => resources(state, "", version),
        ["apis", name] => groups(state).iter().any(|known| known == name).then(|| {
            let mut group = group(state, name);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            group
        }),
        ["apis", group, version] => resources(state, group, version),
        _ => None,
    }
}

fn groups(state: &State) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for resource in state.resources.iter().filter(|it| !it.group.is_empty()) {
        if !groups.contains(&resource.group) {
            groups.push(resource.group.clone());
        }
    }
    groups
}

fn group(state: &State, name: &str) -> Value {
    let mut versions: Vec<Value> = Vec::new();
    for resource in state.resources.iter().filter(|it| it.group == name) {
        let version = json!({
            "groupVersion": resource.api_version(),
            "version": resource.version,
        });
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    json!({ "name": name, "preferredVersion": versions.first(), "versions": versions })
}

fn resources(state: &State, group: &str, version: &str) -> Option<Value> {
    let served: Vec<&Resource> = state
        .resources
        .iter()
        .map(AsRef::as_ref)
        .filter(|it| it.group == group && it.version == version)
        .collect();
    let first = served.first()?;
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": first.api_version(),
        "resources": served.iter().flat_map(|it| entries(it)).collect::<Vec<_>>(),
    }))
}

/// A resource, and its subresources.
fn entries(resource: &Resource) -> Vec<Value> {
    let entry = |name: String, verbs: &[&str]| {
        json!({
            "name": name,
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": verbs,
        })
    };
    let plural = &resource.plural;
    let mut own = entry(
        plural.clone(),
        &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    );
    own["singularName"] = json!(resource.kind.to_lowercase());
    if !resource.short_names.is_empty() {
        own["shortNames"] = json!(resource.short_names);
    }
    let mut entries = vec![own];
    if resource.status {
        entries.push(entry(format!("{plural}/status"), &["get", "patch", "update"]));
    }
    if resource.qualified() == "pods" {
        let mut eviction = entry("pods/eviction".into(), &["create"]);
        eviction["group"] = json!("policy");
        eviction["version"] = json!("v1");
        eviction["kind"] = json!("Eviction");
        entries.push(eviction);
    }
    entries
}
