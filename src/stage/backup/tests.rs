use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::{
    inventory::{
        Desired,
        desired::{DatastoreBackup, ObjectStore, SecretSource},
    },
    observe::{BucketSight, Purpose},
    plan::{Observed, datastore::Snapshot, diff::tests::bare, observed::Sight},
    ports::{BucketError, LifecycleRule},
    stage::{
        check::{Check, CheckState},
        scripts::tests::desired as plain,
    },
};

const KEY: &str = "k3s/lab/etcd-snapshot-k3s-server-1";

pub(crate) fn desired() -> Desired {
    let mut desired = plain();
    let source = || SecretSource::Env("NOT_SET_ANYWHERE".into());
    desired.k3s.datastore_backup = Some(DatastoreBackup {
        store: ObjectStore {
            endpoint: Some("http://10.79.0.1:9000".into()),
            bucket: "homelab".into(),
            region: "us-east-1".into(),
            prefix: "k3s/lab".into(),
            access_key_id: source(),
            secret_access_key: source(),
            authority: None,
        },
        schedule: "0 */6 * * *".into(),
        retain: 20,
    });
    desired
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn snapshot(created: &str, failure: Option<&str>) -> Snapshot {
    Snapshot {
        name: "etcd-snapshot-k3s-server-1".into(),
        node: "k3s-server".into(),
        location: "s3://homelab/k3s/lab/etcd-snapshot-k3s-server-1".into(),
        remote: true,
        bytes: 4096,
        created: at(created),
        failure: failure.map(str::to_owned),
    }
}

fn told(checks: &[Check]) -> Vec<String> {
    let text = |check: &Check| match &check.state {
        CheckState::Passed { seen } => format!("{} passed: {seen}", check.id),
        CheckState::Failed { cause, .. } => format!("{} failed: {cause}", check.id),
        CheckState::Skipped { why } => format!("{} skipped: {why}", check.id),
    };
    checks.iter().map(text).collect()
}

fn judged(seen: Vec<Snapshot>, since: Option<&str>) -> String {
    let desired = desired();
    let mut observed = Observed { snapshots: Sight::Seen(seen), ..bare(&desired) };
    if let Some(since) = since {
        let mut probe = crate::plan::probe::HostProbe::default();
        probe.k3s.configured_seconds = Some(at(since).as_second());
        observed.hosts.insert("k3s-server".parse().unwrap(), Sight::Seen(probe));
    }
    told(&snapshot_checks(&desired, &observed, &[sight()], at("2026-11-28T18:30:00Z"))).join("\n")
}

#[test]
fn a_snapshot_is_in_time_until_its_next_turn_is_ten_minutes_over() {
    let young = snapshot("2026-11-28T18:00:03Z", None);
    assert!(
        judged(vec![young], None)
            .starts_with("datastore/snapshot passed: the last one is 29 min old: s3://")
    );
    let old = snapshot("2026-11-28T12:00:03Z", None);
    assert_eq!(
        judged(vec![old], None),
        "datastore/snapshot failed: the last one is 6 h old; one was due at 2026-11-28T18:00:00Z"
    );
    let local = Snapshot { remote: false, ..snapshot("2026-11-28T18:00:03Z", None) };
    assert!(
        judged(vec![local], None).contains("failed: there is none"),
        "on its own disk it does not count"
    );
    let others = Snapshot { node: "k3s-server-2".into(), ..snapshot("2026-11-28T18:00:03Z", None) };
    assert!(
        judged(vec![others], None).contains("failed: there is none"),
        "nor does another server's"
    );
}

#[test]
fn a_failed_upload_is_told_with_its_own_message_until_one_went_well() {
    let good = || snapshot("2026-11-28T18:00:03Z", None);
    let failed =
        |created| snapshot(created, Some("failed to test for existence of bucket homelab"));
    let text = judged(vec![good(), failed("2026-11-28T18:20:00Z")], None);
    assert!(text.contains("failed: etcd-snapshot-k3s-server-1 failed: failed to test"), "{text}");
    let text = judged(vec![failed("2026-11-28T12:00:00Z"), good()], None);
    assert!(text.contains("passed"), "{text}");
    // Of the configuration before: its key was another.
    let text = judged(vec![failed("2026-11-28T18:20:00Z")], Some("2026-11-28T18:25:00Z"));
    assert!(text.contains("skipped: its schedule is younger than its last turn"), "{text}");
}

#[test]
fn a_snapshot_counts_when_the_bucket_has_it_and_is_hearsay_where_the_bucket_is_silent() {
    let desired = desired();
    let seen = vec![snapshot("2026-11-28T18:00:03Z", None)];
    let observed = Observed { snapshots: Sight::Seen(seen), ..bare(&desired) };
    let checked = |buckets: &[BucketSight]| {
        snapshot_checks(&desired, &observed, buckets, at("2026-11-28T18:30:00Z"))
    };
    let with = |there| BucketSight { objects: [(KEY.to_owned(), there)].into(), ..sight() };
    assert_eq!(
        told(&checked(&[with(Ok(false))])),
        ["datastore/snapshot failed: k3s says that the last one is there, and \
          k3s/lab/etcd-snapshot-k3s-server-1 is not in bucket homelab at http://10.79.0.1:9000: somebody or a life-cycle \
          rule deleted it (LH-07)"]
    );
    assert_eq!(wanted(&desired, &observed), [(Purpose::Datastore, KEY.to_owned())]);
    let checks = checked(&[with(Ok(true))]);
    assert_eq!(checks[0].title, "its snapshots of the datastore are in the bucket in time");
    let forbidden =
        || BucketError::Forbidden { bucket: "homelab".into(), permission: "s3:ListBucket" };
    let closed = BucketSight { reach: Err(forbidden()), ..sight() };
    for buckets in [vec![with(Err(forbidden()))], vec![closed], vec![]] {
        let checks = checked(&buckets);
        assert!(checks[0].title.starts_with("k3s says that "), "{checks:?}");
        assert!(told(&checks)[0].contains("; the bucket did not say so: "), "{checks:?}");
    }
}

#[test]
fn what_cannot_be_seen_is_told_as_such() {
    let desired = desired();
    let seen = |snapshots| {
        let observed = Observed { snapshots, ..bare(&desired) };
        told(&snapshot_checks(&desired, &observed, &[sight()], at("2026-11-28T18:30:00Z")))
            .join("\n")
    };
    assert_eq!(
        seen(Sight::Unseen),
        "datastore/snapshot skipped: k3s-server does not run, so the Kubernetes API cannot be asked"
    );
    let mut observed = bare(&desired);
    let silent = Sight::Silent("no answer within 5 s".into());
    observed.hosts.insert("k3s-server".parse().unwrap(), silent);
    let checks = snapshot_checks(&desired, &observed, &[], at("2026-11-28T18:30:00Z"));
    assert!(checks[0].blind);
    assert_eq!(
        told(&checks),
        [
            "datastore/snapshot skipped: k3s-server does not answer by SSH, so the Kubernetes API cannot be asked"
        ]
    );
    assert_eq!(seen(Sight::Silent("no answer".into())), "datastore/snapshot failed: no answer");
    let without = plain();
    assert_eq!(snapshot_checks(&without, &bare(&without), &[], at("2026-11-28T18:30:00Z")), []);
}

fn sight() -> BucketSight {
    BucketSight {
        purpose: Purpose::Datastore,
        place: "homelab/k3s/lab at http://10.79.0.1:9000".into(),
        prefix: "k3s/lab".into(),
        keyless: None,
        reach: Ok(()),
        rules: Some(Ok(Vec::new())),
        encryption: Some(Ok(Some("AES256".into()))),
        objects: BTreeMap::from([(KEY.to_owned(), Ok(true))]),
    }
}

#[test]
fn a_sound_bucket_passes_and_a_missing_permission_is_no_failure() {
    assert_eq!(
        told(&bucket_checks(&[sight()])),
        [
            "bucket/reach passed: homelab/k3s/lab at http://10.79.0.1:9000",
            "bucket/lifecycle passed: none",
            "bucket/encryption passed: AES256",
        ]
    );
    let forbidden = |permission| BucketError::Forbidden { bucket: "homelab".into(), permission };
    let blind = BucketSight {
        rules: Some(Err(forbidden("s3:GetLifecycleConfiguration"))),
        encryption: Some(Ok(None)),
        ..sight()
    };
    let told = told(&bucket_checks(&[blind]));
    assert!(
        told[1].contains("skipped: the key may not ask: add \"s3:GetLifecycleConfiguration\""),
        "{told:?}"
    );
    assert!(told[2].contains("skipped: it does not"), "{told:?}");
}

#[test]
fn a_rule_that_destroys_a_closed_bucket_and_a_missing_key_are_told() {
    let rule = LifecycleRule {
        id: "tidy".into(),
        enabled: true,
        expires: Some("after 90 days".into()),
        ..LifecycleRule::default()
    };
    let eaten = BucketSight { rules: Some(Ok(vec![rule.clone()])), ..sight() };
    assert_eq!(
        told(&bucket_checks(&[eaten]))[1],
        "bucket/lifecycle failed: rule `tidy` for all of the bucket deletes every object after 90 days"
    );
    let elsewhere = LifecycleRule { prefix: "logs/".into(), ..rule };
    let other = BucketSight { rules: Some(Ok(vec![elsewhere])), ..sight() };
    assert_eq!(told(&bucket_checks(&[other]))[1], "bucket/lifecycle passed: none");
    let error = BucketError::NoBucket { endpoint: "http://s3".into(), bucket: "homelab".into() };
    let closed = BucketSight { reach: Err(error), rules: None, encryption: None, ..sight() };
    assert_eq!(
        told(&bucket_checks(&[closed])),
        ["bucket/reach failed: there is no bucket `homelab` at http://s3"]
    );
    let keyless = BucketSight { keyless: Some("KEY is not set".into()), ..sight() };
    assert_eq!(
        told(&bucket_checks(&[keyless])),
        ["bucket/reach skipped: its key is not to be had here: KEY is not set"]
    );
}
