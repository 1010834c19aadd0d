//! An open cluster.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::{Node, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{drain, failure::Call, labels, node};
use crate::{
    model::NodeName,
    ports::{CORDONED, Cluster, ClusterError, Drained, KubeNode, Taint},
};

/// Under this name the API server remembers which fields are ours.
pub(super) const FIELD_MANAGER: &str = "homelab";

/// Before a read is sent once more.
const PAUSE: Duration = Duration::from_millis(200);

/// The Kubernetes API through one server.
#[derive(Clone)]
pub struct KubeCluster {
    client: Client,
    server: NodeName,
}

impl KubeCluster {
    pub(super) fn new(client: Client, server: NodeName) -> Self {
        Self { client, server }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    fn nodes_api(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    pub(super) fn reads<'a>(&'a self, name: &'a str) -> Call<'a> {
        Call { server: &self.server, name, changes: false }
    }

    pub(super) fn changes<'a>(&'a self, name: &'a str) -> Call<'a> {
        Call { server: &self.server, name, changes: true }
    }
}

/// A read whose answer did not come, or that met a bad moment of the API server's, is sent once more.
async fn again_if_lost<T, F: Future<Output = Result<T, ClusterError>>>(
    read: impl Fn() -> F,
) -> Result<T, ClusterError> {
    match read().await {
        Err(ClusterError::Unreachable { .. } | ClusterError::Refused { status: 500.., .. }) => {
            tokio::time::sleep(PAUSE).await;
            read().await
        }
        outcome => outcome,
    }
}

impl std::fmt::Debug for KubeCluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KubeCluster(through {})", self.server)
    }
}

impl Cluster for KubeCluster {
    async fn version(&self) -> Result<String, ClusterError> {
        let info = self.reads("read the version").run(self.client.apiserver_version()).await?;
        Ok(info.git_version)
    }

    async fn nodes(&self) -> Result<Vec<KubeNode>, ClusterError> {
        let nodes = self.nodes_api();
        let parameters = ListParams::default();
        let listed =
            again_if_lost(|| self.reads("list nodes").run(nodes.list(&parameters))).await?;
        Ok(listed.items.into_iter().map(node::read).collect())
    }

    async fn node(&self, node: &NodeName) -> Result<Option<KubeNode>, ClusterError> {
        let (nodes, name) = (self.nodes_api(), format!("read node {node}"));
        let found = again_if_lost(|| self.reads(&name).run(nodes.get_opt(node.as_str()))).await?;
        Ok(found.map(node::read))
    }

    async fn delete_node(&self, node: &NodeName) -> Result<(), ClusterError> {
        let (nodes, name) = (self.nodes_api(), format!("delete node {node}"));
        let parameters = DeleteParams::default();
        let deleting = nodes.delete(node.as_str(), &parameters);
        self.changes(&name).run_opt(deleting).await.map(drop)
    }

    async fn delete_node_password(&self, node: &NodeName) -> Result<(), ClusterError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "kube-system");
        // k3s's own name for it (pkg/nodepassword).
        let secret = format!("{node}.node-password.k3s");
        let name = format!("delete secret kube-system/{secret}");
        let parameters = DeleteParams::default();
        let deleting = secrets.delete(&secret, &parameters);
        self.changes(&name).run_opt(deleting).await.map(drop)
    }

    async fn cordon(&self, node: &NodeName, unschedulable: bool) -> Result<(), ClusterError> {
        let nodes = self.nodes_api();
        let verb = if unschedulable { "cordon" } else { "uncordon" };
        let name = format!("{verb} node {node}");
        // A merge, not an apply: people and `kubectl` set this field too, and the last one counts.
        let patch = Patch::Merge(json!({
            "metadata": { "annotations": { CORDONED: unschedulable.then_some("true") } },
            "spec": { "unschedulable": unschedulable.then_some(true) },
        }));
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patching = nodes.patch(node.as_str(), &parameters, &patch);
        self.changes(&name).run(patching).await.map(drop)
    }

    async fn drain(&self, node: &NodeName, timeout: Duration) -> Result<Drained, ClusterError> {
        drain::drain(self, &self.client, node, timeout).await
    }

    async fn label_node(
        &self,
        node: &NodeName,
        labels: &BTreeMap<String, String>,
        taints: &[Taint],
    ) -> Result<(), ClusterError> {
        labels::set(self, &self.nodes_api(), node, labels, taints).await
    }
}
