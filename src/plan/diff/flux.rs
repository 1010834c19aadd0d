//! The flux and sync stages: the controllers, what they read, and whether they are at its head.

use super::Refusal;
use crate::{
    gitops::{self, repository},
    inventory::{
        Desired,
        desired::{Flux, GitAccess, SecretStore},
    },
    plan::{
        flux::{CONTROLLERS, FluxSight, LOGIN_BY_KEY, LOGIN_BY_TOKEN, NAMESPACE},
        observed::{Observed, Sight},
        step::{Change, Impact, Plan, Step, StepId},
    },
    ports::Checkout,
};

/// Controllers and source; whether any of it changes.
pub(super) fn steps(
    desired: &Desired,
    observed: &Observed,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) -> bool {
    let Some(flux) = &desired.flux else { return false };
    if let Sight::Silent(why) = &observed.flux {
        plan.notes.push(format!("Flux could not be looked at: {why}"));
        return false;
    }
    let seen = observed.flux.seen();
    let before: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
    let mut needs = before.clone();
    let install = install_reasons(seen);
    let connect = connect_reasons(desired, flux, seen);
    let changes = !install.is_empty() || !connect.is_empty();
    if !install.is_empty() {
        let healed = seen.is_some_and(|seen| !seen.controllers.is_empty());
        let impact = if healed { Impact::InPlace } else { Impact::Create };
        needs.push(plan.add(with(Change::InstallFlux, impact, install), &before));
    }
    if !connect.is_empty() {
        let impact = connect_impact(flux, seen);
        plan.add(with(Change::ConnectFlux, impact, connect), &needs);
    }
    match &observed.repository {
        Sight::Seen(checkout) => {
            if changes {
                let held = observed.held.as_deref();
                refusals.extend(repository::refusals(desired, flux, checkout, held));
            }
            plan.notes.extend(outdated(desired, checkout));
        }
        // The preflight ends on it.
        Sight::Silent(_) if changes => {}
        Sight::Silent(why) => plan.notes.push(format!(
            "the repository cannot be read from here, so that what Flux applied is not compared with it: {why}"
        )),
        _ => {}
    }
    changes
}

/// Everything that Git has, once all before it is done: what Flux applies may wait for the tunnel's token.
pub(super) fn sync(desired: &Desired, observed: &Observed, changes: bool, plan: &mut Plan) {
    if desired.flux.is_none() || matches!(observed.flux, Sight::Silent(_)) {
        return;
    }
    // A DNS record holds nothing up in the cluster.
    let outside =
        |change: &Change| matches!(change, Change::PointName { .. } | Change::DropName { .. });
    let needed = plan.steps.iter().filter(|step| !outside(&step.change));
    let needs: Vec<StepId> = needed.map(|step| step.id.clone()).collect();
    let seen = observed.flux.seen();
    let head = observed.repository.seen().map(|checkout| checkout.head.as_str());
    let mut reasons = match seen {
        _ if changes => vec!["what Git has is to be applied".to_owned()],
        Some(seen) => seen.unfinished_texts(head),
        None => Vec::new(),
    };
    reasons.extend(
        seen.into_iter()
            .flat_map(FluxSight::held)
            .map(|held| format!("{}: suspended by a run of ours, to be resumed", held.title())),
    );
    if !reasons.is_empty() {
        plan.add(with(Change::SyncFlux, Impact::Check, reasons), &needs);
    }
}

/// What this run cannot do: whoever may push has to.
fn outdated(desired: &Desired, checkout: &Checkout) -> Option<String> {
    let files = gitops::outdated(desired, checkout);
    (!files.is_empty()).then(|| {
        format!(
            "the repository is not as this inventory is rendered ({}): `homelab gitops update DIR` in a checkout, then \
             commit and push",
            listed(&files, 3)
        )
    })
}

/// The first of them, and how many more there are.
fn listed(files: &[String], most: usize) -> String {
    let shown = files.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match files.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn with(change: Change, impact: Impact, reasons: Vec<String>) -> Step {
    Step { reasons, ..Step::new(change, impact, "") }
}

/// Why the controllers must be installed.
pub fn install_reasons(seen: Option<&FluxSight>) -> Vec<String> {
    let Some(seen) = seen.filter(|seen| !seen.controllers.is_empty()) else {
        return vec!["not there yet".to_owned()];
    };
    let absent = CONTROLLERS.iter().filter(|name| !seen.controllers.contains_key(**name));
    let absent = absent.map(|name| format!("{NAMESPACE}/{name} is not there"));
    let dead = seen.controllers.iter().filter(|(_, available)| !**available);
    absent.chain(dead.map(|(name, _)| format!("{NAMESPACE}/{name} is not available"))).collect()
}

/// Why Flux must be told its repository, or given what opens it and its Secrets.
pub fn connect_reasons(desired: &Desired, flux: &Flux, seen: Option<&FluxSight>) -> Vec<String> {
    let Some(seen) = seen else { return vec!["not there yet".to_owned()] };
    let mut reasons = Vec::new();
    let wanted: &[&str] = match &flux.credentials {
        None => &[],
        Some(GitAccess::DeployKey(_)) => &LOGIN_BY_KEY,
        Some(GitAccess::Token(_)) => &LOGIN_BY_TOKEN,
    };
    let there = seen.login.clone().unwrap_or_default();
    if wanted.iter().any(|name| !there.contains(*name)) {
        reasons.push("the Secret that opens the repository is not there".to_owned());
    }
    let sealed = desired.gitops.as_ref().map(|gitops| &gitops.secrets);
    if matches!(sealed, Some(SecretStore::Sops { .. }))
        && !seen.age.iter().flatten().any(|name| name.ends_with(".agekey"))
    {
        reasons.push("the age key that opens its Secrets is not there".to_owned());
    } else if seen.age_known == Some(false) {
        reasons
            .push("its Secrets are encrypted for another age key than the cluster has".to_owned());
    }
    match &seen.source {
        None => reasons.push("it has no source".to_owned()),
        Some(source) => {
            if (&source.url, &source.branch) != (&flux.url, &flux.branch) {
                reasons.push(format!(
                    "its source is {} on `{}`, wanted {} on `{}`",
                    source.url, source.branch, flux.url, flux.branch
                ));
            }
            let refused = source.object.ready == Some(false)
                && ["authentication", "handshake", "Permission denied"]
                    .iter()
                    .any(|word| source.object.message.contains(word));
            if refused && flux.credentials.is_some() {
                reasons.push(format!("the repository refuses its key: {}", source.object.message));
            }
        }
    }
    match seen.root().map(|root| root.path.as_deref().unwrap_or_default()) {
        None => reasons.push("it applies nothing of it yet".to_owned()),
        Some(path) if path != flux.path => {
            reasons.push(format!("it applies `{path}`, wanted `{}`", flux.path));
        }
        Some(_) => {}
    }
    reasons
}

/// Another source or path: what the new one lacks is pruned.
fn connect_impact(flux: &Flux, seen: Option<&FluxSight>) -> Impact {
    let moved = |seen: &FluxSight| {
        let source = seen
            .source
            .as_ref()
            .is_some_and(|source| (&source.url, &source.branch) != (&flux.url, &flux.branch));
        let root = seen.root().and_then(|root| root.path.as_ref());
        source || root.is_some_and(|path| *path != flux.path)
    };
    match seen {
        Some(seen) if moved(seen) => Impact::DataLoss,
        Some(seen) if seen.source.is_some() => Impact::InPlace,
        _ => Impact::Create,
    }
}

#[cfg(test)]
pub(super) mod tests;
