//! How a controller tells of itself in an object's status.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::kubernetes::Kubernetes;

/// Somebody asks for a look by changing it.
const REQUESTED: &str = "reconcile.fluxcd.io/requestedAt";

/// What became of a look at an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Report {
    /// `True`, `False`, `Unknown`.
    pub(super) ready: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// What else its status is to say.
    pub(super) status: Vec<(&'static str, Value)>,
}

impl Report {
    pub(super) fn done(reason: &'static str, message: String) -> Self {
        Self { ready: "True", reason, message, status: Vec::new() }
    }

    pub(super) fn failed(reason: &'static str, message: impl Into<String>) -> Self {
        Self { ready: "False", reason, message: message.into(), status: Vec::new() }
    }

    pub(super) fn under_way(message: String) -> Self {
        Self { ready: "Unknown", reason: "Progressing", message, status: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.status.push((name, value));
        self
    }
}

/// What somebody asked for last.
fn requested(object: &Value) -> &Value {
    &object["metadata"]["annotations"][REQUESTED]
}

/// Whether the object is done as it stands, and nobody asked for another look.
pub(super) fn is_settled(object: &Value) -> bool {
    let status = &object["status"];
    let asked = requested(object);
    is_ready(object) && (asked.is_null() || status["lastHandledReconcileAt"] == *asked)
}

/// Whether its controller has seen it as it is, and says Ready.
pub(super) fn is_ready(object: &Value) -> bool {
    let status = &object["status"];
    let ready = condition(status, "Ready").is_some_and(|ready| ready["status"] == "True");
    ready && status["observedGeneration"] == object["metadata"]["generation"]
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = status["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

/// Writes a report into the object's status, unless it says so already.
pub(super) fn tell(
    kubernetes: &Kubernetes,
    controller: &str,
    resource: &str,
    object: &Value,
    report: Report,
) {
    let Report { ready, reason, message, mut status } = report;
    let before = &object["status"];
    let generation = &object["metadata"]["generation"];
    let mut condition_now = json!({
        "type": "Ready", "status": ready, "reason": reason, "message": message,
        "observedGeneration": generation,
    });
    let known = condition(before, "Ready");
    condition_now["lastTransitionTime"] = match known {
        Some(known) if known["status"] == ready => known["lastTransitionTime"].clone(),
        _ => json!(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    };
    status.push(("conditions", json!([condition_now])));
    // While it is at it, it has not seen the object through.
    if ready != "Unknown" {
        status.push(("observedGeneration", generation.clone()));
        let asked = requested(object);
        if !asked.is_null() {
            status.push(("lastHandledReconcileAt", asked.clone()));
        }
    }
    if status.iter().all(|(name, value)| before[*name] == *value) {
        return;
    }
    let status: Map<String, Value> =
        status.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let (namespace, name) = super::place(object);
    let place = (namespace.as_str(), name.as_str());
    // One that was deleted meanwhile wants no report.
    kubernetes.patch_status(controller, resource, place, &Value::Object(status)).ok();
}
