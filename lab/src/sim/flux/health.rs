//! When an object is done, as `kstatus` judges it: what has no word for it is done when it is there.

use serde_json::Value;

/// Whether an object is what it is meant to become.
pub(super) fn is_done(object: &Value) -> bool {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    if !metadata["deletionTimestamp"].is_null() {
        return false;
    }
    let current = status["observedGeneration"] == metadata["generation"];
    let count = |value: &Value, otherwise: u64| value.as_u64().unwrap_or(otherwise);
    match object["kind"].as_str().unwrap_or_default() {
        "Deployment" | "StatefulSet" => {
            let wanted = count(&spec["replicas"], 1);
            current
                && count(&status["updatedReplicas"], 0) >= wanted
                && count(&status["availableReplicas"], 0) >= wanted
        }
        "DaemonSet" => {
            current
                && count(&status["numberAvailable"], 0)
                    >= count(&status["desiredNumberScheduled"], 1)
        }
        "PersistentVolumeClaim" => status["phase"] == "Bound",
        // Its tree says so by an expression.
        "BackupTarget" => status["available"] == true,
        "CustomResourceDefinition" => holds(status, "Established"),
        "GitRepository" | "HelmRepository" | "Kustomization" | "HelmRelease" => {
            current && holds(status, "Ready")
        }
        _ => !has(status, "Ready") || holds(status, "Ready"),
    }
}

fn has(status: &Value, kind: &str) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == kind)
}

fn holds(status: &Value, kind: &str) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_done_when_its_present_form_is_available() {
        let with = |observed: u64, available: u64| {
            json!({
                "kind": "Deployment", "metadata": { "generation": 2 }, "spec": { "replicas": 2 },
                "status": {
                    "observedGeneration": observed, "updatedReplicas": 2,
                    "availableReplicas": available,
                },
            })
        };
        assert!(is_done(&with(2, 2)));
        assert!(!is_done(&with(1, 2)), "it has not been seen as it is now");
        assert!(!is_done(&with(2, 1)));
    }

    #[test]
    fn what_says_nothing_of_itself_is_done_and_what_says_that_it_is_not_ready_is_not() {
        assert!(is_done(&json!({ "kind": "ConfigMap" })));
        let issuer = |ready: &str| {
            let conditions = json!([{ "type": "Ready", "status": ready }]);
            json!({ "kind": "ClusterIssuer", "status": { "conditions": conditions } })
        };
        assert!(is_done(&issuer("True")) && !is_done(&issuer("False")));
    }
}
