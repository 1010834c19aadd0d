use kube::{
    api::{ListParams, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
};
use serde_json::{Value, json};

use super::client::{cluster, dynamic, refusal};

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "kustomizations.kustomize.toolkit.fluxcd.io" },
        "spec": {
            "group": "kustomize.toolkit.fluxcd.io",
            "scope": "Namespaced",
            "names": { "kind": "Kustomization", "plural": "kustomizations", "shortNames": ["ks"] },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object" } },
            }],
        },
    })
}

const VERSION: &str = "kustomize.toolkit.fluxcd.io/v1";

#[tokio::test]
async fn a_kind_is_served_as_long_as_its_definition_is_there() {
    let (kubernetes, client) = cluster().await;
    let api = dynamic(&client, VERSION, "Kustomization", "kustomizations");
    assert_eq!(refusal(api.list(&ListParams::default()).await).code, 404);
    let kind = GroupVersionKind::gvk("kustomize.toolkit.fluxcd.io", "v1", "Kustomization");
    assert_eq!(refusal(pinned_kind(&client, &kind).await).code, 404);

    let made = kubernetes.apply("flux", &definition()).unwrap();
    let name = made["metadata"]["name"].as_str().unwrap();
    let place = ("", name);
    let stored = kubernetes.get("customresourcedefinitions.apiextensions.k8s.io", place).unwrap();
    assert_eq!(stored["status"]["conditions"][1]["type"], "Established");
    let (resource, capabilities) = pinned_kind(&client, &kind).await.unwrap();
    assert_eq!(resource.plural, "kustomizations");
    assert_eq!(capabilities.scope, Scope::Namespaced);

    let object = json!({
        "apiVersion": VERSION,
        "kind": "Kustomization",
        "metadata": { "name": "apps", "namespace": "default" },
        "spec": { "suspend": true },
    });
    let ours = PatchParams::apply("homelab");
    api.patch("apps", &ours, &Patch::Apply(&object)).await.unwrap();
    let annotate = Patch::Merge(json!({ "metadata": { "annotations": { "a": "b" } } }));
    api.patch("apps", &PatchParams::default(), &annotate).await.unwrap();
    let strategic = Patch::Strategic(json!({}));
    assert_eq!(refusal(api.patch("apps", &PatchParams::default(), &strategic).await).code, 415);
    let listed = api.list(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items[0].types.as_ref().unwrap().kind, "Kustomization");
    assert_eq!(listed.items[0].metadata.generation, Some(1));

    kubernetes.delete("customresourcedefinitions.apiextensions.k8s.io", place).unwrap();
    assert_eq!(refusal(api.list(&ListParams::default()).await).code, 404);
    kubernetes.apply("flux", &definition()).unwrap();
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn a_suspension_that_another_applier_does_not_name_stays() {
    let (kubernetes, client) = cluster().await;
    kubernetes.apply("flux", &definition()).unwrap();
    let object = |spec: Value| {
        json!({
            "apiVersion": VERSION,
            "kind": "Kustomization",
            "metadata": { "name": "apps", "namespace": "default" },
            "spec": spec,
        })
    };
    let api = dynamic(&client, VERSION, "Kustomization", "kustomizations");
    let ours = PatchParams::apply("homelab");
    let held = object(json!({ "suspend": true, "path": "apps" }));
    api.patch("apps", &ours, &Patch::Apply(&held)).await.unwrap();
    let flux = object(json!({ "path": "apps", "interval": "10m" }));
    let seen = kubernetes.apply("kustomize-controller", &flux).unwrap();
    assert_eq!(seen["spec"]["suspend"], true);
    // Bare: everything that was ours and that nobody else applies goes.
    let bare = json!({
        "apiVersion": VERSION,
        "kind": "Kustomization",
        "metadata": { "name": "apps", "namespace": "default" },
    });
    api.patch("apps", &ours, &Patch::Apply(&bare)).await.unwrap();
    let left =
        kubernetes.get("kustomizations.kustomize.toolkit.fluxcd.io", ("default", "apps")).unwrap();
    assert_eq!(left["spec"], json!({ "path": "apps", "interval": "10m" }));
}
