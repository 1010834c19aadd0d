//! Emptying a node by evictions, which disruption budgets may refuse.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{EvictParams, ListParams},
};
use tokio::time::Instant;

use super::{cluster::KubeCluster, failure::code};
use crate::{
    model::NodeName,
    ports::{ClusterError, Drained},
};

/// Between two looks; doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What becomes of a pod when its node is drained.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It belongs to the node, or has ended.
    Stays,
    /// Something will make it anew elsewhere.
    Evicted,
    /// Nothing would make it anew.
    Orphan,
}

/// Evicts until nothing is left to be evicted, or time is up.
pub(super) async fn drain(
    cluster: &KubeCluster,
    client: &Client,
    node: &NodeName,
    timeout: Duration,
) -> Result<Drained, ClusterError> {
    let deadline = Instant::now() + timeout;
    let pods: Api<Pod> = Api::all(client.clone());
    let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let mut pause = FIRST_PAUSE;
    loop {
        let listed = cluster.reads("list pods").run(pods.list(&here)).await?;
        let (mut left, mut orphans) = (BTreeMap::new(), Vec::new());
        for pod in listed.items {
            let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
            match fate(&pod) {
                Fate::Stays => {}
                Fate::Orphan => {
                    orphans.push(format!("{name}: nothing would make it anew elsewhere"));
                }
                Fate::Evicted => {
                    if let Some(reason) = evict(cluster, client, &pod, &name).await? {
                        left.insert(name, reason);
                    }
                }
            }
        }
        let refused: Vec<String> =
            left.into_iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        let now = Instant::now();
        if refused.is_empty() || now >= deadline {
            return Ok(Drained { refused, orphans });
        }
        tokio::time::sleep(pause.min(deadline - now)).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// `None` when the pod is gone.
async fn evict(
    cluster: &KubeCluster,
    client: &Client,
    pod: &Pod,
    name: &str,
) -> Result<Option<String>, ClusterError> {
    const ENDING: &str = "it is still ending";
    if pod.metadata.deletion_timestamp.is_some() {
        return Ok(Some(ENDING.into()));
    }
    let pods: Api<Pod> =
        Api::namespaced(client.clone(), pod.namespace().as_deref().unwrap_or("default"));
    let call = format!("evict pod {name}");
    let (pod_name, parameters) = (pod.name_any(), EvictParams::default());
    let evicting = async {
        match pods.evict(&pod_name, &parameters).await {
            Ok(_) => Ok(Some(ENDING.to_owned())),
            Err(error) if code(&error) == Some(404) => Ok(None),
            // 429 is a disruption budget that allows none now; others of its kind may pass as well.
            Err(kube::Error::Api(status)) => Ok(Some(status.message.clone())),
            Err(error) => Err(error),
        }
    };
    cluster.changes(&call).run(evicting).await
}

pub(super) fn fate(pod: &Pod) -> Fate {
    let ended = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .is_some_and(|phase| matches!(phase, "Succeeded" | "Failed"));
    let controller = pod.owner_references().iter().find(|owner| owner.controller == Some(true));
    match controller {
        _ if ended || pod.annotations().contains_key(MIRROR) => Fate::Stays,
        Some(owner) if owner.kind == "DaemonSet" => Fate::Stays,
        Some(_) => Fate::Evicted,
        None => Fate::Orphan,
    }
}
