//! What the simulated Helm charts bring: workloads, definitions, and what homelab looks at.

use serde_json::{Value, json};

use super::{
    manifests::{definition, deployment},
    place,
};

/// Kinds of Longhorn's API that somebody here reads or writes.
const LONGHORN: [(&str, &str); 6] = [
    ("Node", "nodes"),
    ("Volume", "volumes"),
    ("Replica", "replicas"),
    ("BackupTarget", "backuptargets"),
    ("Setting", "settings"),
    ("RecurringJob", "recurringjobs"),
];

/// A chart's objects for a release; `None` for a chart that is not simulated.
pub(super) fn objects(chart: &str, release: &Value) -> Option<Vec<Value>> {
    let (namespace, _) = place(release);
    let version = release["spec"]["chart"]["spec"]["version"].as_str().unwrap_or_default();
    let values = &release["spec"]["values"];
    let runs = |name: &str| deployment(&namespace, name, &format!("{chart}/{name}:{version}"));
    Some(match chart {
        "cert-manager" => {
            let issuer = ("cert-manager.io", "v1", "ClusterIssuer", "clusterissuers");
            let mut objects = vec![definition(issuer, false)];
            objects.extend(
                ["", "-cainjector", "-webhook"].map(|part| runs(&format!("{chart}{part}"))),
            );
            objects
        }
        "reloader" => vec![runs("reloader-reloader")],
        "longhorn" => longhorn(&namespace, values, version),
        _ => return None,
    })
}

fn longhorn(namespace: &str, values: &Value, version: &str) -> Vec<Value> {
    let kinds = LONGHORN.iter().map(|(kind, plural)| {
        let mut served = definition(("longhorn.io", "v1beta2", kind, plural), true);
        if *kind == "Setting" {
            // A setting has no status of its own to write.
            served["spec"]["versions"][0]["subresources"] = json!({});
        }
        served
    });
    let mut objects: Vec<Value> = kinds.collect();
    let image = |name: &str| format!("longhornio/{name}:v{version}");
    let app = json!({ "app": "longhorn-manager" });
    objects.push(json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": { "name": "longhorn-manager", "namespace": namespace },
        "spec": {
            "selector": { "matchLabels": app },
            "template": {
                "metadata": { "labels": app },
                "spec": { "containers": [{ "name": "longhorn-manager", "image": image("longhorn-manager") }] },
            },
        },
    }));
    for name in ["longhorn-driver-deployer", "longhorn-ui"] {
        objects.push(deployment(namespace, name, &image(name)));
    }
    let persistence = &values["persistence"];
    let default = persistence["defaultClass"].as_bool().unwrap_or(true).to_string();
    objects.push(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": "longhorn",
            "annotations": { "storageclass.kubernetes.io/is-default-class": default },
        },
        "provisioner": "driver.longhorn.io",
        "reclaimPolicy": persistence["reclaimPolicy"],
        "parameters": { "numberOfReplicas": persistence["defaultClassReplicaCount"].to_string() },
    }));
    let settings = values["defaultSettings"].as_object().into_iter().flatten();
    objects.extend(settings.map(|(name, value)| setting(namespace, name, value)));
    objects
}

/// `replicaSoftAntiAffinity` is `replica-soft-anti-affinity` in Longhorn's API, and every value a text.
fn setting(namespace: &str, name: &str, value: &Value) -> Value {
    let spelt: String = name
        .chars()
        .map(|letter| match letter.is_ascii_uppercase() {
            true => format!("-{}", letter.to_ascii_lowercase()),
            false => letter.to_string(),
        })
        .collect();
    json!({
        "apiVersion": "longhorn.io/v1beta2", "kind": "Setting",
        "metadata": { "name": spelt, "namespace": namespace },
        "value": value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    })
}
