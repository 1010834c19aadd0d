use std::collections::BTreeMap;

use super::*;
use crate::{
    gitops::repository::{self, paths},
    inventory::desired::{Gitops, SecretSource},
    plan::flux::{AGE_KEY, Managed, ROOT, Source},
    ports::Checkout,
    stage::scripts::tests::desired,
};

const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";
const COMPONENTS: &str = "kind: Namespace\n";

fn with_flux() -> Desired {
    let mut desired = desired();
    desired.flux = Some(Flux {
        credentials: Some(GitAccess::DeployKey(SecretSource::Env("DEPLOY_KEY".into()))),
        ..repository::tests::flux(COMPONENTS)
    });
    desired
}

fn managed(name: &str) -> Managed {
    Managed {
        kind: "Kustomization".into(),
        namespace: NAMESPACE.into(),
        name: name.into(),
        path: Some("clusters/lab".into()),
        suspended: false,
        held_by_us: false,
        current: true,
        ready: Some(true),
        reason: "ReconciliationSucceeded".into(),
        message: String::new(),
        commit: Some(HEAD.into()),
        needs: Vec::new(),
    }
}

/// Flux as it is when everything is done.
fn done() -> FluxSight {
    FluxSight {
        controllers: CONTROLLERS.iter().map(|name| ((*name).to_owned(), true)).collect(),
        login: Some(LOGIN_BY_KEY.map(str::to_owned).into()),
        age: None,
        age_known: None,
        source: Some(Source {
            url: "ssh://git@git.lan/homelab".into(),
            branch: "main".into(),
            object: Managed { path: None, ..managed(ROOT) },
        }),
        kustomizations: vec![managed(ROOT), managed("apps")],
        releases: Vec::new(),
    }
}

fn sound_repository(flux: &Flux) -> Checkout {
    let sync = "kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {url: 'ssh://git@git.lan/homelab', ref: {branch: main}}
---
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {path: ./clusters/lab}
";
    let mut files = BTreeMap::new();
    files.insert(paths(flux)[0].clone(), COMPONENTS.to_owned());
    files.insert(paths(flux)[1].clone(), sync.to_owned());
    // As a tree of ours, whose manifests are told by their hash.
    let record = gitops::record::TreeRecord::new(desired().id).text();
    files.insert(paths(flux)[3].clone(), record);
    Checkout { head: HEAD.into(), files }
}

/// The steps with their impact and reasons, then what is refused, then what is noted.
fn planned(seen: Sight<FluxSight>, repository: impl Fn(&Flux) -> Sight<Checkout>) -> Vec<String> {
    let desired = with_flux();
    let mut observed = super::super::tests::bare(&desired);
    observed.repository = repository(desired.flux.as_ref().unwrap());
    observed.flux = seen;
    let (mut plan, mut refusals) = (Plan::default(), Vec::new());
    let changes = steps(&desired, &observed, &mut plan, &mut refusals);
    sync(&desired, &observed, changes, &mut plan);
    let steps = plan
        .steps
        .iter()
        .map(|step| format!("{} ({}): {}", step.id, step.impact.name(), step.reasons.join("; ")));
    let refusals = refusals.iter().map(|one| format!("refused: {}: {}", one.place, one.message));
    let notes = plan.notes.iter().map(|note| format!("note: {note}"));
    steps.chain(refusals).chain(notes).collect()
}

fn sound(flux: &Flux) -> Sight<Checkout> {
    Sight::Seen(sound_repository(flux))
}

#[test]
fn a_new_cluster_gets_the_controllers_their_repository_and_all_of_git() {
    insta::assert_snapshot!(planned(Sight::Unseen, sound).join("\n"));
}

#[test]
fn nothing_is_to_do_when_everything_is_at_the_head() {
    assert!(planned(Sight::Seen(done()), sound).is_empty());
}

#[test]
fn controllers_that_are_gone_or_dead_are_applied_anew_and_the_rest_is_left() {
    let mut seen = done();
    seen.controllers.remove("source-controller");
    seen.controllers.insert("helm-controller".into(), false);
    insta::assert_snapshot!(planned(Sight::Seen(seen), sound).join("\n"));
}

