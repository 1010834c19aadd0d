//! A terminal: the ladder above, a line a node below it, and what it waits for.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;

use super::{Renderer, words};
use crate::{
    event::{Event, StepOutcome},
    plan::StepId,
    stage::StageId,
};

/// The line of what belongs to no node.
const CLUSTER: &str = "cluster";

pub(super) struct Bars {
    screen: MultiProgress,
    ladder: ProgressBar,
    rows: BTreeMap<String, Row>,
    steps: BTreeMap<StepId, Known>,
    stages: BTreeMap<StageId, Count>,
}

struct Row {
    bar: ProgressBar,
    /// The steps of this row that run, the latest last.
    running: Vec<StepId>,
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
        }
    }

    fn say(&self, text: &str) {
        self.screen.suspend(|| anstream::eprintln!("{text}"));
    }

    fn row_of(&self, step: &StepId) -> Option<&Row> {
        self.rows.get(&self.steps.get(step)?.row)
    }

    fn draw_ladder(&self) {
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
        self.ladder.set_message(rungs.join("  "));
    }
}

impl Renderer for Bars {
    fn show(&mut self, event: &Event) {
        match event {
            Event::RunStarted { command, cluster, .. } => {
                self.ladder.set_message(format!("{command} of cluster {cluster}: looking around"));
                self.ladder.tick();
            }
            Event::Planned { steps } => {
                for step in steps {
                    let row = step.node.as_ref().map_or(CLUSTER, |node| node.as_str()).to_owned();
                    self.stages.entry(step.stage).or_default().all += 1;
                    if !self.rows.contains_key(&row) {
                        let bar = self.screen.add(ProgressBar::new_spinner());
                        bar.set_style(style("{spinner} {prefix:16.bold} {wide_msg}"));
                        bar.set_prefix(row.clone());
                        bar.set_message("waiting for its turn".dimmed().to_string());
                        self.rows.insert(row.clone(), Row { bar, running: Vec::new() });
                    }
                    let known = Known { row, stage: step.stage, title: step.title.clone() };
                    self.steps.insert(step.step.clone(), known);
                }
                self.draw_ladder();
            }
            Event::StepStarted { step, stage, title, .. } => {
                let Some(known) = self.steps.get(step) else { return };
                if let Some(row) = self.rows.get_mut(&known.row) {
                    row.running.push(step.clone());
                    row.bar.enable_steady_tick(Duration::from_millis(120));
                    row.bar.set_message(title.clone());
                }
                self.stages.entry(*stage).or_default().running += 1;
                self.draw_ladder();
            }
            Event::Waiting { step, wanted, seen, seconds_left } => {
                if let Some(row) = self.row_of(step) {
                    row.bar.set_message(format!(
                        "{wanted} {}",
                        format!("(seen: {seen}; {seconds_left} s left)").dimmed()
                    ));
                }
            }
            Event::Progress { step, done, total, unit } => {
                if let (Some(row), Some(known)) = (self.row_of(step), self.steps.get(step)) {
                    let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
                    row.bar.set_message(format!("{}: {done}{of} {unit}", known.title));
                }
            }
            Event::Output { step, line } => {
                if let Some(row) = self.row_of(step) {
                    row.bar.set_message(line.clone());
                }
            }
            Event::Retrying { step, error, seconds, .. } => {
                if let Some(row) = self.row_of(step) {
                    row.bar.set_message(format!("busy, again in {seconds} s {}", error.dimmed()));
                }
            }
            Event::StepFinished { step, outcome, seconds } => {
                self.finished(step, outcome, *seconds)
            }
            Event::Warning { text, .. } => self.say(&format!("{} {text}", "warning:".yellow())),
            Event::Interrupted => {
                self.say("stopping: steps end where they can be taken up again; Ctrl-C again exits at once");
            }
            Event::RunFinished { outcome, seconds, .. } => {
                self.close();
                anstream::eprintln!("{} ({})", words::run_outcome(outcome), words::time(*seconds));
            }
            Event::Closed => {}
        }
    }

    fn close(&mut self) {
        for row in self.rows.values() {
            row.bar.finish_and_clear();
        }
        self.ladder.finish_and_clear();
    }
}

impl Bars {
    fn finished(&mut self, step: &StepId, outcome: &StepOutcome, seconds: f64) {
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
        if let Some(row) = self.rows.get_mut(&known.row) {
            row.running.retain(|running| running != step);
            let next = row.running.last().and_then(|running| self.steps.get(running));
            match next {
                Some(next) => row.bar.set_message(next.title.clone()),
                None => {
                    row.bar.disable_steady_tick();
                    row.bar.set_message(String::new());
                }
            }
        }
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

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are sound")
}
