//! Emptying a node before it is rebooted, and letting it work again.

use std::time::Duration;

use crate::{
    engine::{Look, StepContext, run::BOOT_LIMIT},
    error::{Effect, Failure, Kind, Result},
    model::NodeName,
    plan::probe::HostProbe,
    ports::{Cluster, KubeNode, World},
    stage::{cluster, longhorn},
};

/// How long disruption budgets and pods that are slow to end are waited for.
const DRAIN_LIMIT: Duration = Duration::from_secs(300);

/// A node that the cluster knows.
pub(super) struct Member {
    cordoned: bool,
}

/// Cordons the node and evicts what runs on it; `None` when it is no node of Kubernetes'.
///
/// # Errors
/// When pods do not leave in time: nothing was rebooted then, and what we cordoned works again.
pub(super) async fn empty<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
) -> Result<Option<Member>> {
    let Ok(cluster) = context.run.cluster().await else { return Ok(None) };
    let nodes = match cluster.nodes().await {
        Ok(nodes) => nodes,
        Err(error) => {
            // What is down cannot be drained, and may need just this reboot.
            context.warn(format!("not drained: {error}"));
            return Ok(None);
        }
    };
    let Some(seen) = nodes.iter().find(|seen| seen.name == node.as_str()) else {
        return Ok(None);
    };
    longhorn::await_copies_elsewhere(context, node).await?;
    if seen.unschedulable && !seen.cordoned_by_us() {
        // A person's doing, and so is what still runs there: it stays so.
        context.output("cordoned by somebody else: not drained, and not uncordoned afterwards");
        return Ok(Some(Member { cordoned: false }));
    }
    if !somewhere_else(&nodes, node) {
        context.warn("no other node could take its pods: they are down while it reboots");
        return Ok(Some(Member { cordoned: seen.cordoned_by_us() }));
    }
    cluster.cordon(node, true).await?;
    let outcome = tokio::select! {
        outcome = cluster.drain(node, DRAIN_LIMIT) => outcome.map_err(Failure::from),
        () = context.run.stop.cancelled() => context.still_wanted().map(|()| Default::default()),
    };
    let failure = match outcome {
        Ok(drained) if drained.refused.is_empty() => {
            for pod in drained.orphans {
                context.warn(format!("{pod}: it is down while the node reboots"));
            }
            return Ok(Some(Member { cordoned: true }));
        }
        Ok(drained) => Failure::new(
            Kind::Kubernetes,
            format!(
                "not rebooted: these did not leave within {} s: {}",
                DRAIN_LIMIT.as_secs(),
                drained.refused.join("; ")
            ),
        )
        .hint("give them room elsewhere or loosen their disruption budget, then run `homelab up` again: what waits for the reboot still waits"),
        Err(failure) => failure,
    };
    // Evicted pods have gone elsewhere; the node itself is as it was.
    cluster.cordon(node, false).await?;
    Err(failure.at(node).effect(Effect::Partial))
}

/// Whether any other node takes pods now.
fn somewhere_else(nodes: &[KubeNode], node: &NodeName) -> bool {
    nodes.iter().any(|other| {
        let closed = other.taints.iter().any(|taint| taint.effect == "NoSchedule");
        other.name != node.as_str() && other.ready && !other.unschedulable && !closed
    })
}

/// Waits until the node is Ready on its new boot, and lets it work again if it was us who stopped that.
///
/// A node on which something of k3s was missing before cannot come up with it: the cluster's step, which comes later,
/// brings it, waits for the node and lets it work again.
pub(super) async fn refill<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    member: &Member,
    before: Option<&HostProbe>,
    boot: &str,
) -> Result<()> {
    let desired = &context.run.desired;
    let missing = before.and_then(|probe| cluster::missing(desired, &desired.nodes[node], probe));
    if let Some(path) = missing {
        context.output(format!("k3s cannot start yet, and is not waited for: {path} is missing"));
        return Ok(());
    }
    context
        .wait_for("the node to be Ready on its new boot", BOOT_LIMIT, || async {
            let look = async {
                let cluster = context.run.cluster().await?;
                Ok::<_, Failure>(match cluster.node(node).await? {
                    None => Look::NotYet("its Node object is gone".into()),
                    Some(seen) if seen.boot_id != boot => {
                        Look::NotYet("kubelet has not reported since".into())
                    }
                    Some(seen) if !seen.ready => {
                        Look::NotYet(seen.not_ready.unwrap_or_else(|| "not Ready".into()))
                    }
                    Some(_) => Look::There(()),
                })
            };
            match look.await {
                Ok(look) => Ok(look),
                Err(failure) => {
                    // It may be the server itself that was rebooted.
                    context.run.forget_host(&context.run.desired.first_server().name).await;
                    Ok(Look::NotYet(failure.message))
                }
            }
        })
        .await?;
    if member.cordoned {
        context.run.cluster().await?.cordon(node, false).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Taint;

    #[test]
    fn pods_go_only_where_a_ready_and_open_node_is() {
        let node = |name: &str| KubeNode { name: name.into(), ready: true, ..KubeNode::default() };
        let me: NodeName = "agent".parse().unwrap();
        assert!(!somewhere_else(&[node("agent")], &me));
        assert!(somewhere_else(&[node("agent"), node("server")], &me));
        let closed = Taint { key: "a".into(), value: None, effect: "NoSchedule".into() };
        for other in [
            KubeNode { ready: false, ..node("server") },
            KubeNode { unschedulable: true, ..node("server") },
            KubeNode { taints: vec![closed], ..node("server") },
        ] {
            assert!(!somewhere_else(&[node("agent"), other.clone()], &me), "{other:?}");
        }
    }
}
