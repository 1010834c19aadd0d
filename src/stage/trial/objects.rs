//! What a trial is made of.

use serde_json::{Value, json};

use crate::ports::ObjectKind;

pub(super) const NAME: &str = "homelab-trial";
/// Longhorn's own, where the tree has no say.
pub(super) const NAMESPACE: &str = "longhorn-system";
const LABEL: &str = "homelab/trial";
const DRIVER: &str = "driver.longhorn.io";

const fn core(kind: &'static str, plural: &'static str) -> ObjectKind {
    ObjectKind { group: "", version: "v1", kind, plural }
}
pub(super) const NAMESPACE_KIND: ObjectKind = core("Namespace", "namespaces");
pub(super) const POD: ObjectKind = core("Pod", "pods");
pub(super) const CLAIM: ObjectKind = core("PersistentVolumeClaim", "persistentvolumeclaims");
pub(super) const CLASS: ObjectKind = ObjectKind {
    group: "storage.k8s.io",
    version: "v1",
    kind: "StorageClass",
    plural: "storageclasses",
};

/// Bytes are written, forced to the disk, read back past the cache where the kernel lets go of it, and compared.
/// Told on the container's termination log.
const SCRIPT: &str = r#"set -eu
fail() { echo "$1" >/dev/termination-log; exit 1; }
head -c 1048576 /dev/urandom >/tmp/written || fail 'no bytes could be made'
wanted=$(sha256sum </tmp/written)
cp /tmp/written /volume/bytes || fail 'the volume cannot be written'
sync
found=$(sha256sum </volume/bytes) || fail 'the volume cannot be read'
[ "$wanted" = "$found" ] || fail 'other bytes came back than were written'
rm /volume/bytes || fail 'a file of the volume cannot be deleted'
"#;

/// One trial.
pub(super) struct Trial<'a> {
    pub(super) image: &'a str,
    pub(super) replicas: u32,
}

impl Trial<'_> {
    /// Deletes the volume with its claim.
    pub(super) fn class(&self) -> Value {
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": NAME, "labels": { LABEL: "true" } },
            "provisioner": DRIVER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
            "parameters": {
                "numberOfReplicas": self.replicas.to_string(),
                "staleReplicaTimeout": "30",
                "fsType": "ext4",
            },
        })
    }

    pub(super) fn claim(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": { LABEL: "true" } },
            "spec": {
                "storageClassName": NAME,
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "32Mi" } },
            },
        })
    }

    pub(super) fn pod(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": { LABEL: "true" } },
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 1,
                "containers": [{
                    "name": "trial",
                    "image": self.image,
                    "command": ["sh", "-c", SCRIPT],
                    "volumeMounts": [{ "name": "volume", "mountPath": "/volume" }],
                    "resources": { "limits": { "memory": "64Mi" } },
                }],
                "volumes": [{ "name": "volume", "persistentVolumeClaim": { "claimName": NAME } }],
            },
        })
    }
}

/// Only what carries the label was made by a trial.
pub(super) fn is_ours(object: &Value) -> bool {
    object["metadata"]["labels"][LABEL] == "true"
}
