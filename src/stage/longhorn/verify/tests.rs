use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{
    inventory::{
        desired::{ObjectStore, RecurringJob, STORAGE_LABEL, SecretSource},
        file::JobTask,
    },
    observe::{BucketSight, Purpose},
    plan::{
        diff::tests::bare,
        longhorn::{StorageNode, Target},
    },
    ports::BucketError,
    stage::{check::CheckState, scripts::tests::desired as plain},
};

fn desired() -> Desired {
    let source = || SecretSource::Env("KEY".into());
    let daily = RecurringJob {
        task: JobTask::Backup,
        cron: "0 3 * * *".into(),
        retain: 7,
        groups: vec!["default".into()],
    };
    let mut desired = plain();
    desired.longhorn = Some(Longhorn {
        replicas: 2,
        default_class: true,
        trial_image: String::new(),
        backup: Some(ObjectStore {
            endpoint: None,
            bucket: "b".into(),
            region: "r".into(),
            prefix: "longhorn/home".into(),
            access_key_id: source(),
            secret_access_key: source(),
            authority: None,
        }),
        recurring_jobs: BTreeMap::from([("daily".to_owned(), daily)]),
    });
    desired.flux = Some(crate::gitops::repository::tests::flux("00"));
    for node in desired.nodes.values_mut() {
        node.labels.insert(STORAGE_LABEL.into(), "true".into());
    }
    desired
}

