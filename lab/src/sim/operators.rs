//! The operators that charts bring: Longhorn's manager and cert-manager, as far as homelab looks at what they say.
//!
//! Simplified: there are no volumes; each disk is as large as the other, and no host is asked whether it is fit; an
//! issuer's account is taken wherever its Secret is.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{bucket::Key, kubernetes::Kubernetes};

const LONGHORN: &str = "longhorn-system";
const MANAGER: &str = "longhorn-manager";
/// A node with this label gets a disk by itself.
const LABEL: &str = "node.longhorn.io/create-default-disk";
const DRIVER: &str = "driver.longhorn.io";
const DISK_BYTES: u64 = 2 << 30;

/// The operators; dropping them ends them.
pub struct Operators {
    task: JoinHandle<()>,
}

impl Drop for Operators {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Operators {
    /// They do nothing before their workloads are there. `key` opens the bucket for backups.
    pub(super) fn start(kubernetes: Arc<Kubernetes>, key: Key) -> Self {
        let task = tokio::spawn(async move {
            let mut changes = kubernetes.changes();
            loop {
                // Noted before looking: a change in between wakes at once.
                changes.borrow_and_update();
                if runs(&kubernetes, "daemonsets.apps", (LONGHORN, MANAGER)) {
                    longhorn(&kubernetes);
                    backup_target(&kubernetes, &key);
                }
                if runs(&kubernetes, "deployments.apps", ("cert-manager", "cert-manager")) {
                    issuers(&kubernetes);
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
        Self { task }
    }
}

fn runs(kubernetes: &Kubernetes, resource: &str, place: (&str, &str)) -> bool {
    let status = kubernetes.get(resource, place).map(|object| object["status"].clone());
    let available = ["availableReplicas", "numberAvailable"];
    status.is_some_and(|status| available.iter().any(|name| status[name].as_u64() > Some(0)))
}

/// A manager writes down its own version when it starts; its image tells it.
fn note_version(kubernetes: &Kubernetes) {
    const SETTINGS: &str = "settings.longhorn.io";
    let manager = kubernetes.get("daemonsets.apps", (LONGHORN, MANAGER));
    let image = manager.and_then(|manager| {
        let image = &manager["spec"]["template"]["spec"]["containers"][0]["image"];
        image.as_str().map(str::to_owned)
    });
    let Some((_, version)) = image.as_deref().and_then(|image| image.rsplit_once(':')) else {
        return;
    };
    let name = "current-longhorn-version";
    if kubernetes.get(SETTINGS, (LONGHORN, name)).is_some_and(|known| known["value"] == version) {
        return;
    }
    let setting = json!({
        "apiVersion": "longhorn.io/v1beta2", "kind": "Setting",
        "metadata": { "name": name, "namespace": LONGHORN }, "value": version,
    });
    kubernetes.apply(MANAGER, &setting).ok();
}

/// Each node of the cluster is a node of Longhorn's and has its driver; those with the label have a disk.
fn longhorn(kubernetes: &Kubernetes) {
    note_version(kubernetes);
    for node in kubernetes.list("nodes", None) {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        if kubernetes.get("nodes.longhorn.io", (LONGHORN, name)).is_none() {
            let disk = json!({
                "path": "/var/lib/longhorn/", "allowScheduling": true, "diskType": "filesystem",
                "storageReserved": 0, "tags": [],
            });
            let labelled = node["metadata"]["labels"][LABEL] == "true";
            let disks = if labelled { json!({ "default-disk": disk }) } else { json!({}) };
            let made = json!({
                "apiVersion": "longhorn.io/v1beta2", "kind": "Node",
                "metadata": { "name": name, "namespace": LONGHORN },
                "spec": { "name": name, "allowScheduling": true, "disks": disks },
            });
            let status = status(labelled);
            if kubernetes.create(MANAGER, &made).is_ok() {
                let place = (LONGHORN, name);
                kubernetes.patch_status(MANAGER, "nodes.longhorn.io", place, &status).ok();
            }
        }
        if kubernetes.get("csinodes.storage.k8s.io", ("", name)).is_none() {
            let driver = json!({ "name": DRIVER, "nodeID": name, "topologyKeys": [] });
            let known = json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "CSINode",
                "metadata": { "name": name }, "spec": { "drivers": [driver] },
            });
            kubernetes.create("kubelet", &known).ok();
        }
    }
}

/// The target that Longhorn makes by itself; it is available where its Secret opens the bucket.
fn backup_target(kubernetes: &Kubernetes, key: &Key) {
    const KIND: &str = "backuptargets.longhorn.io";
    const PLACE: (&str, &str) = (LONGHORN, "default");
    let Some(target) = kubernetes.get(KIND, PLACE) else {
        let made = json!({
            "apiVersion": "longhorn.io/v1beta2", "kind": "BackupTarget",
            "metadata": { "name": PLACE.1, "namespace": LONGHORN },
            "spec": { "backupTargetURL": "", "credentialSecret": "", "pollInterval": "5m0s" },
        });
        kubernetes.create(MANAGER, &made).ok();
        return;
    };
    let name = target["spec"]["credentialSecret"].as_str().unwrap_or_default();
    let secret = kubernetes.get("secrets", (LONGHORN, name)).unwrap_or_default();
    let is = |field: &str, wanted: &str| secret["data"][field] == STANDARD.encode(wanted);
    let opens = is("AWS_ACCESS_KEY_ID", &key.id) && is("AWS_SECRET_ACCESS_KEY", &key.secret);
    if target["status"]["available"] == opens {
        return;
    }
    let unavailable = if opens { "False" } else { "True" };
    let said =
        if opens { "" } else { "backup target URL is empty, or its credential does not open it" };
    let conditions = [condition("Unavailable", unavailable, "Unavailable", said)];
    let status = json!({ "available": opens, "conditions": conditions });
    kubernetes.patch_status(MANAGER, KIND, PLACE, &status).ok();
}

fn status(disk: bool) -> Value {
    let holds = |kind: &str| condition(kind, "True", "", "");
    let of_disk = json!({ "default-disk": {
        "diskPath": "/var/lib/longhorn/", "storageMaximum": DISK_BYTES,
        "storageAvailable": DISK_BYTES, "storageScheduled": 0,
        "conditions": [holds("Ready"), holds("Schedulable")],
    } });
    json!({
        "conditions": [holds("Ready"), holds("Schedulable")],
        "diskStatus": if disk { of_disk } else { json!({}) },
    })
}

/// An issuer is ready once the Secrets of its solvers are there.
fn issuers(kubernetes: &Kubernetes) {
    const KIND: &str = "clusterissuers.cert-manager.io";
    for issuer in kubernetes.list(KIND, None) {
        let solvers = issuer["spec"]["acme"]["solvers"].as_array().into_iter().flatten();
        let names = solvers.filter_map(|solver| {
            solver["dns01"]["cloudflare"]["apiTokenSecretRef"]["name"].as_str()
        });
        let missing = names
            .filter(|name| kubernetes.get("secrets", ("cert-manager", name)).is_none())
            .collect::<Vec<_>>()
            .join(", ");
        let ready = match missing.as_str() {
            "" => condition(
                "Ready",
                "True",
                "ACMEAccountRegistered",
                "The ACME account was registered",
            ),
            missing => condition("Ready", "False", "ErrGetSecret", &format!("no Secret {missing}")),
        };
        if issuer["status"]["conditions"][0]["status"] == ready["status"] {
            continue;
        }
        let name = issuer["metadata"]["name"].as_str().unwrap_or_default();
        let status = json!({ "conditions": [ready] });
        kubernetes.patch_status("cert-manager", KIND, ("", name), &status).ok();
    }
}

fn condition(kind: &str, holds: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": holds, "reason": reason, "message": message,
        "lastTransitionTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}
