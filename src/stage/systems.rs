//! The checks of what runs on the cluster beside its foundations: workloads, ways in, addresses, claims,
//! certificates, databases.
//!
//! What Git brought is looked at, whoever wrote it; what the inventory turns on is missed where it is not
//! there.

mod paths;
#[cfg(test)]
mod tests;
mod workloads;

use jiff::{SignedDuration, Timestamp};

use super::check::{Check, Finding, expect};
use crate::{
    inventory::Desired,
    plan::{
        Observed,
        observed::Sight,
        systems::{Condition, Database, SystemsSight},
    },
};

/// The tree backs databases up once a day; a backup takes its time.
const BACKUP_AGE: SignedDuration = SignedDuration::from_hours(26);

/// Everything that should be so; nothing where Flux brings nothing.
pub fn checks(
    desired: &Desired,
    observed: &Observed,
    systems: &Sight<SystemsSight>,
    now: Timestamp,
) -> Vec<Check> {
    let title = "what runs on the cluster is seen";
    let seen = match systems {
        Sight::Unseen => return Vec::new(),
        Sight::Silent(why) => {
            let finding = Err((why.clone(), "see the checks of the server".to_owned()));
            return vec![Check::of("systems/seen", None, title, finding)];
        }
        Sight::Seen(seen) => seen,
    };
    let mut checks = workloads::checks(desired, observed.flux.seen(), seen);
    checks.extend(paths::checks(desired, seen));
    checks.extend(seen.claims.iter().map(|claim| {
        let title = format!("claim {} has its volume", claim.named);
        let cause = match claim.class.as_str() {
            "" => format!("it is {} and names no class", claim.phase),
            class => format!("it is {} and waits for class {class}", claim.phase),
        };
        let next = kubectl(&claim.named.namespace, &format!("describe pvc {}", claim.named.name));
        Check::of("systems/claim", None, title, expect(claim.phase == "Bound", cause, next))
    }));
    checks.extend(seen.issuers.iter().map(|issuer| {
        let title = format!("issuer {} can issue certificates", issuer.named);
        let next = format!(
            "its account or Cloudflare's token was refused: `homelab kubectl -- describe clusterissuer {}`",
            issuer.named
        );
        Check::of("systems/issuer", None, title, holds(issuer, &next))
    }));
    checks.extend(seen.proxy_classes.iter().map(|class| {
        let title = format!("the tailnet's proxies can run as ProxyClass {} says", class.named);
        let next = format!(
            "`homelab kubectl -- describe proxyclass {}`; `homelab gitops diff DIR` shows what was edited",
            class.named
        );
        Check::of("systems/proxy_class", None, title, holds(class, &next))
    }));
    for database in &seen.databases {
        checks.extend(database_checks(database, now));
    }
    checks
}

fn holds(condition: &Condition, next: &str) -> Finding {
    expect(condition.holds, condition.message.clone(), next)
}

fn database_checks(database: &Database, now: Timestamp) -> Vec<Check> {
    let Database { named, wanted, ready, phase, archive, last_backup, created } = database;
    let next =
        kubectl(&named.namespace, &format!("describe cluster.postgresql.cnpg.io {}", named.name));
    let cause = format!("{ready} of {wanted} instances are ready: {phase}");
    let mut checks = vec![Check::of(
        "systems/database",
        None,
        format!("database {named} answers"),
        expect(ready >= wanted, cause, next.clone()),
    )];
    let Some((archived, said)) = archive else { return checks };
    checks.push(Check::of(
        "systems/archive",
        None,
        format!("the write-ahead log of {named} goes to the bucket"),
        expect(*archived, said.clone(), "compare bucket, endpoint and key with the inventory"),
    ));
    let title = format!("{named} is backed up in time");
    let age = |since: &Timestamp| now.duration_since(*since);
    let told = |age: SignedDuration| format!("{} h", age.as_hours());
    checks.push(match (last_backup.as_ref().map(age), created.as_ref().map(age)) {
        (Some(last), _) => {
            let told = format!("the last backup is {} old", told(last));
            let finding = if last <= BACKUP_AGE { Ok(told) } else { Err((told, next)) };
            Check::of("systems/backup", None, title, finding)
        }
        (None, Some(since)) if since <= BACKUP_AGE => {
            let why = "it is younger than the last turn of its schedule";
            Check::skipped("systems/backup", None, title, why)
        }
        (None, _) => {
            Check::of("systems/backup", None, title, Err(("there is no backup of it".into(), next)))
        }
    });
    checks
}

/// What a person types to see more.
fn kubectl(namespace: &str, words: &str) -> String {
    format!("`homelab kubectl -- -n {namespace} {words}`")
}
