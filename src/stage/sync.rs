//! The sync stage: what Git has is applied, all of it, at the head of the branch.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::json;

use super::{Outcome, flux::REQUESTED, longhorn};
use crate::{
    engine::{Look, Run, StepContext},
    error::{Failure, Kind, Result},
    observe,
    plan::{
        flux::{
            FluxSight, GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION, Managed, NAMESPACE, Patience,
            ROOT, likely_cause, telling,
        },
        observed::Sight,
    },
    ports::{Clock, Git, Objects, World},
};

/// A cold start fetches every chart and image.
const LIMIT: Duration = Duration::from_secs(1800);
/// Storage's own name, of Kustomization and HelmRelease.
const STORAGE: &str = "longhorn";

/// Asks Flux to look, resumes what we suspended once storage is there, and waits until nothing is open.
pub async fn sync<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    let run = &context.run;
    let Some(flux) = &run.desired.flux else { return Ok(Outcome::Unchanged("no Flux".into())) };
    let source = run.repository.source(flux).await?;
    let head = Mutex::new(run.world.git().head(source).await?);
    ask(context).await?;
    let open = Mutex::new(None);
    let (patience, hurried) = (Mutex::new(Patience::default()), Mutex::new(BTreeSet::new()));
    let outcome = context
        .wait_for("Flux to have applied all of Git", LIMIT, || async {
            let seen = match observe::flux(run).await {
                Sight::Seen(seen) => seen,
                Sight::Silent(why) => return Ok(Look::NotYet(why)),
                Sight::Unseen => return Ok(Look::NotYet("Flux was not asked".into())),
            };
            let missing =
                if seen.held().next().is_some() { storage(run, &seen).await } else { Vec::new() };
            if missing.is_empty() {
                resume(context, &seen, &known(&head)).await?;
            }
            let wanted = known(&head);
            hurry(context, &seen, &wanted, &hurried).await?;
            let behind = |one: &Managed| one.lacks(None).is_none() && one.is_behind(&wanted);
            if seen.unfinished(Some(&wanted)).iter().any(|(one, _)| behind(one)) {
                // Somebody may have pushed meanwhile.
                let now = run.world.git().head(source).await?;
                *kept(&head) = now;
            }
            if kept(&patience).is_over(&seen, &known(&head), run.world.clock().now()) {
                return Err(stuck(&seen, &known(&head), "Git has what the cluster does not take"));
            }
            let held = seen.held().map(|held| format!("{}: waits for storage", held.title()));
            let all: Vec<String> = seen
                .unfinished_texts(Some(&wanted))
                .into_iter()
                .chain(held)
                .chain(missing)
                .collect();
            if all.is_empty() {
                return Ok(Look::There(()));
            }
            let text = all.join("; ");
            *kept(&open) = Some(seen);
            Ok(Look::NotYet(text))
        })
        .await;
    match outcome {
        Ok(()) => Ok(Outcome::Done),
        Err(failure) if failure.kind == Kind::Deadline => {
            let open = open.into_inner().unwrap_or_else(PoisonError::into_inner);
            let Some(seen) = open else { return Err(failure) };
            let what = format!("Flux did not get done in {} min", LIMIT.as_secs() / 60);
            Err(stuck(&seen, &known(&head), &what))
        }
        Err(failure) => Err(failure),
    }
}

fn kept<T>(one: &Mutex<T>) -> MutexGuard<'_, T> {
    one.lock().unwrap_or_else(PoisonError::into_inner)
}

fn known(head: &Mutex<String>) -> String {
    kept(head).clone()
}

/// Flux looks only every half a minute whether what an object waits for is done: it is told so at once, a single time
/// for each commit.
async fn hurry<W: World>(
    context: &StepContext<W>,
    seen: &FluxSight,
    head: &str,
    hurried: &Mutex<BTreeSet<(String, String)>>,
) -> Result<()> {
    for one in seen.startable(head) {
        if !kept(hurried).insert((one.title(), head.to_owned())) {
            continue;
        }
        let kind = if one.kind == HELM_RELEASE.kind { HELM_RELEASE } else { KUSTOMIZATION };
        let now = context.run.world.clock().wall().to_string();
        let cluster = context.run.cluster().await?;
        cluster.annotate(kind, &one.namespace, &one.name, &[(REQUESTED, &now)]).await?;
    }
    Ok(())
}

/// Flux is asked to look now, at Git first.
async fn ask<W: World>(context: &StepContext<W>) -> Result<()> {
    let cluster = context.run.cluster().await?;
    let now = context.run.world.clock().wall().to_string();
    cluster.annotate(GIT_REPOSITORY, NAMESPACE, ROOT, &[(REQUESTED, &now)]).await?;
    cluster.annotate(KUSTOMIZATION, NAMESPACE, ROOT, &[(REQUESTED, &now)]).await?;
    Ok(())
}

