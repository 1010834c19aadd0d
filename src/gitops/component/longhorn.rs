//! Replicated storage, its backups, and its own page.

use super::{Backend, Release, Site, namespace};
use crate::{
    error::Result,
    gitops::template::context,
    gitops::{
        part::{Health, Layer, Part},
        secret::SecretPlan,
    },
    inventory::desired::{JobTask, Longhorn, ObjectStore},
};

const NAMESPACE: &str = "longhorn-system";
const RELEASE: Release = Release {
    name: "longhorn",
    namespace: NAMESPACE,
    chart: "longhorn",
    source: "longhorn",
    timeout: "15m",
};

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(longhorn) = &site.desired.longhorn else { return Ok(Vec::new()) };
    let Longhorn { replicas, default_class, .. } = longhorn;
    let privileged = "volumes are devices of the node.";
    let release = site.release(&RELEASE, context! { replicas, default_class });
    let mut parts = vec![
        Part::new(Layer::Controllers, "longhorn", "Replicated storage.")
            .after(&["sources"])
            .timeout("20m")
            .namespace(namespace(NAMESPACE, "privileged", privileged, true))?
            .file("release.yaml", "longhorn/release.yaml", release)?,
    ];
    parts.extend(settings(longhorn)?);
    if let Some(host) = &site.gitops.longhorn_ui {
        let page = Backend {
            name: "longhorn-ui",
            namespace: NAMESPACE,
            service: "longhorn-frontend",
            port: 80,
        };
        let about =
            "Longhorn's page. It asks nobody for a password: the private path alone leads to it.";
        let part = Part::new(Layer::Apps, "longhorn-ui", about);
        parts.push(part.after(&["longhorn", "tailscale-config"]).private(&page, host, site)?);
    }
    Ok(parts)
}

/// The backup target and what happens by the clock.
fn settings(longhorn: &Longhorn) -> Result<Option<Part>> {
    let about = "Where volumes are backed up to, and when.";
    let mut part =
        Part::new(Layer::Configs, "longhorn-config", about).after(&["longhorn"]).timeout("10m");
    if let Some(store) = &longhorn.backup {
        let purpose = "Opens the bucket of the volumes' backups.";
        let mut secret = SecretPlan::new(NAMESPACE, "longhorn-s3", purpose)
            .found("AWS_ACCESS_KEY_ID", &store.access_key_id)
            .found("AWS_SECRET_ACCESS_KEY", &store.secret_access_key);
        if let Some(endpoint) = &store.endpoint {
            secret = secret.known("AWS_ENDPOINTS", endpoint.clone());
        }
        let target = context! { url => target_url(store) };
        part = part.secret(secret).file("target.yaml", "longhorn/backup-target.yaml", target)?;
        part = part.health(Health {
            api_version: "longhorn.io/v1beta2",
            kind: "BackupTarget",
            current: "has(status.available) && status.available",
            failed: None,
        });
    }
    if !longhorn.recurring_jobs.is_empty() {
        let jobs: Vec<_> = longhorn
            .recurring_jobs
            .iter()
            .map(|(name, job)| {
                let (task, keeps) = match job.task {
                    JobTask::Snapshot => ("snapshot", true),
                    JobTask::Backup => ("backup", true),
                    // These keep nothing: Longhorn sets `retain` to 0.
                    JobTask::SnapshotCleanup => ("snapshot-cleanup", false),
                    JobTask::FilesystemTrim => ("filesystem-trim", false),
                    JobTask::SystemBackup => ("system-backup", true),
                };
                // A backup of Longhorn's own objects is of no volume.
                let groups = match job.task {
                    JobTask::SystemBackup => Vec::new(),
                    _ => job.groups.clone(),
                };
                let retain = if keeps { job.retain } else { 0 };
                let concurrency = if job.task == JobTask::SystemBackup { 1 } else { 2 };
                context! { name, task, cron => job.cron, groups, retain, concurrency }
            })
            .collect();
        part = part.file("jobs.yaml", "longhorn/recurring-jobs.yaml", context! { jobs })?;
    }
    Ok((!part.files.is_empty()).then_some(part))
}

/// Longhorn's own grammar: the region after `@`, and a slash at the end.
fn target_url(store: &ObjectStore) -> String {
    let ObjectStore { bucket, region, prefix, .. } = store;
    let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    format!("s3://{bucket}@{region}/{folder}")
}
