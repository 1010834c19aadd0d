//! Whether a volume's backups are as young as the inventory's jobs promise: its RPO; and where the newest one lies.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha512};

use super::{DEFAULT_TARGET, LonghornSight, Volume};
use crate::{
    inventory::desired::{JobTask, RecurringJob},
    plan::schedule::{Punctuality, punctuality},
};

/// How long a backup may take before it is missed.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// What is to be said of a volume's backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backups {
    /// The age of the last one.
    Young(SignedDuration),
    /// The age of the last one, where there is one, and when the next one should have been there.
    Old(Option<SignedDuration>, Timestamp),
    /// It was made after the last turn of its job.
    Awaited,
    /// No job of the inventory backs it up.
    Nobody,
}

/// Judges a volume at a moment by the jobs that are to back it up.
pub fn backups(volume: &Volume, jobs: &BTreeMap<String, RecurringJob>, now: Timestamp) -> Backups {
    let mine =
        jobs.iter().filter(|(name, job)| job.task == JobTask::Backup && covers(volume, name, job));
    let crons = mine.map(|(_, job)| job.cron.as_str());
    match punctuality(crons, volume.last_backup, volume.created, GRACE, now) {
        Punctuality::Young(age) => Backups::Young(age),
        Punctuality::Old(age, due) => Backups::Old(age, due),
        Punctuality::Awaited => Backups::Awaited,
        Punctuality::Never => Backups::Nobody,
    }
}

/// A volume that names no job belongs to the group `default`.
fn covers(volume: &Volume, name: &str, job: &RecurringJob) -> bool {
    if volume.groups.is_empty() && volume.jobs.is_empty() {
        return job.groups.iter().any(|group| group == "default");
    }
    volume.jobs.contains(name) || job.groups.iter().any(|group| volume.groups.contains(group))
}

/// The key of what describes a volume's newest backup, in a bucket: without it Longhorn restores nothing of it.
///
/// Two layers of the hash of its name lie above a volume's folder, as Longhorn's backupstore has it (`config.go`:
/// `getVolumePath`, `getBackupConfigPath`).
pub fn newest_key(seen: &LonghornSight, volume: &Volume, bucket: &str) -> Option<String> {
    let backup = volume.last_backup_name.as_ref()?;
    if volume.backup_target != DEFAULT_TARGET {
        return None;
    }
    let folder = folder(&seen.target.as_ref()?.url, bucket)?;
    let hash = hex::encode(Sha512::digest(volume.name.as_bytes()));
    let (first, second) = (&hash[..2], &hash[2..4]);
    let name = &volume.name;
    Some(format!("{folder}backupstore/volumes/{first}/{second}/{name}/backups/backup_{backup}.cfg"))
}

