//! Buckets of an S3 service, as far as they are looked at: nothing is written to them.

use std::future::Future;

use crate::{
    error::{Failure, Kind},
    secret::Secret,
};

/// A folder of a bucket, and the key that opens it.
#[derive(Clone, Debug)]
pub struct BucketAccess {
    /// `https://host[:port]`; `None` is AWS's own.
    pub endpoint: Option<String>,
    /// The endpoint's authorities as PEM; `None` is the system's.
    pub authority: Option<String>,
    pub region: String,
    pub bucket: String,
    /// Without slashes at its ends.
    pub prefix: String,
    pub access_key_id: Secret,
    pub secret_access_key: Secret,
}

/// Looks at buckets.
pub trait Buckets: Send + Sync {
    /// Lists one key of the folder at most: the key opens it, and the bucket is there.
    fn reach(&self, bucket: &BucketAccess) -> impl Future<Output = Result<(), BucketError>> + Send;

    /// Whether an object of this whole key lies in the bucket; its content is not read.
    fn has(
        &self,
        bucket: &BucketAccess,
        key: &str,
    ) -> impl Future<Output = Result<bool, BucketError>> + Send;

    /// The bucket's life-cycle rules; none where it has no configuration of them.
    fn lifecycle(
        &self,
        bucket: &BucketAccess,
    ) -> impl Future<Output = Result<Vec<LifecycleRule>, BucketError>> + Send;

    /// How the bucket encrypts what lies in it: `AES256`, `aws:kms`; `None` where it does not.
    fn encryption(
        &self,
        bucket: &BucketAccess,
    ) -> impl Future<Output = Result<Option<String>, BucketError>> + Send;
}

/// A rule by which the service changes or deletes objects by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifecycleRule {
    pub id: String,
    pub enabled: bool,
    /// Keys that begin so; empty: all.
    pub prefix: String,
    /// Whether it is for objects with certain tags alone.
    pub tagged: bool,
    /// When objects are deleted: `30 days`, or a date.
    pub expires: Option<String>,
    /// When objects are moved, and to which storage class.
    pub moves: Vec<(String, String)>,
    /// After how many days earlier versions of objects are deleted.
    pub forgets_versions: Option<String>,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum BucketError {
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable { endpoint: String, reason: String },
    #[error("there is no bucket `{bucket}` at {endpoint}")]
    NoBucket { endpoint: String, bucket: String },
    /// The key's id is not known, or the secret is not its own.
    #[error("{endpoint} does not take the key for bucket `{bucket}`: {message}")]
    Key { endpoint: String, bucket: String, message: String },
    #[error("the key may not look into bucket `{bucket}`: {permission} is missing")]
    Forbidden { bucket: String, permission: &'static str },
    #[error("bucket `{bucket}` is in another region than {region}: {message}")]
    Region { bucket: String, region: String, message: String },
    #[error("this computer's clock is not {endpoint}'s: {message}")]
    Clock { endpoint: String, message: String },
    /// The service has no such call.
    #[error("{endpoint} cannot tell {what}")]
    Unsupported { endpoint: String, what: &'static str },
    #[error("{endpoint} refused to {call}: {status} {message}")]
    Refused { endpoint: String, call: &'static str, status: u16, message: String },
    #[error("{0}")]
    Local(String),
}

impl BucketError {
    /// What to do about it.
    pub fn next(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "check `url`, its certificate (`ca_file`), and the way there".into()
            }
            Self::NoBucket { .. } => "make it, or write its name and `url` as they are".into(),
            Self::Key { .. } => {
                "compare both halves of `credentials` with what the service has".into()
            }
            Self::Forbidden { permission, .. } => {
                format!("allow {permission}: `homelab init bucket-policy` prints the policy")
            }
            Self::Region { .. } => "write the bucket's own `region`".into(),
            Self::Clock { .. } => "set the clock: signatures are good for 15 minutes".into(),
            Self::Unsupported { .. } | Self::Refused { .. } | Self::Local(_) => {
                "the service's own log tells more".into()
            }
        }
    }
}

impl From<BucketError> for Failure {
    fn from(error: BucketError) -> Self {
        let kind = match &error {
            BucketError::Unreachable { .. } => Kind::Unreachable,
            _ => Kind::Runtime,
        };
        Self::new(kind, error.to_string()).hint(error.next())
    }
}
