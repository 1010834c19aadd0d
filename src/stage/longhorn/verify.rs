//! The checks of Longhorn: nodes that take copies, volumes, backups and their age.

mod settings;

use jiff::{SignedDuration, Timestamp};

use crate::{
    inventory::{
        Desired,
        desired::{Longhorn, SecretStore},
    },
    observe::{BucketSight, Purpose},
    plan::{
        Observed,
        longhorn::{Backups, LonghornSight, Target, Volume, backups, may_follow},
        observed::Sight,
    },
    stage::{
        backup::{Holding, holding, of_volume},
        check::{Check, Finding, expect},
    },
};

/// From here on a disk is as good as full: Longhorn promises no more than there is.
const FULL_PERCENT: u64 = 90;
const TARGET: &str = "the backup target is available";

/// Everything of Longhorn's that should be so; nothing where Flux does not bring it.
pub fn checks(
    desired: &Desired,
    observed: &Observed,
    buckets: &[BucketSight],
    now: Timestamp,
) -> Vec<Check> {
    let (Some(longhorn), Some(_)) = (&desired.longhorn, &desired.flux) else { return Vec::new() };
    let title = "Longhorn runs";
    let seen = match &observed.longhorn {
        Sight::Unseen => {
            let why = observed.why_unasked(&desired.first_server().name);
            let mut checks = vec![Check::blind("longhorn/runs", None, title, why.clone())];
            if longhorn.backup.is_some() {
                checks.push(Check::blind("longhorn/target", None, TARGET, why));
            }
            return checks;
        }
        Sight::Silent(why) => {
            let finding = Err((why.clone(), "see the checks of the server".to_owned()));
            return vec![Check::of("longhorn/runs", None, title, finding)];
        }
        // A tree without it is its owner's choice.
        Sight::Seen(seen) if !seen.is_there() => {
            let why = "the repository has not brought it";
            return vec![Check::skipped("longhorn/runs", None, title, why)];
        }
        Sight::Seen(seen) => seen,
    };
    let mut checks = nodes(desired, seen);
    checks.extend(room(desired, seen));
    checks.extend(drivers(desired, seen));
    checks.push(default_class(longhorn, seen));
    checks.push(Check::of(
        "longhorn/deletion",
        None,
        "deleting Longhorn's release would not delete its volumes",
        expect(
            !seen.deletion_confirmed(),
            "the setting deleting-confirmation-flag is true",
            "set it to false on Longhorn's page, under Settings",
        ),
    ));
    checks.push(settings::check(longhorn, seen));
    checks.extend(version(desired, seen));
    if longhorn.backup.is_some() {
        checks.push(target(desired, seen));
    }
    for volume in &seen.volumes {
        checks.push(copies(desired, longhorn, volume));
        if longhorn.backup.is_some() {
            let key = of_volume(desired, seen, volume);
            let kept = || holding(buckets, Purpose::Volumes, key);
            checks.extend(age(longhorn, volume, kept, now));
        }
    }
    checks
}

/// The nodes that are to take copies, and do not: why.
pub fn unfit(desired: &Desired, seen: &LonghornSight) -> Vec<String> {
    let wanted = desired.storage_nodes();
    let unfit = wanted.filter_map(|node| Some(format!("{node}: {}", seen.unfit(node.as_str())?)));
    unfit.collect()
}

fn nodes(desired: &Desired, seen: &LonghornSight) -> Vec<Check> {
    let judged = desired.storage_nodes().map(|node| {
        let finding = match seen.unfit(node.as_str()) {
            None => Ok("Ready and schedulable".to_owned()),
            Some(why) => {
                // Its word when a disk is another than the one that it knows under this name (LH-15).
                let next = if why.contains("diskUUID") {
                    "its disk is a new one under an old name: once every volume has a whole copy elsewhere, take the old disk \
                     off its page, under Node, and add it again"
                } else {
                    "its check `it is fit for Longhorn`, where that failed; else its page, under Node"
                };
                Err((why, next.to_owned()))
            }
        };
        Check::of("longhorn/node", node.clone(), "it takes copies of volumes", finding)
    });
    judged.collect()
}

