use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, EvictParams, ListParams},
};
use serde_json::json;

use super::{
    client::{cluster, refusal},
    pod,
};

#[tokio::test]
async fn a_running_pod_ends_when_its_kubelet_lets_it_go() {
    let (kubernetes, client) = cluster().await;
    let (object, status) = pod("web", "k3s-agent", "Running");
    assert_eq!(kubernetes.create("test", &object).unwrap()["status"]["phase"], "Pending");
    kubernetes.patch_status("kubelet", "pods", ("default", "web"), &status).unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client);
    let here = ListParams::default().fields("spec.nodeName=k3s-agent");
    assert_eq!(pods.list(&here).await.unwrap().items.len(), 1);

    let ending = pods.delete("web", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(ending.metadata.deletion_grace_period_seconds, Some(30));
    assert!(kubernetes.let_go("default", "web").unwrap());
    assert_eq!(refusal(pods.get("web").await).code, 404);
}

#[tokio::test]
async fn an_eviction_is_refused_by_a_budget_that_allows_none() {
    let (kubernetes, client) = cluster().await;
    let (object, status) = pod("web", "k3s-agent", "Running");
    kubernetes.create("test", &object).unwrap();
    kubernetes.patch_status("kubelet", "pods", ("default", "web"), &status).unwrap();
    let budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
    });
    kubernetes.create("test", &budget).unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client);
    let unseen = refusal(pods.evict("web", &EvictParams::default()).await);
    assert_eq!(unseen.code, 429);
    assert_eq!(unseen.details.unwrap().retry_after_seconds, 10);

    let allows = |count: u64| {
        let status = json!({
            "observedGeneration": 1,
            "disruptionsAllowed": count,
            "currentHealthy": 1,
            "desiredHealthy": 1,
        });
        let place = ("default", "web");
        kubernetes
            .patch_status("controller", "poddisruptionbudgets.policy", place, &status)
            .unwrap();
    };
    allows(0);
    let refused = refusal(pods.evict("web", &EvictParams::default()).await);
    assert_eq!(refused.code, 429);
    assert_eq!(
        refused.message,
        "Cannot evict pod as it would violate the pod's disruption budget."
    );
    let cause = &refused.details.as_ref().unwrap().causes[0];
    assert_eq!(cause.message, "The disruption budget web needs 1 healthy pods and has 1 currently");
    allows(1);
    pods.evict("web", &EvictParams::default()).await.unwrap();
    assert!(pods.get("web").await.unwrap().metadata.deletion_timestamp.is_some());
    let missing = refusal(pods.evict("other", &EvictParams::default()).await);
    assert_eq!((missing.code, missing.message.as_str()), (404, "pods \"other\" not found"));
}
