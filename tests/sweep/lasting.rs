//! A fault that does not go away: the run ends with the exit code of what is at fault and does not panic; when
//! the fault is gone, the next run reaches the same world.

use std::sync::Arc;

use homelab_lab::sim::{
    gate::{Effect, System, Verdict},
    picture::Picture,
};
use serde_json::Value;

use crate::{
    judge::Judge,
    operator::{Ended, Operator},
    points::{beyond, kinds},
    stage::Stage,
    story::{Story, another_node, destroy, first_up, memory_and_disk, one_node_less, undisturbed},
    warden::Harmer,
};

/// Longer than any run that nothing is wrong with, however much this computer has to do.
const TIME: &str = "40s";

/// What is done to each request of a kind.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// Nobody answers.
    Silent,
    /// It is not allowed.
    Forbidden,
    /// It fails.
    Broken,
}

impl Harm {
    fn verdict(self, system: System) -> Verdict {
        // A script's exit status is no HTTP status.
        let (status, message) = match (self, system) {
            (Self::Silent, _) => return Verdict::Drop,
            (_, System::Host) => (1, "simulated: it does not do"),
            (Self::Forbidden, _) => (403, "simulated: permission check failed"),
            (Self::Broken, _) => (500, "simulated: it does not do"),
        };
        Verdict::Refuse { status, message: message.to_owned() }
    }
}

/// The exit codes that fit what is at fault (README, "Exit codes").
fn codes(effect: &Effect) -> &'static [i32] {
    match effect.system {
        System::Proxmox => &[14, 17, 20],
        // What is wrong with the cluster or the tailnet is told as theirs, wherever it was met.
        System::Host if effect.kind.contains("kubeconfig") => &[12, 13, 14, 16],
        System::Host if effect.kind.contains("Joins the tailnet") => &[13, 14, 16, 18],
        System::Host if effect.kind.contains("Sends packets") => &[1, 13, 14, 16],
        System::Host => &[13, 14, 16],
        System::Tailnet => &[14, 18],
        System::Kubernetes => &[12, 14],
        System::Git => &[14, 19],
        // What it says of itself is a guard's reason.
        System::Bucket => &[20],
    }
}

/// What the journal knows of the effects of the steps that failed.
fn effects(operator: &Operator) -> Vec<String> {
    let text = fs_err::read_to_string(operator.path("state/homelab/sim/journal.jsonl"));
    let text = text.unwrap_or_default();
    let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let effects = records.filter_map(|record| find(&record, "effect").map(str::to_owned));
    effects.collect()
}

/// The text of that name, wherever it stands in a record.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let fields = value.as_object()?;
    let inside = || fields.values().find_map(|value| find(value, name));
    fields.get(name).and_then(Value::as_str).or_else(inside)
}

/// What is wrong with how such a run ended.
fn faults_of(harm: Harm, operator: &Operator, ended: &Ended, effect: &Effect) -> Vec<String> {
    let mut faults = Vec::new();
    // Deadlines name what was waited for; all else names its kind by the code.
    let fits = |code| codes(effect).contains(&code) || code == 124;
    if !ended.code.is_some_and(fits) {
        faults.push(format!("exit code {:?}", ended.code));
    }
    if ended.err.contains("panicked") {
        faults.push("it panicked".into());
    }
    // A change to which nobody answered may have happened: nobody can say that it did not.
    let known = effects(operator);
    if matches!(harm, Harm::Silent) && effect.mutating && known.contains(&"none".to_owned()) {
        faults.push(format!("it says of its steps that failed what they did: {known:?}"));
    }
    faults
}

async fn first(harm: Harm) {
    let story = first_up();
    let mut stage = Stage::of(&story).await;
    let (effects, whole) = stage.undisturbed().await;
    harmed(&mut stage, &story, harm, (kinds(&effects), whole)).await;
}

/// At what a first run does not have.
async fn others(harm: Harm) {
    let (plain, _) = undisturbed(&first_up()).await;
    for story in [memory_and_disk(), another_node(), one_node_less(), destroy()] {
        let mut stage = Stage::of(&story).await;
        let (effects, whole) = stage.undisturbed().await;
        harmed(&mut stage, &story, harm, (kinds(&beyond(&effects, &plain)), whole)).await;
    }
}

async fn harmed(
    stage: &mut Stage<'_>,
    story: &Story,
    harm: Harm,
    (wanted, whole): (Vec<Effect>, Picture),
) {
    let name = format!("{}, lasting {harm:?}", story.name);
    let mut judge = Judge::new(name, whole, wanted.len());
    for effect in wanted {
        let what = format!("{:?} {} of {}", effect.system, effect.kind, effect.about);
        let operator = stage.again().await;
        let harmer = Arc::new(Harmer::always(effect.clone(), harm.verdict(effect.system)));
        operator.world.gate.set_warden(Some(harmer));
        let ended = operator.run(&[story.run, &["--timeout", TIME]].concat()).await;
        operator.world.gate.set_warden(None);
        judge.tally.faults += 1;
        if ended.code != Some(0) {
            for fault in faults_of(harm, operator, &ended, &effect) {
                judge.wrong(&what, &format!("{fault}\n{}", ended.err));
            }
        }
        let again = operator.run(story.run).await;
        judge.look(operator, &what, &[&ended, &again]).await;
    }
    judge.end();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn what_never_answers_is_named() {
    first(Harm::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn what_never_answers_is_named_in_other_runs() {
    others(Harm::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn what_is_forbidden_is_named() {
    first(Harm::Forbidden).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn what_is_forbidden_is_named_in_other_runs() {
    others(Harm::Forbidden).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn what_never_works_is_named() {
    first(Harm::Broken).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: scripts/sweep"]
async fn what_never_works_is_named_in_other_runs() {
    others(Harm::Broken).await;
}
