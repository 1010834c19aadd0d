//! Whether what k3s and Longhorn call a backup lies in the bucket: they remember what they sent, and do not look again
//! whether somebody took it away (LH-07).

use crate::{
    inventory::Desired,
    observe::{BucketSight, Purpose},
    plan::{
        Observed,
        datastore::{Snapshot, newest_good},
        longhorn::{LonghornSight, Volume, newest_key},
    },
};

/// Where an object is, as its bucket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// In the place that the text names.
    There(String),
    Missing(String),
    /// Why the bucket did not say.
    Untold(String),
}

/// What is to be looked for: of each server and each volume the newest.
pub fn wanted(desired: &Desired, observed: &Observed) -> Vec<(Purpose, String)> {
    let mut wanted = Vec::new();
    if let Some(seen) = observed.snapshots.seen() {
        let newest = desired.servers().filter_map(|node| newest_good(seen, node.name.as_str()));
        let keys = newest.filter_map(|snapshot| of_snapshot(desired, snapshot));
        wanted.extend(keys.map(|key| (Purpose::Datastore, key)));
    }
    if let Some(seen) = observed.longhorn.seen() {
        let keys = seen.volumes.iter().filter_map(|volume| of_volume(desired, seen, volume));
        wanted.extend(keys.map(|key| (Purpose::Volumes, key)));
    }
    wanted
}

/// The key of a snapshot in the bucket of the inventory.
pub(super) fn of_snapshot(desired: &Desired, snapshot: &Snapshot) -> Option<String> {
    let bucket = &desired.k3s.datastore_backup.as_ref()?.store.bucket;
    snapshot.key(bucket).map(str::to_owned)
}

/// The key of a volume's newest backup in the bucket of the inventory.
pub fn of_volume(desired: &Desired, seen: &LonghornSight, volume: &Volume) -> Option<String> {
    let bucket = &desired.longhorn.as_ref()?.backup.as_ref()?.bucket;
    newest_key(seen, volume, bucket)
}

/// What was seen of one of them.
pub fn holding(sights: &[BucketSight], purpose: Purpose, key: Option<String>) -> Holding {
    let Some(key) = key else {
        return Holding::Untold("it does not lie in the inventory's bucket".to_owned());
    };
    let Some(sight) = sights.iter().find(|sight| sight.purpose == purpose) else {
        return Holding::Untold("the bucket was not looked at".to_owned());
    };
    if let Some(why) = &sight.keyless {
        return Holding::Untold(format!("the bucket's key is not to be had here: {why}"));
    }
    match (&sight.reach, sight.objects.get(&key)) {
        (Err(error), _) | (_, Some(Err(error))) => Holding::Untold(error.to_string()),
        (_, Some(Ok(true))) => Holding::There(key),
        (_, Some(Ok(false))) => Holding::Missing(format!("{key} is not in {}", bucket(sight))),
        (_, None) => Holding::Untold("it was not looked for".to_owned()),
    }
}

/// `bucket homelab at https://s3.example.org`, of the folder's place.
fn bucket(sight: &BucketSight) -> String {
    let (place, endpoint) = sight.place.split_once(" at ").unwrap_or((&sight.place, ""));
    let bucket = place.split('/').next().unwrap_or(place);
    format!("bucket {bucket} at {endpoint}")
}
