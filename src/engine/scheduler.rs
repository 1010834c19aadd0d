//! Which step when: each as soon as those that it needs are done.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tracing::Instrument;

use super::{Run, STOPPED, StepContext, lease, waiting::Waiting};
use crate::{
    error::{Effect, Failure, Kind, Result},
    event::{Event, PlannedStep, StageTime, StepOutcome},
    inventory::discretion::without_secrets,
    journal::{Record, StepResult},
    plan::{Impact, Plan, Step, StepId},
    ports::{Clock, World},
    stage::{self, StageId},
    trace,
};

/// How many steps ended how, and when each stage began and ended by the world's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub done: usize,
    pub failed: usize,
    pub skipped: usize,
    stages: BTreeMap<StageId, (Duration, Duration)>,
}

impl Tally {
    /// From a stage's first step to its last: stages overlap, so they add up to more than the run.
    pub fn stages(&self) -> Vec<StageTime> {
        let times = self.stages.iter();
        times
            .map(|(stage, (begun, ended))| StageTime {
                stage: *stage,
                seconds: ended.saturating_sub(*begun).as_secs_f64(),
            })
            .collect()
    }

    fn worked_on(&mut self, stage: StageId, now: Duration) {
        self.stages.entry(stage).or_insert((now, now)).1 = now;
    }
}

/// Runs a plan. A step that fails takes those that need it with it; the others go on.
///
/// # Errors
/// The first failure, after everything that was under way has ended.
pub async fn run_plan<W: World>(run: &Arc<Run<W>>, plan: &Plan) -> Result<Tally> {
    run.events.send(Event::Planned { steps: plan.steps.iter().map(planned).collect() });
    let mut waiting = Waiting::new(&plan.steps);
    let mut running = JoinSet::new();
    let mut stages_of: BTreeMap<StepId, StageId> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut failures: Vec<(Option<StepId>, Failure)> = Vec::new();
    loop {
        if run.stop.is_cancelled() {
            for step in waiting.abandon() {
                skip(run, step, "the run is being stopped");
                tally.skipped += 1;
            }
        }
        for step in waiting.ready() {
            let step = step.clone();
            let context = StepContext::new(run.clone(), step.id.clone());
            stages_of.insert(step.id.clone(), step.stage());
            tally.worked_on(step.stage(), run.world.clock().now());
            running.spawn(async move { (step.id.clone(), run_step(context, step).await) });
        }
        let Some(ended) = running.join_next().await else { break };
        if let Ok((id, _)) = &ended
            && let Some(stage) = stages_of.get(id)
        {
            tally.worked_on(*stage, run.world.clock().now());
        }
        match ended {
            Ok((id, Ok(()))) => {
                waiting.done(&id);
                tally.done += 1;
            }
            Ok((id, Err(failure))) => {
                tally.failed += 1;
                for step in waiting.lost(&id) {
                    skip(run, step, "a step that it needs was not done");
                    tally.skipped += 1;
                }
                failures.push((Some(id), failure));
            }
            Err(panic) => {
                tally.failed += 1;
                let message = format!("a step panicked (a bug): {panic}");
                failures.push((None, Failure::new(Kind::Runtime, message).effect(Effect::Unknown)));
            }
        }
    }
    // An interruption explains the failures that it caused, not the other way round.
    let (left, failures): (Vec<_>, Vec<_>) =
        failures.into_iter().partition(|(_, failure)| failure.kind == Kind::Interrupted);
    match failures.into_iter().next() {
        Some((_, failure)) => Err(failure),
        None if tally.skipped > 0 || !left.is_empty() => Err(stopped(&tally, &left)),
        None => Ok(tally),
    }
}

/// The stop of the whole run, whichever of its steps it met: those `left` in the middle, each with what it waited for.
fn stopped(tally: &Tally, left: &[(Option<StepId>, Failure)]) -> Failure {
    let effect = match (tally.done, left) {
        (0, []) => Effect::None,
        (0, _) => Effect::Unknown,
        _ => Effect::Partial,
    };
    let told = |(step, failure): &(Option<StepId>, Failure)| {
        let step = step.as_ref().map(StepId::words).unwrap_or_default();
        match &failure.source {
            Some(waited) => format!("\n{step}: {waited}"),
            None => format!("\n{step}"),
        }
    };
    let message = match left {
        [] => format!("{STOPPED}; {} not begun", count(tally.skipped)),
        _ => format!("{STOPPED}; under way:{}", left.iter().map(told).collect::<String>()),
    };
    Failure::new(Kind::Interrupted, message)
        .effect(effect)
        .hint("the same command goes on from here")
}

