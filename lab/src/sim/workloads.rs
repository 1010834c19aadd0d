//! The controllers of workloads: what a Deployment, a DaemonSet or a StatefulSet says of itself while a node runs.
//!
//! Simplified: there are no pods; every image can be had, and every pod fits the first node that is ready.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::kubernetes::Kubernetes;

const MANAGER: &str = "kube-controller-manager";
const KINDS: [&str; 3] = ["deployments.apps", "daemonsets.apps", "statefulsets.apps"];
/// From a workload's change until its pods are ready, at a real cluster's pace.
const START: Duration = Duration::from_secs(3);

/// The controllers; dropping them ends them.
pub struct Workloads {
    task: JoinHandle<()>,
}

impl Drop for Workloads {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Workloads {
    /// `pace` is how much of their delays pass.
    pub fn start(kubernetes: Arc<Kubernetes>, pace: f64) -> Self {
        let delay = START.mul_f64(pace);
        let task = tokio::spawn(async move {
            let mut changes = kubernetes.changes();
            loop {
                // Noted before looking: a change in between wakes at once.
                changes.borrow_and_update();
                let open = look(&kubernetes);
                if !open.is_empty() {
                    if !delay.is_zero() {
                        tokio::time::sleep(delay).await;
                    }
                    for (kind, place, status) in open {
                        let place = (place.0.as_str(), place.1.as_str());
                        // One that was deleted meanwhile has no status.
                        kubernetes.patch_status(MANAGER, kind, place, &status).ok();
                    }
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
        Self { task }
    }
}

type Open = (&'static str, (String, String), Value);

/// Those whose status is not what it should be, with what it should be.
fn look(kubernetes: &Kubernetes) -> Vec<Open> {
    let nodes = kubernetes.list("nodes", None);
    let ready = nodes.iter().filter(|node| is_ready(node)).count();
    let mut open = Vec::new();
    for kind in KINDS {
        for object in kubernetes.list(kind, None) {
            let mut status = wanted(&object, kind, ready);
            let now = &object["status"];
            let known = status.as_object().into_iter().flatten();
            if known.into_iter().all(|(name, value)| now[name.as_str()] == *value) {
                continue;
            }
            if kind == "deployments.apps" {
                status["conditions"] = conditions(&status);
            }
            let text =
                |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
            open.push((kind, (text("namespace"), text("name")), status));
        }
    }
    open
}

fn is_ready(node: &Value) -> bool {
    let mut conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn wanted(object: &Value, kind: &str, nodes: usize) -> Value {
    let generation = &object["metadata"]["generation"];
    if kind == "daemonsets.apps" {
        return json!({
            "observedGeneration": generation, "desiredNumberScheduled": nodes,
            "currentNumberScheduled": nodes, "updatedNumberScheduled": nodes,
            "numberReady": nodes, "numberAvailable": nodes,
        });
    }
    let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let available = if nodes > 0 { replicas } else { 0 };
    json!({
        "observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": available, "availableReplicas": available,
    })
}

fn conditions(status: &Value) -> Value {
    let available = status["availableReplicas"] == status["replicas"];
    let (holds, reason) = match available {
        true => ("True", "MinimumReplicasAvailable"),
        false => ("False", "MinimumReplicasUnavailable"),
    };
    json!([{
        "type": "Available", "status": holds, "reason": reason, "message": "",
        "lastTransitionTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }])
}
