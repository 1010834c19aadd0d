//! Whether the buckets are there, take their keys, and keep what is put into them (LH-06, LH-07).

use crate::{
    observe::{BucketSight, Purpose},
    plan::bucket::judge,
    ports::BucketError,
    stage::check::{Check, Finding},
};

/// Of every bucket that the inventory names.
pub fn checks(sights: &[BucketSight]) -> Vec<Check> {
    sights.iter().flat_map(of).collect()
}

fn of(sight: &BucketSight) -> Vec<Check> {
    let whose = sight.purpose.name();
    let title = format!("the bucket for backups of {whose} opens with its key");
    if let Some(why) = &sight.keyless {
        let why = format!("its key is not to be had here: {why}");
        return vec![Check::skipped("bucket/reach", None, title, why)];
    }
    let finding: Finding = match &sight.reach {
        Ok(()) => Ok(sight.place.clone()),
        Err(error) => Err((error.to_string(), error.next())),
    };
    let mut checks = vec![Check::of("bucket/reach", None, title, finding)];
    checks.extend(lifecycle(sight));
    // What k3s sends holds the cluster's whole state; the others' data is the apps' own.
    if sight.purpose == Purpose::Datastore {
        checks.extend(encryption(sight));
    }
    checks
}

fn lifecycle(sight: &BucketSight) -> Option<Check> {
    let title = format!("no life-cycle rule destroys backups of {}", sight.purpose.name());
    let rules = match sight.rules.as_ref()? {
        Ok(rules) => rules,
        Err(error) => return Some(untold("bucket/lifecycle", title, error)),
    };
    let judged = judge(rules, &sight.prefix);
    let finding = if !judged.destroys.is_empty() {
        let next = format!(
            "take it away, or give it a prefix that `{}` does not lie in; what it took is gone",
            sight.prefix
        );
        Err((judged.destroys.join("; "), next))
    } else if judged.weakens.is_empty() {
        Ok("none".to_owned())
    } else {
        Ok(format!(
            "none; but {}: what is deleted by mistake is gone then",
            judged.weakens.join("; ")
        ))
    };
    Some(Check::of("bucket/lifecycle", None, title, finding))
}

fn encryption(sight: &BucketSight) -> Option<Check> {
    let title = format!("the bucket encrypts backups of {} at rest", sight.purpose.name());
    Some(match sight.encryption.as_ref()? {
        Ok(Some(algorithm)) => Check::of("bucket/encryption", None, title, Ok(algorithm.clone())),
        Ok(None) => {
            let why = "it does not; Secrets are encrypted by k3s in any case (`secrets_encryption`), all else is not";
            Check::skipped("bucket/encryption", None, title, why)
        }
        Err(error) => untold("bucket/encryption", title, error),
    })
}

/// What a service does not say is no fault of the backups.
fn untold(id: &'static str, title: String, error: &BucketError) -> Check {
    let why = match error {
        BucketError::Forbidden { permission, .. } => {
            format!("the key may not ask: add \"{permission}\" on the bucket to its policy")
        }
        other => other.to_string(),
    };
    Check::skipped(id, None, title, why)
}
