use serde_json::json;

use super::*;
use crate::stage::check::CheckState;

fn managed(kind: &str, suspended: bool, message: &str) -> Managed {
    let ready = if message.is_empty() { "True" } else { "False" };
    Managed::read(&json!({
        "kind": kind,
        "metadata": { "name": "jellyfin", "namespace": "flux-system", "generation": 1 },
        "spec": { "suspend": suspended },
        "status": {
            "observedGeneration": 1,
            "conditions": [{ "type": "Ready", "status": ready, "reason": "R", "message": message }],
        },
    }))
}

#[test]
fn what_a_person_suspended_is_no_failure_but_nobody_looks_after_it() {
    for kind in ["Kustomization", "HelmRelease"] {
        let check =
            done("flux/kustomization", &FluxSight::default(), &managed(kind, true, ""), None);
        assert!(!check.has_failed() && check.is_worth_telling());
        let CheckState::Skipped { why } = &check.state else { panic!("{check:?}") };
        let typed = format!(
            "`homelab kubectl -- -n flux-system patch {} jellyfin --type merge -p \
             '{{\"spec\":{{\"suspend\":false}}}}'` resumes it",
            kind.to_lowercase()
        );
        assert!(why.ends_with(&typed), "{why}");
        let json = serde_json::to_value(&check).unwrap();
        assert_eq!((&json["state"], &json["unattended"]), (&json!("skipped"), &json!(true)));
    }
    let check = done(
        "flux/kustomization",
        &FluxSight::default(),
        &managed("Kustomization", false, ""),
        None,
    );
    assert!(!check.is_worth_telling());
    assert!(serde_json::to_value(&check).unwrap().get("unattended").is_none());
}

#[test]
fn a_message_that_is_not_recognised_is_followed_by_a_command_that_can_be_typed() {
    let next = |message: &str| match done(
        "flux/release",
        &FluxSight::default(),
        &managed("HelmRelease", false, message),
        None,
    )
    .state
    {
        CheckState::Failed { next, .. } => next,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        next("something odd"),
        "its events say more: `homelab kubectl -- -n flux-system describe helmrelease jellyfin`"
    );
    assert!(next("dependency 'flux-system/longhorn' is not ready").contains("look at that one"));
}

#[test]
fn what_to_try_goes_by_why_the_repository_cannot_be_read() {
    let next = |why: &str| unread(why);
    let why = "ssh: connect to host 10.79.0.1 port 2222: Connection timed out; Could not read from remote repository.";
    assert!(next(why).starts_with("this computer must reach the host and port of `flux.url`"));
    assert!(
        next("No ED25519 host key is known; Host key verification failed.").contains("known_hosts")
    );
    assert!(next("git@host: Permission denied (publickey).").contains("gitops deploy-key"));
    assert_eq!(next("something else"), "see `flux` in the inventory");
}
