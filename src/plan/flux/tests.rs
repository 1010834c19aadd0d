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
    assert_eq!(likely_cause(&failed, &why), "it waits for another: look at that one");
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

/// A tree of three: `configs` waits for `controllers`, `apps` for `configs`.
fn three(change: impl Fn(&mut Vec<Managed>)) -> FluxSight {
    let one = |name: &str, needs: Option<&str>| {
        kustomization(|object| {
            object["metadata"]["name"] = json!(name);
            if let Some(need) = needs {
                object["spec"]["dependsOn"] = json!([{ "name": need }]);
                object["status"]["conditions"][0] = json!({
                    "type": "Ready", "status": "False", "reason": "DependencyNotReady",
                    "message": format!("dependency 'flux-system/{need}' is not ready"),
                });
            }
        })
    };
    let mut all = vec![
        one("apps", Some("configs")),
        one("configs", Some("controllers")),
        one("controllers", None),
    ];
    change(&mut all);
    FluxSight { kustomizations: all, ..FluxSight::default() }
}

fn fails(one: &mut Managed) {
    one.ready = Some(false);
    one.reason = "ReconciliationFailed".into();
    one.message = "Deployment/x dry-run failed:\n expected numeric".into();
}

#[test]
fn the_cause_is_told_first_and_what_waits_for_it_by_name() {
    let seen = three(|all| fails(&mut all[2]));
    insta::assert_snapshot!(seen.unfinished_texts(Some(HEAD)).join("\n"), @"
    Kustomization flux-system/controllers: ReconciliationFailed: Deployment/x dry-run failed: expected numeric
    waiting for others: apps, configs
    ");
    let pushed = three(|all| all.drain(..2).for_each(drop));
    assert_eq!(
        pushed.unfinished_texts(Some(&"f".repeat(40))),
        ["not at ffffffff yet: controllers"]
    );
}

#[test]
fn what_waited_for_something_that_is_done_by_now_can_start() {
    let names = |seen: &FluxSight| {
        seen.startable(HEAD).into_iter().map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&three(|_| ())), ["configs"], "apps waits for configs");
    assert!(names(&three(|all| fails(&mut all[2]))).is_empty());
    let absent = three(|all| all.truncate(2));
    assert!(names(&absent).is_empty(), "what it waits for is not there");
    assert_eq!(
        absent.unfinished_texts(Some(HEAD))[0],
        "Kustomization flux-system/configs: DependencyNotReady: dependency 'flux-system/controllers' is not ready"
    );
}

#[test]
fn waiting_ends_when_all_that_is_open_fails_by_what_git_has() {
    use std::time::Duration;
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let failing = three(|all| fails(&mut all[2]));
    let again = three(|all| {
        fails(&mut all[2]);
        all[2].ready = None;
        all[2].reason = "Progressing".into();
    });
    let mut patience = Patience::default();
    assert!(!patience.is_over(&failing, HEAD, minutes(0)));
    assert!(!patience.is_over(&again, HEAD, minutes(2)));
    assert!(!patience.is_over(&failing, HEAD, minutes(4)));
    assert!(patience.is_over(&failing, HEAD, minutes(5)));
    let other = three(|all| {
        fails(&mut all[2]);
        all[2].message = "something else".into();
    });
    assert!(!patience.is_over(&other, HEAD, minutes(6)), "it is another failure");
    let busy = three(|all| {
        fails(&mut all[2]);
        let mut release = all[2].clone();
        release.kind = "HelmRelease".into();
        all.push(release);
    });
    assert!(!patience.is_over(&busy, HEAD, minutes(60)), "a release may yet succeed");
    assert!(!patience.is_over(&three(|all| all.clear()), HEAD, minutes(99)));
}

#[test]
fn an_age_key_that_is_gone_is_told_from_one_that_does_not_open() {
    let one = kustomization(|_| ());
    let gone = "BuildFailed: cannot get sops decryption Secret 'flux-system/sops-age': secrets \"sops-age\" not found";
    assert_eq!(
        likely_cause(&one, gone),
        "the cluster has no age key: `homelab up` puts it there (FL-09)"
    );
    let other = "BuildFailed: cannot get sops data key: failed to decrypt sops data key with age: no identity matched";
    assert!(likely_cause(&one, other).contains("does not open the Secrets"));
}

#[test]
fn a_full_disk_leads_to_the_node_of_the_controller_that_met_it() {
    let why = "write /tmp/kustomization-1/source.tar.gz: no space left on device";
    let of =
        |kind: &str| likely_cause(&Managed { kind: kind.into(), ..kustomization(|_| ()) }, why);
    for (kind, controller) in [
        ("Kustomization", "kustomize-controller"),
        ("HelmRelease", "helm-controller"),
        ("GitRepository", "source-controller"),
    ] {
        let told = of(kind);
        assert!(told.contains(&format!("-l app={controller}`")), "{told}");
    }
}
