//! A terminal: the ladder above, a line a node below it, and what it waits for.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;

use super::{Renderer, output, program::completed, row::Row, words};
use crate::{
    error::Result,
    event::{Event, PlannedStep, StepOutcome},
    model::NodeName,
    plan::StepId,
    stage::StageId,
};

/// The line of what belongs to no node.
const CLUSTER: &str = "cluster";

pub(super) struct Bars {
    screen: MultiProgress,
    ladder: ProgressBar,
    rows: BTreeMap<String, (ProgressBar, Row)>,
    steps: BTreeMap<StepId, Known>,
    stages: BTreeMap<StageId, Count>,
    /// What the ladder's line says while there is no ladder.
    idle: String,
}

struct Known {
    row: String,
    stage: StageId,
    title: String,
}

#[derive(Default)]
struct Count {
    done: usize,
    all: usize,
    running: usize,
    failed: bool,
}

impl Bars {
    pub(super) fn new() -> Self {
        let screen = MultiProgress::new();
        let ladder = screen.add(ProgressBar::new_spinner());
        ladder.set_style(style("{wide_msg}"));
        Self {
            screen,
            ladder,
            rows: BTreeMap::new(),
            steps: BTreeMap::new(),
            stages: BTreeMap::new(),
            idle: String::new(),
        }
    }

    fn say(&self, text: &str) {
        self.screen.suspend(|| output::say(completed(text)));
    }

    /// Changes the row of a step, and draws it.
    fn change(&mut self, step: &StepId, change: impl FnOnce(&mut Row)) {
        let Some(known) = self.steps.get(step) else { return };
        let Some((bar, row)) = self.rows.get_mut(&known.row) else { return };
        change(row);
        let text = row.text();
        let dim = if text.dim.is_empty() { text.dim } else { format!("  {}", text.dim.dimmed()) };
        bar.set_message(painted(format!("{}{dim}", text.plain)));
        if row.is_idle() {
            bar.disable_steady_tick();
        } else {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
    }

    fn draw_idle(&self) {
        self.ladder.set_message(self.idle.clone());
        self.ladder.enable_steady_tick(Duration::from_millis(120));
    }

    fn draw_ladder(&self) {
        if self.stages.is_empty() {
            return self.ladder.set_message(self.idle.clone());
        }
        let rungs: Vec<String> = StageId::LADDER
            .iter()
            .filter_map(|stage| {
                let count = self.stages.get(stage)?;
                let text = format!("{stage} {}/{}", count.done, count.all);
                Some(match count {
                    Count { failed: true, .. } => text.red().to_string(),
                    Count { done, all, .. } if done == all => text.green().to_string(),
                    Count { running: 1.., .. } => text.bold().to_string(),
                    _ => text.dimmed().to_string(),
                })
            })
            .collect();
        self.ladder.set_message(painted(rungs.join("  ")));
    }
}

impl Renderer for Bars {
    fn show(&mut self, event: &Event) {
        match event {
            Event::RunStarted { command, cluster, .. } => {
                self.idle = format!("{command} of cluster {cluster}: looking around");
                self.draw_idle();
            }
            Event::Looking { cluster } => {
                self.idle = format!("looking at cluster {cluster}");
                self.draw_idle();
            }
            Event::Planned { steps } => {
                for step in steps {
                    let row = row_of(step);
                    self.stages.entry(step.stage).or_default().all += 1;
                    if !self.rows.contains_key(&row) {
                        let bar = self.screen.add(ProgressBar::new_spinner());
                        bar.set_style(style("{spinner} {prefix:16.bold} {wide_msg}"));
                        bar.set_prefix(row.clone());
                        bar.set_message(painted("waiting for its turn".dimmed().to_string()));
                        self.rows.insert(row.clone(), (bar, Row::default()));
                    }
                    let known = Known { row, stage: step.stage, title: step.title.clone() };
                    self.steps.insert(step.step.clone(), known);
                }
                self.draw_ladder();
            }
            Event::StepStarted { step, stage, title, .. } => {
                self.change(step, |row| row.begin(step, title));
                self.stages.entry(*stage).or_default().running += 1;
                self.draw_ladder();
            }
            Event::Waiting { step, wanted, seen, seconds_left } => {
                self.change(step, |row| row.waits(step, wanted, seen, *seconds_left));
            }
            Event::Progress { step, done, total, unit } => {
                let text = words::progress(*done, *total, unit);
                self.change(step, |row| row.progresses(step, text));
            }
            Event::Output { step, line } => self.change(step, |row| row.says(step, line)),
            Event::Retrying { step, error, seconds, .. } => {
                let wanted = format!("a lock, tried again in {seconds} s");
                self.change(step, |row| row.waits(step, &wanted, error, *seconds));
            }
            Event::Reconnecting { error, attempt, attempts, seconds, .. } => {
                let text = words::reconnecting(error, *attempt, *attempts, *seconds);
                self.ladder.set_message(painted(text.yellow().to_string()));
                self.ladder.tick();
            }
            Event::StepFinished { step, outcome, seconds } => {
                self.finished(step, outcome, *seconds)
            }
            Event::Warning { text, .. } => self.say(&format!("{} {text}", "warning:".yellow())),
            Event::Interrupted => {
                self.say("stopping: steps end where they can be taken up again; Ctrl-C again exits at once");
            }
            Event::RunFinished { command, outcome, seconds, .. } => {
                self.clear();
                // What was never begun, or stopped, is told by the error that follows.
                if !words::is_told_by_its_error(outcome, !self.steps.is_empty()) {
                    if let Some(times) = words::stage_times(outcome) {
                        output::say(times);
                    }
                    let outcome = words::run_outcome(command, outcome);
                    self.say(&format!("{outcome} ({})", words::time(*seconds)));
                }
            }
            Event::Pause(_) | Event::Closed => {}
        }
    }

