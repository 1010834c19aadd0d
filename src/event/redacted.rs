//! Events without secrets: they go to terminals, files and CI logs, and repeat what others said.

use super::{Event, PlannedStep, RunOutcome, StepOutcome};
use crate::{inventory::discretion::without_secrets as shown, plan::StepId};

impl Event {
    /// The event with what has the form of a secret redacted in each of its texts. Every field is named
    /// here, so that a new one cannot be forgotten.
    pub(super) fn redacted(self) -> Self {
        match self {
            Self::RunStarted { run, command, cluster } => Self::RunStarted {
                run: shown(&run),
                command: shown(&command),
                cluster: shown(&cluster),
            },
            Self::Looking { cluster } => Self::Looking { cluster: shown(&cluster) },
            Self::Planned { steps } => {
                Self::Planned { steps: steps.into_iter().map(PlannedStep::redacted).collect() }
            }
            Self::StepStarted { step, stage, node, title } => {
                Self::StepStarted { step: name(&step), stage, node, title: shown(&title) }
            }
            Self::Waiting { step, wanted, seen, seconds_left } => Self::Waiting {
                step: name(&step),
                wanted: shown(&wanted),
                seen: shown(&seen),
                seconds_left,
            },
            Self::Progress { step, done, total, unit } => {
                Self::Progress { step: name(&step), done, total, unit }
            }
            Self::Output { step, line } => Self::Output { step: name(&step), line: shown(&line) },
            Self::Retrying { step, attempt, error, seconds } => {
                Self::Retrying { step: name(&step), attempt, error: shown(&error), seconds }
            }
            Self::StepFinished { step, outcome, seconds } => {
                Self::StepFinished { step: name(&step), outcome: outcome.redacted(), seconds }
            }
            Self::Reconnecting { endpoint, error, attempt, attempts, seconds } => {
                Self::Reconnecting {
                    endpoint: shown(&endpoint),
                    error: shown(&error),
                    attempt,
                    attempts,
                    seconds,
                }
            }
            Self::Warning { step, text } => {
                Self::Warning { step: step.as_ref().map(name), text: shown(&text) }
            }
            Self::Interrupted => Self::Interrupted,
            Self::RunFinished { run, command, outcome, exit_code, seconds } => Self::RunFinished {
                run: shown(&run),
                command: shown(&command),
                outcome: outcome.redacted(),
                exit_code,
                seconds,
            },
            Self::Pause(cleared) => Self::Pause(cleared),
            Self::Closed => Self::Closed,
        }
    }
}

impl PlannedStep {
    fn redacted(self) -> Self {
        let Self { step, stage, node, title } = self;
        Self { step: name(&step), stage, node, title: shown(&title) }
    }
}

impl StepOutcome {
    fn redacted(self) -> Self {
        match self {
            Self::Done => Self::Done,
            Self::Unchanged { why } => Self::Unchanged { why: shown(&why) },
            Self::Warned { warnings } => {
                Self::Warned { warnings: warnings.iter().map(|text| shown(text)).collect() }
            }
            Self::Failed { message } => Self::Failed { message: shown(&message) },
            Self::Skipped { why } => Self::Skipped { why: shown(&why) },
        }
    }
}

impl RunOutcome {
    fn redacted(self) -> Self {
        match self {
            // Stages and their times are no texts.
            Self::Done { changed, stages } => Self::Done { changed, stages },
            same @ Self::NothingToDo { .. } => same,
            Self::Failed { message } => Self::Failed { message: shown(&message) },
            Self::Interrupted => Self::Interrupted,
        }
    }
}

/// A step's name may hold that of a volume, which somebody else chose.
fn name(step: &StepId) -> StepId {
    StepId(shown(&step.0).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Events, stage::StageId};

    #[test]
    fn no_text_of_an_event_holds_a_secret_once_it_was_sent() {
        const SECRET: &str =
            "root@pam!up=hunter2 at https://me:hunter2@mirror/image?signature=hunter2";
        let text = || SECRET.to_owned();
        let step = || StepId(text().into());
        let planned =
            PlannedStep { step: step(), stage: StageId::Image, node: None, title: text() };
        let finished = |outcome| Event::StepFinished { step: step(), outcome, seconds: 1.0 };
        let ended = |outcome| Event::RunFinished {
            run: text(),
            command: text(),
            outcome,
            exit_code: 0,
            seconds: 1.0,
        };
        let given = [
            Event::RunStarted { run: text(), command: text(), cluster: text() },
            Event::Looking { cluster: text() },
            Event::Planned { steps: vec![planned] },
            Event::StepStarted { step: step(), stage: StageId::Image, node: None, title: text() },
            Event::Waiting { step: step(), wanted: text(), seen: text(), seconds_left: 1 },
            Event::Progress { step: step(), done: 1, total: None, unit: "%" },
            Event::Output { step: step(), line: text() },
            Event::Retrying { step: step(), attempt: 1, error: text(), seconds: 1 },
            finished(StepOutcome::Unchanged { why: text() }),
            finished(StepOutcome::Warned { warnings: vec![text()] }),
            finished(StepOutcome::Failed { message: text() }),
            finished(StepOutcome::Skipped { why: text() }),
            Event::Reconnecting {
                endpoint: text(),
                error: text(),
                attempt: 2,
                attempts: 5,
                seconds: 1.0,
            },
            Event::Warning { step: Some(step()), text: text() },
            ended(RunOutcome::Failed { message: text() }),
        ];
        let (events, mut receiver) = Events::channel();
        for event in given {
            let before = serde_json::to_string(&event).unwrap();
            events.send(event);
            let after = serde_json::to_string(&receiver.try_recv().unwrap()).unwrap();
            assert!(!after.contains("hunter2"), "{after}");
            let expected =
                before.replace("me:hunter2", "[redacted]").replace("hunter2", "[redacted]");
            assert_eq!(after, expected);
        }
    }
}
