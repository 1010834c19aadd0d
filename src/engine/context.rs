//! What one step sees of its run.

use std::{future::Future, sync::Arc, time::Duration};

use tracing::Instrument;

use super::Run;
use crate::{
    error::{Failure, Kind, Result},
    event::Event,
    journal::Record,
    plan::StepId,
    ports::{Clock, Device, World},
    trace,
};

/// How each message of a stop begins; what was under way follows.
pub const STOPPED: &str = "stopped on request";

/// A step's view of its run.
pub struct StepContext<W: World> {
    pub run: Arc<Run<W>>,
    pub step: StepId,
}

impl<W: World> Clone for StepContext<W> {
    fn clone(&self) -> Self {
        Self { run: self.run.clone(), step: self.step.clone() }
    }
}

/// What a look at something that is waited for gave.
#[derive(Debug)]
pub enum Look<T> {
    There(T),
    /// What is seen instead.
    NotYet(String),
}

impl<W: World> StepContext<W> {
    pub fn new(run: Arc<Run<W>>, step: StepId) -> Self {
        Self { run, step }
    }

    pub fn record(&self, record: &Record) -> Result<()> {
        self.run.record(record)
    }

    pub fn warn(&self, text: impl Into<String>) {
        self.run.events.send(Event::Warning { step: Some(self.step.clone()), text: text.into() });
    }

    /// One line of what goes on, for a person who waits.
    pub fn output(&self, line: impl Into<String>) {
        self.run.events.send(Event::Output { step: self.step.clone(), line: line.into() });
    }

    /// How far something has come that takes its time.
    pub fn progress(&self, done: u64, total: Option<u64>, unit: &'static str) {
        let step = self.step.clone();
        self.run.events.send(Event::Progress { step, done, total, unit });
    }

    /// Ends the step here when the run is being stopped: it can be taken up again from here.
    pub fn still_wanted(&self) -> Result<()> {
        self.run.may_change()
    }

    /// Looks again and again until `look` finds it, the limit is reached, or the run is stopped.
    ///
    /// # Errors
    /// What `look` fails with; [`Kind::Deadline`] with what was wanted and last seen;
    /// [`Kind::Interrupted`].
    pub async fn wait_for<T, F, Fut>(&self, wanted: &str, limit: Duration, look: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Look<T>>>,
    {
        let span = tracing::trace_span!(
            target: trace::TARGET,
            "wait",
            what = %format_args!("wait for {wanted}"),
            seen = tracing::field::Empty,
        );
        Box::pin(self.look_until(wanted, limit, look)).instrument(span).await
    }

    async fn look_until<T, F, Fut>(&self, wanted: &str, limit: Duration, mut look: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Look<T>>>,
    {
        let clock = self.run.world.clock();
        let begun = clock.now();
        let mut pause = Duration::from_millis(100);
        let mut seen = "nothing yet".to_owned();
        let told = |failure: Failure, seen: &str| {
            failure.because(format!("it waited for {wanted}; seen: {seen}"))
        };
        loop {
            seen = match look().await {
                Ok(Look::There(value)) => return Ok(value),
                Ok(Look::NotYet(seen)) => seen,
                Err(failure) if failure.kind == Kind::Interrupted => {
                    return Err(told(failure, &seen));
                }
                Err(failure) => return Err(failure),
            };
            tracing::Span::current().record("seen", &seen);
            let waited = clock.now().saturating_sub(begun);
            if waited >= limit {
                return Err(Failure::new(
                    Kind::Deadline,
                    format!("waited {} s for {wanted}; seen: {seen}", waited.as_secs()),
                ));
            }
            self.run.events.send(Event::Waiting {
                step: self.step.clone(),
                wanted: wanted.to_owned(),
                seen: seen.clone(),
                seconds_left: (limit - waited).as_secs(),
            });
            self.pause(pause).await.map_err(|failure| told(failure, &seen))?;
            // Quick at first, for what takes a moment; then once a second.
            pause = (pause * 3 / 2).min(Duration::from_secs(1));
        }
    }

    /// Waits for what changes nothing and only waits itself, such as a script that looks until something is there: a
    /// stop leaves it at once, and whoever comes next waits anew.
    ///
    /// # Errors
    /// As `waiting`; [`Kind::Interrupted`].
    pub async fn unless_stopped<T>(&self, waiting: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            outcome = waiting => outcome,
            () = self.run.stop.cancelled() => Err(interrupted()),
        }
    }

    /// The devices of the tailnet, by a list that began after this call, unless the run is being stopped.
    pub async fn devices(&self) -> Result<Arc<Vec<Device>>> {
        self.unless_stopped(async { Ok(self.run.devices().await?) }).await
    }

    /// Sleeps, unless the run is being stopped.
    pub async fn pause(&self, duration: Duration) -> Result<()> {
        tokio::select! {
            () = self.run.world.clock().sleep(duration) => Ok(()),
            () = self.run.stop.cancelled() => Err(interrupted()),
        }
    }
}

fn interrupted() -> Failure {
    Failure::new(Kind::Interrupted, STOPPED).hint("the same command goes on from here")
}
