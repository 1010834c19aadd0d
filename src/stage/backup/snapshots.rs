//! Whether each server's snapshots of the datastore reach the bucket in time.

use jiff::{SignedDuration, Timestamp};

use super::kept::{Holding, holding, of_snapshot};
use crate::{
    inventory::{
        Desired,
        desired::{DatastoreBackup, Node},
    },
    observe::{BucketSight, Purpose},
    plan::{
        Observed,
        datastore::{Snapshot, newest, newest_good},
        observed::Sight,
        schedule::{Punctuality, age, punctuality},
    },
    stage::check::{Check, Finding},
};

/// How long a snapshot may take to be in the bucket before it is missed.
const GRACE: SignedDuration = SignedDuration::from_mins(10);
const TITLE: &str = "its snapshots of the datastore are in the bucket in time";
/// Where the bucket itself could not be asked.
const SAID: &str = "k3s says that its snapshots of the datastore are in the bucket in time";

/// Of every server, where the inventory says where snapshots go.
pub fn checks(
    desired: &Desired,
    observed: &Observed,
    buckets: &[BucketSight],
    now: Timestamp,
) -> Vec<Check> {
    let Some(backup) = &desired.k3s.datastore_backup else { return Vec::new() };
    let of = |node: &Node| {
        let name = node.name.clone();
        match &observed.snapshots {
            Sight::Unseen => {
                let why = observed.why_unasked(&desired.first_server().name);
                Check::blind("datastore/snapshot", name, TITLE, why)
            }
            Sight::Silent(why) => {
                let finding = Err((why.clone(), "see the checks of the server".to_owned()));
                Check::of("datastore/snapshot", name, TITLE, finding)
            }
            Sight::Seen(seen) => {
                let since = observed
                    .probe(&node.name)
                    .and_then(|probe| Timestamp::from_second(probe.k3s.configured_seconds?).ok());
                let kept = newest_good(seen, node.name.as_str())
                    .map(|last| holding(buckets, Purpose::Datastore, of_snapshot(desired, last)));
                judged(backup, node, seen, kept, since, now)
            }
        }
    };
    desired.servers().map(of).collect()
}

fn judged(
    backup: &DatastoreBackup,
    node: &Node,
    seen: &[Snapshot],
    kept: Option<Holding>,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Check {
    let name = node.name.as_str();
    let next = format!(
        "`homelab ssh {name} -- sudo journalctl -u k3s` tells more; `homelab init bucket-policy` what its key must be allowed"
    );
    // A failure before the configuration was written anew is of the one before.
    let failed = newest(seen, name, true)
        .filter(|last| since.is_none_or(|since| last.created >= since))
        .and_then(|last| Some((last, last.failure.as_ref()?)));
    if let Some((last, why)) = failed {
        let cause = format!("{} failed: {why}", last.name);
        return Check::of("datastore/snapshot", node.name.clone(), TITLE, Err((cause, next)));
    }
    let mut title = TITLE;
    if let Some(Holding::Missing(what)) = kept {
        let cause = format!(
            "k3s says that the last one is there, and {what}: somebody or a life-cycle rule deleted it (LH-07)"
        );
        let next = format!(
            "find out who deletes there (the check of the bucket's life-cycle rules, the service's log), since older ones may \
             be gone, too; a new one at once: `homelab ssh {name} -- sudo k3s etcd-snapshot save`"
        );
        return Check::of("datastore/snapshot", node.name.clone(), TITLE, Err((cause, next)));
    }
    let good = newest_good(seen, name);
    let last = good.map(|one| one.created);
    let crons = std::iter::once(backup.schedule.as_str());
    let finding: Finding = match punctuality(crons, last, since, GRACE, now) {
        Punctuality::Young(old) => {
            let place = good.map(|one| one.location.as_str()).unwrap_or_default();
            let mut text = format!("the last one is {} old: {place}", age(old));
            if let Some(Holding::Untold(why)) = kept {
                title = SAID;
                text = format!("{text}; the bucket did not say so: {why}");
            }
            Ok(text)
        }
        Punctuality::Old(old, due) => {
            let last = match old {
                Some(old) => format!("the last one is {} old", age(old)),
                None => "there is none".to_owned(),
            };
            Err((format!("{last}; one was due at {due}"), next))
        }
        Punctuality::Awaited => {
            let why = "its schedule is younger than its last turn";
            return Check::skipped("datastore/snapshot", node.name.clone(), TITLE, why);
        }
        Punctuality::Never => {
            let why = "its schedule has no turn";
            return Check::skipped("datastore/snapshot", node.name.clone(), TITLE, why);
        }
    };
    Check::of("datastore/snapshot", node.name.clone(), title, finding)
}
