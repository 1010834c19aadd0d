//! The controllers.

use std::time::Duration;

use serde_json::Value;

use super::{checkout, wanted};
use crate::{
    engine::{Look, StepContext},
    error::{Failure, Kind, Result},
    gitops::repository,
    plan::flux::{DEPLOYMENT, NAMESPACE, POD, is_available},
    ports::{ClusterError, Objects, World},
    stage::Outcome,
};

/// How long a kind may take to be served once its definition was applied.
const SERVED_LIMIT: Duration = Duration::from_secs(60);
/// Their images are fetched within it.
const AVAILABLE_LIMIT: Duration = Duration::from_secs(300);

/// Applies the repository's own manifests of the controllers and waits for them.
pub async fn install<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    let flux = wanted(context)?;
    let checkout = checkout(context).await?;
    let text = checkout.files.get(&repository::components_path(flux)).map_or("", String::as_str);
    let mut objects = repository::objects(text)?;
    objects.sort_by_key(rank);
    let total = objects.len() as u64;
    for (done, object) in objects.iter().enumerate() {
        context.still_wanted()?;
        context.progress(done as u64, Some(total), "objects");
        apply(context, object).await?;
    }
    let deployments: Vec<&str> = objects
        .iter()
        .filter(|object| object["kind"] == "Deployment")
        .filter_map(|object| object["metadata"]["name"].as_str())
        .collect();
    context
        .wait_for("Flux's controllers to be available", AVAILABLE_LIMIT, || async {
            let missing = unavailable(context, &deployments).await?;
            Ok(if missing.is_empty() { Look::There(()) } else { Look::NotYet(missing.join("; ")) })
        })
        .await
        .map_err(|failure| match failure.kind {
            Kind::Deadline => Failure { kind: Kind::Git, ..failure },
            _ => failure,
        })?;
    Ok(Outcome::Done)
}

/// What others stand in or are made of comes first.
fn rank(object: &Value) -> u8 {
    match object["kind"].as_str() {
        Some("Namespace") => 0,
        Some("CustomResourceDefinition") => 1,
        _ => 2,
    }
}

/// Applies one object. What Flux itself has set otherwise since stays: the repository may patch it.
async fn apply<W: World>(context: &StepContext<W>, object: &Value) -> Result<()> {
    let kind = object["kind"].as_str().unwrap_or_default();
    context
        .wait_for(&format!("the API to serve {kind}"), SERVED_LIMIT, || async {
            let cluster = context.run.cluster().await?;
            match cluster.apply(object).await {
                Ok(()) => Ok(Look::There(())),
                Err(ClusterError::Refused { status: 409, message, .. }) => {
                    context.output(format!("{kind} stays as it is: {message}"));
                    Ok(Look::There(()))
                }
                Err(ClusterError::Refused { status: 404, message, .. }) => {
                    Ok(Look::NotYet(message))
                }
                // An apply says the same twice.
                Err(ClusterError::NoAnswer { reason, .. }) => Ok(Look::NotYet(reason)),
                Err(error) => Err(Failure::from(error)),
            }
        })
        .await
}

/// Which of the controllers are not available, with what their pods wait for.
async fn unavailable<W: World>(context: &StepContext<W>, wanted: &[&str]) -> Result<Vec<String>> {
    let cluster = context.run.cluster().await?;
    let (deployments, pods) = futures::try_join!(
        cluster.list(DEPLOYMENT, Some(NAMESPACE)),
        cluster.list(POD, Some(NAMESPACE)),
    )?;
    let mut missing = Vec::new();
    for name in wanted {
        let named = |object: &&Value| object["metadata"]["name"] == **name;
        if deployments.iter().find(named).is_some_and(is_available) {
            continue;
        }
        let of_it = |pod: &&Value| {
            pod["metadata"]["name"].as_str().is_some_and(|pod| pod.starts_with(name))
        };
        let why = pods.iter().filter(of_it).find_map(waits_for);
        missing.push(format!("{name}: {}", why.unwrap_or_else(|| "no pod of it is ready".into())));
    }
    Ok(missing)
}

/// What a pod waits for, as its kubelet or the scheduler says.
fn waits_for(pod: &Value) -> Option<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let waiting = list(&pod["status"]["containerStatuses"]).into_iter().find_map(|container| {
        let waiting = container["state"]["waiting"].as_object()?.clone();
        let text = |name: &str| waiting.get(name).and_then(Value::as_str).unwrap_or_default();
        Some(format!("{} {}", text("reason"), text("message")).trim_end().to_owned())
    });
    let pending = || {
        let conditions = list(&pod["status"]["conditions"]);
        let open = conditions.iter().find(|condition| {
            condition["type"] == "PodScheduled" && condition["status"] == "False"
        })?;
        Some(open["message"].as_str()?.to_owned())
    };
    waiting.or_else(pending)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn namespaces_and_definitions_are_applied_before_what_needs_them() {
        let kinds = ["Deployment", "CustomResourceDefinition", "Namespace", "Service"];
        let mut objects = kinds.map(|kind| json!({ "kind": kind }));
        objects.sort_by_key(rank);
        let sorted: Vec<&str> = objects.iter().filter_map(|one| one["kind"].as_str()).collect();
        assert_eq!(sorted, ["Namespace", "CustomResourceDefinition", "Deployment", "Service"]);
    }

    #[test]
    fn a_pod_says_what_it_waits_for() {
        let pull = json!({ "status": { "containerStatuses": [{
            "state": { "waiting": { "reason": "ErrImagePull", "message": "no such host" } },
        }] } });
        assert_eq!(waits_for(&pull).unwrap(), "ErrImagePull no such host");
        let pending = json!({ "status": { "conditions": [{
            "type": "PodScheduled", "status": "False", "message": "0/3 nodes are available",
        }] } });
        assert_eq!(waits_for(&pending).unwrap(), "0/3 nodes are available");
        assert_eq!(
            waits_for(&json!({ "status": { "containerStatuses": [{ "state": {} }] } })),
            None
        );
    }
}
