//! Objects of the cluster in shapes that no API server should give: nothing crashes whoever reads them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    datastore::Snapshot,
    edge::{tunnel_of_secret, tunnel_of_token},
    flux::Managed,
    longhorn::{StorageNode, Target, Volume},
    proxies,
    systems::{Claim, Condition, DAEMON_SET, Database, Ingress, Named, Service, Workload, served},
};
use crate::damage::{any_json, cases, damaged_json, nonsense};

/// One object with the fields of all kinds that are read.
fn object() -> Value {
    json!({
        "kind": "Node",
        "metadata": {"name": "a", "namespace": "b", "generation": 2, "creationTimestamp": "2026-11-22T00:00:00Z",
            "annotations": {"homelab/suspended": "x"}, "labels": {"kubernetes.io/service-name": "a",
            "recurring-job-group.longhorn.io/default": "enabled"}},
        "data": {"device_id": "bkE=", "device_fqdn": "YS5iLg==", "token": "eyJ0IjoieCJ9"},
        "spec": {"replicas": 1, "allowScheduling": true, "suspend": true, "path": "./a", "numberOfReplicas": 2,
            "volumeName": "a", "active": true, "nodeName": "n", "snapshotName": "etcd-snapshot-n-1", "s3": {},
            "ports": [{"port": 80, "name": "http"}], "type": "LoadBalancer", "rules": [{"host": "h", "http": {"paths": [
            {"backend": {"service": {"name": "s", "port": {"number": 1}}}}]}}], "tls": [{"hosts": ["h"]}],
            "disks": {"d": {"storageReserved": 1}}, "backupTargetURL": "s3://a", "plugins": [{"isWALArchiver": true}],
            "dependsOn": [{"name": "a"}]},
        "status": {"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True", "message": "m",
            "reason": "r", "observedGeneration": 2}], "lastAppliedRevision": "main@sha1:ab", "artifact": {"revision":
            "main@sha1:ab"}, "diskStatus": {"d": {"storageScheduled": 1, "storageMaximum": 3, "diskPath": "/a",
            "conditions": []}, "e": {"storageScheduled": 1, "storageMaximum": 3}}, "state": "attached",
            "creationTime": "2026-11-22T00:00:00Z", "size": "12", "readyToUse": true, "loadBalancer": {"ingress":
            [{"ip": "10.0.0.1"}]}, "availableReplicas": 1, "available": true, "lastSuccessfulBackup":
            "2026-11-22T00:00:00Z"},
        "endpoints": [{"conditions": {"ready": true}}],
    })
}

/// The largest numbers that there are, on two disks at once.
#[test]
fn what_the_disks_of_a_node_promise_never_overflows() {
    let disk = json!({"storageScheduled": u64::MAX, "storageMaximum": u64::MAX});
    let node = StorageNode::read(&json!({"status": {"diskStatus": {"a": disk, "b": disk}}}));
    assert_eq!((node.promised, node.promisable), (u64::MAX, u64::MAX));
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn an_object_of_any_shape_is_read(object in prop_oneof![1 => any_json(), 4 => damaged_json(object())], other in any_json()) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        prop_assert_eq!(&Named::of(&object).name, name);
        prop_assert_eq!(&StorageNode::read(&object).name, name);
        let all = [other, object.clone()];
        prop_assert_eq!(&Volume::read(&object, &all).name, name);
        prop_assert_eq!(&Managed::read(&object).name, name);
        Workload::read(DAEMON_SET, &object);
        Target::read(&object);
        Target::secret(&object);
        Service::read(&object);
        served(&object);
        Ingress::read(&object);
        Claim::read(&object);
        Condition::read(&object, "Ready");
        Database::read(&object, &all);
        proxies::read(&object);
        tunnel_of_secret(&object);
        if let Some(snapshot) = Snapshot::read(&object) {
            prop_assert!(snapshot.failure.is_none_or(|why| !why.is_empty() || object["status"]["error"]["message"] == ""));
        }
    }

    #[test]
    fn any_token_opens_some_tunnel_or_none(token in prop_oneof![nonsense(), "[A-Za-z0-9+/=]{0,40}"]) {
        if let Some(tunnel) = tunnel_of_token(&token) {
            prop_assert!(token.len() > tunnel.len());
        }
    }
}