/// Gives up the suspensions that are ours, once Flux has made those Kustomizations its own and storage is
/// there. What a person suspended stays.
async fn resume<W: World>(context: &StepContext<W>, seen: &FluxSight, head: &str) -> Result<()> {
    if !may_resume(seen, head) {
        return Ok(());
    }
    for held in seen.held() {
        context.still_wanted()?;
        context.output(format!("resuming {}", held.title()));
        // What was ours and is named no more is given up: the suspension goes, and what Git says stays.
        let bare = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": KUSTOMIZATION.kind,
            "metadata": { "name": held.name, "namespace": held.namespace },
        });
        context.run.cluster().await?.apply(&bare).await?;
    }
    Ok(())
}

/// What keeps Longhorn from taking volumes, where Git brings it. Its release is done before its nodes have
/// told it of their disks.
async fn storage<W: World>(run: &Run<W>, seen: &FluxSight) -> Vec<String> {
    if !seen.releases.iter().any(|release| release.name == STORAGE) {
        return Vec::new();
    }
    match observe::longhorn(run).await {
        Sight::Unseen => Vec::new(),
        Sight::Seen(seen) => longhorn::unfit(&run.desired, &seen),
        Sight::Silent(why) => vec![why],
    }
}

/// Whether the entry point is applied, so that Flux owns what it made, and storage is there where it is to be.
fn may_resume(seen: &FluxSight, head: &str) -> bool {
    let applied = seen.root().is_some_and(|root| root.lacks(Some(head)).is_none());
    let storage = |one: &&Managed| one.name == STORAGE && !one.suspended;
    let parts = seen.kustomizations.iter().chain(&seen.releases);
    applied && parts.filter(storage).all(|part| part.lacks(None).is_none())
}

/// Each object that keeps others waiting, with its own last message and what usually lies behind it.
fn stuck(seen: &FluxSight, head: &str, what: &str) -> Failure {
    let open = seen.unfinished(Some(head));
    let causes: Vec<_> =
        open.iter().filter(|(one, _)| seen.waits_for(one, Some(head)).is_empty()).collect();
    let lines: Vec<_> =
        causes.iter().map(|(one, why)| format!("{}: {}", one.title(), telling(why))).collect();
    let failure = Failure::new(Kind::Git, format!("{what}\n{}", lines.join("\n")));
    let mut hints: Vec<_> = causes.iter().map(|(one, why)| likely_cause(one, why)).collect();
    hints.sort_unstable();
    hints.dedup();
    hints.into_iter().fold(failure, Failure::hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";

    fn part(name: &str, ready: bool) -> Managed {
        Managed {
            kind: "Kustomization".into(),
            namespace: NAMESPACE.into(),
            name: name.into(),
            path: Some(name.into()),
            suspended: false,
            held_by_us: false,
            current: true,
            ready: Some(ready),
            reason: "x".into(),
            message: String::new(),
            commit: Some(HEAD.into()),
            needs: Vec::new(),
        }
    }

    #[test]
    fn apps_are_resumed_when_the_entry_point_is_applied_and_storage_is_there() {
        let sight = |root, storage| FluxSight {
            kustomizations: vec![part(ROOT, root), part(STORAGE, storage)],
            ..FluxSight::default()
        };
        assert!(may_resume(&sight(true, true), HEAD));
        assert!(!may_resume(&sight(false, true), HEAD));
        assert!(!may_resume(&sight(true, false), HEAD));
        assert!(!may_resume(&sight(true, true), &"f".repeat(40)), "an older commit");
        let without = FluxSight { kustomizations: vec![part(ROOT, true)], ..FluxSight::default() };
        assert!(may_resume(&without, HEAD));
    }

    #[test]
    fn what_is_stuck_is_named_with_what_to_try_and_what_waits_for_it_is_not() {
        let failed = Managed {
            reason: "ReconciliationFailed".into(),
            message: "Deployment/jellyfin dry-run failed:\n  expected numeric".into(),
            ..part("jellyfin", false)
        };
        let waiting = Managed {
            reason: "DependencyNotReady".into(),
            needs: vec![failed.title()],
            ..part("pages", false)
        };
        let seen = FluxSight { kustomizations: vec![waiting, failed], ..FluxSight::default() };
        let failure = stuck(&seen, HEAD, "Flux did not get done in 30 min");
        assert_eq!(failure.kind.exit_code(), 19);
        insta::assert_snapshot!(failure.message, @r"
        Flux did not get done in 30 min
        Kustomization flux-system/jellyfin: ReconciliationFailed: Deployment/jellyfin dry-run failed: expected numeric
        ");
        assert_eq!(
            failure.hints,
            [
                "its events say more: `homelab kubectl -- -n flux-system describe kustomization jellyfin`"
            ]
        );
    }
}