/// Longhorn's own objects, as its API serves them.
fn healthy() -> LonghornSight {
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "reason": "", "message": ""});
    let ready = json!([condition("Ready"), condition("Schedulable")]);
    let node = |name: &str| {
        StorageNode::read(&json!({
            "metadata": {"name": name},
            "spec": {"allowScheduling": true},
            "status": {
                "conditions": ready,
                "diskStatus": {"default": {"diskPath": "/var/lib/longhorn/", "conditions": ready}},
            },
        }))
    };
    let copy =
        |node: &str| json!({"spec": {"volumeName": "pvc-1", "nodeID": node, "active": true}});
    let volume = json!({
        "metadata": {"name": "pvc-1", "creationTimestamp": "2026-11-01T00:00:00Z"},
        "spec": {"numberOfReplicas": 2},
        "status": {
            "state": "attached", "robustness": "healthy", "lastBackupAt": "2026-11-28T03:02:00Z",
            "lastBackup": "backup-0a1b",
            "kubernetesStatus": {"namespace": "media", "pvcName": "library"},
        },
    });
    LonghornSight {
        nodes: vec![node("k3s-server"), node("k3s-agent-1")],
        volumes: vec![Volume::read(&volume, &[copy("k3s-server"), copy("k3s-agent-1")])],
        target: Some(target(Some(&json!({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})))),
        default_classes: vec!["longhorn".into()],
        settings: [
            ("deleting-confirmation-flag", "false"),
            ("default-replica-count", r#"{"v1":"2","v2":"2"}"#),
            ("replica-soft-anti-affinity", "false"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        drivers: ["k3s-server", "k3s-agent-1"].map(|name| (name.to_owned(), true)).into(),
    }
}

/// Available, as Longhorn says it, with a Secret of such data.
fn target(data: Option<&serde_json::Value>) -> Target {
    let object = json!({
        "spec": {"backupTargetURL": "s3://b@r/longhorn/home/", "credentialSecret": "longhorn-s3"},
        "status": {"available": true},
    });
    let secret = data.map(|data| json!({ "data": data }));
    Target::read(&object).opened_by(Target::secret(&object).unwrap(), secret.as_ref())
}

fn set(seen: &mut LonghornSight, name: &str, value: &str) {
    seen.settings.insert(name.to_owned(), value.to_owned());
}

/// The bucket, and whether it has the newest backup.
fn bucket(there: Result<bool, BucketError>) -> BucketSight {
    let key = "longhorn/home/backupstore/volumes/7e/ed/pvc-1/backups/backup_backup-0a1b.cfg";
    BucketSight {
        purpose: Purpose::Volumes,
        place: "b/longhorn/home at https://s3.example.org".into(),
        prefix: "longhorn/home".into(),
        keyless: None,
        reach: Ok(()),
        rules: None,
        encryption: None,
        objects: [(key.to_owned(), there)].into(),
    }
}

#[test]
fn a_backup_counts_when_the_bucket_has_it_and_is_hearsay_where_the_bucket_is_silent() {
    let desired = desired();
    let observed = Observed { longhorn: Sight::Seen(healthy()), ..bare(&desired) };
    let told = |buckets: &[BucketSight]| {
        let checks = checks(&desired, &observed, buckets, "2026-11-28T09:00:00Z".parse().unwrap());
        let found = checks.into_iter().find(|check| check.id == "longhorn/backup").unwrap();
        match found.state {
            CheckState::Passed { seen } => format!("{}: {seen}", found.title),
            CheckState::Failed { cause, .. } => format!("{} FAILED: {cause}", found.title),
            CheckState::Skipped { why } => why,
        }
    };
    assert_eq!(
        told(&[bucket(Ok(true))]),
        "volume media/library (pvc-1) is backed up in time: the last backup is 5 h old"
    );
    assert_eq!(
        told(&[bucket(Ok(false))]),
        "volume media/library (pvc-1) is backed up in time FAILED: Longhorn says that backup-0a1b is there, and \
         longhorn/home/backupstore/volumes/7e/ed/pvc-1/backups/backup_backup-0a1b.cfg is not in bucket b at \
         https://s3.example.org: somebody or a life-cycle rule deleted it (LH-07)"
    );
    let forbidden = || BucketError::Forbidden { bucket: "b".into(), permission: "s3:ListBucket" };
    let closed = BucketSight { reach: Err(forbidden()), ..bucket(Ok(true)) };
    let keyless = BucketSight { keyless: Some("KEY is not set".into()), ..bucket(Ok(true)) };
    for buckets in [vec![bucket(Err(forbidden()))], vec![closed], vec![keyless], vec![]] {
        let told = told(&buckets);
        assert!(
            told.starts_with(
                "Longhorn says that volume media/library (pvc-1) is backed up in time: "
            ),
            "{told}"
        );
        assert!(told.contains("the bucket did not say so: "), "{told}");
    }
}

/// The id and cause of each check that fails.
fn failures(breaking: impl Fn(&mut LonghornSight)) -> Vec<String> {
    let desired = desired();
    let mut seen = healthy();
    breaking(&mut seen);
    let observed = Observed { longhorn: Sight::Seen(seen), ..bare(&desired) };
    let now = "2026-11-28T09:00:00Z".parse().unwrap();
    let failed = |check: Check| match check.state {
        CheckState::Failed { cause, .. } => Some(format!("{}: {cause}", check.id)),
        _ => None,
    };
    checks(&desired, &observed, &[bucket(Ok(true))], now).into_iter().filter_map(failed).collect()
}

#[test]
fn a_healthy_longhorn_passes_every_check() {
    assert_eq!(failures(|_| {}), Vec::<String>::new());
}

#[test]
fn each_thing_that_makes_volumes_unsafe_is_told_by_a_check_of_its_own() {
    type Breaking = fn(&mut LonghornSight);
    let breaks: [(Breaking, &str); 17] = [
        (|seen| drop(seen.nodes.pop()), "longhorn/node: Longhorn does not know it"),
        (
            |seen| {
                let fault = json!({
                    "metadata": {"name": "k3s-agent-1"},
                    "spec": {"allowScheduling": true},
                    "status": {
                        "conditions": [
                            {"type": "Ready", "status": "False", "reason": "ManagerPodDown", "message": "no pod"},
                            {"type": "Schedulable", "status": "True"},
                            {"type": "Multipathd", "status": "False", "reason": "MultipathdIsRunning", "message": "m"},
                        ],
                    },
                });
                seen.nodes[1] = StorageNode::read(&fault);
            },
            "longhorn/node: ManagerPodDown: no pod; it has no disk; MultipathdIsRunning: m",
        ),
        (
            |seen| seen.default_classes.push("local-path".into()),
            "longhorn/class: several classes are the default, and any may be taken: longhorn, local-path",
        ),
        (|seen| seen.default_classes.clear(), "longhorn/class: no class is the default"),
        (
            |seen| set(seen, "deleting-confirmation-flag", "true"),
            "longhorn/deletion: the setting deleting-confirmation-flag is true",
        ),
        (
            |seen| set(seen, "default-replica-count", r#"{"v1":"3","v2":"3"}"#),
            "longhorn/setting: default-replica-count is 3, wanted 2",
        ),
        (
            |seen| set(seen, "replica-soft-anti-affinity", "true"),
            "longhorn/setting: replica-soft-anti-affinity is true, wanted false",
        ),
        (
            |seen| assert_eq!(seen.drivers.insert("k3s-agent-1".into(), false), Some(true)),
            "longhorn/driver: its kubelet does not know driver.longhorn.io",
        ),
        (|seen| seen.target = None, "longhorn/target: there is none"),
        (
            |seen| seen.target = Some(target(None)),
            "longhorn/target: the Secret longhorn-system/longhorn-s3 with its key is not there",
        ),
        (
            |seen| seen.target = Some(target(Some(&json!({"AWS_ACCESS_KEY_ID": ""})))),
            "longhorn/target: the Secret longhorn-system/longhorn-s3 has no AWS_SECRET_ACCESS_KEY",
        ),
        (
            |seen| {
                seen.target = Some(Target::read(&json!({
                    "spec": {"backupTargetURL": "s3://b@r/x/"},
                    "status": {
                        "available": false,
                        "conditions": [{"type": "Unavailable", "status": "True", "message": "403"}],
                    },
                })));
            },
            "longhorn/target: s3://b@r/x/ is not: 403",
        ),
        (
            |seen| seen.volumes[0].robustness = "degraded".into(),
            "longhorn/volume: it is attached and degraded",
        ),
        (
            |seen| seen.volumes[0].copies = vec!["k3s-server".into(); 2],
            "longhorn/volume: two of its copies are on k3s-server",
        ),
        (|seen| drop(seen.volumes[0].copies.pop()), "longhorn/volume: 1 of 2 copies are there"),
        (|seen| seen.volumes[0].wanted = 1, "longhorn/volume: it asks for 1 copies, wanted 2"),
        (
            |seen| seen.volumes[0].last_backup = Some("2026-11-27T03:02:00Z".parse().unwrap()),
            "longhorn/backup: the last backup is 29 h old; one was due at 2026-11-28T03:00:00Z",
        ),
    ];
    for (breaking, failure) in breaks {
        assert_eq!(failures(breaking), [failure]);
    }
}

/// A node with one disk, of 100 GiB with 30 of them in reserve.
fn node_with(promised: u64, condition: &serde_json::Value) -> StorageNode {
    const GIBIBYTE: u64 = 1 << 30;
    let ready =
        json!([{"type": "Ready", "status": "True"}, {"type": "Schedulable", "status": "True"}]);
    StorageNode::read(&json!({
        "metadata": {"name": "k3s-agent-1"},
        "spec": {"allowScheduling": true, "disks": {"default": {"storageReserved": 30 * GIBIBYTE}}},
        "status": {
            "conditions": ready,
            "diskStatus": {"default": {
                "diskPath": "/var/lib/longhorn/", "conditions": condition,
                "storageMaximum": 100 * GIBIBYTE, "storageScheduled": promised * GIBIBYTE,
            }},
        },
    }))
}

#[test]
fn a_disk_that_is_as_good_as_promised_is_told() {
    let ready =
        json!([{"type": "Ready", "status": "True"}, {"type": "Schedulable", "status": "True"}]);
    assert_eq!(failures(|seen| seen.nodes[1] = node_with(63, &ready)), Vec::<String>::new());
    assert_eq!(
        failures(|seen| seen.nodes[1] = node_with(64, &ready)),
        ["longhorn/room: 64.0 GiB of 70.0 GiB are promised"]
    );
}

#[test]
fn what_shows_a_new_disk_under_an_old_name_says_what_to_do() {
    let other = json!([
        {"type": "Ready", "status": "False", "reason": "DiskFilesystemChanged", "message": "record diskUUID doesn't match the one on the disk"},
        {"type": "Schedulable", "status": "True"},
    ]);
    let desired = desired();
    let mut seen = healthy();
    seen.nodes[1] = node_with(0, &other);
    let observed = Observed { longhorn: Sight::Seen(seen), ..bare(&desired) };
    let checks =
        checks(&desired, &observed, &[bucket(Ok(true))], "2026-11-28T09:00:00Z".parse().unwrap());
    let next = checks.iter().find_map(|check| match &check.state {
        CheckState::Failed { next, .. } => Some(next.as_str()),
        _ => None,
    });
    assert!(next.unwrap().contains("a new one under an old name"), "{next:?}");
}

#[test]
fn copies_that_share_one_host_are_told_so() {
    let desired = desired();
    let observed = Observed { longhorn: Sight::Seen(healthy()), ..bare(&desired) };
    let checks =
        checks(&desired, &observed, &[bucket(Ok(true))], "2026-11-28T09:00:00Z".parse().unwrap());
    let seen = checks.iter().find_map(|check| match &check.state {
        CheckState::Passed { seen } if check.id == "longhorn/volume" => Some(seen.as_str()),
        _ => None,
    });
    let host = &desired.nodes[0].proxmox_node;
    let told = format!(", which all are on {host}: only backups are elsewhere");
    assert!(seen.unwrap().ends_with(&told), "{seen:?}");
}

#[test]
fn a_tree_without_longhorn_and_a_volume_that_is_detached_are_no_faults() {
    assert_eq!(failures(|seen| seen.nodes.clear()), Vec::<String>::new());
    let detached = |seen: &mut LonghornSight| {
        seen.volumes[0].state = "detached".into();
        seen.volumes[0].robustness = "unknown".into();
    };
    assert_eq!(failures(detached), Vec::<String>::new());
}

#[test]
fn apps_wait_for_every_node_that_is_to_take_copies() {
    let desired = desired();
    let mut seen = healthy();
    assert_eq!(unfit(&desired, &seen), Vec::<String>::new());
    seen.nodes.pop();
    assert_eq!(unfit(&desired, &seen), ["k3s-agent-1: Longhorn does not know it"]);
}
