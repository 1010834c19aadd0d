//! The frame of a run that changes something, which `up` and `destroy` share: look, plan, ask, take the
//! lease, look again, do, tell.

use std::{future::Future, sync::Arc, time::Duration};

use camino::Utf8PathBuf;

use super::{
    agreement::{Agreement, Ground},
    question::confirm,
    session::{Purpose, Session, load_whole, wants_json},
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
    pub consent: Consent,
    pub timeout: Option<Duration>,
    /// What is asked before the plan is carried out.
    pub question: fn(&Plan, &Desired) -> String,
}

/// Who agrees to the plan.
pub(super) enum Consent {
    /// A person, who is asked.
    Asked,
    /// Whoever typed `--yes`, to whatever it is.
    Given,
    /// Whoever gave this plan, which stands in that file, and to nothing beyond it.
    Agreement(Box<Agreement>, Utf8PathBuf),
}

impl Consent {
    /// That of `--yes`.
    pub(super) const fn unless_asked(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Asked }
    }

    /// Whether a plan may be carried out that a person did not see. Gives what he should know of it.
    fn to_plan(&self, plan: &Plan) -> Result<Option<String>> {
        match self {
            Self::Agreement(agreement, path) => {
                agreement.admits(plan).map_err(|failure| failure.at(path))
            }
            Self::Asked | Self::Given => Ok(None),
        }
    }
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
    let (ground, desired) = Ground::of(load_whole(global, terms.pins)?);
    if let Consent::Agreement(agreement, path) = &terms.consent {
        agreement.stands_on(&ground).map_err(|failure| failure.at(path))?;
    }
    let session = Session::of(global, purpose, desired).await?;
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
        exit_code: outcome.as_ref().err().map_or(0, |failure| failure.kind.exit_code()),
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
    if let Some(text) = terms.consent.to_plan(&plan)? {
        run.events.send(Event::Warning { step: None, text });
    }
    let nothing = RunOutcome::NothingToDo { in_part: plan.in_part, reservations: plan.notes.len() };
    if plan.is_empty() {
        return Ok(nothing);
    }
    if matches!(terms.consent, Consent::Asked) {
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
        let plan = agreed(&plan, again, &terms.consent)?;
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

/// The plan of the second look, unless less was agreed to.
fn agreed(shown: &Plan, now: Plan, consent: &Consent) -> Result<Plan> {
    consent.to_plan(&now)?;
    let known = |step: &Step| {
        shown.steps.iter().any(|known| {
            known.id == step.id
                && known.impact >= step.impact
                // What is deleted for good is deleted for the reason that was shown, or not at all.
                && (step.impact < Impact::DataLoss || known.reasons == step.reasons)
        })
    };
    match now.steps.iter().find(|step| !known(step)) {
        Some(step) if matches!(consent, Consent::Asked) => Err(Failure::new(
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
                member: false,
            };
            Plan { steps: vec![Step::new(change, impact, reason)], ..Plan::default() }
        };
        let lost = plan("its VM is gone, its device is not", Impact::DataLoss);
        let made = plan("asked for", Impact::DataLoss);
        assert!(agreed(&lost, lost.clone(), &Consent::Asked).is_ok());
        assert_eq!(agreed(&lost, made.clone(), &Consent::Asked).unwrap_err().kind, Kind::Refused);
        assert!(agreed(&lost, made, &Consent::Given).is_ok(), "nobody was asked");
        let created = plan("it is not there", Impact::Create);
        let half_made = plan("it is half made", Impact::Create);
        assert!(agreed(&created, half_made, &Consent::Asked).is_ok());
    }
}
