//! Pinned artifacts on their way to a node: fetched by the node itself where it can, pushed otherwise.

use std::time::Duration;

use camino::Utf8Path;
use serde_json::json;

use super::run::run;
use crate::{
    error::{Effect, Failure, Kind, Result},
    inventory::desired::Artifact,
    ports::{Host, RemoteFile},
    script::Script,
    template,
};

/// How an artifact came to be on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Present,
    Fetched,
    Pushed,
}

/// Where the node keeps it until it is installed.
pub(crate) fn cached_path(artifact: &Artifact) -> String {
    format!("/var/cache/homelab/{}", artifact.sha256)
}

pub(crate) fn fetch_script(artifact: &Artifact) -> Result<Script> {
    let context = json!({ "sha256": artifact.sha256, "url": artifact.url });
    Ok(template::script("fetch-artifact.sh", context)?.timeout(Duration::from_secs(900)))
}

/// Has the node fetch an artifact; `None` when it cannot reach the place that it comes from.
pub async fn fetch(host: &impl Host, artifact: &Artifact) -> Result<Option<Delivery>> {
    match run(host, &fetch_script(artifact)?).await?.trim() {
        "present" => Ok(Some(Delivery::Present)),
        "fetched" => Ok(Some(Delivery::Fetched)),
        _ => Ok(None),
    }
}

/// Brings an artifact to a node; `local` is our own copy of it, pushed when the node cannot fetch it.
pub async fn deliver(
    host: &impl Host,
    artifact: &Artifact,
    local: Option<&Utf8Path>,
) -> Result<Delivery> {
    if let Some(delivery) = fetch(host, artifact).await? {
        return Ok(delivery);
    }
    let Some(local) = local else {
        return Err(Failure::new(
            Kind::Unreachable,
            format!("cannot fetch {} and there is no local copy of it to push", artifact.url),
        )
        .at(host.node())
        .effect(Effect::None)
        .hint("give the node a way to the URL, or put a mirror into the inventory"));
    };
    push(host, artifact, local).await?;
    Ok(Delivery::Pushed)
}

/// Pushes our own copy of an artifact to a node.
pub async fn push(host: &impl Host, artifact: &Artifact, local: &Utf8Path) -> Result<()> {
    let file = RemoteFile {
        local: local.to_owned(),
        remote: cached_path(artifact),
        mode: 0o600,
        sha256: artifact.sha256.clone(),
    };
    host.write(&file).await.map_err(Failure::from)
}
