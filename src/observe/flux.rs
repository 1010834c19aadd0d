//! Flux and its repository.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use zeroize::Zeroizing;

use super::cluster::answered;
use crate::{
    engine::Run,
    error::Result,
    gitops::age_key::AgeKey,
    inventory::desired::SecretStore,
    plan::{
        flux::{
            AGE_SECRET, DEPLOYMENT, FluxSight, GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION,
            Managed, NAMESPACE, ROOT, SECRET, is_available, source,
        },
        observed::Sight,
    },
    ports::{Checkout, Objects, World},
};

/// What the cluster shows: six requests at once, where it is to have Flux.
pub async fn flux<W: World>(run: &Run<W>) -> Sight<FluxSight> {
    if run.desired.flux.is_none() {
        return Sight::Unseen;
    }
    answered(run, look(run)).await
}

async fn look<W: World>(run: &Run<W>) -> Result<FluxSight> {
    let cluster = run.cluster().await?;
    let (deployments, login, age, repository, kustomizations, releases) = futures::try_join!(
        cluster.list(DEPLOYMENT, Some(NAMESPACE)),
        cluster.get(SECRET, NAMESPACE, ROOT),
        cluster.get(SECRET, NAMESPACE, AGE_SECRET),
        cluster.get(GIT_REPOSITORY, NAMESPACE, ROOT),
        cluster.list(KUSTOMIZATION, None),
        cluster.list(HELM_RELEASE, None),
    )?;
    let controllers = deployments.iter().filter_map(|deployment| {
        let name = deployment["metadata"]["name"].as_str()?;
        name.ends_with("-controller").then(|| (name.to_owned(), is_available(deployment)))
    });
    Ok(FluxSight {
        controllers: controllers.collect(),
        login: login.as_ref().map(keys),
        age: age.as_ref().map(keys),
        age_known: age.as_ref().and_then(|secret| has_our_age_key(run, secret)),
        source: repository.as_ref().map(source),
        kustomizations: kustomizations.iter().map(Managed::read).collect(),
        releases: releases.iter().map(Managed::read).collect(),
    })
}

/// What a Secret holds: the names alone.
fn keys(secret: &Value) -> BTreeSet<String> {
    let data = secret["data"].as_object();
    data.into_iter().flat_map(|data| data.keys().cloned()).collect()
}

/// After `homelab gitops rotate` it has not, until it is given the new one. Somebody whose file is older than the
/// cluster's finds his among the retired ones there.
fn has_our_age_key<W: World>(run: &Run<W>, secret: &Value) -> Option<bool> {
    let gitops = run.desired.gitops.as_ref()?;
    let SecretStore::Sops { identity, .. } = &gitops.secrets else { return None };
    // A file that can't be read is told where it is needed.
    let ours = AgeKey::read(identity).ok().flatten()?;
    Some(opens_for(secret, &ours.recipient().to_string()))
}

/// Whether one of a Secret's keys opens what is encrypted for `recipient`. The keys themselves go nowhere.
fn opens_for(secret: &Value, recipient: &str) -> bool {
    let data = secret["data"].as_object().into_iter().flat_map(|data| data.values());
    let texts = data.filter_map(|value| {
        let bytes = STANDARD.decode(value.as_str()?).ok()?;
        AgeKey::parse(Zeroizing::new(String::from_utf8(bytes).ok()?)).ok()
    });
    texts
        .flat_map(|key| key.identities().to_vec())
        .any(|identity| identity.to_public().to_string() == recipient)
}

/// The repository at the head of its branch, with the files that matter here.
pub(super) async fn repository<W: World>(run: &Run<W>) -> Sight<Checkout> {
    let Some(flux) = &run.desired.flux else { return Sight::Unseen };
    match run.repository.read(run.world.git(), flux).await {
        Ok(checkout) => Sight::Seen(checkout),
        Err(failure) => Sight::Silent(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cluster_opens_what_is_encrypted_for_a_key_in_use_or_a_retired_one() {
        let now = "2026-11-28T00:00:00Z".parse().unwrap();
        let (old, new, other) =
            (AgeKey::generate(now), AgeKey::generate(now), AgeKey::generate(now));
        let [old_name, new_name, other_name] =
            [&old, &new, &other].map(|key| key.recipient().to_string());
        let rotated = new.before(&old);
        let secret = |key: &AgeKey| json!({ "data": { "age.agekey": STANDARD.encode(key.for_flux().expose()) } });
        assert!(opens_for(&secret(&rotated), &new_name) && opens_for(&secret(&rotated), &old_name));
        assert!(!opens_for(&secret(&old), &new_name) && !opens_for(&secret(&rotated), &other_name));
        assert!(!opens_for(&json!({ "data": { "age.agekey": "bm8ga2V5" } }), &new_name));
    }
}
