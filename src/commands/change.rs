//! The frame of a run that changes something, which `up` and `destroy` share: look, plan, ask, do, tell.

use std::{sync::Arc, time::Duration};

use super::session::{Purpose, Session, confirm, wants_json};
use crate::{
    adapter::RealWorld,
    cli::Global,
    engine::{Run, run::run_name, run_plan},
    error::{Failure, Kind, Result},
    event::{Event, RunOutcome},
    inventory::{Desired, Pins},
    journal::Record,
    plan::Plan,
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

/// Opens the world, lets `make` look at it and plan, asks, and runs the plan.
pub(super) async fn carry_out<Make>(global: &Global, terms: Terms, make: Make) -> Result<()>
where
    Make: AsyncFnOnce(&Arc<Run<RealWorld>>) -> Result<Plan>,
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
    Make: AsyncFnOnce(&Arc<Run<RealWorld>>) -> Result<Plan>,
{
    let run = &session.run;
    let plan = make(run).await?;
    for note in &plan.notes {
        run.events.send(Event::Warning { step: None, text: note.clone() });
    }
    if plan.is_empty() {
        return Ok(RunOutcome::NothingToDo);
    }
    if !terms.yes {
        session.pause_rendering().await;
        if !wants_json(global) {
            render::output::talk(render::plan(&plan));
        }
        confirm(&(terms.question)(&plan, &run.desired))?;
    }
    let at = jiff::Timestamp::now();
    run.record(&Record::RunStarted { run: name.to_owned(), command: terms.command.into(), at })?;
    let outcome = Box::pin(run_plan(run, &plan)).await;
    let at = jiff::Timestamp::now();
    run.record(&Record::RunFinished { run: name.to_owned(), at, ok: outcome.is_ok() })?;
    outcome.map(|tally| RunOutcome::Done { changed: tally.done })
}

/// How a run ended, for the events.
fn told(outcome: &Result<RunOutcome>) -> RunOutcome {
    match outcome {
        Ok(outcome) => outcome.clone(),
        Err(Failure { kind: Kind::Interrupted | Kind::Deadline, .. }) => RunOutcome::Interrupted,
        Err(failure) => RunOutcome::Failed { message: failure.to_string() },
    }
}
