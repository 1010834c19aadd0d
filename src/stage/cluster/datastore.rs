//! Snapshots of the datastore: what k3s is told of the bucket, and its key in a file of its own.
//!
//! The keys are k3s's own, of every release that has `ETCDSnapshotFile`s; `etcd-s3-retention` came with 1.31.12,
//! 1.32.8, 1.33.4 and 1.34.0, and a release before it passes over what it does not know with a warning, and
//! keeps `etcd-snapshot-retention` in the bucket, too.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    error::{Failure, Result},
    inventory::desired::{DatastoreBackup, Desired},
    plan::{observed::Sight, probe::HostProbe},
    secret::Secret,
    stage::paths,
};

/// The keys of `config.yaml` that tell k3s of it; no secret is among them.
pub(super) fn settings(backup: &DatastoreBackup) -> Map<String, Value> {
    let store = &backup.store;
    let mut settings = Map::new();
    let mut set = |key: &str, value: Value| settings.insert(key.to_owned(), value);
    set("etcd-snapshot-schedule-cron", json!(backup.schedule));
    set("etcd-snapshot-retention", json!(backup.retain));
    set("etcd-s3", json!(true));
    if let Some(url) = &store.endpoint {
        let (scheme, host) = url.split_once("://").unwrap_or(("https", url));
        set("etcd-s3-endpoint", json!(host));
        if scheme == "http" {
            set("etcd-s3-insecure", json!(true));
        }
    }
    if store.authority.is_some() {
        set("etcd-s3-endpoint-ca", json!(paths::K3S_DATASTORE_CA));
    }
    set("etcd-s3-bucket", json!(store.bucket));
    set("etcd-s3-region", json!(store.region));
    set("etcd-s3-folder", json!(store.prefix));
    set("etcd-s3-retention", json!(backup.retain));
    settings
}

/// The key as k3s reads it: YAML, to stand in a file that root alone may read.
///
/// # Errors
/// What [`SecretSource::resolve`](crate::inventory::desired::SecretSource::resolve) says.
pub async fn key(desired: &Desired) -> Result<Option<Secret>> {
    let Some(backup) = &desired.k3s.datastore_backup else { return Ok(None) };
    let (id, secret) = futures::try_join!(
        backup.store.access_key_id.resolve(),
        backup.store.secret_access_key.resolve()
    )
    .map_err(|failure| match failure.place {
        Some(_) => failure,
        None => failure.at("k3s.datastore_backup.credentials"),
    })?;
    // JSON's strings are YAML's, whatever is in them.
    let quoted = |secret: &Secret| serde_json::to_string(secret.expose()).unwrap_or_default();
    Ok(Some(Secret::document(format!(
        "etcd-s3-access-key: {}\netcd-s3-secret-key: {}",
        quoted(&id),
        quoted(&secret)
    ))))
}

/// The sha256 of the file with the key, as it should be on each server.
pub async fn expected_key(desired: &Desired) -> Sight<String> {
    match key(desired).await {
        Ok(None) => Sight::Unseen,
        Ok(Some(key)) => Sight::Seen(hex::encode(Sha256::digest(format!("{}\n", key.expose())))),
        Err(failure) => Sight::Silent(failure.to_string()),
    }
}

/// Why a server's key has to be written anew, or taken away. One that cannot be had here is not compared.
pub fn key_reasons(desired: &Desired, probe: &HostProbe, expected: &Sight<String>) -> Vec<String> {
    let found = probe.sha256(paths::K3S_DATASTORE_KEY);
    let reason = match (&desired.k3s.datastore_backup, found, expected) {
        (None, Some(_), _) => "the key of the datastore's snapshots is no longer wanted",
        (Some(_), None, _) => "the key of the datastore's snapshots is missing",
        (Some(_), Some(found), Sight::Seen(expected)) if found != expected => {
            "the key of the datastore's snapshots is another"
        }
        _ => return Vec::new(),
    };
    vec![reason.to_owned()]
}

/// A key that a plan needs and that is not to be had.
pub fn missing_key(why: &str) -> Failure {
    Failure::new(
        crate::error::Kind::Inventory,
        format!("the key of the datastore's snapshots is not to be had: {why}"),
    )
    .at("k3s.datastore_backup.credentials")
}