/// A claim that finds no room waits for ever: it is told while there is some left (LH-04).
fn room(desired: &Desired, seen: &LonghornSight) -> Vec<Check> {
    let known = seen.nodes.iter().filter(|node| {
        node.promisable > 0 && desired.storage_nodes().any(|wanted| wanted.as_str() == node.name)
    });
    let judged = known.map(|node| {
        let shown = format!("{} of {} are promised", gibibytes(node.promised), gibibytes(node.promisable));
        let full = node.promised.saturating_mul(100) > node.promisable.saturating_mul(FULL_PERCENT);
        let finding = if full {
            let next = "give it a larger `storage_disk`: it grows in place; a volume that nobody needs is deleted by hand";
            Err((shown, next.to_owned()))
        } else {
            Ok(shown)
        };
        let node = desired.nodes.keys().find(|name| name.as_str() == node.name).cloned();
        Check::of("longhorn/room", node, "its disks have room for more volumes", finding)
    });
    judged.collect()
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// A pod may come to any node, and brings its volumes.
fn drivers(desired: &Desired, seen: &LonghornSight) -> Vec<Check> {
    let judged = desired.nodes.keys().map(|node| {
        let next = "`homelab kubectl -- -n longhorn-system get pods -o wide`; `csi.kubeletRootDir` must stay \
                    unset on k3s (LH-09)";
        let there = seen.drivers.get(node.as_str()) == Some(&true);
        let finding = expect(there, "its kubelet does not know driver.longhorn.io", next);
        Check::of("longhorn/driver", node.clone(), "pods on it can use volumes", finding)
    });
    judged.collect()
}

/// Whether what Git has, or is about to have, can follow what runs.
fn version(desired: &Desired, seen: &LonghornSight) -> Option<Check> {
    let (running, wanted) = (seen.version()?, super::wanted_version(desired)?);
    let finding = match may_follow(running, wanted) {
        Ok(()) => Ok(format!("{running} runs, {wanted} is wanted")),
        Err(refused) => Err((refused.to_string(), super::LADDER.to_owned())),
    };
    Some(Check::of("longhorn/version", None, "its version can follow the one that runs", finding))
}

fn default_class(longhorn: &Longhorn, seen: &LonghornSight) -> Check {
    let named = seen.default_classes.join(", ");
    let (title, holds) = if longhorn.default_class {
        ("claims without a class get Longhorn's", seen.default_classes == ["longhorn"])
    } else {
        ("at most one class is the default", seen.default_classes.len() <= 1)
    };
    let cause = match seen.default_classes.len() {
        0 => "no class is the default".to_owned(),
        1 => format!("the default is {named}"),
        _ => format!("several classes are the default, and any may be taken: {named}"),
    };
    let next = "k3s makes local-path the default at each start: `k3s.disable: [local-storage]`";
    Check::of("longhorn/class", None, title, expect(holds, cause, next))
}

fn target(desired: &Desired, seen: &LonghornSight) -> Check {
    let finding: Finding = match &seen.target {
        Some(Target { closed: Some(why), .. }) => Err((why.clone(), secret_again(desired))),
        Some(target) if target.available => Ok(target.url.clone()),
        Some(target) => Err((
            format!("{} is not: {}", target.url, target.message),
            "compare bucket, region, endpoint and key with the inventory (LH-06)".to_owned(),
        )),
        None => Err((
            "there is none".to_owned(),
            "the Kustomization longhorn-config makes it: see its check".to_owned(),
        )),
    };
    Check::of("longhorn/target", None, TARGET, finding)
}

/// Who makes the Secret with the bucket's key.
fn secret_again(desired: &Desired) -> String {
    let secrets = desired.gitops.as_ref().map(|gitops| &gitops.secrets);
    if secrets == Some(&SecretStore::External) {
        return "who makes the Secrets makes it again: the inventory leaves them to others \
                (`gitops.secrets: external`)"
            .to_owned();
    }
    "Flux puts back what Git has at its interval; `homelab kubectl -- -n flux-system annotate --overwrite \
     kustomization longhorn-config reconcile.fluxcd.io/requestedAt=\"$(date)\"` has it done at once"
        .to_owned()
}

fn copies(desired: &Desired, longhorn: &Longhorn, volume: &Volume) -> Check {
    let lacks = volume.lacks(longhorn.replicas);
    let finding: Finding = if lacks.is_empty() {
        let shared = match one_host(desired, volume) {
            Some(host) => format!(", which all are on {host}: only backups are elsewhere"),
            None => String::new(),
        };
        Ok(format!("{} on {}{shared}", volume.state, volume.copies.join(", ")))
    } else {
        Err((lacks.join("; "), "its page, under Volume, shows what keeps its copies".to_owned()))
    };
    let title = format!("{} has its copies on different nodes", volume.title());
    Check::of("longhorn/volume", None, title, finding)
}

/// The Proxmox node whose fate all copies share (LH-05); `None` where there is but one copy, or several hosts.
fn one_host<'a>(desired: &'a Desired, volume: &Volume) -> Option<&'a str> {
    let host = |copy: &String| {
        let node = desired.nodes.values().find(|node| node.name.as_str() == copy)?;
        Some(node.proxmox_node.as_str())
    };
    let hosts: Vec<&str> = volume.copies.iter().map(host).collect::<Option<_>>()?;
    let (first, others) = hosts.split_first()?;
    (!others.is_empty() && others.iter().all(|host| host == first)).then_some(*first)
}

