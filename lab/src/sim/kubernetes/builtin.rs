//! The resources that the server brings, and the namespaces that it starts with.

use super::{fields::known, resource::Resource};

const NAMESPACED: u8 = 1;
const STATUS: u8 = 2;
const GENERATION: u8 = 4;
const WORKLOAD: u8 = NAMESPACED | STATUS | GENERATION;

/// Group, version, kind, plural, short name, and what it has.
const RESOURCES: &[(&str, &str, &str, &str, &str, u8)] = &[
    ("", "v1", "Namespace", "namespaces", "ns", STATUS),
    ("", "v1", "Node", "nodes", "no", STATUS),
    ("", "v1", "Pod", "pods", "po", WORKLOAD),
    ("", "v1", "Secret", "secrets", "", NAMESPACED),
    ("", "v1", "ConfigMap", "configmaps", "cm", NAMESPACED),
    ("", "v1", "Service", "services", "svc", NAMESPACED | STATUS),
    ("", "v1", "Endpoints", "endpoints", "ep", NAMESPACED),
    ("", "v1", "PersistentVolume", "persistentvolumes", "pv", STATUS),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", NAMESPACED | STATUS),
    ("", "v1", "ServiceAccount", "serviceaccounts", "sa", NAMESPACED),
    ("", "v1", "Event", "events", "ev", NAMESPACED),
    ("", "v1", "ResourceQuota", "resourcequotas", "quota", NAMESPACED | STATUS),
    ("", "v1", "LimitRange", "limitranges", "limits", NAMESPACED),
    ("apps", "v1", "Deployment", "deployments", "deploy", WORKLOAD),
    ("apps", "v1", "DaemonSet", "daemonsets", "ds", WORKLOAD),
    ("apps", "v1", "StatefulSet", "statefulsets", "sts", WORKLOAD),
    ("apps", "v1", "ReplicaSet", "replicasets", "rs", WORKLOAD),
    ("batch", "v1", "Job", "jobs", "", WORKLOAD),
    ("batch", "v1", "CronJob", "cronjobs", "cj", WORKLOAD),
    ("coordination.k8s.io", "v1", "Lease", "leases", "", NAMESPACED),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "", NAMESPACED | GENERATION),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", "ing", WORKLOAD),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", "", GENERATION),
    (
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        "netpol",
        NAMESPACED | GENERATION,
    ),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc", 0),
    ("storage.k8s.io", "v1", "CSINode", "csinodes", "", 0),
    ("storage.k8s.io", "v1", "CSIDriver", "csidrivers", "", 0),
    ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", "", STATUS),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc", GENERATION),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", WORKLOAD),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", "", NAMESPACED),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "", NAMESPACED),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "", 0),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "", 0),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd",
        STATUS | GENERATION,
    ),
];

/// Every cluster has them.
pub(super) const NAMESPACES: [&str; 4] =
    ["default", "kube-system", "kube-public", "kube-node-lease"];

pub(super) fn resources() -> Vec<Resource> {
    RESOURCES
        .iter()
        .map(|(group, version, kind, plural, short, has)| Resource {
            group: (*group).to_owned(),
            version: (*version).to_owned(),
            kind: (*kind).to_owned(),
            plural: (*plural).to_owned(),
            short_names: Some(*short)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .into_iter()
                .collect(),
            namespaced: has & NAMESPACED != 0,
            status: has & STATUS != 0,
            generation: has & GENERATION != 0,
            custom: false,
            schema: known(kind),
        })
        .collect()
}
