//! What the server puts into objects of itself. Of its many defaults these are the ones that something here reads.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::resource::Resource;

/// Fills in what is missing.
pub(super) fn fill(resource: &Resource, object: &mut Value) {
    if resource.custom {
        return;
    }
    match resource.kind.as_str() {
        "Namespace" => {
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            otherwise(&mut object["spec"]["finalizers"], json!(["kubernetes"]));
            otherwise(&mut object["status"]["phase"], json!("Active"));
        }
        "Pod" => {
            otherwise(&mut object["spec"]["restartPolicy"], json!("Always"));
            otherwise(&mut object["spec"]["terminationGracePeriodSeconds"], json!(30));
            otherwise(&mut object["status"]["phase"], json!("Pending"));
        }
        "PersistentVolumeClaim" => otherwise(&mut object["status"]["phase"], json!("Pending")),
        "Secret" => secret(object),
        "Service" => otherwise(&mut object["spec"]["type"], json!("ClusterIP")),
        "Deployment" | "StatefulSet" | "ReplicaSet" => {
            otherwise(&mut object["spec"]["replicas"], json!(1));
        }
        "StorageClass" => {
            otherwise(&mut object["reclaimPolicy"], json!("Delete"));
            otherwise(&mut object["volumeBindingMode"], json!("Immediate"));
        }
        _ => {}
    }
}

fn otherwise(place: &mut Value, value: Value) {
    if place.is_null() {
        *place = value;
    }
}

/// What is written as `stringData` is read as `data`.
fn secret(object: &mut Value) {
    otherwise(&mut object["type"], json!("Opaque"));
    let plain = object.as_object_mut().and_then(|fields| fields.remove("stringData"));
    let Some(Value::Object(plain)) = plain else { return };
    for (name, value) in plain {
        let text = value.as_str().unwrap_or_default();
        object["data"][&name] = json!(STANDARD.encode(text));
    }
}
