//! The tunnel's token, in the cluster.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{api, there};
use crate::{
    engine::StepContext,
    error::Result,
    plan::{
        edge::{KEY, NAMESPACE, SECRET, tunnel_of_secret},
        flux::{POD, SECRET as SECRETS},
    },
    ports::{Edge, Objects, Tunnel, World},
    secret::Secret,
    stage::Outcome,
};

/// Applies the Secret that the tree's Deployment reads. Its namespace may not be there yet: it is applied
/// with its name alone, so that everything else of it is Flux's.
pub async fn give<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    let tunnel = there(context).await?;
    let token = api(context)?.token(&tunnel.id).await?;
    let cluster = context.run.cluster().await?;
    withdraw(context, &tunnel).await?;
    for object in [namespace(), secret(&token)] {
        context.still_wanted()?;
        cluster.apply(&object).await?;
    }
    Ok(Outcome::Done)
}

/// A connector reads its token once, when it starts. What has the token of another tunnel is ended here, and its
/// successor waits for the Secret, which is taken away first: killed in between, the next run finds none, and goes on.
async fn withdraw<W: World>(context: &StepContext<W>, tunnel: &Tunnel) -> Result<()> {
    let cluster = context.run.cluster().await?;
    let former = cluster.get(SECRETS, NAMESPACE, SECRET).await?;
    if former.is_some_and(|secret| tunnel_of_secret(&secret) != tunnel.id) {
        context.still_wanted()?;
        cluster.delete(SECRETS, NAMESPACE, SECRET).await?;
    }
    // Who is connected has the right one.
    if tunnel.connections > 0 {
        return Ok(());
    }
    for pod in connectors(&cluster.list(POD, Some(NAMESPACE)).await?) {
        context.still_wanted()?;
        context.output(format!("{pod} is started anew: it was started with another token"));
        cluster.delete(POD, NAMESPACE, pod).await?;
    }
    Ok(())
}

/// The pods that run with a token of our Secret; whoever else is in the namespace is left alone.
fn connectors(pods: &[Value]) -> Vec<&str> {
    let reads = |pod: &&Value| {
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        let mut variables = containers.flat_map(|it| it["env"].as_array().into_iter().flatten());
        variables.any(|it| it["valueFrom"]["secretKeyRef"]["name"] == SECRET)
    };
    let runs = pods.iter().filter(reads).filter(|pod| pod["status"]["phase"] == "Running");
    runs.filter_map(|pod| pod["metadata"]["name"].as_str()).collect()
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

    #[test]
    fn the_secret_is_read_as_it_is_written_and_the_namespace_owns_no_field() {
        let parts = json!({ "a": "account", "t": "the-tunnel", "s": "c2VjcmV0" });
        let token = Secret::new(STANDARD.encode(parts.to_string()));
        assert_eq!(tunnel_of_secret(&secret(&token)), "the-tunnel");
        assert_eq!(namespace()["metadata"], json!({ "name": NAMESPACE }));
    }

    #[test]
    fn only_pods_that_run_with_our_secret_are_started_anew() {
        let pod = |name: &str, phase: &str, secret: &str| {
            let variable = json!({ "valueFrom": { "secretKeyRef": { "name": secret } } });
            json!({
                "metadata": { "name": name },
                "spec": { "containers": [{ "env": [{ "name": "PLAIN", "value": "1" }, variable] }] },
                "status": { "phase": phase },
            })
        };
        let pods = [
            pod("ours", "Running", SECRET),
            // It waits for the Secret, and gets the new one.
            pod("waits", "Pending", SECRET),
            pod("theirs", "Running", "their-token"),
            json!({ "metadata": { "name": "plain" }, "spec": { "containers": [{}] }, "status": { "phase": "Running" } }),
        ];
        assert_eq!(connectors(&pods), ["ours"]);
    }
}
