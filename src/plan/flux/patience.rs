//! Whether waiting for Flux still makes sense. Pure.

use std::{collections::BTreeMap, time::Duration};

use super::{FluxSight, KUSTOMIZATION, Managed};

/// How long the same refusal is taken for one that may pass: a webhook that is not up yet, a slow fetch.
const LIMIT: Duration = Duration::from_secs(300);
/// What Flux says of files that it cannot build or apply as they are in Git: it tries again, and they stay the same.
const OF_GIT: [&str; 3] = ["ArtifactFailed", "BuildFailed", "ReconciliationFailed"];

/// Since when each object has failed for the same reason.
#[derive(Debug, Default)]
pub struct Patience {
    failing: BTreeMap<String, (String, Duration)>,
}

impl Patience {
    /// Whether everything that is open fails by what Git has, for too long, or waits for what does.
    pub fn is_over(&mut self, seen: &FluxSight, head: &str, now: Duration) -> bool {
        let open = seen.unfinished(Some(head));
        self.failing.retain(|title, _| open.iter().any(|(one, _)| one.title() == *title));
        // While Flux tries again an object is in progress for a moment: what it failed with is kept.
        for (one, why) in open.iter().filter(|(one, _)| fails_by_git(one)) {
            let known = self.failing.entry(one.title()).or_insert_with(|| (why.clone(), now));
            if known.0 != *why {
                *known = (why.clone(), now);
            }
        }
        let mut causes =
            open.iter().filter(|(one, _)| seen.waits_for(one, Some(head)).is_empty()).peekable();
        causes.peek().is_some()
            && causes.all(|(one, _)| {
                let since = self.failing.get(&one.title()).map(|(_, since)| *since);
                since.is_some_and(|since| now.saturating_sub(since) >= LIMIT)
            })
    }
}

fn fails_by_git(one: &Managed) -> bool {
    one.kind == KUSTOMIZATION.kind
        && one.ready == Some(false)
        && OF_GIT.contains(&one.reason.as_str())
}
