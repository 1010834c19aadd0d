//! Plain lines, for pipes and CI: nothing is overwritten, and a wait does not flood the log.

use std::collections::HashMap;

use super::{Renderer, output, program::completed, words};
use crate::{event::Event, plan::StepId};

#[derive(Default)]
pub(super) struct Lines {
    /// What each step was last seen to wait for.
    waits: HashMap<StepId, String>,
    /// The last quarter of each step's progress that was told.
    quarters: HashMap<StepId, u64>,
    planned: bool,
}

impl Renderer for Lines {
    fn show(&mut self, event: &Event) {
        if let Some(line) = self.line(event) {
            output::say(completed(&line));
        }
    }
}

impl Lines {
    fn line(&mut self, event: &Event) -> Option<String> {
        Some(match event {
            Event::RunStarted { command, cluster, .. } => format!("{command} of cluster {cluster}"),
            // What comes of it is printed; a log needs no more.
            Event::Looking { .. } => return None,
            Event::Planned { steps } => {
                self.planned = true;
                words::steps(steps.len())
            }
            Event::StepStarted { step, title, .. } => format!("{}: {title}", step.words()),
            Event::Waiting { step, wanted, seen, seconds_left } => {
                let text = format!("waiting for {wanted}; seen: {seen}");
                // Said once; what changes meanwhile is how long is left.
                if self.waits.insert(step.clone(), text.clone()).as_ref() == Some(&text) {
                    return None;
                }
                format!("{}: {text} ({})", step.words(), words::gives_up(*seconds_left))
            }
            // A quarter at a time, so that a log is not all progress.
            Event::Progress { step, done, total, unit } => {
                let quarter = total.filter(|total| *total > 0).map(|total| done * 4 / total)?;
                let known = self.quarters.insert(step.clone(), quarter).unwrap_or(0);
                if quarter <= known || quarter > 3 {
                    return None;
                }
                format!("{}: {}", step.words(), words::progress(*done, *total, unit))
            }
            Event::Output { step, line } => format!("{}: {line}", step.words()),
            Event::Retrying { step, attempt, error, seconds } => {
                format!(
                    "{}: try {attempt} met a busy lock ({error}); again in {seconds} s",
                    step.words()
                )
            }
            Event::StepFinished { step, outcome, seconds } => {
                self.waits.remove(step);
                self.quarters.remove(step);
                format!("{}: {} ({})", step.words(), words::outcome(outcome), words::time(*seconds))
            }
            Event::Warning { step, text } => match step {
                Some(step) => format!("{}: warning: {text}", step.words()),
                None => format!("warning: {text}"),
            },
            Event::Interrupted => {
                "stopping: steps end where they can be taken up again; Ctrl-C again exits at once"
                    .into()
            }
            Event::Reconnecting { error, attempt, attempts, seconds, .. } => {
                words::reconnecting(error, *attempt, *attempts, *seconds)
            }
            Event::RunFinished { command, outcome, seconds, .. } => {
                // What was never begun, or stopped, is told by the error that follows.
                if words::is_told_by_its_error(outcome, self.planned) {
                    return None;
                }
                let told = words::run_outcome(command, outcome);
                let times = words::stage_times(outcome).map(|times| times + "\n");
                format!("{}{told} ({})", times.unwrap_or_default(), words::time(*seconds))
            }
            Event::Pause(_) | Event::Closed => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_a_quarter_at_a_time() {
        let mut lines = Lines::default();
        let mut told = |done| {
            let step = StepId("machines/make/a".into());
            lines.line(&Event::Progress { step, done, total: Some(100), unit: "%" })
        };
        let said: Vec<String> =
            [3, 24, 26, 40, 51, 80, 99, 100].into_iter().filter_map(&mut told).collect();
        assert_eq!(
            said,
            ["a machines/make: 26 %", "a machines/make: 51 %", "a machines/make: 80 %"]
        );
    }

    #[test]
    fn a_wait_is_said_once_for_as_long_as_nothing_else_is_seen() {
        let mut lines = Lines::default();
        let wait = |seen: &str, seconds_left| Event::Waiting {
            step: StepId("machines/finish/a".into()),
            wanted: "SSH".into(),
            seen: seen.into(),
            seconds_left,
        };
        assert!(lines.line(&wait("refused", 9)).is_some());
        assert!(lines.line(&wait("refused", 8)).is_none());
        assert!(lines.line(&wait("no route", 7)).is_some());
    }
}
