//! What opens the repository and its Secrets, and the repository's own source and entry point.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{checkout, wanted};
use crate::{
    engine::StepContext,
    error::{Failure, Kind, Result},
    gitops::{age_key::AgeKey, repository},
    inventory::desired::{Flux, SecretStore},
    plan::flux::{
        AGE_KEY, AGE_SECRET, GIT_REPOSITORY, KUSTOMIZATION, LOGIN_BY_KEY, LOGIN_BY_TOKEN,
        NAMESPACE, ROOT,
    },
    ports::{Checkout, Clock, Cluster, GitLogin, GitSource, Objects, World},
    stage::Outcome,
};

/// Flux is told to look now when this annotation changes.
pub(in crate::stage) const REQUESTED: &str = "reconcile.fluxcd.io/requestedAt";
/// A Secret that carries it is taken up by Flux at once.
const WATCHED: &str = "reconcile.fluxcd.io/watch";

/// Secrets first: with a source and no key Flux would begin with a failure.
pub async fn connect<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    let flux = wanted(context)?;
    let checkout = checkout(context).await?;
    let cluster = context.run.cluster().await?;
    let source = context.run.repository.source(flux).await?;
    if let Some(secret) = login(source) {
        context.still_wanted()?;
        cluster.apply(&secret).await?;
    }
    if let Some(secret) = age(context)? {
        context.still_wanted()?;
        cluster.apply(&secret).await?;
    }
    hold_apps(context, &cluster, flux, &checkout).await?;
    let text = checkout.files.get(&repository::sync_path(flux)).map_or("", String::as_str);
    for object in repository::objects(text)? {
        context.still_wanted()?;
        cluster.apply(&object).await?;
    }
    // It may wait after failures; it is to look now.
    let now = context.run.world.clock().wall().to_string();
    cluster.annotate(GIT_REPOSITORY, NAMESPACE, ROOT, &[(REQUESTED, &now)]).await?;
    Ok(Outcome::Done)
}

/// The Secret under the names that Flux reads.
fn login(source: &GitSource) -> Option<Value> {
    let hosts = source.known_hosts.join("\n") + "\n";
    let data = match source.access.as_ref()? {
        GitLogin::Key(key) => {
            named(LOGIN_BY_KEY, [&format!("{}\n", key.expose().trim_end()), &hosts])
        }
        // Any name will do beside a token.
        GitLogin::Token(token) => named(LOGIN_BY_TOKEN, ["git", token.expose()]),
    };
    Some(secret(ROOT, data))
}

/// A Secret's data: each value under its name, encoded.
fn named<const COUNT: usize>(names: [&str; COUNT], values: [&str; COUNT]) -> Value {
    let encoded = names
        .iter()
        .zip(values)
        .map(|(name, value)| ((*name).to_owned(), json!(STANDARD.encode(value))));
    Value::Object(encoded.collect())
}

fn secret(name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": { "app.kubernetes.io/managed-by": "homelab", WATCHED: "Enabled" },
        },
        "type": "Opaque",
        "data": data,
    })
}

/// The age key, where the tree's Secrets are encrypted.
fn age<W: World>(context: &StepContext<W>) -> Result<Option<Value>> {
    let sealed = context.run.desired.gitops.as_ref().map(|gitops| &gitops.secrets);
    let Some(SecretStore::Sops { identity, .. }) = sealed else { return Ok(None) };
    let Some(key) = AgeKey::read(identity)? else {
        return Err(Failure::new(
            Kind::Inventory,
            "the age key that opens the repository's Secrets is not there",
        )
        .at(identity)
        .hint("put it back from where you keep it; where it is lost for good, its Secrets have to be written anew: `homelab gitops key` makes a new key (FL-09)"));
    };
    Ok(Some(secret(AGE_SECRET, named([AGE_KEY], [key.for_flux().expose()]))))
}

/// On a new cluster the apps wait for storage: their Kustomizations are there, suspended, before Flux makes
/// them. It does not own the field, so that it leaves it alone.
async fn hold_apps<W: World, C: Cluster>(
    context: &StepContext<W>,
    cluster: &C,
    flux: &Flux,
    checkout: &Checkout,
) -> Result<()> {
    if context.run.desired.longhorn.is_none()
        || cluster.get(KUSTOMIZATION, NAMESPACE, ROOT).await?.is_some()
    {
        return Ok(());
    }
    let Some(text) = checkout.files.get(&repository::apps_path(flux)) else { return Ok(()) };
    let now = context.run.world.clock().wall().to_string();
    for object in repository::held_apps(text, &now)? {
        context.still_wanted()?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if cluster.get(KUSTOMIZATION, NAMESPACE, name).await?.is_none() {
            cluster.apply(&object).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_secret_has_the_names_that_are_looked_for() {
        let source = GitSource {
            url: "ssh://git@git.lan/homelab".into(),
            branch: "main".into(),
            access: Some(GitLogin::Key(Secret::new("KEY"))),
            known_hosts: vec!["git.lan ssh-ed25519 AAAA".into()],
        };
        let secret = login(&source).unwrap();
        let names: Vec<&String> = secret["data"].as_object().unwrap().keys().collect();
        assert_eq!(names, LOGIN_BY_KEY.map(str::to_owned).iter().collect::<Vec<_>>());
        assert_eq!(secret["data"]["identity"], STANDARD.encode("KEY\n"));
    }
}
