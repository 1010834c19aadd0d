//! The tunnel's token, in the cluster.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{api, there};
use crate::{
    engine::StepContext,
    error::Result,
    plan::edge::{KEY, NAMESPACE, SECRET},
    ports::{Edge, Objects, World},
    secret::Secret,
    stage::Outcome,
};

/// Applies the Secret that the tree's Deployment reads. Its namespace may not be there yet: it is applied
/// with its name alone, so that everything else of it is Flux's.
pub async fn give<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    let tunnel = there(context).await?;
    let token = api(context)?.token(&tunnel.id).await?;
    let cluster = context.run.cluster().await?;
    for object in [namespace(), secret(&token)] {
        context.still_wanted()?;
        cluster.apply(&object).await?;
    }
    Ok(Outcome::Done)
}

fn namespace() -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } })
}

fn secret(token: &Secret) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SECRET,
            "namespace": NAMESPACE,
            "labels": { "app.kubernetes.io/managed-by": "homelab" },
        },
        "type": "Opaque",
        "data": { KEY: STANDARD.encode(token.expose()) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::edge::tunnel_of_secret;

    #[test]
    fn the_secret_is_read_as_it_is_written_and_the_namespace_owns_no_field() {
        let parts = json!({ "a": "account", "t": "the-tunnel", "s": "c2VjcmV0" });
        let token = Secret::new(STANDARD.encode(parts.to_string()));
        assert_eq!(tunnel_of_secret(&secret(&token)), "the-tunnel");
        assert_eq!(namespace()["metadata"], json!({ "name": NAMESPACE }));
    }
}
