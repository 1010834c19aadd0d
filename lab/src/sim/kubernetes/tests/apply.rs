use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    client::{cluster, refusal},
    config_map,
};

#[tokio::test]
async fn an_apply_makes_changes_and_gives_up_what_it_no_longer_names() {
    let (kubernetes, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let ours = PatchParams::apply("homelab");
    let both = Patch::Apply(config_map("one", json!({ "a": "1", "b": "2" })));
    maps.patch("one", &ours, &both).await.unwrap();
    kubernetes
        .patch("kubectl", "configmaps", ("default", "one"), &json!({ "data": { "c": "3" } }))
        .unwrap();
    let one = Patch::Apply(config_map("one", json!({ "a": "1" })));
    let applied = maps.patch("one", &ours, &one).await.unwrap();
    let data = applied.data.unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["a", "c"]);
    let managers = applied.metadata.managed_fields.unwrap();
    let names: Vec<(&str, &str)> = managers
        .iter()
        .map(|one| (one.manager.as_deref().unwrap(), one.operation.as_deref().unwrap()))
        .collect();
    assert_eq!(names, [("homelab", "Apply"), ("kubectl", "Update")]);
    let fields = &managers[0].fields_v1.as_ref().unwrap().0;
    assert_eq!(fields, &json!({ "f:data": { "f:a": {} } }));
}

#[tokio::test]
async fn a_conflict_names_the_manager_and_each_field() {
    let (kubernetes, client) = cluster().await;
    kubernetes.apply("flux", &config_map("one", json!({ "a": "1", "b": "2" }))).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let ours = PatchParams::apply("homelab");
    let single = Patch::Apply(config_map("one", json!({ "a": "9" })));
    let refused = refusal(maps.patch("one", &ours, &single).await);
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"flux\": .data.a");
    let cause = &refused.details.as_ref().unwrap().causes[0];
    assert_eq!(
        (cause.reason.as_str(), cause.message.as_str(), cause.field.as_str()),
        ("FieldManagerConflict", "conflict with \"flux\"", ".data.a")
    );
    let double = Patch::Apply(config_map("one", json!({ "a": "8", "b": "9" })));
    let refused = refusal(maps.patch("one", &ours, &double).await);
    assert_eq!(
        refused.message,
        "Apply failed with 2 conflicts: conflicts with \"flux\":\n- .data.a\n- .data.b"
    );
    let forced = maps.patch("one", &ours.clone().force(), &double).await.unwrap();
    assert_eq!(forced.data.unwrap()["b"], "9");
}

#[tokio::test]
async fn an_apply_needs_a_manager_and_nothing_else_is_forced() {
    let (kubernetes, client) = cluster().await;
    kubernetes.create("test", &config_map("one", json!({}))).unwrap();
    let send = async |kind: &str, query: &str| {
        let request =
            http::Request::patch(format!("/api/v1/namespaces/default/configmaps/one?{query}"))
                .header("content-type", kind)
                .body(b"{}".to_vec())
                .unwrap();
        refusal(client.request_text(request).await)
    };
    let nobody = send("application/apply-patch+yaml", "").await;
    assert_eq!(nobody.code, 422);
    assert_eq!(
        nobody.message,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
    );
    let forced = send("application/merge-patch+json", "force=true").await;
    assert!(forced.message.ends_with("force: Forbidden: may not be specified for non-apply patch"));
    assert_eq!(send("text/plain", "").await.code, 415);
}

#[tokio::test]
async fn yaml_is_applied_as_well() {
    let (kubernetes, client) = cluster().await;
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata:\n  a: 'yes'\n";
    let path = "/api/v1/namespaces/default/configmaps/one?fieldManager=kubectl";
    let request = http::Request::patch(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(body.as_bytes().to_vec())
        .unwrap();
    client.request_text(request).await.unwrap();
    assert_eq!(kubernetes.get("configmaps", ("default", "one")).unwrap()["data"]["a"], "yes");
}

#[tokio::test]
async fn an_apply_that_names_a_uid_makes_no_object_and_no_other_one() {
    let (kubernetes, client) = cluster().await;
    let nodes: Api<Node> = Api::all(client);
    let wanted = |uid: &str| {
        Patch::Apply(json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": "k3s-server", "uid": uid, "labels": { "homelab/a": "b" } },
        }))
    };
    let ours = PatchParams::apply("homelab");
    let refused = refusal(nodes.patch("k3s-server", &ours, &wanted("gone")).await);
    assert_eq!(refused.code, 409);
    assert!(refused.message.ends_with("and no existing object was found"), "{}", refused.message);

    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "k3s-server" } });
    let made = kubernetes.create("k3s", &node).unwrap();
    assert_eq!(refusal(nodes.patch("k3s-server", &ours, &wanted("gone")).await).code, 422);
    let uid = made["metadata"]["uid"].as_str().unwrap();
    nodes.patch("k3s-server", &ours, &wanted(uid)).await.unwrap();
    assert_eq!(
        kubernetes.get("nodes", ("", "k3s-server")).unwrap()["metadata"]["labels"]["homelab/a"],
        "b"
    );
}

#[tokio::test]
async fn a_label_of_a_registration_is_taken_off_in_its_name_and_then_applied() {
    let (kubernetes, client) = cluster().await;
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": "k3s-server", "labels": { "zone": "old" } },
    });
    kubernetes.create("k3s", &node).unwrap();
    let nodes: Api<Node> = Api::all(client);
    let wanted = Patch::Apply(json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": "k3s-server", "labels": { "zone": "new" } },
    }));
    let ours = PatchParams::apply("homelab");
    let refused = refusal(nodes.patch("k3s-server", &ours, &wanted).await);
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"k3s\" using v1: .metadata.labels.zone"
    );
    let theirs = PatchParams { field_manager: Some("k3s".into()), ..PatchParams::default() };
    let off = Patch::Merge(json!({ "metadata": { "labels": { "zone": null } } }));
    nodes.patch("k3s-server", &theirs, &off).await.unwrap();
    nodes.patch("k3s-server", &ours, &wanted).await.unwrap();
}
