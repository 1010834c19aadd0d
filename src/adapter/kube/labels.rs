//! Labels and taints of a node, without taking anything from anybody.
//!
//! Labels go by server-side apply: what others own is refused. The one exception is a label that only
//! the kubelet's registration set: that came from our own configuration, and nobody would ever change it
//! again. Which labels are ours, and with which values, stands in an annotation; one that we no longer
//! name is taken off by that, whoever of us (apply or registration) owns it, unless somebody has given it
//! another value since.
//!
//! Taints are one list without owners (atomic), in which the node controllers write as well. So they
//! are read, changed and written on condition that nobody wrote meanwhile; which of them are ours
//! stands in an annotation.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    cluster::{FIELD_MANAGER, KubeCluster},
    node,
};
use crate::{
    error::Effect,
    model::NodeName,
    ports::{ClusterError, OUR_LABELS, OUR_TAINTS, Taint},
};

/// The kubelet's names among the managers of fields; in k3s it goes by k3s's.
const REGISTRARS: [&str; 2] = ["k3s", "kubelet"];
const ATTEMPTS: u32 = 5;

pub(super) async fn set(
    cluster: &KubeCluster,
    nodes: &Api<Node>,
    node: &NodeName,
    labels: &BTreeMap<String, String>,
    taints: &[Taint],
) -> Result<(), ClusterError> {
    let call = format!("label node {node}");
    let present = set_taints(cluster, nodes, node, taints).await?;
    for (registrar, stale) in stale_registrations(&present, labels) {
        let parameters = PatchParams { field_manager: Some(registrar), ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "metadata": { "labels": stale } }));
        cluster.changes(&call).run(nodes.patch(node.as_str(), &parameters, &patch)).await?;
    }
    take_off(cluster, nodes, node, &present, labels).await?;
    let ours: BTreeSet<String> = taints.iter().map(identity).collect();
    let patch = Patch::Apply(json!({
        "apiVersion": "v1",
        "kind": "Node",
        // With its uid, or an apply would make a Node that is gone.
        "metadata": {
            "name": node,
            "uid": present.metadata.uid,
            "labels": labels,
            "annotations": {
                OUR_LABELS: json!(labels).to_string(),
                OUR_TAINTS: json!(ours).to_string(),
            },
        },
    }));
    let parameters = PatchParams::apply(FIELD_MANAGER);
    cluster.changes(&call).run(nodes.patch(node.as_str(), &parameters, &patch)).await.map(drop)
}

/// Takes off the labels that we set and no longer want.
async fn take_off(
    cluster: &KubeCluster,
    nodes: &Api<Node>,
    node: &NodeName,
    present: &Node,
    wanted: &BTreeMap<String, String>,
) -> Result<(), ClusterError> {
    let ours: BTreeMap<String, String> = present
        .annotations()
        .get(OUR_LABELS)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let gone: BTreeMap<String, Option<String>> = ours
        .into_iter()
        .filter(|(label, value)| {
            !wanted.contains_key(label) && present.labels().get(label) == Some(value)
        })
        .map(|(label, _)| (label, None))
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    let call = format!("take labels off node {node}");
    let parameters =
        PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "metadata": { "labels": gone } }));
    cluster.changes(&call).run(nodes.patch(node.as_str(), &parameters, &patch)).await.map(drop)
}

/// The node with its taints as they should be.
async fn set_taints(
    cluster: &KubeCluster,
    nodes: &Api<Node>,
    node: &NodeName,
    wanted: &[Taint],
) -> Result<Node, ClusterError> {
    let call = format!("taint node {node}");
    let parameters =
        PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let mut conflict = None;
    for _ in 0..ATTEMPTS {
        let present = cluster.reads(&call).run(nodes.get(node.as_str())).await?;
        let Some(taints) = changed_taints(&present, wanted) else { return Ok(present) };
        let patch = Patch::Merge(json!({
            "metadata": { "resourceVersion": present.metadata.resource_version },
            "spec": { "taints": taints },
        }));
        match cluster.changes(&call).run(nodes.patch(node.as_str(), &parameters, &patch)).await {
            Ok(node) => return Ok(node),
            // Somebody wrote in between: look again.
            Err(error @ ClusterError::Refused { status: 409, .. }) => conflict = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(conflict.unwrap_or(ClusterError::Refused {
        call,
        status: 409,
        message: "somebody else keeps changing the node".into(),
        effect: Effect::None,
    }))
}

/// The taints to be written; `None` when they are so already.
fn changed_taints(present: &Node, wanted: &[Taint]) -> Option<Vec<Value>> {
    let ours: BTreeSet<String> = present
        .annotations()
        .get(OUR_TAINTS)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let existing = present.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let named: BTreeSet<String> = wanted.iter().map(identity).collect();
    let kept = existing.iter().filter(|taint| {
        let identity = identity(&node::taint((*taint).clone()));
        !ours.contains(&identity) && !named.contains(&identity)
    });
    let mut next: Vec<Value> = kept.map(|taint| json!(taint)).collect();
    for taint in wanted {
        // Kept as it stands where it is right, with the time that the server gave it.
        let same = existing.iter().find(|known| node::taint((*known).clone()) == *taint);
        next.push(same.map_or_else(
            || json!({ "key": taint.key, "value": taint.value, "effect": taint.effect }),
            |known| json!(known),
        ));
    }
    let order = |list: &[Value]| {
        let mut texts: Vec<String> = list.iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    let before: Vec<Value> = existing.iter().map(|taint| json!(taint)).collect();
    (order(&before) != order(&next)).then_some(next)
}

/// Key and effect: two taints of one node never share both.
fn identity(taint: &Taint) -> String {
    format!("{}:{}", taint.key, taint.effect)
}

/// Labels whose value is out of date and that nobody but the node's registration has set, by the name
/// of their manager.
fn stale_registrations(
    present: &Node,
    wanted: &BTreeMap<String, String>,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut stale: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let managed = present.metadata.managed_fields.clone().unwrap_or_default();
    for (label, value) in wanted {
        if present.labels().get(label).is_none_or(|known| known == value) {
            continue;
        }
        let owns =
            |fields: &Value| fields["f:metadata"]["f:labels"].get(format!("f:{label}")).is_some();
        let mut owners = managed
            .iter()
            .filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| owns(&fields.0)))
            .filter_map(|entry| entry.manager.clone())
            .filter(|manager| manager != FIELD_MANAGER);
        let registrar = owners.next().filter(|manager| REGISTRARS.contains(&manager.as_str()));
        if let (Some(registrar), None) = (registrar, owners.next()) {
            stale.entry(registrar).or_default().insert(label.clone(), value.clone());
        }
    }
    stale
}
