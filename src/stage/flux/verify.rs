//! The checks of Flux: controllers, source, and each thing that it applies.

use crate::{
    gitops::outdated,
    inventory::{Desired, desired::Flux},
    plan::{
        Observed,
        diff::install_reasons,
        flux::{FluxSight, Managed, likely_cause, telling},
        observed::Sight,
    },
    ports::Checkout,
    stage::check::{Check, Finding, expect},
};

/// Everything of Flux's that should be so.
pub fn checks(desired: &Desired, observed: &Observed) -> Vec<Check> {
    let Some(flux) = &desired.flux else { return Vec::new() };
    let mut checks = vec![repository(flux, observed)];
    checks.extend(observed.repository.seen().map(|checkout| rendered(desired, checkout)));
    let title = "Flux's controllers are available";
    let next =
        "`homelab up` applies them anew; `homelab kubectl -- -n flux-system get pods` shows why";
    match &observed.flux {
        Sight::Unseen => {
            let why = observed.why_unasked(&desired.first_server().name);
            checks.push(Check::blind("flux/controllers", None, title, why));
        }
        Sight::Silent(why) => {
            let finding = Err((why.clone(), "see the checks of the server".to_owned()));
            checks.push(Check::of("flux/controllers", None, title, finding));
        }
        Sight::Seen(seen) => {
            let reasons = install_reasons(Some(seen));
            let finding = expect(reasons.is_empty(), reasons.join("; "), next);
            checks.push(Check::of("flux/controllers", None, title, finding));
            checks.extend(applied(flux, observed, seen));
        }
    }
    checks
}

fn repository(flux: &Flux, observed: &Observed) -> Check {
    let title = format!("{} can be read", flux.url);
    let finding: Finding = match &observed.repository {
        Sight::Seen(checkout) => Ok(format!("`{}` is at {}", flux.branch, checkout.head)),
        Sight::Silent(why) => Err((why.clone(), unread(why).to_owned())),
        Sight::Unseen => {
            return Check::skipped("flux/repository", None, title, "it was not looked at");
        }
    };
    Check::of("flux/repository", None, title, finding)
}

/// What to try where this computer cannot read the repository, by what Git says.
fn unread(why: &str) -> &'static str {
    let holds = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if holds(&[
        "timed out",
        "Connection refused",
        "No route to host",
        "unreachable",
        "Could not resolve",
        "Couldn't connect",
    ]) {
        "this computer must reach the host and port of `flux.url`: check its network, DNS, firewall and proxy (`HTTPS_PROXY`); \
         Flux reads from the cluster, which its own check tells of"
    } else if holds(&["Host key verification failed", "host key"]) {
        "the host has another key than `flux.known_hosts` says: compare before you change it"
    } else if holds(&["Permission denied", "Authentication failed", "could not read Username"]) {
        "the host does not take the key or token: `homelab gitops deploy-key` says where it belongs"
    } else {
        "see `flux` in the inventory"
    }
}

/// Whoever changes the inventory has the tree rendered anew and pushed: the cluster has it only then.
fn rendered(desired: &Desired, checkout: &Checkout) -> Check {
    let title = "the repository is as this inventory is rendered";
    let files = outdated(desired, checkout);
    if files.is_empty() {
        return Check::of("flux/tree", None, title, Ok(checkout.head.clone()));
    }
    let why = format!(
        "these are not: {}; `homelab gitops update DIR`, then commit and push",
        files.join(", ")
    );
    Check::unattended("flux/tree", None, title, why)
}

fn applied(flux: &Flux, observed: &Observed, seen: &FluxSight) -> Vec<Check> {
    let head = observed.repository.seen().map(|checkout| checkout.head.as_str());
    let mut checks = Vec::new();
    match &seen.source {
        Some(source) => checks.push(done("flux/source", seen, &source.object, head)),
        None => checks.push(Check::of(
            "flux/source",
            None,
            format!("Flux reads {}", flux.url),
            Err(("it has no source".to_owned(), "`homelab up` makes it".to_owned())),
        )),
    }
    // While the source is behind, it alone is to blame: the others are at what it has.
    let fetched = seen.source.as_ref().and_then(|source| source.object.commit.as_deref());
    let head = head.and(fetched.or(head));
    let kustomizations = seen.kustomizations.iter();
    checks.extend(kustomizations.map(|one| done("flux/kustomization", seen, one, head)));
    checks.extend(seen.releases.iter().map(|one| done("flux/release", seen, one, None)));
    checks
}

fn done(id: &'static str, seen: &FluxSight, one: &Managed, head: Option<&str>) -> Check {
    let title = format!("{} is done", one.title());
    if one.is_held_by_others() {
        let resume = kubectl(
            &one.namespace,
            &format!(
                "patch {} {} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'",
                one.kind.to_lowercase(),
                one.name
            ),
        );
        let why =
            format!("a person suspended it, and Flux leaves it as it is: {resume} resumes it");
        return Check::unattended(id, None, title, why);
    }
    let waits_for = seen.waits_for(one, head);
    if !one.suspended && !waits_for.is_empty() {
        let titles: Vec<_> = waits_for.into_iter().map(Managed::title).collect();
        return Check::skipped(id, None, title, format!("it waits for {}", titles.join(", ")));
    }
    let finding = match one.lacks(head) {
        _ if one.suspended => {
            Err(("a run of ours suspended it".to_owned(), "`homelab up` resumes it".to_owned()))
        }
        None => Ok(one.commit.clone().unwrap_or_else(|| one.reason.clone())),
        Some(why) => {
            let next = likely_cause(one, &why);
            Err((telling(&why), next))
        }
    };
    Check::of(id, None, title, finding)
}

/// What a person types to see or do more.
fn kubectl(namespace: &str, words: &str) -> String {
    format!("`homelab kubectl -- -n {namespace} {words}`")
}

#[cfg(test)]
mod tests;
