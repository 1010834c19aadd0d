//! The cluster stage as steps: what is looked at before k3s is set up, and when a node counts as there.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    Outcome,
    cluster::{self, K3sProgress, diagnose},
    deliver::send,
    overlay, remove,
};
use crate::{
    engine::{Look, StepContext},
    error::{Failure, Kind, Result},
    inventory::desired::{Node, Role},
    model::NodeName,
    plan::probe::HostProbe,
    ports::{Cluster, HostOf, World},
};

/// How long one look at a starting k3s takes at most, so that a person hears of it.
const LOOK: Duration = Duration::from_secs(3);
/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(300);

/// k3s as a server or an agent.
pub(super) async fn install_k3s<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
) -> Result<Outcome> {
    let run = &context.run;
    let desired = &run.desired;
    let wanted = &desired.nodes[node];
    let host = run.host(node).await?;
    let probe = run.probe(node).await?;
    if let Some((message, hint)) = cluster::immutable_change(desired, wanted, &probe, None) {
        return Err(Failure::new(Kind::Refused, message).at(node).hint(hint));
    }
    for (wanted, remote, mode) in cluster::artifacts(desired) {
        send(context, &host, &probe, wanted, remote, mode).await?;
    }
    let first = desired.first_server().name.clone();
    let membership = if *node == first {
        None
    } else {
        let server = run.host(&first).await?;
        let address = run.probe(&first).await?.tailnet_ipv4().ok_or_else(|| {
            Failure::new(Kind::Tailnet, "the server has no tailnet address").at(&first)
        })?;
        clear_stale_node(context, node, &probe).await?;
        Some(cluster::membership(&server, wanted.role, address).await?)
    };
    let restart = announced_wrongly(context, wanted, &probe).await;
    let restart = restart.as_deref();
    let key = match wanted.role {
        Role::Server => cluster::datastore::key(desired).await?,
        Role::Agent => None,
    };
    let membership = membership.as_ref();
    cluster::install(&host, desired, wanted, &probe, membership, key.as_ref(), restart).await?;
    follow(context, &host, wanted).await?;
    if desired.tailnet.guard {
        overlay::install_guard(&host, desired, wanted).await?;
    }
    ready(context, node).await?;
    let cluster = run.cluster().await?;
    let seen = cluster.node(node).await?;
    if !cluster::label_reasons(wanted, seen.as_ref()).is_empty() {
        label(context, node).await?;
    }
    Ok(Outcome::Done)
}

/// Until k3s is ready, which takes an agent as long as its server is far away. What can't heal ends the wait at once, with
/// its meaning.
async fn follow<W: World>(context: &StepContext<W>, host: &HostOf<W>, node: &Node) -> Result<()> {
    let last = Mutex::new(K3sProgress::default());
    let unit = cluster::unit_name(node.role);
    let waited = context
        .wait_for(&format!("{unit} to be ready"), START_LIMIT, || async {
            let seen = context.unless_stopped(cluster::progress(host, node.role, LOOK)).await?;
            if seen.ready {
                return Ok(Look::There(()));
            }
            if let Some(known) = diagnose(&seen.journal).filter(|known| known.is_final) {
                return Err(known.failure(node));
            }
            let words = seen.words(node.role);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = seen;
            Ok(Look::NotYet(words))
        })
        .await;
    waited.map_err(|failure| match failure.kind {
        Kind::Deadline => {
            let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
            cluster::never_ready(node, &last)
        }
        _ => failure,
    })
}

/// What a k3s that runs announces wrongly until it starts anew.
async fn announced_wrongly<W: World>(
    context: &StepContext<W>,
    node: &Node,
    probe: &HostProbe,
) -> Option<String> {
    if !cluster::is_running(probe) {
        return None;
    }
    // Where the API does not answer, the wait for the node tells of it.
    let seen = context.run.cluster().await.ok()?.node(&node.name).await.ok()?;
    cluster::announced_wrongly(&context.run.desired, node, probe, seen.as_ref())
}

/// The Node object and node password of a former self, whose disk is gone (K3S-04).
async fn clear_stale_node<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    probe: &HostProbe,
) -> Result<()> {
    let seen = context.run.cluster().await?.node(node).await?;
    if cluster::has_stale_node(probe, seen.as_ref()) {
        context.output("removing the Node object and node password of its former self");
        remove::kubernetes_node(context, node).await?;
    }
    Ok(())
}

/// Ready, at the address and VTEP planned.
async fn ready<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<()> {
    let run = &context.run;
    let wanted = &run.desired.nodes[node];
    context
        .wait_for("the node to be Ready with its VTEP", Duration::from_secs(300), || async {
            let look = async {
                let probe = run.probe(node).await?;
                let seen = run.cluster().await?.node(node).await?;
                let Some(seen) = seen else { return Ok(vec!["it has not joined yet".into()]) };
                Ok::<_, Failure>(cluster::install_reasons(
                    &run.desired,
                    wanted,
                    &probe,
                    Some(&seen),
                ))
            };
            match look.await {
                Ok(reasons) if reasons.is_empty() => Ok(Look::There(())),
                Ok(reasons) => Ok(Look::NotYet(reasons.join("; "))),
                Err(failure) if failure.kind == Kind::Refused => Err(failure),
                Err(failure) => {
                    // The API server may be starting; a tunnel that it closed is of no use.
                    run.forget_host(&run.desired.first_server().name).await;
                    Ok(Look::NotYet(match said(context, wanted).await? {
                        Some(words) => format!("{words}; {}", failure.message),
                        None => failure.to_string(),
                    }))
                }
            }
        })
        .await
        .map_err(|failure| {
            let unit = cluster::unit_name(wanted.role);
            let next = format!(
                "`homelab ssh {node} -- sudo journalctl -u {unit}` tells more; a node that stays broken is made anew by `homelab destroy --node {node}` and `homelab up`"
            );
            failure.told_as(Kind::Kubernetes, next)
        })
}

/// What a k3s that is not ready says of itself; `None` where it is, or cannot be asked.
///
/// # Errors
/// What waiting does not help.
async fn said<W: World>(context: &StepContext<W>, node: &Node) -> Result<Option<String>> {
    let Ok(host) = context.run.host(&node.name).await else { return Ok(None) };
    let look = cluster::progress(&host, node.role, Duration::from_secs(1));
    let Ok(seen) = context.unless_stopped(look).await else {
        return Ok(None);
    };
    if seen.ready {
        return Ok(None);
    }
    match diagnose(&seen.journal).filter(|diagnosis| diagnosis.is_final) {
        Some(diagnosis) => Err(diagnosis.failure(node)),
        None => Ok(Some(seen.words(node.role))),
    }
}

/// Labels and taints that changed after the node joined.
pub(super) async fn label<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Outcome> {
    let wanted = &context.run.desired.nodes[node];
    let cluster = context.run.cluster().await?;
    cluster.label_node(node, &wanted.labels, &wanted.taints).await?;
    // Nobody of us drains it now: that step, where there is one, comes before this.
    if cluster.node(node).await?.is_some_and(|seen| seen.cordoned_by_us()) {
        cluster.cordon(node, false).await?;
    }
    Ok(Outcome::Done)
}
