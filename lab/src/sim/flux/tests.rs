//! What Git has becomes objects, and each controller says how far it is.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::*;
use crate::sim::{
    gate::Gate,
    git::tests::{host, push},
    workloads::Workloads,
};

/// A cluster of one node with Flux's controllers, and a Git host.
struct World {
    kubernetes: Arc<Kubernetes>,
    git: Arc<GitHost>,
    _folder: tempfile::TempDir,
    _controllers: Controllers,
    _workloads: Workloads,
}

const ME: &str = "homelab";

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubernetes = Kubernetes::new(Gate::default(), "v1.34.4+k3s1").unwrap();
        let git = Arc::new(host(&folder).await);
        let ready = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "server" } });
        kubernetes.create(ME, &node).unwrap();
        kubernetes.patch_status(ME, "nodes", ("", "server"), &ready).unwrap();
        let world = Self {
            _controllers: Controllers::start(kubernetes.clone(), git.clone(), 0.0),
            _workloads: Workloads::start(kubernetes.clone(), 0.0),
            _folder: folder,
            kubernetes,
            git,
        };
        let installed: Vec<Value> = serde_saphyr::from_multiple(&manifests::text()).unwrap();
        for object in installed {
            world.apply(&object);
        }
        world
    }

    fn apply(&self, object: &Value) {
        self.kubernetes.apply(ME, object).unwrap();
    }

    /// Gives Flux its source and what opens it.
    fn connect(&self, key: &str) {
        let data = json!({
            "identity": STANDARD.encode(key), "known_hosts": STANDARD.encode(self.git.known_host()),
        });
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "flux-system", "namespace": NAMESPACE }, "data": data,
        }));
        self.apply(&json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": { "name": "flux-system", "namespace": NAMESPACE },
            "spec": {
                "url": self.git.url(), "ref": { "branch": "main" },
                "secretRef": { "name": "flux-system" },
            },
        }));
        let root = kustomization("flux-system", "clusters/x", "").replace("  wait: true\n", "");
        self.apply(&serde_saphyr::from_str(root.trim_end_matches("---\n")).unwrap());
    }

    fn deploy_key(&self) -> String {
        fs_err::read_to_string(self.git.deploy_key()).unwrap()
    }

    /// Waits until an object says so.
    async fn until(&self, resource: &str, name: &str, says: impl Fn(&Value) -> bool) -> Value {
        let mut changes = self.kubernetes.changes();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let object = self.kubernetes.get(resource, (NAMESPACE, name)).unwrap_or_default();
                if says(&object) {
                    return object;
                }
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        waited.unwrap_or_else(|_| {
            let object = self.kubernetes.get(resource, (NAMESPACE, name));
            panic!("{resource} {name} does not come to that: {object:#?}")
        })
    }

    async fn kustomization(&self, name: &str, says: impl Fn(&Value) -> bool) -> Value {
        self.until("kustomizations.kustomize.toolkit.fluxcd.io", name, says).await
    }
}

fn kustomization(name: &str, path: &str, more: &str) -> String {
    format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: \
         flux-system}}\nspec:\n  path: ./{path}\n  prune: true\n  wait: true\n  sourceRef: {{kind: GitRepository, name: \
         flux-system}}\n{more}---\n"
    )
}

fn map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: flux-system}}\n")
}

fn ready(object: &Value) -> &Value {
    &object["status"]["conditions"][0]
}

