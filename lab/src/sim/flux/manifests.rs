//! The manifests of Flux's controllers: as much of the real ones as something here reads. Their definitions take any
//! field: objects are not validated by their schemas in this world.

use serde_json::{Value, json};

use super::NAMESPACE;

/// Flux's own version, as homelab pins it.
pub const VERSION: &str = "2.9.4";
const CONTROLLERS: [(&str, &str); 4] = [
    ("source-controller", "1.9.4"),
    ("kustomize-controller", "1.9.4"),
    ("helm-controller", "1.6.3"),
    ("notification-controller", "1.9.3"),
];
/// Group, version, kind and plural of what they serve.
const KINDS: [(&str, &str, &str, &str); 4] = [
    ("source.toolkit.fluxcd.io", "v1", "GitRepository", "gitrepositories"),
    ("source.toolkit.fluxcd.io", "v1", "HelmRepository", "helmrepositories"),
    ("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations"),
    ("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases"),
];

/// The file that a publisher's server has: one object behind the other, as YAML takes JSON.
pub(in crate::sim) fn text() -> String {
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": NAMESPACE, "labels": labels() },
    })];
    objects.extend(KINDS.map(|kind| definition(kind, true)));
    for (name, version) in CONTROLLERS {
        objects.push(json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels() },
        }));
        let mut deployment =
            deployment(NAMESPACE, name, &format!("ghcr.io/fluxcd/{name}:v{version}"));
        deployment["metadata"]["labels"] = labels();
        deployment["spec"]["template"]["spec"]["serviceAccountName"] = json!(name);
        objects.push(deployment);
    }
    objects.iter().map(|object| format!("---\n{object:#}\n")).collect()
}

fn labels() -> Value {
    json!({ "app.kubernetes.io/part-of": "flux", "app.kubernetes.io/version": format!("v{VERSION}") })
}

/// What makes the API serve a kind whose objects may say anything.
pub(super) fn definition(
    (group, version, kind, plural): (&str, &str, &str, &str),
    namespaced: bool,
) -> Value {
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "scope": if namespaced { "Namespaced" } else { "Cluster" },
            "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
            "versions": [{
                "name": version, "served": true, "storage": true,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": any },
            }],
        },
    })
}

/// One pod of one container.
pub(super) fn deployment(namespace: &str, name: &str, image: &str) -> Value {
    let app = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": app },
            "template": {
                "metadata": { "labels": app },
                "spec": { "containers": [{ "name": "manager", "image": image }] },
            },
        },
    })
}
