//! Every check of `homelab verify`, and the two steps that run them.

use std::sync::Arc;

use futures::{StreamExt, stream};

use super::{
    Outcome, access, backup,
    check::{Check, CheckState, expect},
    edge, flux, longhorn, network, outside, room, systems, tailnet,
};
use crate::{
    engine::{Run, StepContext},
    error::{Kind, Result},
    model::NodeName,
    observe::{self, Depth},
    plan::{
        Observed,
        observed::{MachineSight, Sight},
        systems::SystemsSight,
    },
    ports::{Clock, PowerState, World},
};

/// All checks of the cluster as it stands; packets are sent.
pub async fn all<W: World>(run: &Arc<Run<W>>) -> Result<Vec<Check>> {
    let observed = observe::observe(run, Depth::All).await?;
    let objects = backup::wanted(&run.desired, &observed);
    let (systems, packets, ways, buckets) = futures::join!(
        systems_of(run, &observed),
        send_packets(run, &observed),
        Box::pin(outside::checks(run, &observed)),
        Box::pin(observe::buckets(run, &objects))
    );
    let now = run.world.clock().wall();
    let mut checks = standing(run, &observed);
    checks.extend(longhorn::checks(&run.desired, &observed, &buckets, now));
    checks.extend(tables(run, &observed));
    checks.extend(backup::snapshot_checks(&run.desired, &observed, &buckets, now));
    checks.extend(backup::bucket_checks(&buckets));
    checks.extend(systems::checks(&run.desired, &observed, &systems, now));
    checks.extend(packets);
    checks.extend(ways);
    Ok(each_once(checks))
}

/// What two families of checks both look at is told once.
fn each_once(checks: Vec<Check>) -> Vec<Check> {
    let mut told = std::collections::HashSet::new();
    let key = |check: &Check| (check.id, check.node.clone(), check.title.clone());
    checks.into_iter().filter(|check| told.insert(key(check))).collect()
}

/// The network stage: what stands in the tables of every node, and packets between all of them.
pub async fn check_network<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    settled(context, |run| async move {
        let observed = observe::observe(&run, Depth::All).await?;
        let mut checks = tables(&run, &observed);
        // Who saw nothing of the cluster has not checked it.
        if let Err(why) = known(&observed, &run.desired.first_server().name)
            && !checks.iter().any(Check::has_failed)
        {
            let next = "`homelab verify` shows what does not answer";
            let title = "the cluster tells its nodes";
            checks.push(Check::of("cluster/node", None, title, Err((why, next.to_owned()))));
        }
        if !checks.iter().any(Check::has_failed) {
            checks.extend(send_packets(&run, &observed).await);
        }
        Ok(checks)
    })
    .await
}

/// The verify stage.
pub async fn after_change<W: World>(context: &StepContext<W>) -> Result<Outcome> {
    settled(context, |run| async move { all(&run).await }).await
}

/// Repeats checks until they pass: what was just made may still be settling.
async fn settled<W, F, Fut>(context: &StepContext<W>, checks: F) -> Result<Outcome>
where
    W: World,
    F: Fn(Arc<Run<W>>) -> Fut,
    Fut: Future<Output = Result<Vec<Check>>>,
{
    let limit = std::time::Duration::from_secs(180);
    context
        .wait_for("every check to pass", limit, || async {
            let checks = checks(context.run.clone()).await?;
            let failed = failures(&checks);
            Ok(if failed.is_empty() {
                crate::engine::Look::There(())
            } else {
                crate::engine::Look::NotYet(in_short(&failed))
            })
        })
        .await
        .map_err(|failure| {
            let next = "`homelab verify` shows each check, and what to do where it fails";
            failure.told_as(Kind::Checks, next.to_owned())
        })?;
    Ok(Outcome::Done)
}

