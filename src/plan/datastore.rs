//! Snapshots of the datastore, as k3s writes them down. Pure.
//!
//! An `ETCDSnapshotFile` is one snapshot in one place, or a failure to take or to upload one, which k3s keeps for a
//! day. An upload that failed before anything was sent names `s3` as its node; the snapshot's own name says whose
//! it was: `etcd-snapshot-<node>-<seconds>`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::ports::ObjectKind;

pub const SNAPSHOT: ObjectKind = ObjectKind {
    group: "k3s.cattle.io",
    version: "v1",
    kind: "ETCDSnapshotFile",
    plural: "etcdsnapshotfiles",
};
/// How k3s names those that it takes by the clock.
const SCHEDULED: &str = "etcd-snapshot-";

/// One snapshot in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    pub name: String,
    /// Who took it.
    pub node: String,
    /// `s3://bucket/folder/name` or `file:///path`; empty where nothing was sent.
    pub location: String,
    /// Whether it is, or was to be, in a bucket.
    pub remote: bool,
    pub bytes: u64,
    pub created: Timestamp,
    /// Why it is none.
    pub failure: Option<String>,
}

impl Snapshot {
    /// `None` for what tells no time.
    pub fn read(object: &Value) -> Option<Self> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let created = status["creationTime"].as_str().or(status["error"]["time"].as_str())?;
        let name = text(&spec["snapshotName"]);
        let node = match spec["nodeName"].as_str() {
            None | Some("" | "s3") => owner(&name).unwrap_or_default().to_owned(),
            Some(node) => node.to_owned(),
        };
        let said = || match status["error"]["message"].as_str() {
            Some(message) => message.to_owned(),
            None => "it is not ready, and says no reason".to_owned(),
        };
        Some(Self {
            node,
            location: text(&spec["location"]),
            remote: spec["s3"].is_object(),
            bytes: match &status["size"] {
                Value::String(size) => size.parse().unwrap_or(0),
                size => size.as_u64().unwrap_or(0),
            },
            created: created.parse().ok()?,
            failure: (status["readyToUse"] != true).then(said),
            name,
        })
    }

    /// The key of its object, where it lies in this bucket.
    pub fn key(&self, bucket: &str) -> Option<&str> {
        self.location.strip_prefix("s3://")?.strip_prefix(bucket)?.strip_prefix('/')
    }

    /// Taken by the clock, not because somebody asked for it.
    pub fn is_scheduled(&self) -> bool {
        self.name.starts_with(SCHEDULED)
    }
}

/// The node in `etcd-snapshot-<node>-<seconds>`.
fn owner(name: &str) -> Option<&str> {
    let (node, _) = name.strip_prefix(SCHEDULED)?.rsplit_once('-')?;
    Some(node)
}

/// The newest of a node in the bucket, or on its own disk: whether it was taken or not.
pub fn newest<'a>(snapshots: &'a [Snapshot], node: &str, remote: bool) -> Option<&'a Snapshot> {
    let mine = snapshots.iter().filter(|one| one.node == node && one.remote == remote);
    mine.max_by_key(|one| one.created)
}

/// The newest of a node in the bucket that can be restored from.
pub fn newest_good<'a>(snapshots: &'a [Snapshot], node: &str) -> Option<&'a Snapshot> {
    let mine = snapshots.iter().filter(|one| one.node == node && one.remote);
    mine.filter(|one| one.failure.is_none()).max_by_key(|one| one.created)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_snapshot_is_read_as_k3s_writes_it() {
        let object = json!({
            "spec": {"snapshotName": "etcd-snapshot-k3s-server-1764352800", "nodeName": "k3s-server",
                     "location": "s3://b/k3s/lab/etcd-snapshot-k3s-server-1764352800", "s3": {"bucket": "b"}},
            "status": {"size": "2048", "creationTime": "2025-11-28T18:00:00Z", "readyToUse": true},
        });
        let read = Snapshot::read(&object).unwrap();
        assert_eq!((read.bytes, read.remote, read.failure.as_deref()), (2048, true, None));
        assert_eq!(read.node, "k3s-server");
        assert_eq!(read.key("b"), Some("k3s/lab/etcd-snapshot-k3s-server-1764352800"));
        let elsewhere = Snapshot { location: "s3://backups/k3s/lab/a".into(), ..read };
        assert_eq!(elsewhere.key("b"), None, "it lies in another bucket");
        assert_eq!(Snapshot::read(&json!({"spec": {}, "status": {}})), None);
    }

    #[test]
    fn an_upload_that_never_began_is_its_servers_by_the_snapshots_name() {
        let object = json!({
            "spec": {"snapshotName": "etcd-snapshot-k3s-server-1764352800", "nodeName": "s3", "location": "", "s3": {}},
            "status": {"size": "0", "creationTime": "2025-11-28T18:00:00Z", "readyToUse": false,
                       "error": {"message": "failed to initialize S3 client", "time": "2025-11-28T18:00:00Z"}},
        });
        let read = Snapshot::read(&object).unwrap();
        assert_eq!(read.node, "k3s-server");
        assert_eq!(read.failure.as_deref(), Some("failed to initialize S3 client"));
        assert_eq!(newest(std::slice::from_ref(&read), "k3s-server", true), Some(&read));
        assert_eq!(newest_good(&[read], "k3s-server"), None);
    }
}
