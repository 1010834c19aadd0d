//! The merge keys of the kinds that the server brings, from the types of `k8s.io/api` (`+listType`, `+listMapKey`,
//! `+structType`, `+mapType`). Lists that are not named here are atomic there, too.

use super::schema::Schema;

/// Of every object.
const METADATA: &[&str] = &["metadata.ownerReferences[uid]", "metadata.finalizers[]"];

/// Below a `PodSpec`; those of its containers are [`CONTAINER`].
const POD: &[&str] = &[
    "volumes[name].secret",
    "volumes[name].csi.nodePublishSecretRef!",
    "imagePullSecrets[name]",
    "hostAliases[ip]",
    "topologySpreadConstraints[topologyKey,whenUnsatisfiable].labelSelector!",
    "resourceClaims[name]",
    "schedulingGates[name]",
    "nodeSelector!",
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution!",
];
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
const CONTAINER: &[&str] = &[
    "env[name].valueFrom.secretKeyRef!",
    "env[name].valueFrom.configMapKeyRef!",
    "env[name].valueFrom.fieldRef!",
    "env[name].valueFrom.resourceFieldRef!",
    "ports[containerPort,protocol=TCP]",
    "volumeMounts[mountPath]",
    "volumeDevices[devicePath]",
    "resources.claims[name]",
];

/// By kind: what is said of each place.
const KINDS: &[(&str, &[&str])] = &[
    ("Pod", &["status.conditions[type]", "status.podIPs[ip]"]),
    ("Node", &["spec.podCIDRs[]", "status.conditions[type]", "status.addresses[type]"]),
    ("Namespace", &["status.conditions[type]"]),
    ("Service", &["spec.ports[port,protocol=TCP]", "spec.selector!", "status.conditions[type]"]),
    ("ServiceAccount", &["secrets[name]"]),
    ("PersistentVolumeClaim", &["spec.selector!", "spec.dataSource!", "status.conditions[type]"]),
    ("PersistentVolume", &["spec.csi.nodePublishSecretRef!", "spec.nodeAffinity.required!"]),
    ("Event", &["involvedObject!"]),
    ("Deployment", &["spec.selector!", "status.conditions[type]"]),
    ("DaemonSet", &["spec.selector!", "status.conditions[type]"]),
    ("StatefulSet", &["spec.selector!", "status.conditions[type]"]),
    ("ReplicaSet", &["spec.selector!", "status.conditions[type]"]),
    ("Job", &["spec.selector!", "status.conditions[type]"]),
    ("CSINode", &["spec.drivers[name]"]),
    ("PodDisruptionBudget", &["spec.selector!", "status.conditions[type]"]),
    ("RoleBinding", &["roleRef!"]),
    ("ClusterRoleBinding", &["roleRef!"]),
    ("CustomResourceDefinition", &["status.conditions[type]"]),
    ("Ingress", &["spec.defaultBackend.resource!"]),
];

/// Where a kind has a `PodSpec`.
fn pod_spec(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some("spec"),
        "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet" | "Job" => {
            Some("spec.template.spec")
        }
        "CronJob" => Some("spec.jobTemplate.spec.template.spec"),
        _ => None,
    }
}

/// How objects of a kind that the server brings are merged.
pub(in crate::sim::kubernetes) fn known(kind: &str) -> Schema {
    let mut schema = Schema::default();
    add_metadata(&mut schema);
    let own = KINDS.iter().filter(|(name, _)| *name == kind).flat_map(|(_, lines)| *lines);
    own.for_each(|line| schema.add(line));
    if let Some(place) = pod_spec(kind) {
        POD.iter().for_each(|line| schema.add(&format!("{place}.{line}")));
        for list in CONTAINERS {
            CONTAINER.iter().for_each(|line| schema.add(&format!("{place}.{list}[name].{line}")));
        }
    }
    schema
}

/// How objects of a custom kind are merged.
pub(in crate::sim::kubernetes) fn custom(definition: &serde_json::Value) -> Schema {
    let mut schema = Schema::of_definition(definition);
    add_metadata(&mut schema);
    schema
}

fn add_metadata(schema: &mut Schema) {
    METADATA.iter().for_each(|line| schema.add(line));
}