fn is_ready(object: &Value) -> bool {
    report::is_ready(object)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_git_has_is_applied_once_what_it_depends_on_is_done() {
    let world = World::new().await;
    let first = kustomization("first", "first", "");
    let second = kustomization("second", "second", "  dependsOn: [{name: first}]\n");
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: reloader, \
                   namespace: flux-system}\nspec:\n  chart: {spec: {chart: reloader, version: 2.2.16, sourceRef: \
                   {kind: HelmRepository, name: stakater}}}\n";
    let files = [
        ("clusters/x/parts.yaml", &*format!("{first}{second}")),
        ("first/release.yaml", release),
        ("second/map.yaml", &map("late")),
    ];
    push(&world.git, &files).await;
    world.connect(&world.deploy_key());
    let why = |wanted: &'static str| move |object: &Value| ready(object)["reason"] == wanted;
    // Its chart's source is not there.
    let held = world.kustomization("second", why("DependencyNotReady")).await;
    assert_eq!(ready(&held)["message"], "dependency 'flux-system/first' is not ready");
    assert_eq!(world.kubernetes.get("configmaps", (NAMESPACE, "late")), None);
    let source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: stakater, \
                  namespace: flux-system}\nspec: {url: 'https://charts.invalid'}\n";
    let files = [files[0], files[1], files[2], ("first/source.yaml", source)];
    push(&world.git, &files).await;
    let done = world.kustomization("second", is_ready).await;
    let head = world.git.repository().head("main").unwrap().unwrap();
    assert_eq!(done["status"]["lastAppliedRevision"], format!("main@sha1:{head}"));
    assert!(world.kubernetes.get("configmaps", (NAMESPACE, "late")).is_some());
    let release =
        world.kubernetes.get("helmreleases.helm.toolkit.fluxcd.io", (NAMESPACE, "reloader"));
    assert_eq!(ready(&release.unwrap())["reason"], "InstallSucceeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_does_not_take_the_key_says_so_until_it_does() {
    let world = World::new().await;
    push(&world.git, &[("clusters/x/map.yaml", &map("one"))]).await;
    world.connect("another key");
    let git = "gitrepositories.source.toolkit.fluxcd.io";
    let refused = |object: &Value| ready(object)["status"] == "False";
    let source = world.until(git, "flux-system", refused).await;
    let said = ready(&source)["message"].as_str().unwrap().to_owned();
    assert!(said.contains("unable to authenticate"), "{said}");
    world.connect(&world.deploy_key());
    world.kustomization("flux-system", is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_git_is_deleted_and_what_is_suspended_is_left_alone() {
    let world = World::new().await;
    let part = kustomization("part", "part", "");
    let kept = map("kept").replace(
        "flux-system}",
        "flux-system, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}}",
    );
    let files = [
        ("clusters/x/parts.yaml", &*part),
        ("part/one.yaml", &map("one")),
        ("part/two.yaml", &map("two")),
        ("part/kept.yaml", &kept),
    ];
    push(&world.git, &files).await;
    world.connect(&world.deploy_key());
    world.kustomization("part", is_ready).await;
    push(&world.git, &files[..2]).await;
    let head = world.git.repository().head("main").unwrap().unwrap();
    let at = |commit: String| {
        move |object: &Value| {
            object["status"]["lastAppliedRevision"].as_str().is_some_and(|it| it.ends_with(&commit))
        }
    };
    world.kustomization("part", at(head.clone())).await;
    let there = |name| world.kubernetes.get("configmaps", (NAMESPACE, name)).is_some();
    assert!(there("one") && !there("two") && there("kept"));

    let kind = "kustomizations.kustomize.toolkit.fluxcd.io";
    let suspend = json!({ "spec": { "suspend": true } });
    world.kubernetes.patch(ME, kind, (NAMESPACE, "part"), &suspend).unwrap();
    push(&world.git, &[files[0], ("part/three.yaml", &map("three"))]).await;
    let newer = world.git.repository().head("main").unwrap().unwrap();
    world.kustomization("flux-system", at(newer.clone())).await;
    assert!(there("one") && !there("three"));
    let part = world.kustomization("part", |_| true).await;
    assert!(at(head)(&part), "{part:#?}");
    let resume = json!({ "spec": { "suspend": null } });
    world.kubernetes.patch(ME, kind, (NAMESPACE, "part"), &resume).unwrap();
    world.kustomization("part", at(newer)).await;
    assert!(!there("one") && there("three"));
}