/// The folder of `s3://bucket@region/folder/`, with a slash at its end, or empty; `None` for another bucket.
fn folder(target: &str, bucket: &str) -> Option<String> {
    let place = target.strip_prefix("s3://")?.strip_prefix(bucket)?;
    let (region, path) = place.split_once('/')?;
    if !region.is_empty() && !region.starts_with('@') {
        return None;
    }
    let path = path.trim_matches('/');
    Some(if path.is_empty() { String::new() } else { format!("{path}/") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::longhorn::Target;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn daily(groups: &[&str]) -> BTreeMap<String, RecurringJob> {
        let job = |task, cron: &str| RecurringJob {
            task,
            cron: cron.into(),
            retain: 7,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        [
            ("hourly".to_owned(), job(JobTask::Snapshot, "0 * * * *")),
            ("daily".to_owned(), job(JobTask::Backup, "0 3 * * *")),
        ]
        .into()
    }

    fn volume(created: &str, last_backup: Option<&str>) -> Volume {
        Volume {
            name: "pvc-1".into(),
            claim: None,
            wanted: 2,
            state: "attached".into(),
            robustness: "healthy".into(),
            copies: Vec::new(),
            whole: Vec::new(),
            last_backup: last_backup.map(at),
            last_backup_name: last_backup.map(|_| "backup-0a1b".into()),
            backup_target: DEFAULT_TARGET.into(),
            created: Some(at(created)),
            groups: [].into(),
            jobs: [].into(),
        }
    }

    #[test]
    fn a_backup_is_old_once_a_turn_of_its_job_is_an_hour_over_without_one() {
        let jobs = daily(&["default"]);
        let volume = volume("2026-11-01T00:00:00Z", Some("2026-11-27T03:02:00Z"));
        let judged = |now| backups(&volume, &jobs, at(now));
        assert_eq!(
            judged("2026-11-28T02:59:00Z"),
            Backups::Young(SignedDuration::from_mins(23 * 60 + 57))
        );
        assert!(matches!(judged("2026-11-28T03:59:00Z"), Backups::Young(_)), "it may take an hour");
        assert_eq!(
            judged("2026-11-28T04:02:00Z"),
            Backups::Old(Some(SignedDuration::from_hours(25)), at("2026-11-28T03:00:00Z"))
        );
    }

    #[test]
    fn a_volume_younger_than_the_last_turn_waits_for_its_first_backup() {
        let jobs = daily(&["default"]);
        let young = volume("2026-11-28T12:00:00Z", None);
        assert_eq!(backups(&young, &jobs, at("2026-11-28T13:00:00Z")), Backups::Awaited);
        let due = Backups::Old(None, at("2026-11-29T03:00:00Z"));
        assert_eq!(backups(&young, &jobs, at("2026-11-29T05:00:00Z")), due);
    }

    #[test]
    fn a_volume_is_backed_up_by_the_jobs_of_its_groups_and_by_those_that_it_names() {
        let now = at("2026-11-28T13:00:00Z");
        let plain = volume("2026-11-01T00:00:00Z", None);
        let judged = |volume: &Volume, groups: &[&str]| backups(volume, &daily(groups), now);
        assert_eq!(judged(&plain, &["media"]), Backups::Nobody);
        let grouped = Volume { groups: ["media".to_owned()].into(), ..plain.clone() };
        assert!(matches!(judged(&grouped, &["media"]), Backups::Old(..)));
        assert_eq!(
            judged(&grouped, &["default"]),
            Backups::Nobody,
            "it has left the default group"
        );
        let named = Volume { jobs: ["daily".to_owned()].into(), ..plain };
        assert!(matches!(judged(&named, &[]), Backups::Old(..)));
        assert_eq!(backups(&named, &BTreeMap::new(), now), Backups::Nobody);
    }

    #[test]
    fn the_newest_backup_is_described_where_longhorn_writes_it() {
        let to = |url: &str| LonghornSight {
            target: Some(Target {
                url: url.into(),
                available: true,
                message: String::new(),
                closed: None,
            }),
            ..LonghornSight::default()
        };
        let volume = volume("2026-11-01T00:00:00Z", Some("2026-11-27T03:02:00Z"));
        let key = |url: &str, volume: &Volume| newest_key(&to(url), volume, "b");
        // printf %s pvc-1 | sha512sum
        let below = "backupstore/volumes/7e/ed/pvc-1/backups/backup_backup-0a1b.cfg";
        assert_eq!(
            key("s3://b@eu-central-1/longhorn/home/", &volume).unwrap(),
            format!("longhorn/home/{below}")
        );
        assert_eq!(key("s3://b@eu-central-1/", &volume).unwrap(), below);
        for elsewhere in ["s3://b2@eu-central-1/longhorn/", "nfs://b/longhorn", ""] {
            assert_eq!(key(elsewhere, &volume), None, "{elsewhere}");
        }
        let other = Volume { backup_target: "other".into(), ..volume.clone() };
        let never = Volume { last_backup_name: None, ..volume };
        for volume in [other, never] {
            assert_eq!(key("s3://b@eu-central-1/longhorn/", &volume), None);
        }
    }
}
