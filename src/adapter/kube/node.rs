//! What is read of a Node object.

use k8s_openapi::api::core::v1::{Node, NodeCondition};

use crate::ports::{KubeNode, Taint};

const VTEP: &str = "flannel.alpha.coreos.com/public-ip";
const BACKEND_DATA: &str = "flannel.alpha.coreos.com/backend-data";
const PRESSURES: [&str; 3] = ["DiskPressure", "MemoryPressure", "PIDPressure"];
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// The parts of a Node that provisioning looks at.
pub(super) fn read(node: Node) -> KubeNode {
    let metadata = node.metadata;
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let info = status.node_info.unwrap_or_default();
    let labels = metadata.labels.unwrap_or_default();
    let annotations = metadata.annotations.unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let condition = conditions.iter().find(|condition| condition.type_ == "Ready");
    let ready = condition.is_some_and(|condition| condition.status == "True");
    let not_ready = (!ready).then(|| condition.map_or_else(|| "no Ready condition".into(), why));
    let pressed = |condition: &&NodeCondition| {
        PRESSURES.contains(&condition.type_.as_str()) && condition.status == "True"
    };
    let pressures = conditions.iter().filter(pressed);
    let pressures = pressures.map(|one| format!("{}: {}", one.type_, why(one))).collect();
    let internal_ip = status
        .addresses
        .unwrap_or_default()
        .into_iter()
        .find(|address| address.type_ == "InternalIP")
        .and_then(|address| address.address.parse().ok());
    KubeNode {
        name: metadata.name.unwrap_or_default(),
        uid: metadata.uid.unwrap_or_default(),
        ready,
        not_ready,
        pressures,
        internal_ip,
        vtep: annotations.get(VTEP).and_then(|text| text.parse().ok()),
        backend_data: annotations.get(BACKEND_DATA).cloned(),
        pod_cidr: spec.pod_cidr.and_then(|text| text.parse().ok()),
        kubelet_version: info.kubelet_version,
        boot_id: info.boot_id,
        system_uuid: info.system_uuid,
        unschedulable: spec.unschedulable.unwrap_or_default(),
        control_plane: labels.contains_key(CONTROL_PLANE),
        labels,
        annotations,
        taints: spec.taints.unwrap_or_default().into_iter().map(taint).collect(),
    }
}

pub(super) fn taint(taint: k8s_openapi::api::core::v1::Taint) -> Taint {
    Taint {
        key: taint.key,
        value: taint.value.filter(|value| !value.is_empty()),
        effect: taint.effect,
    }
}

fn why(condition: &NodeCondition) -> String {
    let reason = condition.reason.as_deref().unwrap_or("unknown");
    let message = condition.message.as_deref().unwrap_or_default();
    format!("{reason}: {message}").trim_end_matches(": ").to_owned()
}
