//! `homelab up`: make the world as the inventory says; run it again after anything.

use super::{
    plan,
    session::{Purpose, Session, confirm, wants_json},
};
use crate::{
    cli::{Global, UpArgs},
    engine::{run::run_name, run_plan},
    error::{Kind, Result},
    event::{Event, RunOutcome},
    journal::Record,
    render,
};

pub(crate) async fn run(global: &Global, args: UpArgs) -> Result<()> {
    let session = Session::open(global, Purpose::Change { new_host: args.new_host }).await?;
    session.stop_on_request(args.timeout);
    let outcome = session.by_cause(up(&session, global, &args).await);
    session.close().await;
    outcome
}

async fn up(session: &Session, global: &Global, args: &UpArgs) -> Result<()> {
    let run = &session.run;
    let begun = std::time::Instant::now();
    let name = run_name();
    run.events.send(Event::RunStarted {
        run: name.clone(),
        command: "up".into(),
        cluster: run.desired.cluster.clone(),
    });
    let finished = |outcome| Event::RunFinished {
        run: name.clone(),
        outcome,
        seconds: begun.elapsed().as_secs_f64(),
    };
    let (plan, observed) = plan::make(run, &args.selection).await?;
    plan::remember_devices(run, &observed)?;
    for note in &plan.notes {
        run.events.send(Event::Warning { step: None, text: note.clone() });
    }
    if plan.is_empty() {
        run.events.send(finished(RunOutcome::NothingToDo));
        return Ok(());
    }
    if !args.yes {
        if !wants_json(global) {
            anstream::eprint!("{}", render::plan(&plan));
        }
        confirm(&format!(
            "{} steps on cluster `{}`. Go on?",
            plan.steps.len(),
            run.desired.cluster
        ))?;
    }
    run.record(&Record::RunStarted {
        run: name.clone(),
        command: "up".into(),
        at: jiff::Timestamp::now(),
    })?;
    let outcome = run_plan(run, &plan).await;
    run.record(&Record::RunFinished {
        run: name.clone(),
        at: jiff::Timestamp::now(),
        ok: outcome.is_ok(),
    })?;
    match &outcome {
        Ok(tally) => run.events.send(finished(RunOutcome::Done { changed: tally.done })),
        Err(failure) if failure.kind == Kind::Interrupted => {
            run.events.send(finished(RunOutcome::Interrupted));
        }
        Err(failure) => {
            run.events.send(finished(RunOutcome::Failed { message: failure.to_string() }));
        }
    }
    outcome.map(|_| ())
}
