//! What usually lies behind a message of Flux, and what to try. Pure.

use super::{AGE_SECRET, GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION, Managed};

/// The next thing to try, for an object that is not done.
pub fn likely_cause(one: &Managed, why: &str) -> String {
    let holds = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if let Some(controller) = controller(&one.kind).filter(|_| holds(&["no space left on device"]))
    {
        return format!(
            "the disk is full of the node on which {controller} runs: `homelab kubectl -- -n flux-system get pods -o wide -l \
             app={controller}` names the node, `homelab verify` says how full it is; a larger `disk` in the inventory grows \
             it in place"
        );
    }
    let known = if holds(&[
        "authentication required",
        "handshake failed",
        "Permission denied",
        "access denied",
    ]) {
        "the repository does not take the key: register it there, then `homelab up` (FL-02)"
    } else if holds(&["no matches for kind"]) {
        "what brings that kind is not ready yet: look at the HelmReleases (FL-07)"
    } else if holds(&[&format!("\"{AGE_SECRET}\" not found"), &format!("{AGE_SECRET}' not found")])
    {
        "the cluster has no age key: `homelab up` puts it there (FL-09)"
    } else if holds(&["sops", "age:", "decrypt"]) {
        "the age key in the cluster does not open the Secrets: commit and push what `homelab gitops rotate` wrote, or put \
         the older key back where `homelab gitops key` says; then `homelab up` (FL-09)"
    } else if holds(&["dependency"]) {
        "it waits for another: look at that one"
    } else if holds(&["path not found", "no such file or directory"]) {
        "the branch lacks that folder: `homelab gitops diff DIR` (FL-10)"
    } else if one.kind == HELM_RELEASE.kind && holds(&["retries exhausted", "RetriesExceeded"]) {
        return format!(
            "it has given up (FL-12): once its cause is mended, `homelab kubectl -- -n {} annotate helmrelease {} --overwrite \
             reconcile.fluxcd.io/requestedAt=$(date +%s) reconcile.fluxcd.io/resetAt=$(date +%s)`",
            one.namespace, one.name
        );
    } else if one.ready.is_none() || holds(&["Progressing", "it is at "]) {
        "Flux is at it: `homelab up` waits for it"
    } else if holds(&["knownhosts", "host key"]) {
        "the Git host has another host key: `flux.known_hosts`"
    } else if holds(&["no such host", "i/o timeout", "connection refused"]) {
        "the Git host or the chart's is not reached from the cluster: DNS, firewall"
    } else {
        return format!(
            "its events say more: `homelab kubectl -- -n {} describe {} {}`",
            one.namespace,
            one.kind.to_lowercase(),
            one.name
        );
    };
    known.to_owned()
}

/// Who does the work for objects of a kind.
fn controller(kind: &str) -> Option<&'static str> {
    match kind {
        kind if kind == KUSTOMIZATION.kind => Some("kustomize-controller"),
        kind if kind == HELM_RELEASE.kind => Some("helm-controller"),
        kind if kind == GIT_REPOSITORY.kind => Some("source-controller"),
        _ => None,
    }
}
