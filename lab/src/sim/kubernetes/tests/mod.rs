//! The server as a client of the real one sees it.

mod apply;
mod client;
mod custom;
mod gate;
mod objects;
mod pods;
mod watching;

use serde_json::{Value, json};

fn config_map(name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default" },
        "data": data,
    })
}

fn pod(name: &str, node: &str, phase: &str) -> (Value, Value) {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": "web" } },
        "spec": { "nodeName": node, "containers": [{ "name": "web", "image": "web" }] },
    });
    let status = json!({
        "phase": phase,
        "conditions": [{ "type": "Ready", "status": "True" }],
    });
    (pod, status)
}
