use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::api::FakeApi;
use crate::{
    error::{Effect, Failure},
    model::NodeName,
    ports::{Cluster, ClusterError, Drained, Taint},
};

const NODE: &str = "/api/v1/nodes/k3s-agent";

fn name() -> NodeName {
    "k3s-agent".parse().unwrap()
}

fn node() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": "k3s-agent", "uid": "u-1", "resourceVersion": "41",
            "labels": { "kubernetes.io/hostname": "k3s-agent", "disk": "hdd", "zone": "a", "old": "1", "theirs": "2" },
            "annotations": {
                "flannel.alpha.coreos.com/public-ip": "100.64.0.3",
                "flannel.alpha.coreos.com/backend-data": "{\"VNI\":1,\"VtepMAC\":\"aa:bb:cc:dd:ee:ff\"}",
                "homelab/taints": "[\"old:NoSchedule\"]",
                "homelab/labels": "{\"disk\":\"hdd\",\"old\":\"1\",\"theirs\":\"1\"}",
            },
            "managedFields": [
                { "manager": "k3s", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                  "fieldsV1": { "f:metadata": { "f:labels": { "f:disk": {}, "f:kubernetes.io/hostname": {} } } } },
                { "manager": "a-person", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                  "fieldsV1": { "f:metadata": { "f:labels": { "f:zone": {} } } } },
            ],
        },
        "spec": {
            "podCIDR": "10.42.1.0/24", "unschedulable": true,
            "taints": [
                { "key": "old", "effect": "NoSchedule" },
                { "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "2026-11-22T10:00:00Z" },
            ],
        },
        "status": {
            "addresses": [{ "type": "Hostname", "address": "k3s-agent" }, { "type": "InternalIP", "address": "100.64.0.3" }],
            "conditions": [{ "type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "no CNI", "lastHeartbeatTime": null, "lastTransitionTime": null }],
            "nodeInfo": {
                "architecture": "amd64", "bootID": "b-1", "containerRuntimeVersion": "containerd://2.1",
                "kernelVersion": "6.1", "kubeProxyVersion": "", "kubeletVersion": "v1.34.4+k3s1",
                "machineID": "m-1", "operatingSystem": "linux", "osImage": "Debian", "systemUUID": "s-1",
            },
        },
    })
}

#[tokio::test]
async fn a_node_is_read_with_its_vtep_and_why_it_is_not_ready() {
    let list = json!({ "apiVersion": "v1", "kind": "NodeList", "metadata": {}, "items": [node()] });
    let api = FakeApi::default().answer("GET /api/v1/nodes", 200, list);
    let node = api.cluster().nodes().await.unwrap().remove(0);
    assert_eq!((node.name.as_str(), node.uid.as_str(), node.ready), ("k3s-agent", "u-1", false));
    assert_eq!(node.not_ready.as_deref(), Some("KubeletNotReady: no CNI"));
    assert_eq!(node.vtep, node.internal_ip);
    assert_eq!(node.vtep, Some("100.64.0.3".parse().unwrap()));
    assert!(node.backend_data.unwrap().contains("aa:bb:cc:dd:ee:ff"));
    assert_eq!(node.pod_cidr, Some("10.42.1.0/24".parse().unwrap()));
    assert_eq!((node.boot_id.as_str(), node.system_uuid.as_str()), ("b-1", "s-1"));
    assert_eq!(node.kubelet_version, "v1.34.4+k3s1");
    assert!(node.unschedulable && !node.control_plane);
}

#[tokio::test]
async fn deleting_what_is_gone_is_done() {
    let secret = "/api/v1/namespaces/kube-system/secrets/k3s-agent.node-password.k3s";
    let api = FakeApi::default().refuse(&format!("DELETE {NODE}"), 404, "not found").refuse(
        &format!("DELETE {secret}"),
        404,
        "not found",
    );
    api.cluster().delete_node(&name()).await.unwrap();
    api.cluster().delete_node_password(&name()).await.unwrap();
    assert_eq!(api.asked("DELETE").len(), 2);
}

