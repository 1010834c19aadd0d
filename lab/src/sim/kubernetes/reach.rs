//! How far a write reaches: a path writes the status or everything else, and some things are the server's alone.

use serde_json::Value;

use super::resource::Resource;

/// Leaves out of an applied configuration what its path does not write.
pub(super) fn reset(resource: &Resource, subresource: &str, configuration: &mut Value) {
    let Some(fields) = configuration.as_object_mut() else { return };
    match subresource {
        "status" => {
            fields.retain(|name, _| {
                matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status")
            });
            if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
                metadata.retain(|name, _| {
                    matches!(name.as_str(), "name" | "namespace" | "uid" | "resourceVersion")
                });
            }
        }
        _ if resource.status => {
            fields.remove("status");
        }
        _ => {}
    }
}

/// Takes from the live object what a path does not write.
pub(super) fn restricted(
    resource: &Resource,
    subresource: &str,
    live: &Value,
    mut after: Value,
) -> Value {
    let (from, to) = match subresource {
        "status" => {
            let mut whole = live.clone();
            whole["metadata"]["resourceVersion"] = after["metadata"]["resourceVersion"].clone();
            (after, whole)
        }
        _ if resource.status => (live.clone(), after.take()),
        _ => return after,
    };
    let mut to = to;
    match (from.get("status"), to.as_object_mut()) {
        (Some(status), Some(fields)) => {
            fields.insert("status".into(), status.clone());
        }
        (None, Some(fields)) => {
            fields.remove("status");
        }
        _ => {}
    }
    to
}

/// Notes of managers are the server's.
pub(super) fn kept(live: &Value, mut after: Value) -> Value {
    if let Some(metadata) = after["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if let Some(managers) = live["metadata"].get("managedFields") {
            metadata.insert("managedFields".into(), managers.clone());
        }
    }
    after
}

/// What no write changes.
pub(super) fn lasting(live: &Value, mut after: Value) -> Value {
    const NAMES: [&str; 8] = [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "generation",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    if let Some(metadata) = after["metadata"].as_object_mut() {
        for name in NAMES {
            metadata.remove(name);
            if let Some(value) = live["metadata"].get(name) {
                metadata.insert(name.into(), value.clone());
            }
        }
    }
    after
}
