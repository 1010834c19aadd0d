use serde_json::json;

use super::*;

const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";

fn kustomization(change: impl Fn(&mut Value)) -> Managed {
    let mut object = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": { "name": "apps", "namespace": "flux-system", "generation": 2 },
        "spec": { "path": "./apps/", "interval": "10m", "prune": true },
        "status": {
            "observedGeneration": 2,
            "lastAppliedRevision": format!("main@sha1:{HEAD}"),
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "ReconciliationSucceeded",
                "message": "Applied revision",
            }],
        },
    });
    change(&mut object);
    Managed::read(&object)
}

#[test]
fn it_is_done_at_the_head_and_not_at_an_older_commit() {
    let done = kustomization(|_| ());
    assert_eq!(done.path.as_deref(), Some("apps"));
    assert_eq!(done.lacks(Some(HEAD)), None);
    assert_eq!(done.lacks(None), None);
    let ahead = "f".repeat(40);
    assert_eq!(done.lacks(Some(&ahead)).unwrap(), "it is at 01234567, Git at ffffffff");
}

#[test]
fn a_condition_of_an_older_generation_says_nothing() {
    let edited = kustomization(|object| object["metadata"]["generation"] = json!(3));
    assert_eq!(edited.lacks(Some(HEAD)).unwrap(), "its controller has not looked at it yet");
    let new = kustomization(|object| object["status"] = json!({ "observedGeneration": 2 }));
    assert_eq!(new.lacks(Some(HEAD)).unwrap(), "it has no condition Ready yet");
}

#[test]
fn a_failure_is_told_in_fluxs_own_words() {
    let failed = kustomization(|object| {
        object["status"]["conditions"][0] = json!({
            "type": "Ready", "status": "False", "reason": "DependencyNotReady",
            "message": "dependency 'flux-system/longhorn' is not ready",
        });
    });
    let why = failed.lacks(Some(HEAD)).unwrap();
    assert_eq!(why, "DependencyNotReady: dependency 'flux-system/longhorn' is not ready");
    assert_eq!(likely_cause(&why), "it waits for another: look at that one");
}

#[test]
fn what_a_person_suspended_is_not_ours_and_not_waited_for() {
    let suspend = |object: &mut Value| object["spec"]["suspend"] = json!(true);
    let theirs = kustomization(suspend);
    assert!(theirs.is_held_by_others());
    let ours = kustomization(|object| {
        suspend(object);
        object["metadata"]["annotations"] = json!({ SUSPENDED: "20261128T000000Z" });
    });
    assert!(!ours.is_held_by_others());
    let sight = FluxSight { kustomizations: vec![theirs, ours], ..FluxSight::default() };
    assert_eq!(sight.held().count(), 1);
    assert!(sight.unfinished(Some(&"f".repeat(40))).is_empty());
}

#[test]
fn a_release_is_done_without_a_commit() {
    let release = Managed::read(&json!({
        "kind": "HelmRelease",
        "metadata": { "name": "longhorn", "namespace": "longhorn-system", "generation": 1 },
        "spec": {},
        "status": {
            "observedGeneration": 1,
            "conditions": [{ "type": "Ready", "status": "True", "reason": "InstallSucceeded" }],
        },
    }));
    let sight = FluxSight { releases: vec![release], ..FluxSight::default() };
    assert!(sight.unfinished(Some(HEAD)).is_empty());
}

#[test]
fn a_deployment_is_available_when_its_present_form_is() {
    let deployment = |available: u64, seen: u64| {
        json!({
            "metadata": { "generation": 2 }, "spec": { "replicas": 1 },
            "status": { "observedGeneration": seen, "availableReplicas": available, "updatedReplicas": 1 },
        })
    };
    assert!(is_available(&deployment(1, 2)));
    assert!(!is_available(&deployment(0, 2)) && !is_available(&deployment(1, 1)));
}