#[tokio::test]
async fn an_error_says_what_is_known_of_its_effect() {
    let api = FakeApi::default().refuse(&format!("DELETE {NODE}"), 500, "etcd is away");
    let error = api.cluster().delete_node(&name()).await.unwrap_err();
    assert!(error.to_string().contains("delete node k3s-agent: 500 etcd is away"), "{error}");
    assert_eq!(Failure::from(error).effect, Effect::Unknown);
    // The fake's connection fails where it knows no answer.
    let error = api.cluster().cordon(&name(), true).await.unwrap_err();
    assert!(matches!(error, ClusterError::NoAnswer { .. }), "{error}");
    let error = api.cluster().nodes().await.unwrap_err();
    assert!(matches!(error, ClusterError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_node_is_cordoned_and_uncordoned_without_taking_the_field_over() {
    let api = FakeApi::default().answer(&format!("PATCH {NODE}"), 200, node());
    api.cluster().cordon(&name(), true).await.unwrap();
    api.cluster().cordon(&name(), false).await.unwrap();
    let bodies: Vec<Value> = api.asked("PATCH").into_iter().map(|(_, body)| body).collect();
    let note = |value: Value| json!({ "annotations": { "homelab/cordoned": value } });
    assert_eq!(
        bodies[0],
        json!({ "metadata": note("true".into()), "spec": { "unschedulable": true } })
    );
    assert_eq!(
        bodies[1],
        json!({ "metadata": note(Value::Null), "spec": { "unschedulable": null } })
    );
}

#[tokio::test]
async fn labels_and_taints_of_others_stay_as_they_are() {
    let api = FakeApi::default()
        .answer(&format!("GET {NODE}"), 200, node())
        .refuse(&format!("PATCH {NODE}"), 409, "the object has been modified")
        .answer(&format!("PATCH {NODE}"), 200, node());
    let labels = BTreeMap::from([
        ("disk".to_owned(), "ssd".to_owned()),
        ("zone".to_owned(), "b".to_owned()),
        ("rack".to_owned(), "1".to_owned()),
    ]);
    let taint =
        Taint { key: "storage".into(), value: Some("only".into()), effect: "NoExecute".into() };
    api.cluster().label_node(&name(), &labels, std::slice::from_ref(&taint)).await.unwrap();
    let asked = api.asked("PATCH");
    // The taints, a second time after somebody wrote in between: ours of old gone, the controller's kept.
    let taints = json!({
        "metadata": { "resourceVersion": "41" },
        "spec": { "taints": [
            { "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "2026-11-22T10:00:00Z" },
            { "key": "storage", "value": "only", "effect": "NoExecute" },
        ] },
    });
    assert_eq!((&asked[0].1, &asked[1].1), (&taints, &taints));
    // What only the registration had set is set in its name; a person's label is not touched that way.
    assert!(asked[2].0.contains("fieldManager=k3s"), "{}", asked[2].0);
    assert_eq!(asked[2].1, json!({ "metadata": { "labels": { "disk": "ssd" } } }));
    // What we set once and no longer name goes; what somebody changed since is theirs.
    assert_eq!(asked[3].1, json!({ "metadata": { "labels": { "old": null } } }));
    // The apply names all, is not forced, and cannot make a Node that is gone.
    assert!(asked[4].0.contains("fieldManager=homelab") && !asked[4].0.contains("force=true"));
    assert_eq!(asked[4].1["metadata"]["uid"], "u-1");
    assert_eq!(asked[4].1["metadata"]["labels"], json!(labels));
    let annotations = &asked[4].1["metadata"]["annotations"];
    assert_eq!(annotations["homelab/taints"], r#"["storage:NoExecute"]"#);
    assert_eq!(annotations["homelab/labels"], r#"{"disk":"ssd","rack":"1","zone":"b"}"#);
}

#[tokio::test]
async fn a_label_that_somebody_else_owns_is_refused_with_the_servers_words() {
    let mut bare = node();
    bare["spec"]["taints"] = json!([]);
    let api = FakeApi::default().answer(&format!("GET {NODE}"), 200, bare).refuse(
        &format!("PATCH {NODE}"),
        409,
        "conflict with \"a-person\": .metadata.labels.zone",
    );
    let labels = BTreeMap::from([("zone".to_owned(), "b".to_owned())]);
    let error = api.cluster().label_node(&name(), &labels, &[]).await.unwrap_err();
    assert!(error.to_string().contains("a-person"), "{error}");
    assert_eq!(Failure::from(error).effect, Effect::None);
}

fn pod(name: &str, owner: Option<&str>) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "apps" },
        "status": { "phase": "Running" },
    });
    if let Some(kind) = owner {
        pod["metadata"]["ownerReferences"] = json!([
            { "apiVersion": "apps/v1", "kind": kind, "name": "owner", "uid": "o", "controller": true },
        ]);
    }
    pod
}

fn pods(items: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items })
}

#[tokio::test]
async fn a_drain_waits_for_budgets_and_leaves_what_belongs_to_the_node() {
    let mut mirror = pod("mirror", None);
    mirror["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "x" });
    let mut ended = pod("job", Some("Job"));
    ended["status"]["phase"] = json!("Succeeded");
    let stays = [mirror, ended, pod("agent", Some("DaemonSet"))];
    let with = |name: &str| pods(&[&stays[..], &[pod(name, Some("ReplicaSet"))]].concat());
    let eviction = "POST /api/v1/namespaces/apps/pods/web/eviction";
    let api = FakeApi::default()
        .answer("GET /api/v1/pods", 200, with("web"))
        .answer("GET /api/v1/pods", 200, with("web"))
        .answer("GET /api/v1/pods", 200, pods(&stays))
        .refuse(eviction, 429, "Cannot evict pod as it would violate the pod's disruption budget.")
        .answer(
            eviction,
            201,
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }),
        );
    let left = api.cluster().drain(&name(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(left, Drained::default());
    assert_eq!(api.asked("POST").len(), 2);
    assert!(api.asked("GET")[0].0.contains("fieldSelector=spec.nodeName%3Dk3s-agent"));
}

#[tokio::test]
async fn what_a_drain_could_not_move_is_named_with_its_reason() {
    let eviction = "POST /api/v1/namespaces/apps/pods/web/eviction";
    let api = FakeApi::default()
        .answer("GET /api/v1/pods", 200, pods(&[pod("web", Some("ReplicaSet")), pod("bare", None)]))
        .refuse(eviction, 429, "Cannot evict pod");
    let left = api.cluster().drain(&name(), Duration::from_millis(300)).await.unwrap();
    assert_eq!(left.refused, ["apps/web: Cannot evict pod"]);
    assert!(left.orphans[0].starts_with("apps/bare: "), "{left:?}");
    assert!(api.asked("POST").iter().all(|(call, _)| call.contains("/web/")));
}
