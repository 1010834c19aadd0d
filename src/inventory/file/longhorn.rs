//! Replicated storage.

use std::collections::BTreeMap;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretReference, yes};

/// Replicated storage.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct LonghornFile {
    /// The chart's version; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many copies each volume has; each is on another node.
    #[garde(range(min = 1, max = 20))]
    #[serde(default = "replicas")]
    pub replicas: u32,
    /// The nodes that hold copies; all agents unless said, or all nodes where there are no agents.
    #[schemars(extend("items" = {"type": "string", "format": "dns-label"}))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Where volumes are backed up to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupTarget>,
    /// Snapshots and backups by the clock, by name.
    #[garde(dive)]
    #[schemars(extend("propertyNames" = {"format": "dns-label"}))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recurring_jobs: BTreeMap<String, RecurringJob>,
    /// Whether its StorageClass is the cluster's default.
    #[serde(default = "yes")]
    pub default_class: bool,
    /// An image with a shell, for `homelab verify --volume`: k3s has this one in its air-gap archive.
    #[schemars(extend("format" = "text"))]
    #[serde(default = "trial_image")]
    pub trial_image: String,
}

/// Where volumes are backed up to: a bucket of an S3 service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupTarget {
    /// The endpoint; AWS's own of that region unless said.
    #[schemars(extend("format" = "s3-url"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The bucket.
    #[schemars(extend("format" = "proxmox-id"), length(min = 3, max = 63))]
    pub bucket: String,
    /// The region.
    #[schemars(extend("format" = "text"))]
    pub region: String,
    /// A folder in the bucket.
    #[schemars(extend("format" = "text"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What may write there.
    pub credentials: S3Credentials,
}

/// An S3 key pair.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Credentials {
    /// The access key's id.
    pub access_key_id: SecretReference,
    /// The secret access key.
    pub secret_access_key: SecretReference,
}

/// A snapshot or backup by the clock.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct RecurringJob {
    /// What is done.
    pub task: JobTask,
    /// When, in cron's five fields, UTC.
    #[schemars(extend("format" = "cron"))]
    pub cron: String,
    /// How many are kept.
    #[garde(range(min = 1, max = 100))]
    pub retain: u32,
    /// The groups of volumes; `default` holds all that have none.
    #[schemars(extend("items" = {"type": "string", "format": "dns-label"}))]
    #[serde(default = "groups")]
    pub groups: Vec<String>,
}

/// What a recurring job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobTask {
    /// A snapshot on the nodes' own disks.
    Snapshot,
    /// A backup in the bucket.
    Backup,
    /// Deletes old snapshots.
    SnapshotCleanup,
    /// Gives freed blocks back.
    FilesystemTrim,
    /// A backup of Longhorn's own objects.
    SystemBackup,
}

fn trial_image() -> String {
    "docker.io/rancher/mirrored-library-busybox:1.37.0".into()
}

const fn replicas() -> u32 {
    2
}

fn groups() -> Vec<String> {
    vec!["default".into()]
}
