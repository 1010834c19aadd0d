//! Where k3s puts snapshots of its datastore.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::S3Credentials;

/// Snapshots of the cluster's datastore in a bucket of an S3 service, made by k3s itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct DatastoreBackupFile {
    /// The endpoint; AWS's own of that region unless said.
    #[schemars(extend("format" = "s3-url"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The authority of the endpoint's certificate, a PEM file; the system's unless said.
    #[schemars(extend("format" = "text"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The bucket.
    #[schemars(extend("format" = "proxmox-id"), length(min = 3, max = 63))]
    pub bucket: String,
    /// The region.
    #[schemars(extend("format" = "text"))]
    pub region: String,
    /// A folder in the bucket that nothing else uses; `k3s/<cluster>` unless said.
    #[schemars(extend("format" = "text"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What may write there.
    pub credentials: S3Credentials,
    /// When, in cron's five fields, by the nodes' clocks (UTC, as they are made).
    #[schemars(extend("format" = "cron"))]
    #[serde(default = "schedule")]
    pub schedule: String,
    /// How many are kept: on each server, and in the bucket of all servers together.
    #[garde(range(min = 1, max = 1000))]
    #[serde(default = "retain")]
    pub retain: u32,
}

fn schedule() -> String {
    "0 */6 * * *".into()
}

const fn retain() -> u32 {
    20
}
