//! One line of the screen: the steps of a node, and what the latest of them waits for.

use crate::plan::StepId;

/// The steps of a row that run, the latest last.
#[derive(Default)]
pub(super) struct Row {
    running: Vec<Running>,
}

struct Running {
    step: StepId,
    title: String,
    progress: Option<String>,
    wait: Option<Wait>,
    /// The last line of a log or of a guest.
    output: Option<String>,
}

struct Wait {
    wanted: String,
    seen: String,
    seconds_left: u64,
}

impl Row {
    pub(super) fn begin(&mut self, step: &StepId, title: &str) {
        self.running.push(Running {
            step: step.clone(),
            title: title.to_owned(),
            progress: None,
            wait: None,
            output: None,
        });
    }

    pub(super) fn end(&mut self, step: &StepId) {
        self.running.retain(|running| running.step != *step);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn waits(&mut self, step: &StepId, wanted: &str, seen: &str, seconds_left: u64) {
        let (wanted, seen) = (wanted.to_owned(), seen.to_owned());
        self.change(step, |running| running.wait = Some(Wait { wanted, seen, seconds_left }));
    }

    pub(super) fn progresses(&mut self, step: &StepId, text: String) {
        self.change(step, |running| running.progress = Some(text));
    }

    pub(super) fn says(&mut self, step: &StepId, line: &str) {
        let line = line.to_owned();
        self.change(step, |running| running.output = Some(line));
    }

    fn change(&mut self, step: &StepId, change: impl FnOnce(&mut Running)) {
        if let Some(running) = self.running.iter_mut().find(|running| running.step == *step) {
            change(running);
        }
    }

    /// What stands on the line, the most important first: a narrow terminal shows its beginning.
    pub(super) fn text(&self) -> Text {
        let Some(running) = self.running.last() else { return Text::default() };
        let mut plain = running.title.clone();
        if let Some(progress) = &running.progress {
            plain.push_str(": ");
            plain.push_str(progress);
        }
        let mut dim = Vec::new();
        if let Some(Wait { wanted, seen, seconds_left }) = &running.wait {
            // `running` of a task that runs says nothing.
            if seen != "running" && !seen.is_empty() {
                dim.push(format!("seen: {seen}"));
            }
            dim.push(format!("waiting for {wanted}"));
            dim.push(super::words::gives_up(*seconds_left));
        }
        dim.extend(running.output.clone());
        Text { plain, dim: dim.join("; ") }
    }
}

/// A line's beginning, and the rest of it, which is shown less brightly.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) plain: String,
    pub(super) dim: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> StepId {
        StepId(format!("machines/{name}/a").into())
    }

    #[test]
    fn a_wait_shows_how_far_it_is_what_is_wanted_what_is_seen_and_how_long_is_left() {
        let mut row = Row::default();
        row.begin(&step("make"), "seed and clone");
        row.progresses(&step("make"), "37 %".into());
        row.waits(&step("make"), "task qmclone 101 to end", "running", 95);
        row.says(&step("make"), "create full clone of drive scsi0");
        let text = row.text();
        assert_eq!(text.plain, "seed and clone: 37 %");
        assert_eq!(
            text.dim,
            "waiting for task qmclone 101 to end; gives up in 1 min 35 s; create full clone of drive scsi0"
        );
        row.waits(&step("make"), "SSH", "connection refused", 9);
        assert!(
            row.text()
                .dim
                .starts_with("seen: connection refused; waiting for SSH; gives up in 9 s")
        );
    }

    #[test]
    fn when_a_step_ends_the_one_below_it_is_shown_again() {
        let mut row = Row::default();
        row.begin(&step("a"), "first");
        row.begin(&step("b"), "second");
        row.end(&step("b"));
        assert_eq!(row.text().plain, "first");
        row.end(&step("a"));
        assert!(row.is_idle());
        assert_eq!(row.text(), Text::default());
    }
}
