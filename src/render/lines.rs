//! Plain lines, for pipes and CI: nothing is overwritten, and a wait does not flood the log.

use std::collections::HashMap;

use super::{Renderer, words};
use crate::{event::Event, plan::StepId};

#[derive(Default)]
pub(super) struct Lines {
    /// What each step was last seen to wait for.
    waits: HashMap<StepId, String>,
}

impl Renderer for Lines {
    fn show(&mut self, event: &Event) {
        if let Some(line) = self.line(event) {
            anstream::eprintln!("{line}");
        }
    }
}

impl Lines {
    fn line(&mut self, event: &Event) -> Option<String> {
        Some(match event {
            Event::RunStarted { command, cluster, .. } => format!("{command} of cluster {cluster}"),
            Event::Planned { steps } => format!("{} steps", steps.len()),
            Event::StepStarted { step, title, .. } => format!("{}: {title}", words::prefix(step)),
            Event::Waiting { step, wanted, seen, seconds_left } => {
                let text = format!("waiting for {wanted}; seen: {seen}");
                // Said once; what changes meanwhile is how long is left.
                if self.waits.insert(step.clone(), text.clone()).as_ref() == Some(&text) {
                    return None;
                }
                format!("{}: {text} ({seconds_left} s left)", words::prefix(step))
            }
            Event::Progress { .. } => return None,
            Event::Output { step, line } => format!("{}: {line}", words::prefix(step)),
            Event::Retrying { step, attempt, error, seconds } => {
                format!(
                    "{}: try {attempt} met a busy lock ({error}); again in {seconds} s",
                    words::prefix(step)
                )
            }
            Event::StepFinished { step, outcome, seconds } => {
                self.waits.remove(step);
                format!(
                    "{}: {} ({})",
                    words::prefix(step),
                    words::outcome(outcome),
                    words::time(*seconds)
                )
            }
            Event::Warning { step, text } => match step {
                Some(step) => format!("{}: warning: {text}", words::prefix(step)),
                None => format!("warning: {text}"),
            },
            Event::Interrupted => {
                "stopping: steps end where they can be taken up again; Ctrl-C again exits at once"
                    .into()
            }
            Event::RunFinished { outcome, seconds, .. } => {
                format!("{} ({})", words::run_outcome(outcome), words::time(*seconds))
            }
            Event::Closed => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