fn age(
    longhorn: &Longhorn,
    volume: &Volume,
    kept: impl FnOnce() -> Holding,
    now: Timestamp,
) -> Option<Check> {
    let mut title = format!("{} is backed up in time", volume.title());
    let finding = match backups(volume, &longhorn.recurring_jobs, now) {
        Backups::Young(age) => match kept() {
            Holding::There(_) => Ok(format!("the last backup is {} old", shown(age))),
            Holding::Missing(what) => Err(lost(volume, &what)),
            Holding::Untold(why) => {
                title = format!("Longhorn says that {title}");
                let age = shown(age);
                Ok(format!("the last backup is {age} old; the bucket did not say so: {why}"))
            }
        },
        Backups::Nobody => {
            let why = "no job of the inventory backs it up";
            return Some(Check::skipped("longhorn/backup", None, title, why));
        }
        Backups::Awaited => {
            let why = "it is younger than the last turn of its job";
            return Some(Check::skipped("longhorn/backup", None, title, why));
        }
        Backups::Old(age, due) => {
            let last = match age {
                Some(age) => format!("the last backup is {} old", shown(age)),
                None => "there is no backup of it".to_owned(),
            };
            Err((
                format!("{last}; one was due at {due}"),
                "its page, under Backup and Recurring Job, shows what failed".to_owned(),
            ))
        }
    };
    Some(Check::of("longhorn/backup", None, title, finding))
}

/// Longhorn remembers a backup, and the bucket has it not.
fn lost(volume: &Volume, what: &str) -> (String, String) {
    let backup = volume.last_backup_name.as_deref().unwrap_or_default();
    let cause = format!(
        "Longhorn says that {backup} is there, and {what}: somebody or a life-cycle rule deleted it (LH-07)"
    );
    let next = "find out who deletes there (the check of the bucket's life-cycle rules, the service's log), since older \
                ones, and blocks that they share, may be gone, too; Longhorn's page, under Volume, makes a new one at \
                once";
    (cause, next.to_owned())
}

/// In the largest unit that says enough.
fn shown(age: SignedDuration) -> String {
    match age.as_hours() {
        0 => format!("{} min", age.as_mins()),
        hours if hours < 48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests;
