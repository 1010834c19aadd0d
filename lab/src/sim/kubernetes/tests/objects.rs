use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;

use super::{
    client::{SERVER, client, cluster, refusal},
    config_map,
};
use crate::sim::{gate::Gate, kubernetes::Kubernetes};

#[tokio::test]
async fn an_object_is_made_read_listed_changed_and_deleted() {
    let (_, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let map: ConfigMap = serde_json::from_value(config_map("one", json!({ "a": "1" }))).unwrap();
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    assert!(made.uid().is_some() && made.creation_timestamp().is_some());

    let twice = refusal(maps.create(&PostParams::default(), &map).await);
    assert_eq!((twice.code, twice.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(twice.message, "configmaps \"one\" already exists");

    let mut newer = maps.get("one").await.unwrap();
    newer.data.get_or_insert_default().insert("b".into(), "2".into());
    let newer = maps.replace("one", &PostParams::default(), &newer).await.unwrap();
    assert_ne!(newer.resource_version(), made.resource_version());
    let stale = refusal(maps.replace("one", &PostParams::default(), &made).await);
    assert_eq!((stale.code, stale.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        stale.message,
        "Operation cannot be fulfilled on configmaps \"one\": the object has been modified; please apply your changes to the latest version and try again"
    );
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);

    assert!(maps.delete("one", &DeleteParams::background()).await.unwrap().is_right());
    let gone = refusal(maps.get("one").await);
    assert_eq!((gone.code, gone.message.as_str()), (404, "configmaps \"one\" not found"));
}

#[tokio::test]
async fn a_write_that_changes_nothing_makes_no_version() {
    let (kubernetes, _) = cluster().await;
    let map = config_map("one", json!({ "a": "1" }));
    let made = kubernetes.apply("flux", &map).unwrap();
    assert_eq!(kubernetes.apply("flux", &map).unwrap(), made);
    let patch = json!({ "data": { "a": "1" } });
    assert_eq!(kubernetes.patch("other", "configmaps", ("default", "one"), &patch).unwrap(), made);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let (kubernetes, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let map: ConfigMap = serde_json::from_value(config_map("one", json!({ "a": "1" }))).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert_eq!(maps.create(&dry, &map).await.unwrap().name_any(), "one");
    assert!(kubernetes.get("configmaps", ("default", "one")).is_none());

    kubernetes.create("test", &config_map("one", json!({ "a": "1" }))).unwrap();
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "data": { "a": "2" } }));
    let seen = maps.patch("one", &dry, &patch).await.unwrap();
    assert_eq!(seen.data.unwrap()["a"], "2");
    let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
    maps.delete("one", &dry).await.unwrap();
    let there = kubernetes.get("configmaps", ("default", "one")).unwrap();
    assert_eq!(there["data"]["a"], "1");
}

#[tokio::test]
async fn a_finalizer_holds_an_object_until_it_is_taken_off() {
    let (kubernetes, client) = cluster().await;
    let mut map = config_map("held", json!({}));
    map["metadata"]["finalizers"] = json!(["homelab/hold"]);
    kubernetes.create("test", &map).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let ending = maps.delete("held", &DeleteParams::default()).await.unwrap();
    assert!(ending.left().unwrap().metadata.deletion_timestamp.is_some());

    let more = Patch::Merge(json!({ "metadata": { "finalizers": ["homelab/hold", "x/y"] } }));
    let refused = refusal(maps.patch("held", &PatchParams::default(), &more).await);
    assert_eq!(refused.code, 422);
    assert!(refused.message.contains("no new finalizers can be added"), "{}", refused.message);

    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    maps.patch("held", &PatchParams::default(), &free).await.unwrap();
    assert!(kubernetes.get("configmaps", ("default", "held")).is_none());
}

#[tokio::test]
async fn a_deletion_says_which_object_it_means() {
    let (kubernetes, client) = cluster().await;
    kubernetes.create("test", &config_map("one", json!({}))).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let other = Preconditions { uid: Some("another".into()), resource_version: None };
    let meant = DeleteParams { preconditions: Some(other), ..DeleteParams::default() };
    let refused = refusal(maps.delete("one", &meant).await);
    assert_eq!(refused.code, 409);
    assert!(refused.message.contains("the UID in the precondition (another)"));
}

#[tokio::test]
async fn a_namespace_is_needed_and_takes_along_what_is_in_it() {
    let (kubernetes, client) = cluster().await;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "apps");
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": "key", "finalizers": ["homelab/hold"] },
        "stringData": { "word": "open" },
    }))
    .unwrap();
    let nowhere = refusal(secrets.create(&PostParams::default(), &secret).await);
    assert_eq!((nowhere.code, nowhere.message.as_str()), (404, "namespaces \"apps\" not found"));

    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "apps" } });
    let made = kubernetes.apply("homelab", &namespace).unwrap();
    assert_eq!(made["status"]["phase"], "Active");
    let made = secrets.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(made.data.unwrap()["word"].0, b"open");

    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.delete("apps", &DeleteParams::default()).await.unwrap();
    let refused = refusal(
        secrets
            .create(
                &PostParams::default(),
                &Secret {
                    metadata: kube::core::ObjectMeta {
                        name: Some("late".into()),
                        ..Default::default()
                    },
                    ..Secret::default()
                },
            )
            .await,
    );
    assert_eq!(refused.code, 403);
    assert!(refused.message.ends_with("because it is being terminated"), "{}", refused.message);
    let free = json!({ "metadata": { "finalizers": null } });
    kubernetes.patch("test", "secrets", ("apps", "key"), &free).unwrap();
    assert!(kubernetes.get("namespaces", ("", "apps")).is_none());
}