    fn pause(&mut self) {
        self.ladder.disable_steady_tick();
        self.ladder.set_message("");
        // Nothing is left to say when the screen cannot be cleared.
        let _ = self.screen.clear();
    }

    fn close(&mut self) -> Result<()> {
        self.clear();
        Ok(())
    }
}

impl Bars {
    fn clear(&mut self) {
        for (bar, _) in self.rows.values() {
            bar.finish_and_clear();
        }
        self.ladder.finish_and_clear();
    }

    fn finished(&mut self, step: &StepId, outcome: &StepOutcome, seconds: f64) {
        self.change(step, |row| row.end(step));
        let Some(known) = self.steps.get(step) else { return };
        let count = self.stages.entry(known.stage).or_default();
        count.running = count.running.saturating_sub(1);
        let mark = match outcome {
            StepOutcome::Failed { .. } => {
                count.failed = true;
                "✗".red().to_string()
            }
            StepOutcome::Skipped { .. } => "-".dimmed().to_string(),
            _ => {
                count.done += 1;
                "✓".green().to_string()
            }
        };
        let skipped = matches!(outcome, StepOutcome::Skipped { .. });
        if !skipped {
            let mut line = format!(
                "{mark} {:16} {} {}",
                known.row,
                known.title,
                format!("({})", words::time(seconds)).dimmed()
            );
            if !matches!(outcome, StepOutcome::Done) {
                line.push_str(&format!(": {}", words::outcome(outcome)));
            }
            self.say(&line);
        }
        self.draw_ladder();
    }
}

/// Whose row a step is on: a node's, a Proxmox node's, or the cluster's.
fn row_of(step: &PlannedStep) -> String {
    // The name of a step that is about a Proxmox node ends with it; a volume's has more in it.
    let object = step.step.0.splitn(3, '/').nth(2);
    let proxmox_node = object.filter(|object| !object.contains([':', '/']));
    let row = step.node.as_ref().map(NodeName::as_str).or(proxmox_node);
    row.unwrap_or(CLUSTER).to_owned()
}

/// The text in colour, or without it where the terminal or the person wants none.
fn painted(text: String) -> String {
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(&text).to_string(),
        _ => text,
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are sound")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_a_proxmox_node_is_on_its_row() {
        let row = |step: &str, node: Option<&str>| {
            row_of(&PlannedStep {
                step: StepId(step.into()),
                stage: StageId::Image,
                node: node.map(|node| node.parse().unwrap()),
                title: String::new(),
            })
        };
        assert_eq!(row("image/fetch/pve1", None), "pve1");
        assert_eq!(row("machines/make/k3s-server", Some("k3s-server")), "k3s-server");
        assert_eq!(row("network/check", None), CLUSTER);
        assert_eq!(row("machines/sweep/local:iso/seed.iso", None), CLUSTER);
    }
}
