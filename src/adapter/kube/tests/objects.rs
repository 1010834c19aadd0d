use serde_json::{Value, json};

use super::api::FakeApi;
use crate::{
    plan::flux::{GIT_REPOSITORY, KUSTOMIZATION, SECRET},
    ports::{ClusterError, ObjectKind, Objects},
};

const SECRETS: &str = "/api/v1/namespaces/flux-system/secrets";
const KUSTOMIZATIONS: &str =
    "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations";

fn resources(group_version: &str, resources: Value) -> Value {
    json!({ "kind": "APIResourceList", "groupVersion": group_version, "resources": resources })
}

fn core() -> Value {
    resources(
        "v1",
        json!([
            { "name": "secrets", "singularName": "", "namespaced": true, "kind": "Secret", "verbs": ["get", "patch"] },
            { "name": "namespaces", "singularName": "", "namespaced": false, "kind": "Namespace", "verbs": ["get", "patch"] },
        ]),
    )
}

fn secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "flux-system", "namespace": "flux-system" },
    })
}

#[tokio::test]
async fn a_kind_that_is_not_served_has_no_objects() {
    let api = FakeApi::default()
        .refuse(&format!("GET {KUSTOMIZATIONS}"), 404, "the server could not find it")
        .refuse(&format!("GET {SECRETS}/flux-system"), 404, "not found");
    let cluster = api.cluster();
    assert!(cluster.list(KUSTOMIZATION, Some("flux-system")).await.unwrap().is_empty());
    assert_eq!(cluster.get(SECRET, "flux-system", "flux-system").await.unwrap(), None);
}

#[tokio::test]
async fn an_object_is_applied_under_our_name_and_never_forced() {
    let api = FakeApi::default()
        .answer("GET /api/v1", 200, core())
        .answer(&format!("PATCH {SECRETS}/flux-system"), 200, secret())
        .answer("PATCH /api/v1/namespaces/flux-system", 200, secret());
    api.cluster().apply(&secret()).await.unwrap();
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "flux-system" } });
    api.cluster().apply(&namespace).await.unwrap();
    for (call, _) in api.asked("PATCH") {
        assert!(call.contains("fieldManager=homelab") && !call.contains("force=true"), "{call}");
    }
    assert_eq!(api.asked("PATCH")[0].1, secret());
}

#[tokio::test]
async fn what_cannot_be_applied_says_why() {
    let api = FakeApi::default()
        .answer("GET /api/v1", 200, core())
        .refuse(&format!("PATCH {SECRETS}/flux-system"), 409, "conflict with \"flux\": .data")
        .answer("GET /apis/source.toolkit.fluxcd.io/v1", 200, resources("x", json!([])));
    let error = api.cluster().apply(&secret()).await.unwrap_err();
    assert!(matches!(error, ClusterError::Refused { status: 409, .. }), "{error}");
    assert!(error.to_string().contains("apply Secret flux-system/flux-system: 409"), "{error}");
    // Its definition was applied a moment ago.
    let early = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": GIT_REPOSITORY.kind,
        "metadata": { "name": "flux-system", "namespace": "flux-system" },
    });
    let error = api.cluster().apply(&early).await.unwrap_err();
    assert!(matches!(error, ClusterError::Refused { status: 404, .. }), "{error}");
    let error = api.cluster().apply(&json!({ "kind": "List" })).await.unwrap_err();
    assert!(error.to_string().contains("it is no object"), "{error}");
}

#[tokio::test]
async fn a_request_to_a_controller_is_an_annotation() {
    let path = format!("PATCH {KUSTOMIZATIONS}/apps");
    let api = FakeApi::default().answer(&path, 200, secret());
    let now = [("reconcile.fluxcd.io/requestedAt", "2026-11-28T00:00:00Z")];
    api.cluster().annotate(KUSTOMIZATION, "flux-system", "apps", &now).await.unwrap();
    let body = &api.asked("PATCH")[0].1;
    assert_eq!(body["metadata"]["annotations"][now[0].0], now[0].1);
}

#[tokio::test]
async fn what_is_gone_already_is_deleted_and_a_kind_without_namespaces_has_its_own_path() {
    let class = ObjectKind {
        group: "storage.k8s.io",
        version: "v1",
        kind: "StorageClass",
        plural: "storageclasses",
    };
    let gone = "/apis/storage.k8s.io/v1/storageclasses/gone";
    let api = FakeApi::default()
        .refuse(&format!("DELETE {gone}"), 404, "not found")
        .refuse(&format!("GET {gone}"), 404, "not found")
        .refuse(&format!("DELETE {SECRETS}/held"), 403, "forbidden");
    api.cluster().delete(class, "", "gone").await.unwrap();
    assert_eq!(api.cluster().get(class, "", "gone").await.unwrap(), None);
    let error = api.cluster().delete(SECRET, "flux-system", "held").await.unwrap_err();
    assert!(error.to_string().contains("delete Secret flux-system/held: 403"), "{error}");
}
