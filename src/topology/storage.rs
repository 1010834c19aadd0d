//! Where data lies, and where its copies go.

use super::{
    Diagram,
    drawing::{Drawing, outside},
};
use crate::{
    inventory::{Desired, desired::ObjectStore},
    stage::check::Check,
};

pub(super) fn diagram(desired: &Desired, checks: &[Check]) -> Option<Diagram> {
    let datastore = desired.k3s.datastore_backup.as_ref();
    let about = match &desired.longhorn {
        Some(longhorn) => {
            format!("Each volume has {} copies, on different nodes.", longhorn.replicas)
        }
        None => "The cluster's own state is copied away by the clock.".to_owned(),
    };
    let mut drawing = Drawing::new("storage", "Storage", about, checks);
    if let Some(backup) = datastore {
        let keeps = [format!("snapshots: {}", backup.schedule)];
        drawing.block("datastore", "Datastore", keeps, |check| check.id == "datastore/snapshot");
        let kept = of_bucket("the datastore");
        drawing.block("snapshots", "Its snapshots", bucket(&backup.store), |check| {
            check.id == "datastore/snapshot" || kept(check)
        });
        drawing.arrow("datastore", "snapshots", "by k3s");
    }
    let Some(longhorn) = &desired.longhorn else {
        return datastore.map(|_| drawing.done());
    };
    let claims = |check: &Check| check.id == "systems/claim";
    drawing.block("claims", "Claims of the apps", ["class longhorn".to_owned()], claims);
    let its_own = ["longhorn/runs", "longhorn/class", "longhorn/deletion", "longhorn/volume"];
    let jobs: Vec<String> =
        longhorn.recurring_jobs.iter().map(|(name, job)| format!("{name}: {}", job.cron)).collect();
    drawing.block("longhorn", "Longhorn", jobs, |check| its_own.contains(&check.id));
    drawing.arrow("claims", "longhorn", "volumes");
    for node in desired.storage_nodes() {
        let of_it =
            |check: &Check| check.node.as_ref() == Some(node) && check.id.starts_with("longhorn/");
        drawing.block(node.as_str(), node.as_str(), ["takes copies".to_owned()], of_it);
        drawing.arrow("longhorn", node.as_str(), "copies");
    }
    if let Some(store) = &longhorn.backup {
        let backups = ["longhorn/target", "longhorn/backup"];
        let kept = of_bucket("volumes");
        drawing.block("bucket", "Backups of volumes", bucket(store), |check| {
            backups.contains(&check.id) || kept(check)
        });
        drawing.arrow("longhorn", "bucket", "backups");
    }
    let databases = desired.gitops.as_ref().and_then(|gitops| gitops.cloudnative_pg.as_ref());
    if let Some(databases) = databases {
        drawing.block("databases", "Databases", ["CloudNativePG".to_owned()], |check| {
            check.id == "systems/database"
        });
        drawing.arrow("databases", "longhorn", "volumes");
        if let Some(backup) = &databases.backup {
            let archived = ["systems/archive", "systems/backup"];
            let lines = bucket(&backup.store);
            let kept = of_bucket("databases");
            drawing.block("archive", "Archive of databases", lines, |check| {
                archived.contains(&check.id) || kept(check)
            });
            drawing.arrow("databases", "archive", "write-ahead log");
        }
    }
    if longhorn.backup.is_none() {
        drawing.block("nowhere", "No backups", ["nothing leaves the nodes".to_owned()], outside);
    }
    Some(drawing.done())
}

/// The checks of the bucket for backups of something.
fn of_bucket(whose: &'static str) -> impl Fn(&Check) -> bool {
    move |check| {
        check.id.starts_with("bucket/") && check.title.contains(&format!("backups of {whose}"))
    }
}

fn bucket(store: &ObjectStore) -> Vec<String> {
    let ObjectStore { endpoint, bucket, prefix, region, .. } = store;
    let place = endpoint.clone().unwrap_or_else(|| format!("S3, {region}"));
    vec![place, format!("{bucket}/{prefix}")]
}
