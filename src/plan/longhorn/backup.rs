//! Whether a volume's backups are as young as the inventory's jobs promise: its RPO.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Volume;
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
