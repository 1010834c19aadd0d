//! Backups in buckets: no two kinds of them in one folder, and none that would hold Secrets in clear.

use super::folder::why_unclean;
use crate::inventory::{file::InventoryFile, path::FieldPath, report::Report};

/// Keys of k3s's configuration that say what `k3s.datastore_backup` says.
const OF_SNAPSHOTS: &[&str] =
    &["etcd-disable-snapshots", "etcd-snapshot-schedule-cron", "etcd-snapshot-retention"];

/// A folder that something is backed up to.
struct Folder<'a> {
    what: &'static str,
    path: FieldPath,
    endpoint: Option<&'a str>,
    region: &'a str,
    bucket: &'a str,
    /// As it is where none is written.
    prefix: String,
}

pub(super) fn check(file: &InventoryFile, report: &mut Report<'_>) {
    let folders = folders(file);
    for folder in &folders {
        written(folder, report);
    }
    for (index, folder) in folders.iter().enumerate() {
        for other in &folders[..index] {
            if folder.bucket == other.bucket
                && folder.service() == other.service()
                && overlap(&folder.prefix, &other.prefix)
            {
                report.fault(
                    &folder.path,
                    format!(
                        "the backups of {} and of {} would lie in the same folder of the same bucket",
                        folder.what, other.what
                    ),
                    format!(
                        "write another `prefix`: `{}` is one of {}",
                        other.prefix, other.what
                    ),
                );
            }
        }
    }
    datastore(file, report);
}

impl Folder<'_> {
    /// Whose bucket it is, however that is written.
    fn service(&self) -> String {
        let aws = || format!("https://s3.{}.amazonaws.com", self.region);
        let url = self.endpoint.map_or_else(aws, str::to_owned).to_ascii_lowercase();
        let url = url.trim_end_matches('/');
        let port = if url.starts_with("https://") { ":443" } else { ":80" };
        url.strip_suffix(port).unwrap_or(url).to_owned()
    }
}

/// What goes into requests, policies and manifests must be plain.
fn written(folder: &Folder<'_>, report: &mut Report<'_>) {
    // The bucket as a whole has no name either.
    let whole = folder.prefix.trim_matches('/').is_empty();
    if let Some(why) = why_unclean(&folder.prefix).filter(|_| !whole) {
        report.fault(
            &folder.path.key("prefix"),
            format!("`{}` {why}", folder.prefix),
            "write a folder in the bucket, such as `backups/homelab`".to_owned(),
        );
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !folder.region.chars().all(plain) {
        report.fault(
            &folder.path.key("region"),
            format!("`{}` is no region's name", folder.region),
            "write it as the service does, such as `eu-central-1`".to_owned(),
        );
    }
}

fn folders(file: &InventoryFile) -> Vec<Folder<'_>> {
    let cluster = &file.cluster.name;
    let volumes = file.longhorn.as_ref().and_then(|longhorn| longhorn.backup.as_ref());
    let gitops = file.gitops.as_ref();
    let databases = gitops.and_then(|gitops| gitops.cloudnative_pg.as_ref()?.backup.as_ref());
    let datastore = file.k3s.datastore_backup.as_ref();
    let volumes = volumes.map(|it| Folder {
        what: "volumes",
        path: FieldPath::dotted("longhorn.backup"),
        endpoint: it.url.as_deref(),
        region: &it.region,
        bucket: &it.bucket,
        prefix: it.prefix.clone().unwrap_or_else(|| format!("longhorn/{cluster}")),
    });
    let databases = databases.map(|it| Folder {
        what: "databases",
        path: FieldPath::dotted("gitops.cloudnative_pg.backup"),
        endpoint: it.url.as_deref(),
        region: &it.region,
        bucket: &it.bucket,
        prefix: it.prefix.clone(),
    });
    let datastore = datastore.map(|it| Folder {
        what: "the datastore",
        path: FieldPath::dotted("k3s.datastore_backup"),
        endpoint: it.url.as_deref(),
        region: &it.region,
        bucket: &it.bucket,
        prefix: it.prefix.clone().unwrap_or_else(|| format!("k3s/{cluster}")),
    });
    [volumes, databases, datastore].into_iter().flatten().collect()
}

fn datastore(file: &InventoryFile, report: &mut Report<'_>) {
    let Some(backup) = &file.k3s.datastore_backup else { return };
    let path = FieldPath::dotted("k3s.datastore_backup");
    if !file.k3s.secrets_encryption {
        report.fault(
            &path,
            "snapshots would hold the cluster's Secrets in clear text: `secrets_encryption` is false",
            "a cluster that is made with `secrets_encryption: true` keeps them encrypted; this one \
             cannot be changed any more"
                .to_owned(),
        );
    }
    if backup.ca_file.is_some()
        && !backup.url.as_ref().is_some_and(|url| url.starts_with("https://"))
    {
        report.fault(
            &path.key("ca_file"),
            "an authority is for an endpoint with `https://`, and `url` names none",
            None,
        );
    }
    for key in file.k3s.server_config.keys() {
        let plain = key.trim_end_matches('+');
        if plain.starts_with("etcd-s3") || OF_SNAPSHOTS.contains(&plain) {
            report.fault_of_key(
                &FieldPath::dotted("k3s.server_config").key(key),
                format!("`{plain}` follows from `k3s.datastore_backup`"),
                "take it out; `schedule`, `retain` and the rest are said there".to_owned(),
            );
        }
    }
}

/// Whether one folder is the other or lies in it.
fn overlap(first: &str, second: &str) -> bool {
    let folders = |text: &str| -> Vec<String> {
        text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let (first, second) = (folders(first), folders(second));
    first.starts_with(&second) || second.starts_with(&first)
}