/// The first of them: with the network down there are as many as pairs of nodes.
fn in_short(failed: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = failed.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    match failed.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

fn failures(checks: &[Check]) -> Vec<String> {
    checks
        .iter()
        .filter_map(|check| match &check.state {
            CheckState::Failed { cause, .. } => {
                let node = check.node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default();
                Some(format!("{node}{}: {cause}", check.title))
            }
            _ => None,
        })
        .collect()
}

/// What needs no packet: machines, their contact, and their place in the tailnet.
fn standing<W: World>(run: &Run<W>, observed: &Observed) -> Vec<Check> {
    let mut checks = Vec::new();
    for node in run.desired.nodes.values() {
        let name = node.name.clone();
        let sight = observed.machines.get(&node.name);
        let (runs, cause, next) = match (sight, observed.stray_of(&node.name)) {
            (Some(MachineSight::Ours(machine)), _) if machine.power == PowerState::Running => {
                (true, String::new(), "")
            }
            (Some(MachineSight::Ours(_)), _) => {
                (false, "it is stopped".into(), "`homelab up` starts it")
            }
            (_, Some(elsewhere)) => {
                (false, format!("it is {}", elsewhere.place()), "`homelab plan` tells the way out")
            }
            (Some(MachineSight::Foreign(stranger)), _) => {
                (false, format!("its VMID is taken by {stranger}"), "give the node another `vmid`")
            }
            _ => (false, "there is no VM of ours".into(), "`homelab up` makes it"),
        };
        let title = format!("VM {} is ours and runs", node.vmid);
        checks.push(Check::of("machine/runs", name.clone(), title, expect(runs, cause, next)));
        let title = "SSH answers with the known host key";
        match observed.hosts.get(&node.name) {
            Some(Sight::Seen(probe)) => {
                checks.push(Check::of(
                    "machine/ssh",
                    name,
                    title,
                    Ok("answers with the known host key".into()),
                ));
                let recorded = observed.addresses.get(&node.name).copied();
                checks.extend(tailnet::checks(&run.desired, node, probe, recorded));
                checks.push(access::check(&run.desired, &node.name, probe));
                checks.push(room::check(&node.name, probe));
                checks.extend(longhorn::check(&run.desired, node, probe));
            }
            Some(Sight::Silent(why)) => checks.push(Check::of(
                "machine/ssh",
                name,
                title,
                Err((why.clone(), "the guest's console is in Proxmox's web interface".into())),
            )),
            _ => checks.push(Check::skipped("machine/ssh", name, title, "it does not run")),
        }
    }
    checks.extend(flux::checks(&run.desired, observed));
    checks.extend(edge::checks(&run.desired, observed));
    checks
}

fn probes(observed: &Observed) -> network::Probes<'_> {
    observed.hosts.iter().filter_map(|(node, sight)| Some((node.clone(), sight.seen()?))).collect()
}

fn kube(observed: &Observed) -> &[crate::ports::KubeNode] {
    observed.kube.seen().map(Vec::as_slice).unwrap_or_default()
}

/// The nodes that Kubernetes told of, or why it did not.
fn known<'a>(
    observed: &'a Observed,
    server: &NodeName,
) -> Result<&'a [crate::ports::KubeNode], String> {
    match &observed.kube {
        Sight::Seen(nodes) => Ok(nodes),
        Sight::Silent(why) => Err(format!("the Kubernetes API on {server} does not answer: {why}")),
        Sight::Unseen => Err(observed.why_unasked(server)),
    }
}

fn tables<W: World>(run: &Run<W>, observed: &Observed) -> Vec<Check> {
    let known = known(observed, &run.desired.first_server().name);
    let known = known.as_ref().map(|nodes| *nodes).map_err(String::as_str);
    network::evaluate(&run.desired, &probes(observed), known)
}

/// What runs on the cluster, where Kubernetes answers.
async fn systems_of<W: World>(run: &Arc<Run<W>>, observed: &Observed) -> Sight<SystemsSight> {
    match &observed.kube {
        Sight::Seen(_) => Box::pin(observe::systems(run)).await,
        // The checks of its nodes tell it.
        Sight::Unseen | Sight::Silent(_) => Sight::Unseen,
    }
}

/// More nodes that send at once would hold each other up, and all that they send lies in memory here.
const SENDING_AT_ONCE: usize = 32;

/// Packets of the planned size and TCP between the nodes, DNS from each.
async fn send_packets<W: World>(run: &Arc<Run<W>>, observed: &Observed) -> Vec<Check> {
    let probes = probes(observed);
    let looks = probes.keys().map(|node| async {
        match run.host(node).await {
            Ok(host) => network::send(&host, &run.desired, node, &probes, kube(observed)).await,
            Err(failure) => vec![Check::of(
                "network/packets",
                node.clone(),
                "packets can be sent from it",
                Err((
                    failure.to_string(),
                    "`homelab status` shows which node does not answer".into(),
                )),
            )],
        }
    });
    let looks: Vec<_> = looks.collect();
    let checks: Vec<Vec<Check>> = stream::iter(looks).buffered(SENDING_AT_ONCE).collect().await;
    checks.into_iter().flatten().collect()
}
