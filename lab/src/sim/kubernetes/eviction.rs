//! Evicting a pod, which a disruption budget may refuse.

use serde_json::{Value, json};

use super::{
    deletion::Deletion,
    failure::Failure,
    fields,
    resource::Resource,
    selector::selected,
    store::{Key, State},
};

impl State {
    /// Deletes a pod, if its budget lets it.
    ///
    /// # Errors
    /// 429 where the budget allows no disruption now, 500 where there is more than one; and as a deletion.
    pub(super) fn evict(
        &mut self,
        pods: &Resource,
        (namespace, name): (&str, &str),
        eviction: &Value,
        dry_run: bool,
    ) -> Result<Value, Failure> {
        let named = eviction["metadata"]["name"].as_str();
        if named.is_some_and(|named| named != name) {
            let message = "name in URL does not match name in Eviction object";
            return Err(Failure::bad_request(message));
        }
        let mut deletion = Deletion::read(&eviction["deleteOptions"]);
        deletion.dry_run |= dry_run;
        let pod = self.shown(pods, &Key::new(pods, namespace, name))?;
        let phase = pod["status"]["phase"].as_str();
        let ignored = matches!(phase, Some("Succeeded" | "Failed" | "Pending"))
            || !pod["metadata"]["deletionTimestamp"].is_null();
        if !ignored {
            self.disrupt(namespace, &pod, deletion.dry_run)?;
        }
        self.delete(pods, (namespace, name), &deletion)?;
        Ok(
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }),
        )
    }

    fn disrupt(&mut self, namespace: &str, pod: &Value, dry_run: bool) -> Result<(), Failure> {
        let Some(budgets) = self.resource("policy", "v1", "poddisruptionbudgets") else {
            return Ok(());
        };
        let over_it: Vec<Key> = self
            .objects(&budgets, Some(namespace))
            .filter(|(_, it)| selected(&it["spec"]["selector"], &pod["metadata"]["labels"]))
            .map(|(key, _)| key.clone())
            .collect();
        let key = match over_it.as_slice() {
            [] => return Ok(()),
            [key] => key.clone(),
            _ => {
                let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(Failure::new(500, "", message));
            }
        };
        let mut budget = self.shown(&budgets, &key)?;
        let count = |value: &Value| value.as_i64().unwrap_or_default();
        let status = &budget["status"];
        let (healthy, desired) =
            (count(&status["currentHealthy"]), count(&status["desiredHealthy"]));
        if !is_ready(pod) && healthy >= desired && desired > 0 {
            return Ok(());
        }
        if count(&status["observedGeneration"]) < count(&budget["metadata"]["generation"]) {
            let why = format!(
                "The disruption budget {} is still being processed by the server.",
                key.name
            );
            return Err(refused(&why).after(10));
        }
        let allowed = count(&status["disruptionsAllowed"]);
        if allowed <= 0 {
            return Err(refused(&format!(
                "The disruption budget {} needs {desired} healthy pods and has {healthy} currently",
                key.name
            )));
        }
        if !dry_run {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            budget["status"]["disruptionsAllowed"] = json!(allowed - 1);
            budget["status"]["disruptedPods"][name] = json!(fields::now());
            self.put(key, budget);
        }
        Ok(())
    }
}

fn refused(why: &str) -> Failure {
    const MESSAGE: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
    Failure::new(429, "TooManyRequests", MESSAGE).because("DisruptionBudget", why, "")
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
}
