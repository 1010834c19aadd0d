//! What an object must say of itself to be taken.

use serde_json::{Value, json};

use super::{failure::Failure, resource::Resource};

/// An object says what it is, or is told.
pub(super) fn typed(resource: &Resource, object: &mut Value) -> Result<(), Failure> {
    if !object.is_object() {
        return Err(Failure::bad_request(
            "the object provided is unrecognized (must be of type object)",
        ));
    }
    let wanted = [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())];
    for (name, wanted) in wanted {
        match object[name].as_str() {
            None | Some("") => object[name] = json!(wanted),
            Some(found) if found != wanted => {
                let what = if name == "kind" { "kind" } else { "API version" };
                return Err(Failure::bad_request(format!(
                    "the {what} in the data ({found}) does not match the expected {what} ({wanted})"
                )));
            }
            Some(_) => {}
        }
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    Ok(())
}

/// An object is in the namespace of its path.
pub(super) fn placed(
    resource: &Resource,
    namespace: &str,
    object: &mut Value,
) -> Result<(), Failure> {
    let metadata = &mut object["metadata"];
    if !resource.namespaced {
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("namespace");
        }
        return Ok(());
    }
    match metadata["namespace"].as_str() {
        None | Some("") => metadata["namespace"] = json!(namespace),
        Some(own) if own != namespace => {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        Some(_) => {}
    }
    Ok(())
}

/// An object has the name of its path.
pub(super) fn named(name: &str, object: &Value) -> Result<(), Failure> {
    let own = object["metadata"]["name"].as_str().unwrap_or_default();
    if own == name || own.is_empty() {
        return Ok(());
    }
    Err(Failure::bad_request(format!(
        "the name of the object ({own}) does not match the name on the URL ({name})"
    )))
}

/// While an object is being deleted nothing may begin to hold it.
pub(super) fn no_new_finalizers(
    resource: &Resource,
    live: &Value,
    after: &Value,
) -> Result<(), Failure> {
    if live["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let known = live["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let new = after["metadata"]["finalizers"].as_array().into_iter().flatten();
    let new: Vec<String> =
        new.filter(|name| !known.contains(name)).map(ToString::to_string).collect();
    if new.is_empty() {
        return Ok(());
    }
    let why = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        new.join(", ")
    );
    let name = live["metadata"]["name"].as_str().unwrap_or_default();
    Err(Failure::invalid(
        (&resource.group, &resource.kind),
        name,
        ("FieldValueForbidden", "metadata.finalizers", &why),
    ))
}