#[tokio::test]
async fn a_status_has_a_path_of_its_own_and_is_not_counted_as_a_generation() {
    let (kubernetes, client) = cluster().await;
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "replicas": 1 },
        "status": { "readyReplicas": 9 },
    });
    let made = kubernetes.create("test", &deployment).unwrap();
    assert_eq!((&made["metadata"]["generation"], made.get("status")), (&json!(1), None));
    let place = ("default", "web");
    kubernetes
        .patch_status("kubelet", "deployments.apps", place, &json!({ "readyReplicas": 1 }))
        .unwrap();
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = Api::default_namespaced(client);
    let patch =
        Patch::Merge(json!({ "spec": { "replicas": 2 }, "status": { "readyReplicas": 7 } }));
    let changed = deployments.patch("web", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(changed.metadata.generation, Some(2));
    assert_eq!(changed.status.unwrap().ready_replicas, Some(1));
    let patch =
        Patch::Merge(json!({ "spec": { "replicas": 5 }, "status": { "readyReplicas": 2 } }));
    let changed = deployments.patch_status("web", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(changed.metadata.generation, Some(2));
    assert_eq!(changed.spec.unwrap().replicas, Some(2));
    assert_eq!(changed.status.unwrap().ready_replicas, Some(2));
}

#[tokio::test]
async fn a_node_is_patched_in_every_form() {
    let (kubernetes, client) = cluster().await;
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "k3s-server" } });
    kubernetes.create("k3s", &node).unwrap();
    let nodes: Api<Node> = Api::all(client);
    let cordon = Patch::Merge(json!({
        "metadata": { "annotations": { "homelab/cordoned": "true" } },
        "spec": { "unschedulable": true },
    }));
    let parameters =
        PatchParams { field_manager: Some("homelab".into()), ..PatchParams::default() };
    let cordoned = nodes.patch("k3s-server", &parameters, &cordon).await.unwrap();
    assert_eq!(cordoned.spec.unwrap().unschedulable, Some(true));
    let uncordon = Patch::Merge(json!({ "spec": { "unschedulable": null } }));
    nodes.patch("k3s-server", &parameters, &uncordon).await.unwrap();
    let strategic = Patch::Strategic(json!({ "metadata": { "labels": { "a": "b" } } }));
    nodes.patch("k3s-server", &parameters, &strategic).await.unwrap();
    let stale = Patch::Merge(json!({
        "metadata": { "resourceVersion": "1" },
        "spec": { "taints": [] },
    }));
    assert_eq!(refusal(nodes.patch("k3s-server", &parameters, &stale).await).code, 409);
    let node = nodes.get("k3s-server").await.unwrap();
    assert_eq!(node.labels()["a"], "b");
    assert_eq!(node.spec.unwrap().unschedulable, None);
}

#[tokio::test]
async fn a_list_is_selected_and_read_in_pieces() {
    let (kubernetes, client) = cluster().await;
    for name in ["a", "b", "c"] {
        let mut map = config_map(name, json!({}));
        map["metadata"]["labels"] = json!({ "even": (name == "b").to_string() });
        kubernetes.create("test", &map).unwrap();
    }
    let maps: Api<ConfigMap> = Api::all(client);
    let even = maps.list(&ListParams::default().labels("even=true")).await.unwrap();
    assert_eq!(even.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["b"]);
    let named = maps.list(&ListParams::default().fields("metadata.name=c")).await.unwrap();
    assert_eq!(named.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["c"]);

    let first = maps.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (2, Some(1)));
    let token = first.metadata.continue_.unwrap();
    let second = ListParams::default().limit(2).continue_token(&token);
    let second = maps.list(&second).await.unwrap();
    assert_eq!(second.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["c"]);
    assert_eq!(second.metadata.continue_, None);
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let (kubernetes, client) = cluster().await;
    let version = client.apiserver_version().await.unwrap();
    assert_eq!((version.git_version.as_str(), version.minor.as_str()), ("v1.34.4+k3s1", "34"));
    kubernetes.set_version("v1.35.0+k3s1");
    assert_eq!(client.apiserver_version().await.unwrap().minor, "35");
    let ready = http::Request::get("/readyz").body(Vec::new()).unwrap();
    assert_eq!(client.request_text(ready).await.unwrap(), "ok");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_nobodys() {
    let (kubernetes, _) = cluster().await;
    let other = Kubernetes::new(Gate::default(), "v1.34.4+k3s1").unwrap();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.trim().starts_with(name)).unwrap();
        line.trim().to_owned()
    };
    let (mut kubeconfig, theirs) = (kubernetes.kubeconfig(SERVER), other.kubeconfig(SERVER));
    for name in ["client-certificate-data", "client-key-data"] {
        kubeconfig = kubeconfig.replace(&field(&kubeconfig, name), &field(&theirs, name));
    }
    let stranger = client(&kubernetes, &kubeconfig).await;
    let refused = refusal(stranger.apiserver_version().await);
    assert_eq!((refused.code, refused.message.as_str()), (401, "Unauthorized"));
    assert!(kubernetes.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
}
