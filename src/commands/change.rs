//! The frame of a run that changes something, which `up` and `destroy` share: look, plan, ask, take the
//! lease, look again, do, tell.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    question::confirm,
    session::{Purpose, Session, wants_json},
};
use crate::{
    adapter::RealWorld,
    cli::Global,
    engine::{Run, STOPPED, lease, run::run_name, run_plan},
    error::{Failure, Kind, Result},
    event::{Event, RunOutcome},
    inventory::{Desired, Pins},
    journal::Record,
    plan::{Impact, Observed, Plan, Step},
    render,
};

/// What is particular to one of the commands.
pub(super) struct Terms {
    /// Its name, for the journal and the events.
    pub command: &'static str,
    pub pins: Pins,
    pub new_host: bool,
    /// Nobody is asked.
    pub yes: bool,
    pub timeout: Option<Duration>,
    /// What is asked before the plan is carried out.
    pub question: fn(&Plan, &Desired) -> String,
}

/// Which look at the world it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    First,
    /// Another operator may have been at work since the first.
    UnderLease,
}

/// Opens the world, lets `make` look at it and plan, asks, and runs the plan.
pub(super) async fn carry_out<Make>(global: &Global, terms: Terms, make: Make) -> Result<()>
where
    Make: AsyncFn(&Arc<Run<RealWorld>>, Look) -> Result<(Plan, Observed)>,
{
    let purpose = Purpose::Change { new_host: terms.new_host };
    let session = Session::open(global, purpose, terms.pins).await?;
    session.stop_on_request(terms.timeout);
    let run = &session.run;
    let name = run_name();
    let begun = std::time::Instant::now();
    run.events.send(Event::RunStarted {
        run: name.clone(),
        command: terms.command.to_owned(),
        cluster: run.desired.cluster.clone(),
    });
    let outcome = session.by_cause(plan_and_run(&session, global, &terms, &name, make).await);
    run.events.send(Event::RunFinished {
        run: name,
        command: terms.command.to_owned(),
        outcome: told(&outcome),
        seconds: begun.elapsed().as_secs_f64(),
    });
    session.close(outcome.map(drop)).await
}

async fn plan_and_run<Make>(
    session: &Session,
    global: &Global,
    terms: &Terms,
    name: &str,
    make: Make,
) -> Result<RunOutcome>
where
    Make: AsyncFn(&Arc<Run<RealWorld>>, Look) -> Result<(Plan, Observed)>,
{
    let run = &session.run;
    let (plan, observed) = unless_stopped(run, Box::pin(make(run, Look::First))).await?;
    for note in &plan.notes {
        run.events.send(Event::Warning { step: None, text: note.clone() });
    }
    let nothing = RunOutcome::NothingToDo { in_part: plan.in_part, reservations: plan.notes.len() };
    if plan.is_empty() {
        return Ok(nothing);
    }
    if !terms.yes {
        session.pause_rendering().await;
        if !wants_json(global) {
            render::output::talk(render::plan(&plan));
        }
        let question = (terms.question)(&plan, &run.desired);
        confirm(&question, &run.stop).await.map_err(|failure| match failure.kind {
            Kind::Usage if wants_json(global) => failure.hint(format!(
                "`homelab {}` without `-o json` shows what would be done; it does nothing unasked",
                terms.command
            )),
            _ => failure,
        })?;
    }
    let work = async {
        // However long the question stood there, and whoever was at work meanwhile.
        let again = loop {
            let look = Box::pin(make(run, Look::UnderLease));
            let (again, observed) = unless_stopped(run, look).await?;
            if !lease::take_since(run, &observed).await? {
                break again;
            }
        };
        let plan = agreed(&plan, again, terms.yes)?;
        if plan.is_empty() {
            // Whoever had the lease before did it all.
            return Ok(nothing);
        }
        let at = jiff::Timestamp::now();
        let command = terms.command.into();
        run.record(&Record::RunStarted { run: name.to_owned(), command, at })?;
        let outcome = run_plan(run, &plan).await;
        let at = jiff::Timestamp::now();
        run.record(&Record::RunFinished { run: name.to_owned(), at, ok: outcome.is_ok() })?;
        outcome.map(|tally| RunOutcome::Done { changed: tally.done, stages: tally.stages() })
    };
    lease::holding(run, &observed, name, Box::pin(work)).await
}

/// A look at the world, which can be given up at any moment: it changes nothing.
async fn unless_stopped<T>(
    run: &Run<RealWorld>,
    look: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        seen = look => seen,
        () = run.stop.cancelled() => Err(Failure::new(Kind::Interrupted, format!("{STOPPED}; it was still looking at what is there"))
            .hint("the same command goes on from here")),
    }
}

/// The plan of the second look, unless a person agreed to less.
fn agreed(shown: &Plan, now: Plan, yes: bool) -> Result<Plan> {
    let known = |step: &Step| {
        shown.steps.iter().any(|known| {
            known.id == step.id
                && known.impact >= step.impact
                // What is deleted for good is deleted for the reason that was shown, or not at all.
                && (step.impact < Impact::DataLoss || known.reasons == step.reasons)
        })
    };
    match now.steps.iter().find(|step| !known(step)) {
        Some(step) if !yes => Err(Failure::new(
            Kind::Refused,
            format!(
                "what is to be done changed since it was shown: `{}` is new, or has another reason",
                step.id
            ),
        )
        .hint("run it again: it shows what is to be done now")),
        _ => Ok(now),
    }
}

/// How a run ended, for the events.
fn told(outcome: &Result<RunOutcome>) -> RunOutcome {
    match outcome {
        Ok(outcome) => outcome.clone(),
        Err(Failure { kind: Kind::Interrupted | Kind::Deadline, .. }) => RunOutcome::Interrupted,
        Err(failure) => RunOutcome::Failed { message: failure.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Change;

    #[test]
    fn what_is_deleted_is_deleted_for_the_reason_that_was_agreed_to() {
        let plan = |reason: &str, impact| {
            let node = "agent".parse().unwrap();
            let change = Change::RemoveMachine {
                node,
                proxmox_node: "pve1".into(),
                vmid: crate::model::Vmid(101),
            };
            Plan { steps: vec![Step::new(change, impact, reason)], ..Plan::default() }
        };
        let lost = plan("its VM is gone, its device is not", Impact::DataLoss);
        let made = plan("asked for", Impact::DataLoss);
        assert!(agreed(&lost, lost.clone(), false).is_ok());
        assert_eq!(agreed(&lost, made.clone(), false).unwrap_err().kind, Kind::Refused);
        assert!(agreed(&lost, made, true).is_ok(), "nobody was asked");
        let created = plan("it is not there", Impact::Create);
        assert!(agreed(&created, plan("it is half made", Impact::Create), false).is_ok());
    }
}
