//! Flux and its repository.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cluster::answered;
use crate::{
    engine::Run,
    error::Result,
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

/// The repository at the head of its branch, with the files that matter here.
pub(super) async fn repository<W: World>(run: &Run<W>) -> Sight<Checkout> {
    let Some(flux) = &run.desired.flux else { return Sight::Unseen };
    match run.repository.read(run.world.git(), flux).await {
        Ok(checkout) => Sight::Seen(checkout),
        Err(failure) => Sight::Silent(failure.to_string()),
    }
}