fn count(steps: usize) -> String {
    if steps == 1 { "1 step was".to_owned() } else { format!("{steps} steps were") }
}

async fn run_step<W: World>(context: StepContext<W>, step: Step) -> Result<()> {
    let run = context.run.clone();
    let begun = run.world.clock().now();
    run.record(&Record::StepStarted { step: step.id.clone() })?;
    run.events.send(Event::StepStarted {
        step: step.id.clone(),
        stage: step.stage(),
        node: step.change.node().cloned(),
        title: step.change.title(),
    });
    let span = tracing::trace_span!(
        target: trace::TARGET,
        "step",
        what = %step.id,
        node = step.change.node().map(tracing::field::display),
        title = step.change.title(),
        outcome = tracing::field::Empty,
    );
    let outcome = async {
        if step.impact > Impact::Check {
            lease::nobody_else(&run).await?;
        }
        stage::apply(&context, &step.change).await
    };
    let outcome = Box::pin(outcome).instrument(span.clone()).await.map_err(|failure| {
        match step.change.node() {
            Some(node) => failure.at(node),
            None => failure,
        }
    });
    let (result, shown) = match &outcome {
        Ok(stage::Outcome::Done) => (StepResult::Done, StepOutcome::Done),
        Ok(stage::Outcome::Unchanged(why)) => {
            (StepResult::Unchanged, StepOutcome::Unchanged { why: why.clone() })
        }
        Err(failure) if failure.kind == Kind::Interrupted => {
            (StepResult::Left, StepOutcome::Skipped { why: failure.message.clone() })
        }
        Err(failure) => {
            // The journal outlives the run, and gets no secret that a host or a task repeated.
            let message = without_secrets(&failure.to_string());
            (
                StepResult::Failed { message: message.clone(), effect: failure.effect },
                StepOutcome::Failed { message },
            )
        }
    };
    span.record("outcome", told(&shown));
    let recorded = run.record(&Record::StepFinished { step: step.id.clone(), result });
    let shown = match (&recorded, shown) {
        (Err(failure), StepOutcome::Done | StepOutcome::Unchanged { .. }) => {
            StepOutcome::Failed { message: format!("it is done, and not on record: {failure}") }
        }
        (_, shown) => shown,
    };
    let seconds = run.world.clock().now().saturating_sub(begun).as_secs_f64();
    run.events.send(Event::StepFinished { step: step.id, outcome: shown, seconds });
    // Its own failure says more than that of the journal.
    outcome.and(recorded)
}

/// How a step ended, in a few words.
fn told(outcome: &StepOutcome) -> &str {
    match outcome {
        StepOutcome::Done => "done",
        StepOutcome::Unchanged { why } | StepOutcome::Skipped { why } => why,
        StepOutcome::Warned { .. } => "done, with warnings",
        StepOutcome::Failed { message } => message,
    }
}

fn skip<W: World>(run: &Run<W>, step: &Step, why: &str) {
    run.events.send(Event::StepFinished {
        step: step.id.clone(),
        outcome: StepOutcome::Skipped { why: why.to_owned() },
        seconds: 0.0,
    });
}

fn planned(step: &Step) -> PlannedStep {
    PlannedStep {
        step: step.id.clone(),
        stage: step.stage(),
        node: step.change.node().cloned(),
        title: step.change.title(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_names_each_step_that_was_under_way_and_what_it_waited_for() {
        let left = |step: &str, waited: Option<&str>| {
            let failure = Failure::new(Kind::Interrupted, STOPPED);
            let failure = match waited {
                Some(waited) => failure.because(waited),
                None => failure,
            };
            (Some(StepId(step.into())), failure)
        };
        let tally = Tally { done: 3, skipped: 2, ..Tally::default() };
        let waited = "it waited for k3s-agent to be ready; seen: k3s-agent is activating";
        let under_way = [left("cluster/agent/k3s-agent-1", Some(waited)), left("sync/head", None)];
        let failure = stopped(&tally, &under_way);
        assert_eq!(
            failure.message,
            "stopped on request; under way:\n\
             k3s-agent-1 cluster/agent: it waited for k3s-agent to be ready; seen: k3s-agent is activating\n\
             sync/head"
        );
        assert_eq!(failure.effect, Effect::Partial);
        assert_eq!(stopped(&tally, &[]).message, "stopped on request; 2 steps were not begun");
    }
}
