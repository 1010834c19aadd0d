//! A trial of the storage: a volume is made, written, read back and deleted, as an app would have it.
//!
//! All of it carries our label and goes again: what a run that died left is taken away by the next trial. The
//! class is one of our own, because the usual one keeps volumes whose claim is deleted.

mod objects;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::Value;

use self::objects::{CLAIM, CLASS, NAME, POD, Trial};
use super::check::{Check, Finding};
use crate::{
    engine::Run,
    error::{Failure, Kind, Result},
    ports::{Clock, ClusterError, ObjectKind, Objects, World},
};

const ID: &str = "longhorn/trial";
const TITLE: &str = "a volume can be made, written, read back and deleted";
/// To make a volume with its copies, attach it, and pull a small image.
const LIMIT: Duration = Duration::from_secs(300);
/// To take it all away again.
const FAREWELL: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(1);

/// Makes the trial and takes it away again, whatever came of it.
pub async fn check<W: World>(run: &Run<W>) -> Check {
    let Some(longhorn) = &run.desired.longhorn else {
        return Check::skipped(ID, None, TITLE, "the inventory has no `longhorn` section");
    };
    let trial = Trial { image: &longhorn.trial_image, replicas: longhorn.replicas };
    match tried(run, &trial).await {
        Ok(Verdict::Found(finding)) => Check::of(ID, None, TITLE, finding),
        Ok(Verdict::Skipped(why)) => Check::skipped(ID, None, TITLE, why),
        Err(failure) => {
            let next = "what is left of it goes with the next `homelab verify --volume`";
            Check::of(ID, None, TITLE, Err((failure.to_string(), next.to_owned())))
        }
    }
}

enum Verdict {
    Found(Finding),
    Skipped(String),
}

async fn tried<W: World>(run: &Run<W>, trial: &Trial<'_>) -> Result<Verdict> {
    let cluster = run.cluster().await?;
    if cluster.get(objects::NAMESPACE_KIND, "", objects::NAMESPACE).await?.is_none() {
        return Ok(Verdict::Skipped("the repository has not brought Longhorn".into()));
    }
    clear(run).await?;
    for object in [trial.class(), trial.claim(), trial.pod()] {
        cluster.apply(&object).await?;
    }
    let clock = run.world.clock();
    let begun = clock.now();
    let verdict = loop {
        let pod = cluster.get(POD, objects::NAMESPACE, NAME).await?.unwrap_or_default();
        let passed = clock.now().saturating_sub(begun);
        match judge(&pod) {
            Seen::Done => {
                let said =
                    format!("1 MiB, {} copies, after {} s", trial.replicas, passed.as_secs());
                break Verdict::Found(Ok(said));
            }
            Seen::Failed(cause) => break Verdict::Found(Err((cause, next(&pod)))),
            Seen::NoImage(why) => break Verdict::Skipped(why),
            Seen::NotYet(seen) if passed >= LIMIT || run.stop.is_cancelled() => {
                let cause = format!("not within {} s: {seen}", passed.as_secs());
                break Verdict::Found(Err((cause, next(&pod))));
            }
            Seen::NotYet(_) => clock.sleep(PAUSE).await,
        }
    };
    clear(run).await?;
    Ok(verdict)
}

/// What the trial's pod has come to.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Done,
    Failed(String),
    /// The image cannot be had: nothing is known of the storage.
    NoImage(String),
    NotYet(String),
}

fn judge(pod: &Value) -> Seen {
    let status = &pod["status"];
    let container = &status["containerStatuses"][0]["state"];
    let text = |value: &Value| value.as_str().unwrap_or_default().trim().to_owned();
    match status["phase"].as_str() {
        Some("Succeeded") => return Seen::Done,
        Some("Failed") => {
            let ended = &container["terminated"];
            let said = text(&ended["message"]);
            let code = ended["exitCode"].as_i64().map(|code| format!("exit code {code}"));
            let why = if said.is_empty() {
                code.unwrap_or_else(|| text(&status["message"]))
            } else {
                said
            };
            return Seen::Failed(format!("what was written could not be read back: {why}"));
        }
        _ => {}
    }
    let waiting = &container["waiting"];
    match waiting["reason"].as_str() {
        Some(
            reason @ ("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName"
            | "ErrImageNeverPull"),
        ) => {
            let image = text(&pod["spec"]["containers"][0]["image"]);
            return Seen::NoImage(format!(
                "its image {image} cannot be had ({reason}): `longhorn.trial_image` names another"
            ));
        }
        Some(reason) if !text(&waiting["message"]).is_empty() => {
            return Seen::NotYet(format!("{reason}: {}", text(&waiting["message"])));
        }
        _ => {}
    }
    let unmet = status["conditions"].as_array().into_iter().flatten().find(|condition| {
        condition["status"] == "False" && !text(&condition["message"]).is_empty()
    });
    Seen::NotYet(match unmet {
        Some(condition) => text(&condition["message"]),
        None => format!("the pod is {}", status["phase"].as_str().unwrap_or("not there")),
    })
}

fn next(pod: &Value) -> String {
    let node = pod["spec"]["nodeName"].as_str();
    let place = node.map(|node| format!(" on {node}")).unwrap_or_default();
    format!(
        "the checks of Longhorn{place} above; its page and the pods of longhorn-system say more"
    )
}

/// Takes away what is there of a trial, and waits until it is gone: Longhorn deletes the volume with its claim.
async fn clear<W: World>(run: &Run<W>) -> Result<()> {
    let cluster = run.cluster().await?;
    let parts: [(ObjectKind, &str); 3] =
        [(POD, objects::NAMESPACE), (CLAIM, objects::NAMESPACE), (CLASS, "")];
    let clock = run.world.clock();
    let begun = clock.now();
    for (kind, namespace) in parts {
        while let Some(object) = cluster.get(kind, namespace, NAME).await? {
            if !objects::is_ours(&object) {
                let what = format!("{} {namespace}/{NAME} is there without our label", kind.kind);
                return Err(Failure::new(Kind::Refused, what)
                    .hint("it is none of ours: delete it or rename it"));
            }
            cluster.delete(kind, namespace, NAME).await?;
            if clock.now().saturating_sub(begun) >= FAREWELL {
                return Err(stays(kind, namespace));
            }
            clock.sleep(PAUSE).await;
        }
    }
    Ok(())
}

fn stays(kind: ObjectKind, namespace: &str) -> Failure {
    let what = format!("{namespace}/{NAME}");
    Failure::from(ClusterError::Refused {
        call: format!("delete {} {what}", kind.kind),
        status: 409,
        message: format!("it is still there after {} s", FAREWELL.as_secs()),
        effect: crate::error::Effect::Partial,
    })
}