#[test]
fn a_lost_or_refused_key_is_given_again() {
    let lost = FluxSight { login: None, ..done() };
    let mut refused = done();
    let source = refused.source.as_mut().unwrap();
    source.object.ready = Some(false);
    source.object.message = "ssh: handshake failed: unable to authenticate".into();
    let told = [lost, refused].map(|seen| planned(Sight::Seen(seen), sound).join("\n"));
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn another_source_is_told_with_what_it_may_cost() {
    let mut seen = done();
    seen.source.as_mut().unwrap().url = "ssh://git@old.lan/homelab".into();
    insta::assert_snapshot!(planned(Sight::Seen(seen), sound).join("\n"));
}

#[test]
fn what_is_behind_git_or_was_suspended_by_us_is_waited_for() {
    let mut seen = done();
    seen.kustomizations[1].commit = Some("f".repeat(40));
    let held = Managed { suspended: true, held_by_us: true, ..managed("jellyfin") };
    let theirs = Managed { suspended: true, ..managed("theirs") };
    seen.kustomizations.extend([held, theirs]);
    insta::assert_snapshot!(planned(Sight::Seen(seen), sound).join("\n"));
}

#[test]
fn a_repository_that_is_no_entry_point_is_refused_before_anything_is_touched() {
    let empty = |_: &Flux| Sight::Seen(Checkout { head: HEAD.into(), files: BTreeMap::new() });
    let told = planned(Sight::Unseen, empty);
    assert_eq!(told.iter().filter(|line| line.starts_with("refused: ")).count(), 2, "{told:?}");
    // Flux stands and reads it: it says itself what it lacks.
    assert!(planned(Sight::Seen(done()), empty).is_empty());
}

#[test]
fn without_the_repository_what_stands_is_not_compared_and_that_is_said() {
    let silent = |_: &Flux| Sight::Silent("git.lan: no such host".into());
    let told = planned(Sight::Seen(done()), silent);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("cannot be read from here"), "{told:?}");
}

/// A tree whose Secrets are encrypted, with nothing else in it.
pub(in crate::plan::diff) fn encrypted() -> Desired {
    let mut desired = with_flux();
    let identity = "age.key".into();
    desired.gitops = Some(Gitops {
        domain: None,
        tailnet_domain: None,
        email: None,
        secrets: SecretStore::Sops { identity, recipients: Vec::new() },
        chart_mirror: None,
        outside: Default::default(),
        versions: BTreeMap::new(),
        cert_manager: None,
        metallb: None,
        cloudnative_pg: None,
        tailscale_operator: None,
        traefik: None,
        cloudflared: None,
        authentik: None,
        monitoring: None,
        jellyfin: None,
        stalwart: None,
        longhorn_ui: None,
        reloader: false,
    });
    desired
}

#[test]
fn a_repository_whose_secrets_no_key_of_ours_opens_is_refused() {
    let desired = encrypted();
    let flux = desired.flux.as_ref().unwrap();
    let rules = gitops::rules(&["age1older".into(), "age1further".into()]).unwrap();
    let mut checkout = sound_repository(flux);
    checkout.files.insert(gitops::RULES.to_owned(), rules);
    assert!(paths(flux).contains(&gitops::RULES.to_owned()), "it is asked for");
    let refused = |held: Option<&[&str]>| {
        let mut observed = super::super::tests::bare(&desired);
        observed.repository = Sight::Seen(checkout.clone());
        observed.held = held.map(|held| held.iter().map(|one| (*one).to_owned()).collect());
        let mut refusals = Vec::new();
        steps(&desired, &observed, &mut Plan::default(), &mut refusals);
        refusals.into_iter().map(|one| one.message).collect::<Vec<_>>()
    };
    assert_eq!(
        refused(Some(&["age1newest"])),
        [
            "its Secrets are encrypted for age1older, age1further; age.key has no key for it: the cluster could \
          open none of them"
        ]
    );
    assert!(refused(Some(&["age1newest", "age1older"])).is_empty());
    assert!(refused(None).is_empty(), "what is not known is not refused here");
}

#[test]
fn a_tree_with_encrypted_secrets_needs_its_age_key() {
    let desired = encrypted();
    let reasons =
        |seen: &FluxSight| connect_reasons(&desired, desired.flux.as_ref().unwrap(), Some(seen));
    assert_eq!(reasons(&done()), ["the age key that opens its Secrets is not there"]);
    let given = FluxSight { age: Some([AGE_KEY.to_owned()].into()), ..done() };
    assert!(reasons(&given).is_empty());
    let rotated = FluxSight { age_known: Some(false), ..given };
    assert_eq!(
        reasons(&rotated),
        ["its Secrets are encrypted for another age key than the cluster has"]
    );
}
